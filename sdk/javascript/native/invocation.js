import { host } from './recording.js';

export const command = () => host.invocation.command;
export const id = () => host.invocation.id;
export const attempt = () => host.invocation.attempt;
export const timeout = () => host.invocation.timeout;
export const offence = () => host.invocation.offence;
export const tenant = () => host.invocation.tenant;
export const location = () => host.invocation.location;
export const arguments_ = () => host.invocation.arguments;
export const keys = () => host.invocation.keys;
