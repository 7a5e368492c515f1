// What the SDK offers is what wit/ has and what the types say.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import * as sdk from 'riposte-sdk';

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());

// The functions of each interface of wit/.
function interfaces() {
  const found = new Map();
  for (const file of readdirSync(new URL('../../../wit', import.meta.url))) {
    if (!file.endsWith('.wit')) continue;
    const plain = read(`../../../wit/${file}`).replace(/\/\/.*/g, '');
    for (const [, name, body] of plain.matchAll(/^interface ([\w-]+) \{(.*?)^\}/gms)) {
      found.set(name, [...body.matchAll(/^ {4}%?([\w-]+): func/gm)].map(([, called]) => camel(called)));
    }
  }
  return found;
}

// The names that a module of the border hands on.
function exported(path) {
  const text = read(path);
  const lists = [...text.matchAll(/export \{([^}]*)\}/g)].flatMap(([, list]) => list.split(','));
  const names = lists.map((entry) => entry.trim().split(/\s+as\s+/).at(-1));
  const constants = [...text.matchAll(/^export (?:const|function) (\w+)/gm)].map(([, name]) => name);
  return new Set([...names, ...constants].filter((name) => name !== 'holds_'));
}

test('the border has every function of every interface', () => {
  const all = interfaces();
  assert.ok(all.size > 15);
  for (const [name, functions] of all) {
    if (['types', 'reversible', 'oneshot'].includes(name)) continue;
    // The text of the alert is an argument of every call.
    const asked = name === 'alert' ? functions.filter((each) => each !== 'json') : functions;
    const wanted = new Set(asked.map((each) => (each === 'arguments' ? 'arguments_' : each)));
    assert.deepEqual(exported(`../wasm/${name}.js`), wanted, `wasm/${name}.js`);
    assert.deepEqual(exported(`../native/${name}.js`), wanted, `native/${name}.js`);
  }
});

test('the types name what there is', () => {
  const types = read('../index.d.ts');
  const spaces = [...types.matchAll(/^export namespace (\w+) \{(.*?)^\}/gms)];
  assert.ok(spaces.length > 15);
  for (const [, name, body] of spaces) {
    const told = [...body.matchAll(/^ {2}function (\w+)/gm)].map(([, called]) => called);
    assert.deepEqual(Object.keys(sdk[name]).sort(), told.sort(), name);
  }
  const named = new Set(spaces.map(([, name]) => name));
  const others = Object.keys(sdk).filter((name) => !named.has(name));
  for (const name of others) assert.match(types, new RegExp(`export (class|function) ${name}\\b|export \\{[^}]*\\b${name}\\b`));
});

test('the package has the version of the engine', () => {
  const [, version] = /\[workspace\.package\][^[]*?^version = "([^"]+)"/ms.exec(read('../../../Cargo.toml'));
  assert.equal(JSON.parse(read('../package.json')).version, version);
});
