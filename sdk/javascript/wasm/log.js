export { log } from 'active-response:plugin/log@0.1.0';
