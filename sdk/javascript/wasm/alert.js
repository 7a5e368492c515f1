import * as host from 'active-response:plugin/alert@0.1.0';

// The engine has the alert: it needs no text of it.
export const text = (pointer) => host.text(pointer);
export const number = (pointer) => host.number(pointer);
