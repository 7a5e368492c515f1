export { lock, unlock, locked, endSessions } from 'active-response:plugin/accounts@0.1.0';
