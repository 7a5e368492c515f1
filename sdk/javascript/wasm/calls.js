// A call of the engine, from the alert to what it is answered.

import { RiposteError } from '../error.js';
import { failure } from '../failure.js';
import { id } from '../invocation.js';
import { Promise, drain, enqueue } from './promise.js';

// Exported functions of a component end before the JavaScript engine runs a
// promise's jobs, so its own promises would never go on. These do, and `build`
// turns `async` functions into code that uses them.
globalThis.Promise = Promise;
globalThis.queueMicrotask = enqueue;

// Most bytes of a message. It may quote an alert of any length, and what is too
// long to be handed over would end the call as a crash. The engine keeps as much.
const MESSAGE = 4096;

// Runs what the author wrote to its end. `finish` checks and turns its value.
export function run(body, finish) {
  try {
    Math.random = random;
    return finish(settled(body()));
  } catch (error) {
    throw record(failure(error));
  }
}

// The engine's own was seeded when the component was built, and would give every
// call the same numbers. Not for secrets.
let seed = 0;

function random() {
  if (seed === 0) {
    for (const character of `${id()} ${Date.now()} ${performance.now()}`) seed = mixed(seed + character.codePointAt(0));
  }
  seed = (seed + 0x9e3779b9) | 0;
  return (mixed(seed) >>> 0) / 0x100000000;
}

// One bit that changes changes about half of the others.
function mixed(number) {
  let n = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  n = Math.imul(n ^ (n >>> 13), 0xc2b2ae35);
  return n ^ (n >>> 16);
}

// The value of a promise, once nothing is left to do.
function settled(value) {
  if (typeof value?.then !== 'function') {
    drain();
    return value;
  }
  let outcome;
  Promise.resolve(value).then(
    (result) => (outcome = { result }),
    (error) => (outcome = { error }),
  );
  drain();
  if (outcome === undefined) {
    throw RiposteError.failed('the response waits for a promise that nothing settles: there are no timers and no events here');
  }
  if ('error' in outcome) throw outcome.error;
  return outcome.result;
}

// The error as the interface has it: an exception that is no Error.
function record({ kind, message, retry }) {
  return { kind: String(kind), message: short(String(message)), retry: retry === true };
}

function short(message) {
  const whole = message.toWellFormed();
  // A character takes at most three bytes for each of its units.
  if (whole.length * 3 <= MESSAGE) return whole;
  let size = 0;
  let kept = '';
  for (const character of whole) {
    const code = character.codePointAt(0);
    size += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (size > MESSAGE) return kept;
    kept += character;
  }
  return kept;
}
