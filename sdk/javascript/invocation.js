import * as host from '#host/invocation';

export const command = () => host.command();
export const id = () => host.id();
export const attempt = () => host.attempt();
export const timeout = () => host.timeout() ?? undefined;
export const offence = () => host.offence();
export const tenant = () => host.tenant();
export const location = () => host.location();
export const args = () => host.arguments_();
export const keys = () => host.keys();
