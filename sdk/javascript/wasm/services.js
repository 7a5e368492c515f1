export { restart, reload, start, stop, active } from 'active-response:plugin/services@0.1.0';
