// Tells people what happened: in Slack, Microsoft Teams or Telegram.
//
// `<config name="service" value="slack"/>` says where: `slack` (the default) and
// `teams` post to the webhook in `<secret name="hook"/>`, `telegram` sends to the
// chat in `<config name="chat" value="..."/>` with the bot's token in
// `<secret name="token"/>`.

import { type Alert, config, defineOneshot, log, RiposteError, secret } from 'riposte-sdk';

export const oneshot = defineOneshot({
  async run(alert) {
    const service = config.get('service') ?? 'slack';
    const { url, message } = addressed(service, text(alert));
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(message),
    });
    const said = `${service} answered ${answer.status}`;
    if (answer.status === 429 || answer.status >= 500) throw RiposteError.unavailable(said);
    if (!answer.ok) throw RiposteError.failed(`${said}: check its secret`);
    log.info(`told ${service}`);
  },
});

function addressed(service: string, text: string): { url: string; message: object } {
  switch (service) {
    case 'slack':
      // An alert must not call everybody, or show a link under another name.
      return { url: secret.get('hook'), message: { text: escaped(text) } };
    case 'teams':
      return { url: secret.get('hook'), message: card(text) };
    case 'telegram':
      // Plain text: without a parse mode nothing in it is markup.
      return {
        url: `https://api.telegram.org/bot${secret.get('token')}/sendMessage`,
        message: { chat_id: config.get('chat'), text },
      };
    default:
      throw RiposteError.failed(`service "${service}" is not known: slack, teams or telegram`);
  }
}

function text(alert: Alert): string {
  const what = alert.text('/rule/description') ?? 'an alert';
  const where = alert.text('/agent/name') ?? 'this machine';
  const level = alert.number('/rule/level') ?? 0;
  return `${what} on ${where} (level ${level}): ${alert.text('/full_log') ?? ''}`.slice(0, 2000);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

// What an incoming webhook of Teams takes. A text of Markdown would show links.
function card(text: string): object {
  const content = {
    type: 'AdaptiveCard',
    version: '1.4',
    body: [{ type: 'RichTextBlock', inlines: [{ type: 'TextRun', text }] }],
  };
  return { type: 'message', attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content }] };
}
