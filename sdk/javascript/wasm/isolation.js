export { isolate, release, isolated } from 'active-response:plugin/isolation@0.1.0';
