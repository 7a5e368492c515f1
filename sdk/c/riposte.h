/* Write a response for Riposte in C: see docs/sdk/c.md.
 *
 * A response is a set of functions. They ask about the alert, call the host,
 * and return RIPOSTE_OK or why they could not:
 *
 *     static riposte_result add(void) {
 *         const char *address;
 *         RIPOSTE_TRY(riposte_srcip(&address));
 *         RIPOSTE_TRY(riposte_firewall_block(address, NULL));
 *         riposte_info("blocked %s", address);
 *         return RIPOSTE_OK;
 *     }
 *
 * Every call of the engine runs in a fresh instance, for one alert. So nothing
 * has to be freed: what a function returns lives until the call ends, and
 * nothing lives longer. A text is UTF-8 and ends with a zero byte. A text of
 * the alert that holds a zero byte itself is never handed on shortened: it
 * counts as none, and as `invalid-input` where a source address is wanted.
 */
#ifndef RIPOSTE_H
#define RIPOSTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Results ---- */

/* Why something was not done. */
struct riposte_error {
    /* From an open vocabulary: invalid-input, no-key, denied, unavailable,
     * unsupported, timeout, failed. */
    const char *kind;
    /* One line for the operator: what happened, and what to do about it. */
    const char *message;
    /* Whether the same call may succeed later; the engine then tries again. */
    bool retry;
};

/* RIPOSTE_OK, or why it was not done. */
typedef const struct riposte_error *riposte_result;
#define RIPOSTE_OK ((riposte_result)NULL)

/* Returns from the function that it stands in when this was not done. */
#define RIPOSTE_TRY(call)                                   \
    do {                                                    \
        riposte_result riposte_result_ = (call);            \
        if (riposte_result_ != RIPOSTE_OK) {                \
            return riposte_result_;                         \
        }                                                   \
    } while (0)

#if defined(__GNUC__)
#define RIPOSTE_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define RIPOSTE_PRINTF(text, first)
#endif

/* It did not work, and will not when tried again. */
riposte_result riposte_failed(const char *format, ...) RIPOSTE_PRINTF(1, 2);
/* The alert or an argument is unusable as it is. */
riposte_result riposte_invalid(const char *format, ...) RIPOSTE_PRINTF(1, 2);
/* The alert does not hold what this response acts on. */
riposte_result riposte_no_key(const char *format, ...) RIPOSTE_PRINTF(1, 2);
/* Something did not answer; to be tried again. */
riposte_result riposte_unavailable(const char *format, ...) RIPOSTE_PRINTF(1, 2);

/* ---- Values ---- */

/* Bytes, and a zero byte behind them. */
typedef struct {
    const uint8_t *data;
    size_t length;
} riposte_bytes;

/* Texts in order. */
typedef struct {
    const char *const *items;
    size_t count;
} riposte_list;

/* Numbers of processes. */
typedef struct {
    const uint32_t *items;
    size_t count;
} riposte_numbers;

/* The bytes of a text. */
riposte_bytes riposte_bytes_of(const char *text);

/* Memory until the end of the call. Never NULL: without memory the call ends. */
void *riposte_alloc(size_t size);

/* A text made as printf makes it, with %s %c %d %i %u %x, l, ll and z before the
 * last four, and %%. No widths, no %f: the component stays small. */
const char *riposte_format(const char *format, ...) RIPOSTE_PRINTF(1, 2);

/* A text as a JSON string, with its quotes. */
const char *riposte_json_string(const char *text);

/* ---- The response ---- */

/* A response that is undone when its time is over. */
struct riposte_reversible {
    /* What this response would act on, told with riposte_key. Called first,
     * with every effect refused. NULL: the source address. */
    riposte_result (*keys)(void);
    /* Makes the effect. May be called again; what is done already is a success. */
    riposte_result (*add)(void);
    /* Undoes the effect: the call that the interface names `delete`. Must
     * succeed without a receipt (NULL), when called twice, and when there was
     * no `add` before. */
    riposte_result (*undo)(const riposte_bytes *receipt);
};

/* A response that happens once and is never undone. */
struct riposte_oneshot {
    riposte_result (*run)(void);
};

/* Says which functions the response has: RIPOSTE_REVERSIBLE(.add = add, .undo = undo). */
#define RIPOSTE_REVERSIBLE(...) const struct riposte_reversible riposte_reversible = {__VA_ARGS__}
#define RIPOSTE_ONESHOT(...) const struct riposte_oneshot riposte_oneshot = {__VA_ARGS__}

extern const struct riposte_reversible riposte_reversible;
extern const struct riposte_oneshot riposte_oneshot;

/* In `keys`: one more of what the response would act on. */
void riposte_key(const char *key);

/* In `add`: what `undo` needs and the alert does not hold, at most 64 KiB. */
void riposte_receipt(const void *data, size_t length);

/* ---- The alert ---- */

/* The whole alert as JSON. */
const char *riposte_alert_json(void);

/* The text at a JSON Pointer such as /data/srcip, or in Wazuh's dotted form,
 * data.srcip; numbers and booleans as they are written. NULL when there is
 * nothing, or null, an object or an array. */
const char *riposte_alert_text(const char *pointer);

/* The whole number at a pointer, also when it is written as a text of digits.
 * False for anything else, and `number` stays as it was. */
bool riposte_alert_number(const char *pointer, int64_t *number);

/* The source address, as the alert writes it; `no-key` when it has none. */
riposte_result riposte_srcip(const char **address);

/* The user that the alert is about, as the alert writes it; `no-key` when it
 * has none. */
riposte_result riposte_user(const char **user);

/* ---- The call ---- */

