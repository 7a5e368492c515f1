/* Between the parts of the SDK that stand over the bindings; not for responses. */
#ifndef RIPOSTE_WASM_H
#define RIPOSTE_WASM_H

#include "plugin.h"
#include "riposte_internal.h"

/* The text, lent to the host for a call. */
plugin_string_t riposte_lent(const char *text);

/* The text, lent; `invalid-input` when the host could not take it. */
riposte_result riposte_argument(const char *text, plugin_string_t *lent);

/* An error of the host, as it is. */
riposte_result riposte_passed_on(const active_response_plugin_types_error_t *error);

/* For the bindings, which free what they have handed over: of memory that is
 * theirs to free. */
plugin_string_t riposte_given(const char *text);
active_response_plugin_types_error_t riposte_error_given(riposte_result error);

#endif
