import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Alert } from 'riposte-sdk';
import { reset, setInvocation } from 'riposte-sdk/test';

const alert = (object) => new Alert(JSON.stringify(object));

beforeEach(reset);

test('texts and numbers', () => {
  const one = alert({ rule: { level: 10, id: '5712', mail: true }, data: { srcport: '51544', uid: null, 'a/b': 'x' } });
  assert.equal(one.text('/rule/id'), '5712');
  assert.equal(one.text('rule.id'), '5712');
  assert.equal(one.text('/rule/level'), '10');
  assert.equal(one.text('/rule/mail'), 'true');
  assert.equal(one.text('/data/a~1b'), 'x');
  for (const nothing of ['/data/uid', '/data', '/data/none', '/rule/id/0', '/constructor', 'toString']) {
    assert.equal(one.text(nothing), undefined, nothing);
  }
  assert.equal(one.number('/rule/level'), 10);
  assert.equal(one.number('/data/srcport'), 51544);
  assert.equal(one.number('/rule/mail'), undefined);
  assert.equal(one.parse().rule.level, 10);
});

test('arrays are looked into by position, numbers have 64 bits', () => {
  const one = alert({ groups: ['a', ['b']], big: '9223372036854775808', small: '-1', less: -1 });
  assert.deepEqual(['/groups/0', 'groups.1.0', '/groups/00', '/groups/2', '/groups/length'].map((at) => one.text(at)), ['a', 'b', undefined, undefined, undefined]);
  assert.deepEqual(['/big', '/small', '/less'].map((at) => one.number(at)), [undefined, undefined, -1]);
});

test('the source address of each product', () => {
  for (const object of [
    { data: { win: { eventdata: { ipAddress: 5 } }, srcip: '192.0.2.7' } },
    { data: { win: { eventdata: { destinationIp: '192.0.2.7' } }, srcip: '192.0.2.8' } },
    { data: { srcip: '192.0.2.7' } },
    { srcip: '192.0.2.7' },
    { data: { srcip: '-' }, source: { ip: '192.0.2.7' } },
  ]) {
    assert.equal(alert(object).srcip(), '192.0.2.7');
  }
  for (const srcip of [undefined, '', '-', null, 7, ['192.0.2.7']]) {
    assert.throws(() => alert({ data: { srcip } }).srcip(), { kind: 'no-key' });
  }
});

test('what is no alert is another fault', () => {
  for (const json of ['', 'text', '[]', 'null', '"x"', '['.repeat(100000)]) {
    assert.throws(() => new Alert(json).srcip(), { kind: 'invalid-input' }, json.slice(0, 10));
  }
  assert.throws(() => new Alert(`${'{"a":'.repeat(129)}1${'}'.repeat(129)}`).parse(), /more than 128 deep/);
  assert.ok(new Alert(`${'{"a":'.repeat(128)}"[[{\\"{"${'}'.repeat(128)}`).parse());
});

test('one address has one spelling', () => {
  for (const [written, usual] of [
    ['192.0.2.7', '192.0.2.7'],
    ['2001:DB8:0::7', '2001:db8::7'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::192.0.2.7', '192.0.2.7'],
    ['::', '::'],
    ['::1', '::1'],
    ['fe80::', 'fe80::'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
  ]) {
    assert.equal(alert({ srcip: written }).address(), usual, written);
  }
  for (const wrong of ['192.0.2', '192.0.2.256', '192.0.2.07', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7::8', 'a b', '192.0.2.7 ', ':', '1.2.3.4::', 'fe80::1%eth0', '192.0.2.7\n']) {
    assert.throws(() => alert({ srcip: wrong }).address(), { kind: 'invalid-input' }, wrong);
  }
});

test("the operator's keys come first", () => {
  setInvocation({ keys: ['2001:DB8::1'] });
  assert.equal(alert({ srcip: '192.0.2.7' }).address(), '2001:db8::1');
});

test('the user', () => {
  assert.equal(alert({ data: { dstuser: 'mallory' } }).user(), 'mallory');
  assert.throws(() => alert({}).user(), { kind: 'no-key' });
});
