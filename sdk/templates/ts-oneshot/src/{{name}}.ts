import { defineOneshot, log, RiposteError, secret } from 'riposte-sdk';

export const oneshot = defineOneshot({
  // Answers an alert, once: tells a webhook what happened.
  async run(alert) {
    const text = alert.text('/rule/description') ?? 'an alert without a description';
    const answer = await fetch(secret.get('hook'), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ text }),
    });
    if (!answer.ok) throw RiposteError.failed(`the server answered ${answer.status}: check the hook`);
    log.info('posted');
  },
});
