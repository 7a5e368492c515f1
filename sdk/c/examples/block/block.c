/* Blocks the source address of the alert. */
#include "riposte.h"

static riposte_result add(void) {
    const char *address;
    RIPOSTE_TRY(riposte_srcip(&address));
    RIPOSTE_TRY(riposte_firewall_block(address, NULL));
    riposte_info("blocked %s", address);
    return RIPOSTE_OK;
}

static riposte_result undo(const riposte_bytes *receipt) {
    (void)receipt; /* The alert says it all. */
    const char *address;
    RIPOSTE_TRY(riposte_srcip(&address));
    return riposte_firewall_unblock(address, NULL);
}

RIPOSTE_REVERSIBLE(.add = add, .undo = undo);
