export { send } from 'active-response:plugin/mail@0.1.0';
