export { get } from 'active-response:plugin/secret@0.1.0';
