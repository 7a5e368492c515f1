/* What is the same in a component and in a native test. */
#include "riposte_internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- Where things stand in an alert ---- */

/* Wazuh 4 in the order of its own responses, OSSEC, Wazuh 5. */
static const char *const SOURCE_ADDRESS[] = {
    "/data/win/eventdata/ipAddress", "/data/win/eventdata/destinationIp", "/data/srcip", "/srcip", "/source/ip",
};
/* Wazuh 4, OSSEC, Wazuh 5. */
static const char *const USER[] = {"/data/dstuser", "/dstuser", "/user/name"};

/* The first text there is; "-" and the empty text stand for absence. */
static riposte_result first(const char *const *pointers, size_t count, bool numbers, const char **found) {
    *found = NULL;
    for (size_t i = 0; i < count; i++) {
        int64_t number;
        if (!numbers && riposte_alert_number(pointers[i], &number)) {
            continue;
        }
        riposte_bytes text;
        if (!riposte_alert_bytes(pointers[i], &text) || text.length == 0
            || (text.length == 1 && text.data[0] == '-')) {
            continue;
        }
        if (memchr(text.data, 0, text.length) != NULL) {
            return riposte_invalid("the text at %s holds a zero byte", pointers[i]);
        }
        *found = (const char *)text.data;
        break;
    }
    return RIPOSTE_OK;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

riposte_result riposte_srcip(const char **address) {
    /* A number is no address: Wazuh passes over it too. */
    RIPOSTE_TRY(first(SOURCE_ADDRESS, COUNT(SOURCE_ADDRESS), false, address));
    return *address ? RIPOSTE_OK : riposte_no_key("the alert has no source address (data.srcip)");
}

riposte_result riposte_user(const char **user) {
    RIPOSTE_TRY(first(USER, COUNT(USER), true, user));
    return *user ? RIPOSTE_OK : riposte_no_key("the alert has no user (data.dstuser)");
}

const char *riposte_alert_text(const char *pointer) {
    riposte_bytes text;
    if (!riposte_alert_bytes(pointer, &text) || memchr(text.data, 0, text.length) != NULL) {
        return NULL;
    }
    return (const char *)text.data;
}

/* ---- Keys and receipt of this call ---- */

/* The engine takes 16 at most: a seventeenth is handed on, so that it refuses
 * them all, and what is more need not be kept. */
static const char *keys[17];
static size_t key_count;
static riposte_bytes receipt;

void riposte_key(const char *key) {
    if (key_count < COUNT(keys)) {
        keys[key_count++] = key;
    }
}

riposte_list riposte_keys_told(void) {
    return (riposte_list){keys, key_count};
}

riposte_result riposte_call_keys(const struct riposte_reversible *response) {
    if (response->keys) {
        return response->keys();
    }
    const char *address;
    RIPOSTE_TRY(riposte_srcip(&address));
    riposte_key(address);
    return RIPOSTE_OK;
}

void riposte_receipt(const void *data, size_t length) {
    receipt = riposte_copy(data, length);
}

riposte_bytes riposte_receipt_told(void) {
    return receipt;
}

void riposte_forget_told(void) {
    key_count = 0;
    receipt = (riposte_bytes){NULL, 0};
}

/* ---- Memory and texts ---- */

riposte_bytes riposte_copy(const void *data, size_t length) {
    uint8_t *copy = riposte_alloc(length + 1);
    if (length > 0) {
        memcpy(copy, data, length);
    }
    copy[length] = 0;
    return (riposte_bytes){copy, length};
}

riposte_bytes riposte_bytes_of(const char *text) {
    return (riposte_bytes){(const uint8_t *)text, text ? strlen(text) : 0};
}

/* The number of bytes of the UTF-8 sequence that begins here; 0 for none. A
 * continuation that is missing is a zero byte at the latest, so nothing is read
 * beyond the end of the text. */
static size_t sequence(const uint8_t *at) {
    uint8_t a = at[0];
    if (a < 0x80) return 1;
    if (a < 0xc2 || a > 0xf4) return 0;
    if ((at[1] & 0xc0) != 0x80) return 0;
    if (a < 0xe0) return 2;
    if ((at[2] & 0xc0) != 0x80) return 0;
    if (a < 0xf0) {
        bool overlong = a == 0xe0 && at[1] < 0xa0;
        bool surrogate = a == 0xed && at[1] > 0x9f;
        return overlong || surrogate ? 0 : 3;
    }
    if ((at[3] & 0xc0) != 0x80) return 0;
    return (a == 0xf0 && at[1] < 0x90) || (a == 0xf4 && at[1] > 0x8f) ? 0 : 4;
}

bool riposte_is_utf8(const char *text) {
    for (const uint8_t *at = (const uint8_t *)text; *at;) {
        size_t length = sequence(at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

const char *riposte_readable(const char *text) {
    if (riposte_is_utf8(text)) return text;
    char *copy = (char *)riposte_copy(text, strlen(text)).data;
    for (char *at = copy; *at;) {
        size_t length = sequence((const uint8_t *)at);
        if (length == 0) *at = '?';
        at += length ? length : 1;
    }
    return copy;
}

struct text {
    char *bytes;
    size_t length, room;
};

static void push(struct text *text, const char *bytes, size_t length) {
    if (text->room - text->length < length + 1) {
        size_t room = (text->length + length + 1) * 2 + 64;
        char *larger = riposte_alloc(room);
        if (text->length > 0) memcpy(larger, text->bytes, text->length);
        text->bytes = larger;
        text->room = room;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = 0;
}

static void push_number(struct text *text, unsigned long long number, bool negative, unsigned base) {
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    if (negative) digits[--at] = '-';
    push(text, digits + at, sizeof digits - at);
}

static const char *format_list(const char *format, va_list list) {
    struct text text = {0};
    push(&text, "", 0);
    for (const char *at = format; *at; at++) {
        if (*at != '%') {
            const char *end = at;
            while (*end && *end != '%') end++;
            push(&text, at, (size_t)(end - at));
            at = end - 1;
            continue;
        }
        const char *start = at++;
        enum { INT, LONG, LONG_LONG, SIZE } size = INT;
        if (*at == 'z') { size = SIZE; at++; }
        else if (*at == 'l' && at[1] == 'l') { size = LONG_LONG; at += 2; }
        else if (*at == 'l') { size = LONG; at++; }
        switch (*at) {
        case 's': {
            const char *inserted = va_arg(list, const char *);
            if (!inserted) inserted = "(null)";
            push(&text, inserted, strlen(inserted));
            break;
        }
        case 'c': {
            char c = (char)va_arg(list, int);
            push(&text, &c, 1);
            break;
        }
        case 'd':
        case 'i': {
            long long number = size == INT ? va_arg(list, int)
                : size == LONG ? va_arg(list, long)
                : size == SIZE ? (long long)va_arg(list, ptrdiff_t)
                : va_arg(list, long long);
            unsigned long long amount = number < 0 ? 0ULL - (unsigned long long)number : (unsigned long long)number;
            push_number(&text, amount, number < 0, 10);
            break;
        }
        case 'u':
        case 'x': {
            unsigned long long number = size == INT ? va_arg(list, unsigned)
                : size == LONG ? va_arg(list, unsigned long)
                : size == SIZE ? va_arg(list, size_t)
                : va_arg(list, unsigned long long);
            push_number(&text, number, false, *at == 'x' ? 16 : 10);
            break;
        }
        case '%':
            push(&text, "%", 1);
            break;
        default:
            /* Not one of ours. What belongs to it cannot be known, so nothing
             * that follows can be filled in: the rest is shown as it stands. */
            push(&text, start, strlen(start));
            return text.bytes;
        }
    }
    return text.bytes;
}

const char *riposte_format(const char *format, ...) {
    va_list list;
    va_start(list, format);
    const char *text = format_list(format, list);
    va_end(list);
    return text;
}

const char *riposte_json_string(const char *string) {
    struct text text = {0};
    push(&text, "\"", 1);
    for (const uint8_t *at = (const uint8_t *)riposte_readable(string); *at;) {
        size_t length = sequence(at);
        /* Control characters, also those from U+0080 to U+009F, and the two
         * line ends that only JavaScript knows. */
        unsigned c = length == 1 ? at[0] : length == 2 ? (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu)
            : length == 3 ? (at[0] & 0xfu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu) : 0x10000;
        if (c == '"') push(&text, "\\\"", 2);
        else if (c == '\\') push(&text, "\\\\", 2);
        else if (c == '\n') push(&text, "\\n", 2);
        else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029) {
            char escaped[6] = {'\\', 'u'};
            for (int i = 0; i < 4; i++) escaped[2 + i] = "0123456789abcdef"[c >> (12 - 4 * i) & 0xf];
            push(&text, escaped, sizeof escaped);
        } else push(&text, (const char *)at, length);
        at += length;
    }
    push(&text, "\"", 1);
    return text.bytes;
}

/* ---- Errors and log lines ---- */

riposte_result riposte_error_of(const char *kind, const char *message, bool retry) {
    struct riposte_error *error = riposte_alloc(sizeof *error);
    *error = (struct riposte_error){kind, message, retry};
    return error;
}

#define FORMATTED(format, text)            \
    va_list list;                          \
    va_start(list, format);                \
    const char *text = format_list(format, list); \
    va_end(list)

riposte_result riposte_failed(const char *format, ...) {
    FORMATTED(format, message);
    return riposte_error_of("failed", message, false);
}

riposte_result riposte_invalid(const char *format, ...) {
    FORMATTED(format, message);
    return riposte_error_of("invalid-input", message, false);
}

riposte_result riposte_no_key(const char *format, ...) {
    FORMATTED(format, message);
    return riposte_error_of("no-key", message, false);
}

riposte_result riposte_unavailable(const char *format, ...) {
    FORMATTED(format, message);
    return riposte_error_of("unavailable", message, true);
}

void riposte_info(const char *format, ...) {
    FORMATTED(format, message);
    riposte_log(RIPOSTE_INFO, message);
}

void riposte_warn(const char *format, ...) {
    FORMATTED(format, message);
    riposte_log(RIPOSTE_WARN, message);
}

/* ---- HTTP ---- */

static char small(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

const char *riposte_small(const char *text) {
    char *copy = (char *)riposte_copy(text, strlen(text)).data;
    for (char *at = copy; *at; at++) *at = small(*at);
    return copy;
}

const char *riposte_response_header(const struct riposte_response *response, const char *name) {
    const char *wanted = riposte_small(name);
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcmp(response->headers[i].name, wanted) == 0) return response->headers[i].value;
    }
    return NULL;
}

riposte_result riposte_request_checked(const struct riposte_request *request) {
    if (!request->url || !riposte_is_utf8(request->url) || (request->method && !riposte_is_utf8(request->method))) {
        return riposte_invalid("the URL or the method is NULL or not UTF-8");
    }
    for (size_t i = 0; i < request->header_count; i++) {
        const struct riposte_header *header = &request->headers[i];
        if (!header->name || !header->value || !riposte_is_utf8(header->name)) {
            return riposte_invalid("the name or the value of a header is NULL, or the name is not UTF-8");
        }
    }
    return RIPOSTE_OK;
}

riposte_result riposte_url_parts(const char *url, struct riposte_url *parts) {
    const char *rest;
    if (strncmp(url, "https://", 8) == 0) {
        parts->tls = true;
        rest = url + 8;
    } else if (strncmp(url, "http://", 7) == 0) {
        parts->tls = false;
        rest = url + 7;
    } else {
        /* The address may hold a secret: it is not repeated. */
        return riposte_invalid("the URL begins neither with https:// nor with http://");
    }
    size_t length = strcspn(rest, "#");
    size_t authority = strcspn(rest, "/?#");
    if (authority == 0) return riposte_invalid("the URL names no host");
    parts->authority = (const char *)riposte_copy(rest, authority).data;
    parts->path = (const char *)riposte_copy(rest + authority, length - authority).data;
    return RIPOSTE_OK;
}
