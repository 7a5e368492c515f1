import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { alert, calls, reset } from 'riposte-sdk/test';
import { reversible } from '../src/{{name}}.js';

const attack = alert({ data: { srcip: '192.0.2.7' } });

beforeEach(reset);

test('blocks the source address', async () => {
  await reversible.add(attack);
  assert.deepEqual(calls(), ['firewall.block 192.0.2.7', 'log Info blocked 192.0.2.7']);
});

test('takes the block back', async () => {
  await reversible.delete(attack);
  assert.deepEqual(calls(), ['firewall.unblock 192.0.2.7']);
});

test('is not for an alert without an address', async () => {
  await assert.rejects(async () => reversible.add(alert({})), { kind: 'no-key' });
});
