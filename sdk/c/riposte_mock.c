/* See riposte_mock.h. */
#include "riposte_mock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "riposte_mock_json.h"

/* ---- What the host knows ---- */

/* Texts in the order in which they came; a pair is two of them. */
struct texts {
    const char **items;
    size_t count, room;
};

struct answer {
    const char *function, *text, *more;
    int64_t number;
    struct answer *next;
};

static struct {
    const char *alert;
    struct texts calls, log, held, config, files, headers;
    size_t calls_seen;
    struct answer *answers, *refusals;
    struct riposte_mock_invocation invocation;
} host;

/* Everything that was allocated, so that a reset can free it. */
struct piece {
    struct piece *next;
    max_align_t bytes[];
};
static struct piece *pieces;

void *riposte_alloc(size_t size) {
    struct piece *piece = malloc(sizeof *piece + size);
    if (!piece) abort();
    piece->next = pieces;
    pieces = piece;
    return piece->bytes;
}

static void add(struct texts *texts, const char *text) {
    if (texts->count == texts->room) {
        texts->room = texts->room * 2 + 8;
        const char **larger = riposte_alloc(texts->room * sizeof *larger);
        if (texts->count > 0) memcpy(larger, texts->items, texts->count * sizeof *larger);
        texts->items = larger;
    }
    texts->items[texts->count++] = riposte_format("%s", text);
}

/* The value of the last pair with this name. */
static const char *value_of(const struct texts *pairs, const char *name) {
    for (size_t i = pairs->count; i >= 2; i -= 2) {
        if (strcmp(pairs->items[i - 2], name) == 0) return pairs->items[i - 1];
    }
    return NULL;
}

static struct riposte_mock_invocation usual(void) {
    return (struct riposte_mock_invocation){.command = "test", .id = "1", .tenant = "default", .location = "local",
                                            .attempt = 1, .offence = 1, .has_timeout = true, .timeout = 600};
}

void riposte_mock_reset(void) {
    while (pieces) {
        struct piece *next = pieces->next;
        free(pieces);
        pieces = next;
    }
    memset(&host, 0, sizeof host);
    riposte_forget_told();
    host.alert = "{}";
    host.invocation = usual();
}

void riposte_mock_alert(const char *json) {
    riposte_mock_reset();
    if (!riposte_json_is_valid(json)) {
        fprintf(stderr, "the alert of the test is no JSON: %s\n", json);
        exit(1);
    }
    host.alert = riposte_format("%s", json);
}

void riposte_mock_begin(void) {
    if (!host.alert) riposte_mock_reset();
    riposte_forget_told();
}

struct riposte_mock_invocation *riposte_mock_invocation(void) {
    if (!host.alert) riposte_mock_reset();
    return &host.invocation;
}

riposte_list riposte_mock_calls(void) { return (riposte_list){host.calls.items, host.calls.count}; }
riposte_list riposte_mock_log(void) { return (riposte_list){host.log.items, host.log.count}; }
riposte_list riposte_mock_keys_told(void) { return riposte_keys_told(); }
riposte_bytes riposte_mock_receipt_told(void) { return riposte_receipt_told(); }
riposte_result riposte_mock_call_keys(const struct riposte_reversible *response) { return riposte_call_keys(response); }

/* ---- What it is to answer ---- */

static struct answer *answered(struct answer **list, const char *function) {
    struct answer *answer = riposte_alloc(sizeof *answer);
    *answer = (struct answer){.function = riposte_format("%s", function), .next = *list};
    *list = answer;
    return answer;
}

static const struct answer *answer_of(const struct answer *list, const char *function) {
    while (list && strcmp(list->function, function) != 0) list = list->next;
    return list;
}

void riposte_mock_refuse(const char *function, const char *kind, const char *message, bool retry) {
    struct answer *refusal = answered(&host.refusals, function);
    refusal->text = riposte_format("%s", kind);
    refusal->more = riposte_format("%s", message);
    refusal->number = retry;
}

void riposte_mock_answer(const char *function, const char *text) {
    answered(&host.answers, function)->text = riposte_format("%s", text);
}

void riposte_mock_answer_number(const char *function, uint32_t number) {
    answered(&host.answers, function)->number = number;
}

