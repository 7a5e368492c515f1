export { run } from 'active-response:plugin/exec@0.1.0';
