export { block, unblock, blocked } from 'active-response:plugin/firewall@0.1.0';
