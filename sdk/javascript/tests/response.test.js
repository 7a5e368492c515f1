import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import * as sdk from 'riposte-sdk';
import { answerWith, calls, refuse, reset, setConfig } from 'riposte-sdk/test';

const { RiposteError, defineOneshot, defineResponse, firewall } = sdk;
const attack = '{"data":{"srcip":"192.0.2.7"}}';
const nothing = { add() {}, delete() {} };

beforeEach(reset);

test('a response without keys has the source address', async () => {
  assert.deepEqual(await defineResponse(nothing).keys(attack), ['192.0.2.7']);
  assert.deepEqual(await defineResponse({ ...nothing, keys: () => [] }).keys(attack), []);
});

test('receipts are bytes, texts or nothing', async () => {
  const receipt = (value) => defineResponse({ ...nothing, add: () => value }).add(attack);
  assert.deepEqual(await receipt(undefined), new Uint8Array(0));
  assert.deepEqual(await receipt('ä'), new Uint8Array([0xc3, 0xa4]));
  assert.deepEqual(await receipt(new Uint8Array([1])), new Uint8Array([1]));
  assert.deepEqual(await receipt(Promise.resolve('a')), new Uint8Array([97]));
  assert.throws(() => receipt(5), { kind: 'failed', message: /the receipt that add returns must be/ });
  await assert.rejects(async () => receipt(Promise.resolve({})), { kind: 'failed' });
});

test('delete gets it, or undefined', async () => {
  const got = [];
  const response = defineResponse({ ...nothing, delete: (_, receipt) => void got.push(receipt) });
  await response.delete(attack, new Uint8Array([1]));
  await response.delete(attack, null);
  assert.deepEqual(got, [new Uint8Array([1]), undefined]);
});

test('what is no response is refused when it is defined', () => {
  assert.throws(() => defineResponse({ add() {} }), /the functions add and delete/);
  assert.throws(() => defineResponse({ ...nothing, keys: [] }), /keys/);
  assert.throws(() => defineOneshot({}), /the function run/);
});

test('keys are texts', () => {
  for (const keys of ['192.0.2.7', undefined, [7], null]) {
    assert.throws(() => defineResponse({ ...nothing, keys: () => keys }).keys(attack), { kind: 'failed' });
  }
});

test('an exception becomes an error, its stack goes to the log', () => {
  const response = defineOneshot({ run: () => null.x });
  assert.throws(() => response.run(attack), { kind: 'failed', message: /^TypeError: /, retry: false });
  const log = calls();
  assert.match(log[0], /^log Error TypeError: /);
  assert.match(log[1], /^log Error +at .*run /);
  for (const odd of [5, undefined, Symbol('x'), Object.create(null), new Proxy({}, { get() { throw 1; } })]) {
    const thrown = defineOneshot({ run: () => { throw odd; } });
    assert.throws(() => thrown.run(attack), { kind: 'failed', message: /^thrown: / });
  }
});

test("a RiposteError and the host's are passed on", async () => {
  const mine = new RiposteError('odd', 'x', true);
  assert.throws(() => defineOneshot({ run() { throw mine; } }).run(attack), { kind: 'odd', message: 'x', retry: true });
  refuse('firewall.block', new RiposteError('denied', 'a gateway'));
  const response = defineOneshot({ run: async () => void firewall.block('192.0.2.1') });
  await assert.rejects(async () => response.run(attack), { kind: 'denied', message: 'a gateway' });
  assert.deepEqual(calls(), ['firewall.block 192.0.2.1']);
});

test('every capability writes its call', () => {
  const { accounts, exec, isolation, lines, mail, processes, quarantine, routes, secret, services, state } = sdk;
  assert.equal(firewall.block('192.0.2.7'), true);
  assert.equal(firewall.block('192.0.2.7'), false);
  assert.equal(firewall.blocked('192.0.2.7'), true);
  assert.equal(firewall.unblock('192.0.2.7'), true);
  assert.equal(firewall.unblock('192.0.2.7'), false);
  assert.equal(routes.blackhole('192.0.2.7'), true);
  assert.equal(accounts.lock('mallory'), true);
  assert.equal(accounts.endSessions('mallory'), 0);
  assert.equal(lines.ensure('/etc/hosts.deny', 'ALL:192.0.2.7'), true);
  assert.equal(quarantine.put('/tmp/x'), true);
  assert.equal(quarantine.holds('/tmp/x'), true);
  assert.equal(isolation.isolate(), true);
  assert.equal(services.restart('sshd.service'), undefined);
  assert.equal(services.start('sshd.service'), true);
  assert.deepEqual(processes.running('nc'), []);
  assert.equal(processes.kill(7, 'nc'), false);
  assert.equal(exec.run('/usr/bin/yara', ['-r', '/x y']).status, 0);
  assert.equal(state.get('k'), undefined);
  state.set('k', 'v');
  assert.equal(secret.get('hook'), '');
  mail.send('subject', 'text');
  assert.deepEqual(calls(), [
    'firewall.block 192.0.2.7',
    'firewall.block 192.0.2.7',
    'firewall.blocked 192.0.2.7',
    'firewall.unblock 192.0.2.7',
    'firewall.unblock 192.0.2.7',
    'routes.blackhole 192.0.2.7',
    'accounts.lock mallory',
    'accounts.end-sessions mallory',
    'lines.ensure /etc/hosts.deny ALL:192.0.2.7',
    'quarantine.put /tmp/x',
    'quarantine.holds /tmp/x',
    'isolation.isolate host',
    'services.restart sshd.service',
    'services.start sshd.service',
    'processes.running nc',
    'processes.kill 7 nc',
    'exec.run /usr/bin/yara -r /x y',
    'state.get k',
    'state.set k v',
    'secret.get hook',
    'mail.send subject text',
  ]);
});

test('answers that a test sets', () => {
  answerWith('exec.run', { status: 1, stdout: new Uint8Array([104, 105]) });
  const ended = sdk.exec.run('/bin/x');
  assert.deepEqual([ended.status, ended.text(), ended.truncated], [1, 'hi', false]);
  setConfig('url', 'https://x');
  assert.deepEqual([sdk.config.get('url'), sdk.config.get('none'), sdk.config.names()], ['https://x', undefined, ['url']]);
});

test('a value of the wrong type does not reach the host', () => {
  for (const wrong of [undefined, null, 7, ['192.0.2.7'], {}]) {
    assert.throws(() => firewall.block(wrong), /the address must be a string, not /);
  }
  assert.throws(() => sdk.exec.run('/bin/x', 'a b'), /an array of strings/);
  assert.throws(() => sdk.processes.kill(-1, 'x'), /a whole number/);
  assert.throws(() => sdk.log.log('loud', 'x'), /one of trace/);
  assert.deepEqual(calls(), []);
});
