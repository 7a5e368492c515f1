// For native tests: the recording host that answers while Node.js runs a
// response. `globalThis.fetch` is its too: a test sends nothing.

import type { RiposteError } from './index.js';

/** The JSON text of an alert. */
export function alert(object: object | string): string;

/** Forgets all calls, what is in force, refusals and answers. */
export function reset(): void;

/**
 * Every call since the last one of this function, in order:
 * `firewall.block 192.0.2.7`, `log Info blocked`,
 * `http.send POST https://example.com/ content-type: text/plain hello`.
 */
export function calls(): string[];

/** From now on, this function (`firewall.block`) throws this. */
export function refuse(name: string, error: RiposteError): void;

/**
 * From now on, this function answers with this value: `exec.run` with
 * `{ status, stdout, stderr }`, `http.send` with `{ status, headers, body }`.
 */
export function answerWith(name: string, value: unknown): void;

/** From now on, the invocation answers this. */
export function setInvocation(invocation: {
  command?: string;
  id?: string;
  attempt?: number;
  timeout?: number | undefined;
  offence?: number;
  tenant?: string;
  location?: string;
  arguments?: string[];
  keys?: string[];
}): void;

/** From now on, `config.get` answers with this value. */
export function setConfig(name: string, value: string): void;
