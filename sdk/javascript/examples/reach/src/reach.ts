// Sends the request, or reads the file, that the alert names: what every SDK has
// to bring of HTTP and of files.

import { defineOneshot, fetch, files, log, RiposteError } from 'riposte-sdk';

export const oneshot = defineOneshot({
  async run(alert) {
    const path = alert.text('/data/read');
    if (path !== undefined) {
      log.info(`read ${files.read(path).length} bytes`);
      return;
    }
    const url = alert.text('/data/url');
    if (url === undefined) throw RiposteError.noKey('the alert names nothing');
    const value = alert.text('/data/header');
    for (let left = alert.number('/data/times') ?? 1; left > 0; left -= 1) {
      const answer = await fetch(url, {
        method: alert.text('/data/method') ?? 'GET',
        headers: value === undefined ? {} : { 'X-Probe': value },
        body: alert.text('/data/body'),
      });
      const reply = answer.headers.get('X-Reply') ?? 'none';
      log.info(`answered ${answer.status}, ${reply}, ${(await answer.bytes()).length} bytes`);
    }
  },
});