void riposte_mock_answer_exec(int32_t status, const char *standard_output, const char *standard_error) {
    struct answer *answer = answered(&host.answers, "exec.run");
    answer->number = status;
    answer->text = riposte_format("%s", standard_output);
    answer->more = riposte_format("%s", standard_error);
}

void riposte_mock_answer_http(uint16_t status, const char *body) {
    struct answer *answer = answered(&host.answers, "http.send");
    answer->number = status;
    answer->text = riposte_format("%s", body);
}

void riposte_mock_answer_http_header(const char *name, const char *value) {
    add(&host.headers, riposte_small(name));
    add(&host.headers, value);
}

void riposte_mock_config(const char *name, const char *value) {
    add(&host.config, name);
    add(&host.config, value);
}

void riposte_mock_file(const char *path, const char *content) {
    add(&host.files, path);
    add(&host.files, content);
}

/* ---- Calls ---- */

static riposte_result called(const char *function, const char *target) {
    add(&host.calls, riposte_format("%s %s", function, target));
    const struct answer *refusal = answer_of(host.refusals, function);
    return refusal ? riposte_error_of(refusal->text, refusal->more, refusal->number != 0) : RIPOSTE_OK;
}

static riposte_result state_of(const char *function, const char *target, bool *answer, int change) {
    RIPOSTE_TRY(called(function, target));
    const char *key = riposte_format("%s %s", riposte_copy(function, strcspn(function, ".")).data, target);
    size_t at = 0;
    while (at < host.held.count && strcmp(host.held.items[at], key) != 0) at++;
    bool held = at < host.held.count;
    if (change > 0 && !held) add(&host.held, key);
    if (change < 0 && held) host.held.items[at] = "";
    if (answer) *answer = change > 0 ? !held : held;
    return RIPOSTE_OK;
}

#define CHANGES(interface, function, change)                                              \
    riposte_result riposte_##interface##_##function(const char *target, bool *answer) {   \
        return state_of(#interface "." #function, target, answer, change);                \
    }
CHANGES(firewall, block, 1)
CHANGES(firewall, unblock, -1)
CHANGES(firewall, blocked, 0)
CHANGES(routes, blackhole, 1)
CHANGES(routes, restore, -1)
CHANGES(routes, blackholed, 0)
CHANGES(accounts, lock, 1)
CHANGES(accounts, unlock, -1)
CHANGES(accounts, locked, 0)
CHANGES(services, start, 1)
CHANGES(services, stop, -1)
CHANGES(services, active, 0)
CHANGES(quarantine, put, 1)
CHANGES(quarantine, restore, -1)
CHANGES(quarantine, holds, 0)
CHANGES(state, remove, -1)

#define CHANGES_A_LINE(function, change)                                                        \
    riposte_result riposte_lines_##function(const char *file, const char *line, bool *answer) { \
        return state_of("lines." #function, riposte_format("%s %s", file, line), answer, change); \
    }
CHANGES_A_LINE(ensure, 1)
CHANGES_A_LINE(remove, -1)
CHANGES_A_LINE(contains, 0)

#define CHANGES_THE_HOST(function, change)                              \
    riposte_result riposte_isolation_##function(bool *answer) {         \
        return state_of("isolation." #function, "host", answer, change); \
    }
CHANGES_THE_HOST(isolate, 1)
CHANGES_THE_HOST(release, -1)
CHANGES_THE_HOST(isolated, 0)

riposte_result riposte_services_restart(const char *unit) { return called("services.restart", unit); }
riposte_result riposte_services_reload(const char *unit) { return called("services.reload", unit); }

riposte_result riposte_accounts_end_sessions(const char *user, uint32_t *processes) {
    RIPOSTE_TRY(called("accounts.end-sessions", user));
    const struct answer *answer = answer_of(host.answers, "accounts.end-sessions");
    if (processes) *processes = answer ? (uint32_t)answer->number : 0;
    return RIPOSTE_OK;
}

