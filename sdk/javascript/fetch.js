// The standard's `fetch` over the engine's HTTP. The engine sends each request
// as it is and waits for the whole answer, so the promise is there at once;
// a redirect is an answer like any other.

import { send } from '#host/http';
import { bytes, text, typeOf } from './border.js';
import { RiposteError } from './error.js';
import { parse } from './json.js';
import { decode } from './utf8.js';

// How deep a JSON answer may be nested.
const DEPTH = 512;

export async function fetch(resource, init = {}) {
  const url = parts(String(resource));
  const method = text(init.method ?? 'GET', 'the method').toUpperCase();
  const bare = init.body === undefined || init.body === null;
  if (!bare && (method === 'GET' || method === 'HEAD')) throw new TypeError(`a ${method} request has no body`);
  const body = bare ? new Uint8Array(0) : bytes(init.body, 'the body');
  const answer = send({ method, ...url, headers: [...new Headers(init.headers)], body });
  return new Response(answer.body, { status: answer.status, headers: answer.headers, url: String(resource) });
}

// An address taken apart: whether it is under TLS, host and port, path and
// query. The engine checks all of it again.
function parts(url) {
  const scheme = /^https?:\/\//i.exec(url)?.[0];
  // The address may hold a secret: it is not repeated.
  if (!scheme) throw RiposteError.invalid('the URL begins neither with https:// nor with http://');
  const [rest] = url.slice(scheme.length).split('#');
  const end = rest.search(/[/?]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  if (authority === '') throw RiposteError.invalid('the URL names no host');
  return { tls: scheme.length === 8, authority, path: text(end < 0 ? '' : rest.slice(end), 'the URL') };
}

export class Headers {
  // By name in lower case, in the order in which they came.
  #all = [];

  constructor(init = undefined) {
    if (init === undefined || init === null) return;
    if (typeof init !== 'object') throw new TypeError(`headers must be an object or an array, not ${typeOf(init)}`);
    const pairs = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
    for (const [name, value] of pairs) this.append(name, value);
  }

  append(name, value) {
    this.#all.push([named(name), valued(value)]);
  }

  set(name, value) {
    this.delete(name);
    this.append(name, value);
  }

  delete(name) {
    const wanted = named(name);
    this.#all = this.#all.filter(([known]) => known !== wanted);
  }

  get(name) {
    const wanted = named(name);
    const found = this.#all.filter(([known]) => known === wanted);
    return found.length === 0 ? null : found.map(([, value]) => value).join(', ');
  }

  has(name) {
    return this.get(name) !== null;
  }

  forEach(call) {
    for (const [name, value] of this.#all) call(value, name, this);
  }

  *keys() {
    for (const [name] of this.#all) yield name;
  }

  *values() {
    for (const [, value] of this.#all) yield value;
  }

  *entries() {
    for (const [name, value] of this.#all) yield [name, value];
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

function named(name) {
  const known = String(name).toLowerCase();
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(known)) throw new TypeError(`${JSON.stringify(known)} is no name of a header`);
  return known;
}

function valued(value) {
  const known = text(String(value), 'the value').trim();
  // A value may be a secret: it is not repeated.
  if (/[\0\r\n]/.test(known)) throw new TypeError('the value of a header is one line');
  return known;
}

export class Response {
  #body;

  constructor(body = null, { status = 200, headers = undefined, url = '' } = {}) {
    this.#body = body === null ? new Uint8Array(0) : bytes(body, 'the body');
    this.status = status;
    this.statusText = '';
    this.url = url;
    this.redirected = false;
    this.bodyUsed = false;
    this.headers = new Headers(headers);
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  async bytes() {
    if (this.bodyUsed) throw new TypeError('the body was read before');
    this.bodyUsed = true;
    return this.#body;
  }

  async arrayBuffer() {
    const { buffer, byteOffset, byteLength } = await this.bytes();
    return buffer.slice(byteOffset, byteOffset + byteLength);
  }

  async text() {
    return decode(await this.bytes());
  }

  async json() {
    const text = await this.text();
    try {
      return parse(text, DEPTH);
    } catch (error) {
      throw new SyntaxError(`the body is no JSON that can be read: ${error.message}`);
    }
  }
}
