export { get, names } from 'active-response:plugin/config@0.1.0';
