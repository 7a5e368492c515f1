/* The host of a component: its bindings, in the words of riposte.h. */
#include "riposte_wasm.h"

#include <stdlib.h>
#include <string.h>

/* ---- In and out ---- */

void *riposte_alloc(size_t size) {
    /* Never freed: the instance goes when the call ends. */
    void *memory = malloc(size ? size : 1);
    if (!memory) abort();
    return memory;
}

plugin_string_t riposte_lent(const char *text) {
    return (plugin_string_t){(uint8_t *)text, strlen(text)};
}

/* Its first bytes, and no part of a letter: what is too long to be handed over
 * would end the call as a crash. */
static plugin_string_t lent_beginning(const char *text, size_t most) {
    plugin_string_t lent = riposte_lent(text);
    if (lent.len > most) {
        for (lent.len = most; lent.len > 0 && (lent.ptr[lent.len] & 0xc0) == 0x80; lent.len--) {
        }
    }
    return lent;
}

static const char *taken(plugin_string_t text) {
    return (const char *)riposte_copy(text.ptr, text.len).data;
}

static riposte_list taken_list(plugin_list_string_t list) {
    const char **items = riposte_alloc((list.len + 1) * sizeof *items);
    for (size_t i = 0; i < list.len; i++) items[i] = taken(list.ptr[i]);
    return (riposte_list){items, list.len};
}

riposte_result riposte_passed_on(const active_response_plugin_types_error_t *error) {
    return riposte_error_of(taken(error->kind), taken(error->message), error->retry);
}

riposte_result riposte_argument(const char *text, plugin_string_t *lent) {
    if (!text) return riposte_invalid("an argument of a host call is NULL");
    if (!riposte_is_utf8(text)) return riposte_invalid("an argument of a host call is not UTF-8");
    *lent = riposte_lent(text);
    return RIPOSTE_OK;
}

plugin_string_t riposte_given(const char *text) {
    const char *readable = riposte_readable(text);
    riposte_bytes copy = riposte_copy(readable, strlen(readable));
    return (plugin_string_t){(uint8_t *)copy.data, copy.length};
}

active_response_plugin_types_error_t riposte_error_given(riposte_result error) {
    /* It may quote an alert of any length; the engine keeps as much. */
    plugin_string_t message = lent_beginning(riposte_readable(error->message), 4096);
    riposte_bytes copy = riposte_copy(message.ptr, message.len);
    return (active_response_plugin_types_error_t){
        riposte_given(error->kind), {(uint8_t *)copy.data, copy.length}, error->retry};
}

/* ---- Context ---- */

const char *riposte_alert_json(void) {
    plugin_string_t json;
    active_response_plugin_alert_json(&json);
    return taken(json);
}

bool riposte_alert_bytes(const char *pointer, riposte_bytes *text) {
    plugin_string_t at = riposte_lent(riposte_readable(pointer)), found;
    if (!active_response_plugin_alert_text(&at, &found)) return false;
    *text = riposte_copy(found.ptr, found.len);
    return true;
}

bool riposte_alert_number(const char *pointer, int64_t *number) {
    plugin_string_t at = riposte_lent(riposte_readable(pointer));
    /* Where there is none, the bindings write what was in memory. */
    int64_t found;
    if (!active_response_plugin_alert_number(&at, &found)) return false;
    *number = found;
    return true;
}

#define TEXT_OF_THE_CALL(name)                        \
    const char *riposte_invocation_##name(void) {     \
        plugin_string_t text;                         \
        active_response_plugin_invocation_##name(&text); \
        return taken(text);                           \
    }
TEXT_OF_THE_CALL(command)
TEXT_OF_THE_CALL(id)
TEXT_OF_THE_CALL(tenant)
TEXT_OF_THE_CALL(location)

#define LIST_OF_THE_CALL(name)                        \
    riposte_list riposte_invocation_##name(void) {    \
        plugin_list_string_t list;                    \
        active_response_plugin_invocation_##name(&list); \
        return taken_list(list);                      \
    }
LIST_OF_THE_CALL(arguments)
LIST_OF_THE_CALL(keys)

uint32_t riposte_invocation_attempt(void) {
    return active_response_plugin_invocation_attempt();
}

uint32_t riposte_invocation_offence(void) {
    return active_response_plugin_invocation_offence();
}

