// Blocks the source address at a firewall elsewhere, by its HTTP interface.
//
// The interface here is made up: change paths and members to those of your
// firewall. `<config name="url" value="https://firewall.example.com/api"/>` says
// where it is, `<secret name="token"/>` what it is asked with.

import { config, defineResponse, invocation, log, RiposteError, secret } from 'riposte-sdk';

type Block = { id: number | string };

export const reversible = defineResponse({
  keys: (alert) => [alert.address()],

  async add(alert) {
    const address = alert.address();
    // It ends there by itself too, should this engine never come back.
    const block = { address, seconds: invocation.timeout(), reference: invocation.id() };
    const answer = await ask('POST', '/blocks', block);
    const { id }: Block = await answer.json();
    log.info(`blocked ${address} at the firewall`);
    return String(id);
  },

  async delete(alert, receipt) {
    if (receipt) return remove(new TextDecoder().decode(receipt));
    // The engine may have stopped before the receipt was stored.
    const answer = await ask('GET', `/blocks?address=${alert.address()}`);
    const blocks: Block[] = await answer.json();
    for (const { id } of blocks) await remove(String(id));
  },
});

async function remove(id: string): Promise<void> {
  if (!/^[A-Za-z0-9]+$/.test(id)) {
    throw RiposteError.failed(`the firewall gave a block the identifier ${JSON.stringify(id)}, which is none`);
  }
  await ask('DELETE', `/blocks/${id}`);
}

async function ask(method: string, path: string, body?: object): Promise<Response> {
  const url = config.get('url');
  if (url === undefined) throw RiposteError.failed('no firewall is named: add <config name="url" value="https://..."/>');
  const headers = new Headers(body && { 'Content-Type': 'application/json' });
  headers.set('Authorization', `Bearer ${secret.get('token')}`);
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  const gone = method === 'DELETE' && answer.status === 404;
  if (answer.ok || gone) return answer;
  const said = `the firewall answered ${answer.status}`;
  if (answer.status === 429 || answer.status >= 500) throw RiposteError.unavailable(said);
  throw RiposteError.failed(`${said}: check token and url`);
}
