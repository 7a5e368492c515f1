import * as host from '#host/state';
import { asked, bytes, text } from './border.js';
import { decode } from './utf8.js';

export const get = (key) => asked(host.get, text(key, 'the key')) ?? undefined;
export const set = (key, value) => asked(host.set, text(key, 'the key'), bytes(value, 'the value'));
export const remove = (key) => asked(host.remove, text(key, 'the key'));
export const keys = (prefix = '') => asked(host.keys, text(prefix, 'the prefix'));

export function getText(key) {
  const value = get(key);
  return value === undefined ? undefined : decode(value);
}
