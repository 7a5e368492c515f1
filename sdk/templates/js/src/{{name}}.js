import { defineResponse, firewall, log } from 'riposte-sdk';

export const reversible = defineResponse({
  // Answers an alert. What it returns, if anything, `delete` gets as the receipt.
  add(alert) {
    const address = alert.srcip();
    firewall.block(address);
    log.info(`blocked ${address}`);
  },

  // Undoes it when its time is over: also twice, and when there was no `add`.
  delete(alert) {
    firewall.unblock(alert.srcip());
  },
});
