// Does what a response must not do, to show what becomes of it.

import { defineOneshot, files, log, RiposteError } from 'riposte-sdk';

let calls = 0;
// More than a call may hold of what the engine hands out.
const OFTEN = 400;
// As many as a call may send.
const MOST = 64;

export const oneshot = defineOneshot({
  run(alert) {
    calls += 1;
    switch (alert.text('/data/probe')) {
      case 'loop':
        for (;;);
      case 'memory': {
        const held: Uint8Array[] = [];
        for (;;) held.push(new Uint8Array(1 << 20));
      }
      case 'throw':
        throw new RangeError('thrown on purpose');
      case 'state':
        if (calls > 1) throw RiposteError.failed(`this instance has served ${calls - 1} calls before`);
        break;
      case 'log':
        log.warn('from probe');
        break;
      case 'files':
        for (let i = 0; i < OFTEN; i++) {
          const [{ name }] = files.list('/srv/probe');
          const path = `/srv/probe/${name}`;
          const text = files.readText(path);
          if (files.stat(path).size !== text.length) throw RiposteError.failed(`${path}: ${text}`);
        }
        break;
      case 'http':
        return requests();
    }
  },
});

async function requests(): Promise<void> {
  for (let i = 0; i < MOST; i++) {
    const answer = await fetch('https://example.com/x', { method: 'POST', body: 'text' });
    if ((await answer.text()) !== 'taken') throw RiposteError.failed(`answered ${answer.status}`);
  }
}
