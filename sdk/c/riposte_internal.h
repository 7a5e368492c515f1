/* Between the parts of the SDK; not for responses. */
#ifndef RIPOSTE_INTERNAL_H
#define RIPOSTE_INTERNAL_H

#include "riposte.h"

/* The text at a pointer with its length, zero bytes and all. */
bool riposte_alert_bytes(const char *pointer, riposte_bytes *text);

/* A copy with a zero byte behind it. */
riposte_bytes riposte_copy(const void *data, size_t length);

bool riposte_is_utf8(const char *text);

/* The text, or a copy in which every byte that is not UTF-8 is a question mark:
 * the host ends a component that gives it anything else. */
const char *riposte_readable(const char *text);

riposte_result riposte_error_of(const char *kind, const char *message, bool retry);

/* Calls `keys`, or tells the source address. */
riposte_result riposte_call_keys(const struct riposte_reversible *response);

/* What the response told in this call. */
riposte_list riposte_keys_told(void);
riposte_bytes riposte_receipt_told(void);
void riposte_forget_told(void);

/* A copy in small letters. */
const char *riposte_small(const char *text);

/* Whether the host can be given all of it. */
riposte_result riposte_request_checked(const struct riposte_request *request);

struct riposte_url {
    bool tls;
    const char *authority, *path;
};
riposte_result riposte_url_parts(const char *url, struct riposte_url *parts);

#endif
