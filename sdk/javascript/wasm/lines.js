export { ensure, remove, contains } from 'active-response:plugin/lines@0.1.0';