riposte_result riposte_processes_running(const char *name, riposte_numbers *processes) {
    RIPOSTE_TRY(called("processes.running", name));
    const struct answer *answer = answer_of(host.answers, "processes.running");
    uint32_t *number = riposte_alloc(sizeof *number);
    *number = answer ? (uint32_t)answer->number : 0;
    *processes = (riposte_numbers){number, answer ? 1 : 0};
    return RIPOSTE_OK;
}

riposte_result riposte_processes_kill(uint32_t process, const char *name, bool *changed) {
    RIPOSTE_TRY(called("processes.kill", riposte_format("%u %s", process, name)));
    const struct answer *answer = answer_of(host.answers, "processes.kill");
    if (changed) *changed = answer && answer->number;
    return RIPOSTE_OK;
}

static riposte_bytes bytes_or_none(const char *text) {
    return text ? riposte_bytes_of(text) : riposte_copy("", 0);
}

riposte_result riposte_exec_run(const char *program, const char *const *arguments, riposte_bytes input,
                                struct riposte_output *output) {
    (void)input;
    const char *call = program;
    for (size_t i = 0; arguments && arguments[i]; i++) call = riposte_format("%s %s", call, arguments[i]);
    RIPOSTE_TRY(called("exec.run", call));
    const struct answer *answer = answer_of(host.answers, "exec.run");
    *output = (struct riposte_output){answer ? (int32_t)answer->number : 0, bytes_or_none(answer ? answer->text : NULL),
                                      bytes_or_none(answer ? answer->more : NULL), false};
    return RIPOSTE_OK;
}

riposte_result riposte_state_get(const char *key, riposte_bytes *value) {
    RIPOSTE_TRY(called("state.get", key));
    const struct answer *answer = answer_of(host.answers, "state.get");
    *value = answer ? riposte_bytes_of(answer->text) : (riposte_bytes){NULL, 0};
    return RIPOSTE_OK;
}

riposte_result riposte_state_set(const char *key, riposte_bytes value) {
    return called("state.set", riposte_format("%s %s", key, riposte_copy(value.data, value.length).data));
}

riposte_result riposte_state_keys(const char *prefix, riposte_list *keys) {
    RIPOSTE_TRY(called("state.keys", prefix));
    *keys = (riposte_list){NULL, 0};
    return RIPOSTE_OK;
}

riposte_result riposte_secret(const char *name, const char **value) {
    RIPOSTE_TRY(called("secret.get", name));
    const struct answer *answer = answer_of(host.answers, "secret.get");
    *value = answer ? answer->text : "";
    return RIPOSTE_OK;
}

riposte_result riposte_mail_send(const char *subject, const char *text) {
    return called("mail.send", riposte_format("%s %s", subject, text));
}

riposte_result riposte_http_send(const struct riposte_request *request, struct riposte_response *response) {
    struct riposte_url url;
    RIPOSTE_TRY(riposte_request_checked(request));
    RIPOSTE_TRY(riposte_url_parts(request->url, &url));
    const char *call = riposte_format("%s %s://%s%s", request->method ? request->method : "GET",
                                      url.tls ? "https" : "http", url.authority, url.path);
    for (size_t i = 0; i < request->header_count; i++) {
        call = riposte_format("%s %s: %s", call, request->headers[i].name, request->headers[i].value);
    }
    if (request->body.length > 0) {
        call = riposte_format("%s %s", call, riposte_copy(request->body.data, request->body.length).data);
    }
    RIPOSTE_TRY(called("http.send", call));
    const struct answer *answer = answer_of(host.answers, "http.send");
    size_t count = host.headers.count / 2;
    struct riposte_header *headers = riposte_alloc(count * sizeof *headers);
    for (size_t i = 0; i < count; i++) {
        headers[i] = (struct riposte_header){host.headers.items[2 * i], host.headers.items[2 * i + 1]};
    }
    *response = (struct riposte_response){answer ? (uint16_t)answer->number : 200,
                                          bytes_or_none(answer ? answer->text : NULL), headers, count};
    return RIPOSTE_OK;
}

riposte_result riposte_read_file(const char *path, riposte_bytes *content) {
    const char *known = value_of(&host.files, path);
    if (!known) return riposte_error_of("denied", riposte_format("%s is in no folder that the command's <folder/> grants", path), false);
    *content = riposte_bytes_of(known);
    return RIPOSTE_OK;
}

