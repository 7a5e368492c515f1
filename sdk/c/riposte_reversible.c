/* The exports of a response that is undone. */
#include "riposte_wasm.h"

#include <string.h>

bool exports_active_response_plugin_reversible_keys(plugin_string_t *alert, plugin_list_string_t *keys,
                                                    active_response_plugin_types_error_t *error) {
    (void)alert; /* The host reads it for us. */
    riposte_result result = riposte_call_keys(&riposte_reversible);
    if (result != RIPOSTE_OK) {
        *error = riposte_error_given(result);
        return false;
    }
    riposte_list told = riposte_keys_told();
    /* The bindings free this list, each of its texts, and nothing when it is empty. */
    plugin_string_t *items = riposte_alloc(told.count * sizeof *items);
    for (size_t i = 0; i < told.count; i++) items[i] = riposte_given(told.items[i]);
    *keys = (plugin_list_string_t){items, told.count};
    return true;
}

bool exports_active_response_plugin_reversible_add(plugin_string_t *alert, active_response_plugin_types_receipt_t *receipt,
                                                   active_response_plugin_types_error_t *error) {
    (void)alert;
    riposte_result result = riposte_reversible.add();
    if (result != RIPOSTE_OK) {
        *error = riposte_error_given(result);
        return false;
    }
    riposte_bytes told = riposte_receipt_told();
    *receipt = (active_response_plugin_types_receipt_t){(uint8_t *)told.data, told.length};
    return true;
}

bool exports_active_response_plugin_reversible_delete(plugin_string_t *alert,
                                                      active_response_plugin_types_receipt_t *receipt,
                                                      active_response_plugin_types_error_t *error) {
    (void)alert;
    riposte_bytes kept = {NULL, 0};
    if (receipt) kept = riposte_copy(receipt->ptr, receipt->len);
    riposte_result result = riposte_reversible.undo(receipt ? &kept : NULL);
    if (result != RIPOSTE_OK) {
        *error = riposte_error_given(result);
        return false;
    }
    return true;
}
