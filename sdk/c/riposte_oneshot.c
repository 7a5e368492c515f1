/* The export of a response that happens once. */
#include "riposte_wasm.h"

bool exports_active_response_plugin_oneshot_run(plugin_string_t *alert, active_response_plugin_types_error_t *error) {
    (void)alert; /* The host reads it for us. */
    riposte_result result = riposte_oneshot.run();
    if (result != RIPOSTE_OK) {
        *error = riposte_error_given(result);
        return false;
    }
    return true;
}