bool riposte_invocation_timeout(uint64_t *seconds) {
    uint64_t found;
    if (!active_response_plugin_invocation_timeout(&found)) return false;
    *seconds = found;
    return true;
}

void riposte_log(enum riposte_level level, const char *message) {
    /* Twice what a call may write: so the engine sees that there was more. */
    plugin_string_t line = lent_beginning(riposte_readable(message), 16 << 10);
    active_response_plugin_log_log((active_response_plugin_log_level_t)level, &line);
}

const char *riposte_config(const char *name) {
    plugin_string_t asked = riposte_lent(riposte_readable(name)), value;
    return active_response_plugin_config_get(&asked, &value) ? taken(value) : NULL;
}

riposte_list riposte_config_names(void) {
    plugin_list_string_t names;
    active_response_plugin_config_names(&names);
    return taken_list(names);
}

/* ---- Capabilities ---- */

#define CHANGES(interface, function)                                                             \
    riposte_result riposte_##interface##_##function(const char *target, bool *changed) {         \
        plugin_string_t lent;                                                                    \
        active_response_plugin_types_error_t error;                                              \
        bool answer;                                                                             \
        RIPOSTE_TRY(riposte_argument(target, &lent));                                            \
        if (!active_response_plugin_##interface##_##function(&lent, &answer, &error)) {          \
            return riposte_passed_on(&error);                                                    \
        }                                                                                        \
        if (changed) *changed = answer;                                                          \
        return RIPOSTE_OK;                                                                       \
    }
CHANGES(firewall, block)
CHANGES(firewall, unblock)
CHANGES(firewall, blocked)
CHANGES(routes, blackhole)
CHANGES(routes, restore)
CHANGES(routes, blackholed)
CHANGES(accounts, lock)
CHANGES(accounts, unlock)
CHANGES(accounts, locked)
CHANGES(services, start)
CHANGES(services, stop)
CHANGES(services, active)
CHANGES(quarantine, put)
CHANGES(quarantine, restore)
CHANGES(quarantine, holds)
CHANGES(state, remove)

#define CHANGES_A_LINE(function)                                                                 \
    riposte_result riposte_lines_##function(const char *file, const char *line, bool *changed) { \
        plugin_string_t lent_file, lent_line;                                                    \
        active_response_plugin_types_error_t error;                                              \
        bool answer;                                                                             \
        RIPOSTE_TRY(riposte_argument(file, &lent_file));                                         \
        RIPOSTE_TRY(riposte_argument(line, &lent_line));                                         \
        if (!active_response_plugin_lines_##function(&lent_file, &lent_line, &answer, &error)) { \
            return riposte_passed_on(&error);                                                    \
        }                                                                                        \
        if (changed) *changed = answer;                                                          \
        return RIPOSTE_OK;                                                                       \
    }
CHANGES_A_LINE(ensure)
CHANGES_A_LINE(remove)
CHANGES_A_LINE(contains)

#define CHANGES_THE_HOST(function)                                              \
    riposte_result riposte_isolation_##function(bool *changed) {                \
        active_response_plugin_types_error_t error;                             \
        bool answer;                                                            \
        if (!active_response_plugin_isolation_##function(&answer, &error)) {    \
            return riposte_passed_on(&error);                                   \
        }                                                                       \
        if (changed) *changed = answer;                                         \
        return RIPOSTE_OK;                                                      \
    }
CHANGES_THE_HOST(isolate)
CHANGES_THE_HOST(release)
CHANGES_THE_HOST(isolated)

#define ACTS_ON_A_UNIT(function)                                                \
    riposte_result riposte_services_##function(const char *unit) {              \
        plugin_string_t lent;                                                   \
        active_response_plugin_types_error_t error;                             \
        RIPOSTE_TRY(riposte_argument(unit, &lent));                             \
        if (!active_response_plugin_services_##function(&lent, &error)) {       \
            return riposte_passed_on(&error);                                   \
        }                                                                       \
        return RIPOSTE_OK;                                                      \
    }
ACTS_ON_A_UNIT(restart)
ACTS_ON_A_UNIT(reload)

riposte_result riposte_accounts_end_sessions(const char *user, uint32_t *processes) {
    plugin_string_t lent;
    active_response_plugin_types_error_t error;
    uint32_t ended;
    RIPOSTE_TRY(riposte_argument(user, &lent));
    if (!active_response_plugin_accounts_end_sessions(&lent, &ended, &error)) return riposte_passed_on(&error);
    if (processes) *processes = ended;
    return RIPOSTE_OK;
}

