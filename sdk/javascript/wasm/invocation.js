import * as host from 'active-response:plugin/invocation@0.1.0';

export { command, id, attempt, timeout, offence, tenant, location, keys } from 'active-response:plugin/invocation@0.1.0';
// A module cannot bind the name `arguments`.
export const arguments_ = () => host.arguments();
