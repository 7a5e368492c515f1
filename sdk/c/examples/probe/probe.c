/* Behaves badly, as the alert asks: what every SDK has to withstand. */
#include "riposte.h"

#include <stdlib.h>
#include <string.h>

/* Set by a call; a fresh instance does not have it. */
static bool called_before;

/* Never ends, and must not be optimised away. */
static void loop(void) {
    for (volatile unsigned turns = 0;; turns++) {
    }
}

/* Takes memory until there is none; `riposte_alloc` then ends the call. */
static void memory(void) {
    for (;;) {
        memset(riposte_alloc(1 << 20), 1, 1 << 20);
    }
}

static riposte_result run(void) {
    const char *probe = riposte_alert_text("/data/probe");
    if (called_before) return riposte_failed("an earlier call left its state");
    called_before = true;
    if (!probe) return RIPOSTE_OK;
    if (strcmp(probe, "loop") == 0) loop();
    if (strcmp(probe, "memory") == 0) memory();
    if (strcmp(probe, "throw") == 0) abort();
    if (strcmp(probe, "log") == 0) riposte_warn("from probe");
    return RIPOSTE_OK;
}

RIPOSTE_ONESHOT(.run = run);
