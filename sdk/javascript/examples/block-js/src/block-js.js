// Blocks the source address of the alert.

import { defineResponse, firewall, log } from 'riposte-sdk';

export const reversible = defineResponse({
  add(alert) {
    const address = alert.srcip();
    firewall.block(address);
    log.info(`blocked ${address}`);
  },

  delete(alert) {
    firewall.unblock(alert.srcip());
  },
});
