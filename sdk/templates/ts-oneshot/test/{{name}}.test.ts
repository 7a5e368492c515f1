import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { alert, answerWith, calls, reset } from 'riposte-sdk/test';
import { oneshot } from '../src/{{name}}.ts';

const attack = alert({ rule: { description: 'brute force' } });

beforeEach(() => {
  reset();
  answerWith('secret.get', 'https://hooks.example.com/x');
});

test('posts the description of the rule', async () => {
  await oneshot.run(attack);
  assert.deepEqual(calls(), [
    'secret.get hook',
    'http.send POST https://hooks.example.com/x content-type: application/json {"text":"brute force"}',
    'log Info posted',
  ]);
});

test('a server that refuses is a failure', async () => {
  answerWith('http.send', { status: 404 });
  await assert.rejects(async () => oneshot.run(attack), { kind: 'failed' });
});