const char *riposte_invocation_command(void);
/* The same for keys, add and undo, also after a restart. */
const char *riposte_invocation_id(void);
/* From 1. From the second on, `add` may find its own earlier work. */
uint32_t riposte_invocation_attempt(void);
/* Seconds until `undo` is due; false when the response is not undone. */
bool riposte_invocation_timeout(uint64_t *seconds);
/* Which offence of this target it is, from 1; always 1 during `keys`. */
uint32_t riposte_invocation_offence(void);
const char *riposte_invocation_tenant(void);
/* local, server, defined-agent or all. */
const char *riposte_invocation_location(void);
/* The words of <extra_args>. */
riposte_list riposte_invocation_arguments(void);
/* What the operator's <keys> found in the alert; empty when there are none. */
riposte_list riposte_invocation_keys(void);

/* ---- The log ---- */

enum riposte_level { RIPOSTE_TRACE, RIPOSTE_DEBUG, RIPOSTE_INFO, RIPOSTE_WARN, RIPOSTE_ERROR };

/* Writes one line to the engine's log; at most 8 KiB in a call. */
void riposte_log(enum riposte_level level, const char *message);
void riposte_info(const char *format, ...) RIPOSTE_PRINTF(1, 2);
void riposte_warn(const char *format, ...) RIPOSTE_PRINTF(1, 2);

/* ---- Configuration and secrets ---- */

/* The value that the operator gave this name; NULL when it is not set. */
const char *riposte_config(const char *name);
riposte_list riposte_config_names(void);
/* Granted by <secret/>. */
riposte_result riposte_secret(const char *name, const char **value);

/* ---- Capabilities: each needs its element in the command's <capabilities> ----
 *
 * `changed` may be NULL. It is false when it was so already, or when this
 * response did not hold it. */

/* <firewall/> */
riposte_result riposte_firewall_block(const char *address, bool *changed);
riposte_result riposte_firewall_unblock(const char *address, bool *changed);
riposte_result riposte_firewall_blocked(const char *address, bool *blocked);

/* <route/> */
riposte_result riposte_routes_blackhole(const char *address, bool *changed);
riposte_result riposte_routes_restore(const char *address, bool *changed);
riposte_result riposte_routes_blackholed(const char *address, bool *blackholed);

/* <account/> */
riposte_result riposte_accounts_lock(const char *user, bool *changed);
riposte_result riposte_accounts_unlock(const char *user, bool *changed);
riposte_result riposte_accounts_locked(const char *user, bool *locked);
riposte_result riposte_accounts_end_sessions(const char *user, uint32_t *processes);

/* <service/> */
riposte_result riposte_services_restart(const char *unit);
riposte_result riposte_services_reload(const char *unit);
riposte_result riposte_services_start(const char *unit, bool *changed);
riposte_result riposte_services_stop(const char *unit, bool *changed);
riposte_result riposte_services_active(const char *unit, bool *active);

/* <lines/> */
riposte_result riposte_lines_ensure(const char *file, const char *line, bool *changed);
riposte_result riposte_lines_remove(const char *file, const char *line, bool *changed);
riposte_result riposte_lines_contains(const char *file, const char *line, bool *contains);

/* <process/> */
riposte_result riposte_processes_running(const char *name, riposte_numbers *processes);
riposte_result riposte_processes_kill(uint32_t process, const char *name, bool *changed);

/* <exec/>: how a program ended. */
struct riposte_output {
    /* Its exit status, or minus the number of the signal that ended it. */
    int32_t status;
    riposte_bytes standard_output, standard_error;
    /* Whether it wrote more than is kept. */
    bool truncated;
};
/* Runs a program, an absolute path. The arguments end with NULL. */
riposte_result riposte_exec_run(const char *program, const char *const *arguments, riposte_bytes input,
                                struct riposte_output *output);

/* <state/>. A value that is not there has no `data`. */
riposte_result riposte_state_get(const char *key, riposte_bytes *value);
riposte_result riposte_state_set(const char *key, riposte_bytes value);
riposte_result riposte_state_remove(const char *key, bool *changed);
riposte_result riposte_state_keys(const char *prefix, riposte_list *keys);

/* <quarantine/> */
riposte_result riposte_quarantine_put(const char *path, bool *changed);
riposte_result riposte_quarantine_restore(const char *path, bool *changed);
riposte_result riposte_quarantine_holds(const char *path, bool *holds);

/* <isolation/> */
riposte_result riposte_isolation_isolate(bool *changed);
riposte_result riposte_isolation_release(bool *changed);
riposte_result riposte_isolation_isolated(bool *isolated);

/* <mail/> */
riposte_result riposte_mail_send(const char *subject, const char *text);

/* <http/> */
struct riposte_header {
    const char *name, *value;
};
struct riposte_request {
    /* In upper case; NULL: GET. */
    const char *method;
    const char *url;
    /* Host, Content-Length and others that frame the request are not yours. */
    const struct riposte_header *headers;
    size_t header_count;
    riposte_bytes body;
};
struct riposte_response {
    uint16_t status;
    riposte_bytes body;
    /* What came before the body, in order; names are in small letters. */
    const struct riposte_header *headers;
    size_t header_count;
};
/* Sends one request and waits for the whole answer. Any status is an answer. */
riposte_result riposte_http_send(const struct riposte_request *request, struct riposte_response *response);
/* The first header of this name, in whatever case: Retry-After. NULL when there is none. */
const char *riposte_response_header(const struct riposte_response *response, const char *name);

/* <folder/>: the whole of a file, by its absolute path on the host. A last name
 * that is a symbolic link is not followed: who can write into the folder would
 * choose what is read. */
riposte_result riposte_read_file(const char *path, riposte_bytes *content);

#ifdef __cplusplus
}
#endif
#endif
