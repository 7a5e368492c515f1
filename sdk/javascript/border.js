// What crosses the border to the host. A value of the wrong type would end the
// call there as a crash, without a word: it is refused here, where the author's
// stack is.

import { RiposteError } from './error.js';
import { encode } from './utf8.js';

// Calls the host; its error becomes an exception.
export function asked(call, ...values) {
  try {
    return call(...values);
  } catch (error) {
    throw fromHost(error);
  }
}

function fromHost(error) {
  const told = error?.payload;
  if (typeof told?.kind !== 'string') return error;
  return new RiposteError(told.kind, told.message, told.retry);
}

// A text that the host can take: half a character becomes U+FFFD.
export function text(value, what) {
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string, not ${typeOf(value)}`);
  return value.toWellFormed ? value.toWellFormed() : value;
}

export function texts(values, what) {
  if (!Array.isArray(values)) throw new TypeError(`${what} must be an array of strings, not ${typeOf(values)}`);
  return values.map((value) => text(value, `each of ${what}`));
}

// Bytes, or a text as UTF-8.
export function bytes(value, what) {
  if (typeof value === 'string') return encode(value);
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TypeError(`${what} must be a string or a Uint8Array, not ${typeOf(value)}`);
}

export function whole(value, what) {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw new TypeError(`${what} must be a whole number from 0 to 4294967295`);
  }
  return value;
}

export function typeOf(value) {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}