riposte_result riposte_processes_running(const char *name, riposte_numbers *processes) {
    plugin_string_t lent;
    active_response_plugin_types_error_t error;
    plugin_list_u32_t running;
    RIPOSTE_TRY(riposte_argument(name, &lent));
    if (!active_response_plugin_processes_running(&lent, &running, &error)) return riposte_passed_on(&error);
    *processes = (riposte_numbers){running.ptr, running.len};
    return RIPOSTE_OK;
}

riposte_result riposte_processes_kill(uint32_t process, const char *name, bool *changed) {
    plugin_string_t lent;
    active_response_plugin_types_error_t error;
    bool answer;
    RIPOSTE_TRY(riposte_argument(name, &lent));
    if (!active_response_plugin_processes_kill(process, &lent, &answer, &error)) return riposte_passed_on(&error);
    if (changed) *changed = answer;
    return RIPOSTE_OK;
}

riposte_result riposte_exec_run(const char *program, const char *const *arguments, riposte_bytes input,
                                struct riposte_output *output) {
    plugin_string_t lent;
    active_response_plugin_types_error_t error;
    active_response_plugin_exec_output_t ended;
    RIPOSTE_TRY(riposte_argument(program, &lent));
    size_t count = 0;
    while (arguments && arguments[count]) count++;
    plugin_string_t *words = riposte_alloc((count + 1) * sizeof *words);
    for (size_t i = 0; i < count; i++) RIPOSTE_TRY(riposte_argument(arguments[i], &words[i]));
    plugin_list_string_t list = {words, count};
    plugin_list_u8_t given = {(uint8_t *)input.data, input.length};
    if (!active_response_plugin_exec_run(&lent, &list, &given, &ended, &error)) return riposte_passed_on(&error);
    *output = (struct riposte_output){ended.status, riposte_copy(ended.stdout_.ptr, ended.stdout_.len),
                                      riposte_copy(ended.stderr_.ptr, ended.stderr_.len), ended.truncated};
    return RIPOSTE_OK;
}

riposte_result riposte_state_get(const char *key, riposte_bytes *value) {
    plugin_string_t lent;
    active_response_plugin_types_error_t error;
    plugin_option_list_u8_t found;
    RIPOSTE_TRY(riposte_argument(key, &lent));
    if (!active_response_plugin_state_get(&lent, &found, &error)) return riposte_passed_on(&error);
    *value = found.is_some ? riposte_copy(found.val.ptr, found.val.len) : (riposte_bytes){NULL, 0};
    return RIPOSTE_OK;
}

riposte_result riposte_state_set(const char *key, riposte_bytes value) {
    plugin_string_t lent;
    active_response_plugin_types_error_t error;
    RIPOSTE_TRY(riposte_argument(key, &lent));
    plugin_list_u8_t given = {(uint8_t *)value.data, value.length};
    if (!active_response_plugin_state_set(&lent, &given, &error)) return riposte_passed_on(&error);
    return RIPOSTE_OK;
}

riposte_result riposte_state_keys(const char *prefix, riposte_list *keys) {
    plugin_string_t lent;
    active_response_plugin_types_error_t error;
    plugin_list_string_t found;
    RIPOSTE_TRY(riposte_argument(prefix, &lent));
    if (!active_response_plugin_state_keys(&lent, &found, &error)) return riposte_passed_on(&error);
    *keys = taken_list(found);
    return RIPOSTE_OK;
}

riposte_result riposte_secret(const char *name, const char **value) {
    plugin_string_t lent, found;
    active_response_plugin_types_error_t error;
    RIPOSTE_TRY(riposte_argument(name, &lent));
    if (!active_response_plugin_secret_get(&lent, &found, &error)) return riposte_passed_on(&error);
    *value = taken(found);
    return RIPOSTE_OK;
}

riposte_result riposte_mail_send(const char *subject, const char *text) {
    plugin_string_t lent_subject, lent_text;
    active_response_plugin_types_error_t error;
    RIPOSTE_TRY(riposte_argument(subject, &lent_subject));
    RIPOSTE_TRY(riposte_argument(text, &lent_text));
    if (!active_response_plugin_mail_send(&lent_subject, &lent_text, &error)) return riposte_passed_on(&error);
    return RIPOSTE_OK;
}
