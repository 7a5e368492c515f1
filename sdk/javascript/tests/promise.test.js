// The promises of a component, beside those of Node.js.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Promise as Ours, drain, enqueue } from '../wasm/promise.js';

const Theirs = globalThis.Promise;

// What a program does, in order, with one kind of promise.
function told(Promise, program) {
  const order = [];
  program(Promise, (what) => order.push(what));
  return order;
}

const programs = {
  order(Promise, say) {
    Promise.resolve(1).then(() => say('a')).then(() => say('c'));
    Promise.resolve(2).then(() => say('b')).finally(() => say('d'));
    say('first');
  },
  errors(Promise, say) {
    Promise.reject(new Error('x')).then(() => say('no')).catch((error) => say(error.message));
    new Promise(() => { throw 5; }).catch(say);
    Promise.resolve().then(() => { throw 6; }).finally(() => say('finally')).then(undefined, say);
  },
  adopted(Promise, say) {
    const { promise, resolve } = Promise.withResolvers?.() ?? held(Promise);
    promise.then(say);
    resolve({ then: (yes) => { yes('thenable'); yes('twice'); } });
    resolve('late');
    const self = held(Promise);
    self.resolve(self.promise);
    self.promise.catch((error) => say(error.name));
  },
  many(Promise, say) {
    Promise.all([1, Promise.resolve(2)]).then((all) => say(all.join()));
    Promise.all([]).then((all) => say(all.length));
    Promise.all([1, Promise.reject('bad')]).catch(say);
    Promise.allSettled([1, Promise.reject(2)]).then((all) => say(JSON.stringify(all)));
    Promise.any([Promise.reject(1), 2]).then(say);
    Promise.any([]).catch((error) => say(error.name));
    Promise.race([new Promise(() => {}), 3]).then(say);
  },
};

function held(Promise) {
  let resolve;
  const promise = new Promise((yes) => (resolve = yes));
  return { promise, resolve };
}

for (const [name, program] of Object.entries(programs)) {
  test(`as in the standard: ${name}`, async () => {
    const wanted = told(Theirs, program);
    await new Theirs((done) => setImmediate(done));
    const got = told(Ours, program);
    drain();
    // Unrelated chains may take turns differently; each keeps its order.
    assert.deepEqual(name === 'order' ? got : got.map(String).sort(), name === 'order' ? wanted : wanted.map(String).sort());
  });
}

test('jobs that jobs add are run too', () => {
  const order = [];
  enqueue(() => {
    order.push(1);
    enqueue(() => order.push(2));
  });
  drain();
  drain();
  assert.deepEqual(order, [1, 2]);
  assert.equal(Ours.name, 'Promise');
  assert.equal(String(Ours.resolve()), '[object Promise]');
});
