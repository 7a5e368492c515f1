export { get, set, remove, keys } from 'active-response:plugin/state@0.1.0';
