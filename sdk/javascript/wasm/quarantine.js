export { put, restore, holds } from 'active-response:plugin/quarantine@0.1.0';
