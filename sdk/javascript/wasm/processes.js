export { running, kill } from 'active-response:plugin/processes@0.1.0';
