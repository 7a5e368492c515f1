// Tells people what happened: in Slack, Microsoft Teams or Telegram. The same in
// TypeScript, with its options explained: ../message.

import { config, defineOneshot, log, RiposteError, secret } from 'riposte-sdk';

const SERVICES = {
  // An alert must not call everybody, or show a link under another name.
  slack: (text) => [secret.get('hook'), { text: text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;') }],
  teams: (text) => [secret.get('hook'), card(text)],
  // Plain text: without a parse mode nothing in it is markup.
  telegram: (text) => [
    `https://api.telegram.org/bot${secret.get('token')}/sendMessage`,
    { chat_id: config.get('chat'), text },
  ],
};

export const oneshot = defineOneshot({
  async run(alert) {
    const service = config.get('service') ?? 'slack';
    if (!Object.hasOwn(SERVICES, service)) {
      throw RiposteError.failed(`service "${service}" is not known: slack, teams or telegram`);
    }
    const [url, message] = SERVICES[service](text(alert));
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(message) });
    const said = `${service} answered ${answer.status}`;
    if (answer.status === 429 || answer.status >= 500) throw RiposteError.unavailable(said);
    if (!answer.ok) throw RiposteError.failed(`${said}: check its secret`);
    log.info(`told ${service}`);
  },
});

function text(alert) {
  const what = alert.text('/rule/description') ?? 'an alert';
  const where = alert.text('/agent/name') ?? 'this machine';
  const level = alert.number('/rule/level') ?? 0;
  return `${what} on ${where} (level ${level}): ${alert.text('/full_log') ?? ''}`.slice(0, 2000);
}

// What an incoming webhook of Teams takes. A text of Markdown would show links.
function card(text) {
  const content = {
    type: 'AdaptiveCard',
    version: '1.4',
    body: [{ type: 'RichTextBlock', inlines: [{ type: 'TextRun', text }] }],
  };
  return { type: 'message', attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content }] };
}
