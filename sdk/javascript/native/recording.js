// The host of native tests: it records every call and answers like a host on
// which nothing is in force yet.

import { decode } from '../utf8.js';

// One host for all copies of this module: a bundler may make several.
const KEY = Symbol.for('riposte-sdk recording host');

export function fresh() {
  return {
    calls: [],
    // What is held, as `interface target`.
    held: new Set(),
    refusals: new Map(),
    answers: new Map(),
    config: new Map(),
    invocation: {
      command: 'test',
      id: '1',
      attempt: 1,
      timeout: 600,
      offence: 1,
      tenant: 'default',
      location: 'local',
      arguments: [],
      keys: [],
    },
  };
}

export const host = (globalThis[KEY] ??= fresh());

// A call that makes an effect: `false` when it is there already.
export const make = (name) => (...words) => {
  const target = called(name, words);
  const known = host.held.has(target);
  host.held.add(target);
  return answered(name, !known);
};

// A call that takes it back: `false` when it is not there.
export const undo = (name) => (...words) => answered(name, host.held.delete(called(name, words)));

// A call that asks for it.
export const holds = (name) => (...words) => answered(name, host.held.has(called(name, words)));

// A call with an answer of its own: what a test set, or this.
export const answer = (name, otherwise = () => undefined) => (...words) => {
  called(name, words);
  return host.answers.has(name) ? host.answers.get(name) : otherwise();
};

function answered(name, otherwise) {
  return host.answers.has(name) ? host.answers.get(name) : otherwise;
}

function called(name, words) {
  const target = words.map((word) => (word instanceof Uint8Array ? decode(word) : word)).join(' ');
  host.calls.push(`${name} ${target}`);
  const refusal = host.refusals.get(name);
  if (refusal) throw refusal;
  return `${name.split('.')[0]} ${target}`;
}
