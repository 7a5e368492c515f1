export { blackhole, restore, blackholed } from 'active-response:plugin/routes@0.1.0';
