// A response for Riposte. Each call runs in a fresh instance: nothing stays in
// memory from one call to the next.

/// <reference path="./globals.d.ts" />

/** What a function of a response may return: a value, or a promise of one. */
export type Awaitable<T> = T | Promise<T>;

/** What `add` hands on to `delete`: bytes, a text, or nothing. At most 64 KiB. */
export type Receipt = Uint8Array | string | undefined | void;

/** A response that is undone when its time is over. */
export interface ReversibleResponse {
  /**
   * What this response would act on, in one spelling for one target. Called
   * first, with every effect refused. The engine does not answer a target in
   * force twice, and counts its offences. An empty array: not for this
   * response. Without this function it is the source address.
   */
  keys?(alert: Alert): Awaitable<string[]>;

  /**
   * Makes the effect and returns what `delete` needs and the alert does not
   * hold, which is often nothing. May be called again; what is done already is
   * a success.
   */
  add(alert: Alert): Awaitable<Receipt>;

  /**
   * Undoes the effect. Must succeed without a receipt, when called twice, and
   * when there was no `add` before.
   */
  delete(alert: Alert, receipt?: Uint8Array): Awaitable<void>;
}

/** A response that happens once and is never undone. */
export interface OneshotResponse {
  /** Makes the effect. */
  run(alert: Alert): Awaitable<void>;
}

/** What the engine calls; in a native test, what the test calls. */
export interface Reversible {
  keys(alert: string): Awaitable<string[]>;
  add(alert: string): Awaitable<Uint8Array>;
  delete(alert: string, receipt?: Uint8Array): Awaitable<void>;
}

/** What the engine calls; in a native test, what the test calls. */
export interface Oneshot {
  run(alert: string): Awaitable<void>;
}

/**
 * Makes a response of these functions. The module exports it as `reversible`:
 *
 * ```js
 * export const reversible = defineResponse({
 *   add: (alert) => void firewall.block(alert.srcip()),
 *   delete: (alert) => void firewall.unblock(alert.srcip()),
 * });
 * ```
 */
export function defineResponse(response: ReversibleResponse): Reversible;

/** Makes a response of this function. The module exports it as `oneshot`. */
export function defineOneshot(response: OneshotResponse): Oneshot;

/** Why something was not done. Any other exception becomes kind `failed`, with its stack in the log. */
export class RiposteError extends Error {
  constructor(kind: ErrorKind, message: string, retry?: boolean, options?: { cause?: unknown });

  /** What kind of failure it is, from an open vocabulary. */
  readonly kind: ErrorKind;
  /** Whether the same call may succeed later; the engine then tries again. */
  readonly retry: boolean;

  /** It did not work, and will not when tried again. */
  static failed(message: string): RiposteError;
  /** Kind `invalid-input`: the alert or an argument is unusable as it is. */
  static invalid(message: string): RiposteError;
  /** Kind `no-key`: the alert does not hold what this response acts on. */
  static noKey(message: string): RiposteError;
  /** Something did not answer; to be tried again. */
  static unavailable(message: string): RiposteError;
}

export type ErrorKind =
  | 'invalid-input'
  | 'no-key'
  | 'denied'
  | 'unavailable'
  | 'unsupported'
  | 'timeout'
  | 'failed'
  | (string & {});

/** One alert: the object that stands on one line of `alerts.json`. */
export class Alert {
  constructor(json: string);

  /** The alert as JSON text. */
  readonly json: string;

  /**
   * The text at a JSON Pointer such as `/data/srcip`, or in Wazuh's dotted
   * form, `data.srcip`; numbers and booleans as they are written. Undefined
   * when there is nothing, or null, an object or an array.
   */
  text(pointer: string): string | undefined;

  /** The whole number at a pointer, also when it is written as a text of decimal digits. */
  number(pointer: string): number | undefined;

  /** The whole alert, read once. Slower than `text` where one field is wanted. */
  parse(): WazuhAlert;

  /** The source address, as the alert writes it; throws kind `no-key` when there is none. */
  srcip(): string;

  /**
   * The address to act on: the one that the operator's `<keys>` names, else the
   * source address, in one spelling: `2001:DB8:0::7` is `2001:db8::7`, and
   * `::ffff:192.0.2.7` is `192.0.2.7`.
   */
  address(): string;

  /** The user that the alert is about; throws kind `no-key` when there is none. */
  user(): string;
}

/** What most alerts hold. Nothing of it is checked: a decoder may write anything. */
export interface WazuhAlert {
  id?: string;
  timestamp?: string;
  rule?: { id?: string; level?: number; description?: string; groups?: string[]; [field: string]: any };
  agent?: { id?: string; name?: string; ip?: string; [field: string]: any };
  manager?: { name?: string; [field: string]: any };
  data?: { [field: string]: any };
  syscheck?: { path?: string; event?: string; [field: string]: any };
  location?: string;
  full_log?: string;
  [field: string]: any;
}

/** The call that is being served. */
export namespace invocation {
  /** Name of the `<command>` that runs. */
  function command(): string;
  /** Identifies this response to this alert: the same for `keys`, `add` and `delete`, also after a restart. */
  function id(): string;
  /** Which attempt this is, from 1. */
  function attempt(): number;
  /** Seconds until `delete` is due; undefined when the response is not undone. */
  function timeout(): number | undefined;
  /** Which offence of this target it is, from 1; always 1 during `keys`. */
  function offence(): number;
  /** The tenant; `default` on a machine without tenants. */
  function tenant(): string;
  /** `local`, `server`, `defined-agent` or `all`. */
  function location(): string;
  /** The words of `<extra_args>`. */
  function args(): string[];
  /** What the operator's `<keys>` found in the alert; empty when the command has none. */
  function keys(): string[];
}

