// Does what a response must not do, to show what becomes of it.

import { defineOneshot, log, RiposteError } from 'riposte-sdk';

let calls = 0;

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
    }
  },
});
