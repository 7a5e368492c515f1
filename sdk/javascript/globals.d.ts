// What a response finds without an import, beside the language itself. There are
// no timers, no URL, no crypto and no modules of Node.js.

export type HeadersInit = Headers | Record<string, string> | Iterable<readonly [string, string]>;

export interface FetchInit {
  /** Default `GET`. */
  method?: string;
  headers?: HeadersInit;
  body?: string | Uint8Array | ArrayBuffer | null;
}

declare global {
  /** Writes to the engine's log. */
  var console: {
    trace(...values: unknown[]): void;
    debug(...values: unknown[]): void;
    log(...values: unknown[]): void;
    info(...values: unknown[]): void;
    warn(...values: unknown[]): void;
    error(...values: unknown[]): void;
  };

  /** Sends one HTTP request and waits for the whole answer. */
  function fetch(resource: string | { toString(): string }, init?: FetchInit): Promise<Response>;

  /** The headers of a request or an answer; names are in lower case. */
  class Headers implements Iterable<[string, string]> {
    constructor(init?: HeadersInit | null);
    append(name: string, value: string): void;
    set(name: string, value: string): void;
    delete(name: string): void;
    get(name: string): string | null;
    has(name: string): boolean;
    forEach(call: (value: string, name: string, headers: Headers) => void): void;
    keys(): IterableIterator<string>;
    values(): IterableIterator<string>;
    entries(): IterableIterator<[string, string]>;
    [Symbol.iterator](): IterableIterator<[string, string]>;
  }

  /** What a server answered. */
  class Response {
    constructor(body?: string | Uint8Array | null, init?: { status?: number; headers?: HeadersInit });
    readonly status: number;
    /** Always empty: the engine passes on the number alone. */
    readonly statusText: string;
    /** Whether the status is 200 to 299. */
    readonly ok: boolean;
    readonly url: string;
    readonly redirected: boolean;
    readonly headers: Headers;
    readonly bodyUsed: boolean;
    text(): Promise<string>;
    json(): Promise<any>;
    bytes(): Promise<Uint8Array>;
    arrayBuffer(): Promise<ArrayBuffer>;
  }

  /** UTF-8. */
  class TextEncoder {
    readonly encoding: string;
    encode(text?: string): Uint8Array;
  }

  /** UTF-8; what is none becomes U+FFFD. */
  class TextDecoder {
    constructor(label?: string);
    readonly encoding: string;
    decode(bytes?: Uint8Array | ArrayBuffer): string;
  }

  function queueMicrotask(call: () => void): void;
  function atob(text: string): string;
  function btoa(text: string): string;
}

declare const fetch_: typeof fetch;
declare const Headers_: typeof Headers;
declare const Response_: typeof Response;
declare const console_: typeof console;
declare const TextEncoder_: typeof TextEncoder;
declare const TextDecoder_: typeof TextDecoder;
export {
  fetch_ as fetch,
  Headers_ as Headers,
  Response_ as Response,
  console_ as console,
  TextEncoder_ as TextEncoder,
  TextDecoder_ as TextDecoder,
};
