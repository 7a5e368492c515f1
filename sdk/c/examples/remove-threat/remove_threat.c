/* Takes the file of a syscheck or YARA alert out of everybody's reach, and puts
 * it back when the time of the response is over. */
#include "riposte.h"

/* What the operator's <keys> names, else the file of the alert. */
static riposte_result threat(const char **path) {
    static const char *const POINTERS[] = {"/syscheck/path", "/data/virustotal/source/file", "/data/yara/file"};
    riposte_list keys = riposte_invocation_keys();
    if (keys.count > 0) {
        *path = keys.items[0];
        return RIPOSTE_OK;
    }
    for (size_t i = 0; i < sizeof POINTERS / sizeof POINTERS[0]; i++) {
        *path = riposte_alert_text(POINTERS[i]);
        if (*path && **path == '/') return RIPOSTE_OK;
    }
    return riposte_no_key("the alert names no file with its whole path (syscheck.path)");
}

static riposte_result keys(void) {
    const char *path;
    RIPOSTE_TRY(threat(&path));
    riposte_key(path);
    return RIPOSTE_OK;
}

static riposte_result add(void) {
    const char *path;
    bool taken;
    RIPOSTE_TRY(threat(&path));
    RIPOSTE_TRY(riposte_quarantine_put(path, &taken));
    riposte_info(taken ? "%s is in quarantine" : "%s was in quarantine already", path);
    return RIPOSTE_OK;
}

static riposte_result undo(const riposte_bytes *receipt) {
    (void)receipt;
    const char *path;
    RIPOSTE_TRY(threat(&path));
    return riposte_quarantine_restore(path, NULL);
}

RIPOSTE_REVERSIBLE(.keys = keys, .add = add, .undo = undo);
