// What a plugin is.

import { run } from '#host/calls';
import { Alert } from './alert.js';
import { bytes, texts, typeOf } from './border.js';

export function defineResponse(response) {
  const { keys, add, delete: undo } = response;
  if (typeof add !== 'function' || typeof undo !== 'function') {
    throw new TypeError('defineResponse takes an object with the functions add and delete');
  }
  if (keys !== undefined && typeof keys !== 'function') {
    throw new TypeError('keys, if there is one, must be a function');
  }
  return {
    keys: (json) => run(() => (keys ? keys.call(response, new Alert(json)) : [new Alert(json).srcip()]), keysOf),
    add: (json) => run(() => add.call(response, new Alert(json)), receiptOf),
    delete: (json, receipt) => run(() => undo.call(response, new Alert(json), receipt ?? undefined), nothing),
  };
}

export function defineOneshot(response) {
  const { run: body } = response;
  if (typeof body !== 'function') throw new TypeError('defineOneshot takes an object with the function run');
  return { run: (json) => run(() => body.call(response, new Alert(json)), nothing) };
}

function keysOf(value) {
  if (!Array.isArray(value)) throw new TypeError(`keys must return an array of strings, not ${typeOf(value)}`);
  return texts(value, 'keys');
}

function receiptOf(value) {
  return value === undefined || value === null ? new Uint8Array(0) : bytes(value, 'the receipt that add returns');
}

function nothing() {}