/** Lines for the operator, in the engine's log. A call may write 8 KiB in all. `console` writes there too. */
export namespace log {
  type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error';
  function log(level: Level, message: string): void;
  function trace(message: string): void;
  function debug(message: string): void;
  function info(message: string): void;
  function warn(message: string): void;
  function error(message: string): void;
}

/** What the operator sets for this command: `<config name="" value=""/>`. */
export namespace config {
  function get(name: string): string | undefined;
  /** All names that are set, in order. */
  function names(): string[];
}

/** What the operator keeps from everybody else. Granted by `<secret/>`. */
export namespace secret {
  function get(name: string): string;
}

/** Blocks addresses. Granted by `<firewall/>`. */
export namespace firewall {
  /** Drops all packets from this address; false when it was blocked already. */
  function block(address: string): boolean;
  /** Ends what `block` began; false when this response did not hold it. */
  function unblock(address: string): boolean;
  /** Whether packets from this address are dropped now. */
  function blocked(address: string): boolean;
}

/** Sends what would go to an address nowhere. Granted by `<route/>`. */
export namespace routes {
  /** Lets packets to this address go nowhere; false when it was so already. */
  function blackhole(address: string): boolean;
  /** Ends what `blackhole` began; false when this response did not hold it. */
  function restore(address: string): boolean;
  /** Whether packets to this address go nowhere on behalf of a response. */
  function blackholed(address: string): boolean;
}

/** Locks accounts. Granted by `<account/>`, which also names the users. */
export namespace accounts {
  /** Lets nobody log in as this user; false when a response had locked it. */
  function lock(user: string): boolean;
  /** Restores the account as it was; false when this response did not hold it. */
  function unlock(user: string): boolean;
  /** Whether a response holds this account locked. */
  function locked(user: string): boolean;
  /** Ends what the user runs; how many processes were told to end. */
  function endSessions(user: string): number;
}

/** Acts on services of the init system. Granted by `<service/>`. */
export namespace services {
  /** Stops the unit and starts it again. */
  function restart(unit: string): void;
  /** Lets the unit read its configuration again. */
  function reload(unit: string): void;
  /** Starts the unit; false when it was running. */
  function start(unit: string): boolean;
  /** Stops the unit; false when it was not running. */
  function stop(unit: string): boolean;
  /** Whether the unit runs. */
  function active(unit: string): boolean;
}

/** Keeps single lines in text files such as hosts.deny. Granted by `<lines/>`. */
export namespace lines {
  /** Sees to it that the file holds this line; false when it was there. */
  function ensure(file: string, line: string): boolean;
  /** Ends what `ensure` began; false when this response did not hold it. */
  function remove(file: string, line: string): boolean;
  /** Whether the file holds this line. */
  function contains(file: string, line: string): boolean;
}

/** Ends processes. Granted by `<process/>`, which names the programs. */
export namespace processes {
  /** The processes that run this program. */
  function running(name: string): number[];
  /** Ends a process if it still runs the program of this name; false when it does not. */
  function kill(process: number, name: string): boolean;
}

/** Runs programs of the host, without a shell. Granted by `<exec/>`. */
export namespace exec {
  /** How a program ended. */
  interface Output {
    /** Its exit status, or minus the number of the signal that ended it. */
    readonly status: number;
    readonly stdout: Uint8Array;
    readonly stderr: Uint8Array;
    /** Whether it wrote more than is kept. */
    readonly truncated: boolean;
    /** What it wrote to its standard output, as text. */
    text(): string;
  }
  /** Runs a program, an absolute path, to its end. Each argument reaches it as one. */
  function run(program: string, args?: string[], input?: string | Uint8Array): Output;
}

/** Values that outlive a call, for this command alone. Granted by `<state/>`. */
export namespace state {
  function get(key: string): Uint8Array | undefined;
  function getText(key: string): string | undefined;
  function set(key: string, value: string | Uint8Array): void;
  /** Removes a value; false when there was none. */
  function remove(key: string): boolean;
  /** All keys that begin with this text, in order. */
  function keys(prefix?: string): string[];
}

/** Takes files out of everybody's reach. Granted by `<quarantine/>`. */
export namespace quarantine {
  /** Moves the file into the quarantine; false when a response holds it there. */
  function put(path: string): boolean;
  /** Puts the file back; false when this response did not hold it. */
  function restore(path: string): boolean;
  /** Whether a response holds the file in quarantine. */
  function holds(path: string): boolean;
}

/** Cuts this host off. Granted by `<isolation/>`. */
export namespace isolation {
  /** Cuts the host off; false when it was so already. */
  function isolate(): boolean;
  /** Ends what `isolate` began; false when this response did not hold it. */
  function release(): boolean;
  /** Whether a response holds this host isolated. */
  function isolated(): boolean;
}

/** Sends mail. Granted by `<mail/>`, which fixes server, sender and recipients. */
export namespace mail {
  /** Sends one message of plain text. */
  function send(subject: string, text: string): void;
}

/** Reads files of granted folders, by absolute path. Granted by `<folder/>`, in plugin.toml `folder`. */
export namespace files {
  type Kind = 'file' | 'folder' | 'link' | 'other';
  function read(path: string): Uint8Array;
  function readText(path: string): string;
  /** The names in a folder, in order. */
  function list(path: string): { name: string; kind: Kind }[];
  function stat(path: string): { kind: Kind; size: number; modified: Date | undefined };
}

/**
 * Sends one HTTP request. Granted by `<http/>`, one element for each host. These
 * are global too. A refusal is a `RiposteError`; a redirect is an answer like
 * any other.
 */
export { fetch, Headers, Response } from './globals.js';
export type { FetchInit, HeadersInit } from './globals.js';