/* ---- Getters ---- */

const char *riposte_alert_json(void) { return host.alert; }

bool riposte_alert_bytes(const char *pointer, riposte_bytes *text) {
    return riposte_json_at(host.alert, pointer, text) != JSON_NOTHING;
}

bool riposte_alert_number(const char *pointer, int64_t *number) {
    riposte_bytes text;
    enum riposte_json_kind kind = riposte_json_at(host.alert, pointer, &text);
    const char *digits = (const char *)text.data;
    if (kind != JSON_NUMBER && kind != JSON_TEXT) return false;
    bool negative = kind == JSON_NUMBER && *digits == '-';
    if (negative) digits++;
    size_t count = strspn(digits, "0123456789");
    if (count == 0 || (size_t)(digits - (const char *)text.data) + count != text.length) return false;
    uint64_t most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, read = 0;
    for (; *digits; digits++) {
        uint64_t digit = (uint64_t)(*digits - '0');
        if (read > (most - digit) / 10) return false;
        read = read * 10 + digit;
    }
    *number = negative ? (int64_t)(0 - read) : (int64_t)read;
    return true;
}

const char *riposte_invocation_command(void) { return host.invocation.command; }
const char *riposte_invocation_id(void) { return host.invocation.id; }
const char *riposte_invocation_tenant(void) { return host.invocation.tenant; }
const char *riposte_invocation_location(void) { return host.invocation.location; }
uint32_t riposte_invocation_attempt(void) { return host.invocation.attempt; }
uint32_t riposte_invocation_offence(void) { return host.invocation.offence; }
riposte_list riposte_invocation_arguments(void) { return host.invocation.arguments; }
riposte_list riposte_invocation_keys(void) { return host.invocation.keys; }

bool riposte_invocation_timeout(uint64_t *seconds) {
    if (host.invocation.has_timeout) *seconds = host.invocation.timeout;
    return host.invocation.has_timeout;
}

void riposte_log(enum riposte_level level, const char *message) {
    static const char *const NAMES[] = {"trace", "debug", "info", "warn", "error"};
    add(&host.log, riposte_format("%s: %s", NAMES[level], message));
}

const char *riposte_config(const char *name) { return value_of(&host.config, name); }

riposte_list riposte_config_names(void) {
    struct texts names = {0};
    for (size_t i = 0; i < host.config.count; i += 2) add(&names, host.config.items[i]);
    return (riposte_list){names.items, names.count};
}

/* ---- Expectations ---- */

static unsigned long checks;
static bool failed;

static void passed(void) {
    if (!failed) printf("%lu check%s passed\n", checks, checks == 1 ? "" : "s");
}

/* The first check has the number of all told at the end. */
static void check(void) {
    if (checks++ == 0) atexit(passed);
}

static void fail(const char *file, int line, const char *what) {
    failed = true;
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(1);
}

void riposte_mock_expect(const char *file, int line, const char *what, bool holds) {
    check();
    if (!holds) fail(file, line, riposte_format("does not hold: %s", what));
}

void riposte_mock_expect_ok(const char *file, int line, riposte_result result) {
    check();
    if (result) fail(file, line, riposte_format("expected success, came %s: %s", result->kind, result->message));
}

void riposte_mock_expect_kind(const char *file, int line, riposte_result result, const char *kind) {
    check();
    if (!result) fail(file, line, riposte_format("expected an error of kind %s, came success", kind));
    if (strcmp(result->kind, kind) != 0) {
        fail(file, line, riposte_format("expected an error of kind %s, came %s: %s", kind, result->kind, result->message));
    }
}

void riposte_mock_expect_calls(const char *file, int line, const char *const *expected) {
    check();
    size_t at = host.calls_seen;
    for (; *expected; expected++, at++) {
        const char *came = at < host.calls.count ? host.calls.items[at] : "no further call";
        if (strcmp(came, *expected) != 0) fail(file, line, riposte_format("expected the call %s, came %s", *expected, came));
    }
    if (at < host.calls.count) fail(file, line, riposte_format("expected no further call, came %s", host.calls.items[at]));
    host.calls_seen = at;
}
