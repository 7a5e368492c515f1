import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Headers, Response, RiposteError } from 'riposte-sdk';
import { answerWith, calls, refuse, reset } from 'riposte-sdk/test';
import { TextDecoder as Decoder, decode, encode } from '../utf8.js';

beforeEach(reset);

test('a request is recorded and answered', async () => {
  answerWith('http.send', { status: 201, headers: [['X-Id', '7'], ['x-id', '8']], body: '{"a":"ä"}' });
  const answer = await fetch('https://example.com/a?b#c', {
    method: 'post',
    headers: { 'Content-Type': 'text/plain', B: ' c ' },
    body: 'hello',
  });
  assert.deepEqual(calls(), ['http.send POST https://example.com/a?b content-type: text/plain b: c hello']);
  assert.deepEqual([answer.status, answer.ok, answer.headers.get('X-ID')], [201, true, '7, 8']);
  assert.deepEqual(await answer.json(), { a: 'ä' });
  await assert.rejects(() => answer.text(), /read before/);
  await assert.rejects(() => new Response('['.repeat(513)).json(), /nested more than 512 deep/);
});

test('without anything it is a GET, answered by 200', async () => {
  const answer = await fetch(new URL('http://[2001:db8::7]:81/'));
  assert.deepEqual([answer.status, await answer.text()], [200, '']);
  assert.deepEqual(calls(), ['http.send GET http://[2001:db8::7]:81/']);
});

test('what cannot be sent', async () => {
  for (const wrong of ['', 'example.com', 'ftp://example.com/', 'https:///a', 'file:///etc/passwd']) {
    await assert.rejects(() => fetch(wrong), { kind: 'invalid-input' }, wrong);
  }
  await assert.rejects(() => fetch('https://x/', { body: 'x' }), /no body/);
  await assert.rejects(() => fetch('https://x/', { headers: { 'a b': 'c' } }), /no name of a header/);
  await assert.rejects(() => fetch('https://x/', { headers: { a: 'b\r\nc: d' } }), /one line/);
  await assert.rejects(() => fetch('https://x/', { method: 'POST', body: {} }), /the body must be/);
  assert.deepEqual(calls(), []);
  refuse('http.send', new RiposteError('denied', 'no grant'));
  await assert.rejects(() => fetch('https://x/'), { kind: 'denied' });
});

test('headers', () => {
  const headers = new Headers([['A', '1'], ['b', '2'], ['a', '3']]);
  assert.equal(headers.get('a'), '1, 3');
  headers.set('A', '4');
  headers.delete('B');
  assert.deepEqual([...headers], [['a', '4']]);
  assert.deepEqual([headers.has('b'), headers.get('b')], [false, null]);
  assert.equal(new Response('x', { status: 404 }).ok, false);
});

test('UTF-8 as the standard reads it', () => {
  const texts = ['', 'aä€😀\0', 'x'.repeat(100000), '\ud800', 'a\udc00b'];
  for (const text of texts) assert.deepEqual(encode(text), new Uint8Array(new TextEncoder().encode(text)));
  const standard = new TextDecoder('utf-8', { ignoreBOM: true });
  let seed = 7;
  const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 16;
  for (let i = 0; i < 2000; i++) {
    const bytes = Uint8Array.from({ length: random() % 12 }, () => [random() & 255, 0xe0 + (random() % 21), 0x80 + (random() & 63)][random() % 3]);
    assert.equal(decode(bytes), standard.decode(bytes), String(bytes));
  }
  const { buffer } = Uint8Array.from([0x61, 0x62, 0x63, 0x64]);
  const views = [buffer, new DataView(buffer, 1, 2), new Uint16Array(buffer, 2), new Uint8Array(buffer, 3)];
  assert.deepEqual(views.map((view) => new Decoder().decode(view)), ['abcd', 'bc', 'cd', 'd']);
});
