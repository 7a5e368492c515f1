/* The host of native tests: it records every call and answers like a host on
 * which nothing is blocked yet.
 *
 *     riposte_mock_alert("{\"data\":{\"srcip\":\"192.0.2.7\"}}");
 *     EXPECT_OK(riposte_mock_add());
 *     EXPECT_CALLS("firewall.block 192.0.2.7");
 */
#ifndef RIPOSTE_MOCK_H
#define RIPOSTE_MOCK_H

#include "riposte.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Forgets everything, also what earlier calls returned. */
void riposte_mock_reset(void);

/* A new host, and the alert that the response is called for. Ends the test when
 * this is no JSON. */
void riposte_mock_alert(const char *json);

/* What the invocation answers. Change it before a call. */
struct riposte_mock_invocation {
    const char *command, *id, *tenant, *location;
    uint32_t attempt, offence;
    bool has_timeout;
    uint64_t timeout;
    riposte_list arguments, keys;
};
struct riposte_mock_invocation *riposte_mock_invocation(void);

/* Every call so far, in order: firewall.block 192.0.2.7 */
riposte_list riposte_mock_calls(void);
/* Every line of the log so far: info: blocked 192.0.2.7 */
riposte_list riposte_mock_log(void);

/* From now on `function` (firewall.block) is refused. */
void riposte_mock_refuse(const char *function, const char *kind, const char *message, bool retry);

/* From now on `function` (secret.get, state.get) answers with this text, or
 * (accounts.end-sessions, processes.kill) with this number. */
void riposte_mock_answer(const char *function, const char *text);
void riposte_mock_answer_number(const char *function, uint32_t number);
void riposte_mock_answer_exec(int32_t status, const char *standard_output, const char *standard_error);
void riposte_mock_answer_http(uint16_t status, const char *body);
/* With one more header than so far. */
void riposte_mock_answer_http_header(const char *name, const char *value);
/* A value of the configuration; the content of a file in a granted folder. */
void riposte_mock_config(const char *name, const char *value);
void riposte_mock_file(const char *path, const char *content);

/* For the functions below. */
void riposte_mock_begin(void);
riposte_list riposte_mock_keys_told(void);
riposte_bytes riposte_mock_receipt_told(void);
riposte_result riposte_mock_call_keys(const struct riposte_reversible *response);
void riposte_mock_expect_calls(const char *file, int line, const char *const *expected);
void riposte_mock_expect_ok(const char *file, int line, riposte_result result);
void riposte_mock_expect_kind(const char *file, int line, riposte_result result, const char *kind);
void riposte_mock_expect(const char *file, int line, const char *what, bool holds);

/* The response's own functions, each as the engine calls it. They are here, so
 * that a test of one kind does not ask for the other. */
static inline riposte_result riposte_mock_keys(riposte_list *keys) {
    riposte_mock_begin();
    riposte_result result = riposte_mock_call_keys(&riposte_reversible);
    *keys = riposte_mock_keys_told();
    return result;
}
static inline riposte_result riposte_mock_add(void) {
    riposte_mock_begin();
    return riposte_reversible.add();
}
/* With the receipt of the last `add`. */
static inline riposte_result riposte_mock_undo(void) {
    riposte_bytes receipt = riposte_mock_receipt_told();
    riposte_mock_begin();
    return riposte_reversible.undo(&receipt);
}
static inline riposte_result riposte_mock_undo_without_receipt(void) {
    riposte_mock_begin();
    return riposte_reversible.undo(NULL);
}
static inline riposte_result riposte_mock_run(void) {
    riposte_mock_begin();
    return riposte_oneshot.run();
}

/* Each ends the test with its place when it does not hold. */
#define EXPECT(condition) riposte_mock_expect(__FILE__, __LINE__, #condition, (condition))
#define EXPECT_OK(result) riposte_mock_expect_ok(__FILE__, __LINE__, (result))
#define EXPECT_ERROR(result, kind) riposte_mock_expect_kind(__FILE__, __LINE__, (result), (kind))
/* The calls since the last EXPECT_CALLS, or since the alert. */
#define EXPECT_CALLS(...)                                                        \
    do {                                                                         \
        const char *const riposte_expected_[] = {__VA_ARGS__, NULL};             \
        riposte_mock_expect_calls(__FILE__, __LINE__, riposte_expected_);        \
    } while (0)
#define EXPECT_NO_CALLS()                                                        \
    do {                                                                         \
        const char *const riposte_expected_[] = {NULL};                          \
        riposte_mock_expect_calls(__FILE__, __LINE__, riposte_expected_);        \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
