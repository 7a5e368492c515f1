// For native tests: what the recording host saw, and what it answers.

import { fresh, host } from './native/recording.js';

export const alert = (object) => (typeof object === 'string' ? object : JSON.stringify(object));

export function reset() {
  Object.assign(host, fresh());
}

export const calls = () => host.calls.splice(0);

export function refuse(name, error) {
  host.refusals.set(name, error);
}

export function answerWith(name, value) {
  host.answers.set(name, value);
}

export function setInvocation(invocation) {
  Object.assign(host.invocation, invocation);
}

export function setConfig(name, value) {
  host.config.set(name, value);
}
