import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { RiposteError } from 'riposte-sdk';
import { alert, calls, refuse, reset } from 'riposte-sdk/test';
import { reversible } from '../src/block.ts';

const attack = alert({ data: { srcip: '192.0.2.7' } });

beforeEach(reset);

test('blocks the source address', async () => {
  assert.deepEqual(await reversible.keys(attack), ['192.0.2.7']);
  await reversible.add(attack);
  assert.deepEqual(calls(), ['firewall.block 192.0.2.7', 'log Info blocked 192.0.2.7']);
});

test('unblocks it', async () => {
  await reversible.delete(attack);
  assert.deepEqual(calls(), ['firewall.unblock 192.0.2.7']);
});

test('passes on why it was refused', () => {
  refuse('firewall.block', new RiposteError('denied', 'a gateway'));
  assert.throws(() => reversible.add(attack), { kind: 'denied', message: 'a gateway' });
});

test('an alert without an address', () => {
  assert.throws(() => reversible.add(alert({})), { kind: 'no-key' });
});
