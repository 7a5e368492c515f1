// Opens a ticket for an alert, once.
//
// `<config name="url" value="https://tickets.example.com/api/tickets"/>` says
// where, `<secret name="token"/>` with which right. The interface is made up:
// change the members to those of your system.

import { config, defineOneshot, invocation, log, RiposteError, secret } from 'riposte-sdk';

export const oneshot = defineOneshot({
  async run(alert) {
    const url = config.get('url');
    if (url === undefined) throw RiposteError.failed('no place for tickets is named: add <config name="url" value="https://..."/>');
    const ticket = {
      title: alert.text('/rule/description') ?? 'an alert without a description',
      priority: (alert.number('/rule/level') ?? 0) >= 10 ? 'high' : 'normal',
      body: alert.text('/full_log') ?? '',
    };
    const headers = {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${secret.get('token')}`,
      // The same for every attempt, so that a repetition opens no second one.
      'Idempotency-Key': invocation.id(),
    };
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(ticket) });
    const said = `the ticket system answered ${answer.status}`;
    if (answer.status === 429 || answer.status >= 500) throw RiposteError.unavailable(said);
    if (!answer.ok) throw RiposteError.failed(`${said}: check token and url`);
    log.info(`opened ticket ${(await answer.json()).id}`);
  },
});
