/* Writes a line about an alert to the log of the engine. */
#include "riposte.h"

static riposte_result run(void) {
    const char *description = riposte_alert_text("/rule/description");
    if (!description) return riposte_invalid("the alert has no rule.description");
    riposte_info("%s", description);
    return RIPOSTE_OK;
}

RIPOSTE_ONESHOT(.run = run);
