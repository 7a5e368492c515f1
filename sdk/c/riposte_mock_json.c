/* See riposte_mock_json.h. The host of a component reads alerts with a reader of
 * its own; here it has to give the same answers for the same texts. */
#include "riposte_mock_json.h"

#include <string.h>

enum { DEEPEST = 128 };

struct reader {
    const char *at;
    int depth;
};

static void blanks(struct reader *reader) {
    while (*reader->at && strchr(" \t\r\n", *reader->at)) reader->at++;
}

static bool taken(struct reader *reader, char c) {
    blanks(reader);
    if (*reader->at != c) return false;
    reader->at++;
    return true;
}

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool code_unit(const char *at, unsigned *unit) {
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex(at[i]);
        if (digit < 0) return false;
        *unit = *unit << 4 | (unsigned)digit;
    }
    return true;
}

static size_t utf8(unsigned c, char *to) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)((0xf0 << (4 - length) & 0xff) | c);
    return length;
}

/* Reads a string; `to` is NULL or has room for all of it. */
static bool string(struct reader *reader, char *to, size_t *length) {
    if (!taken(reader, '"')) return false;
    *length = 0;
    while (*reader->at != '"') {
        unsigned char c = (unsigned char)*reader->at++;
        char made[4] = {(char)c};
        size_t size = 1;
        if (c < 0x20) return false;
        if (c == '\\') {
            static const char NAMES[] = "\"\\/bfnrt", MEANT[] = "\"\\/\b\f\n\r\t";
            char name = *reader->at++;
            const char *known = name ? strchr(NAMES, name) : NULL;
            unsigned unit, second;
            if (known) made[0] = MEANT[known - NAMES];
            else if (name == 'u' && code_unit(reader->at, &unit)) {
                reader->at += 4;
                if (unit >= 0xd800 && unit < 0xdc00 && reader->at[0] == '\\' && reader->at[1] == 'u'
                    && code_unit(reader->at + 2, &second) && second >= 0xdc00 && second < 0xe000) {
                    reader->at += 6;
                    unit = 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
                } else if (unit >= 0xd800 && unit < 0xe000) return false;
                size = utf8(unit, made);
            } else return false;
        }
        if (to) memcpy(to + *length, made, size);
        *length += size;
    }
    reader->at++;
    return true;
}

static bool digits(struct reader *reader) {
    const char *start = reader->at;
    while (*reader->at >= '0' && *reader->at <= '9') reader->at++;
    return reader->at > start;
}

static bool number(struct reader *reader) {
    if (*reader->at == '-') reader->at++;
    if (*reader->at == '0') reader->at++;
    else if (!digits(reader)) return false;
    if (*reader->at == '.') {
        reader->at++;
        if (!digits(reader)) return false;
    }
    if (*reader->at == 'e' || *reader->at == 'E') {
        reader->at++;
        if (*reader->at == '+' || *reader->at == '-') reader->at++;
        if (!digits(reader)) return false;
    }
    return true;
}

static bool word(struct reader *reader, const char *expected) {
    size_t length = strlen(expected);
    if (strncmp(reader->at, expected, length) != 0) return false;
    reader->at += length;
    return true;
}

static bool value(struct reader *reader) {
    size_t length;
    blanks(reader);
    switch (*reader->at) {
    case '"':
        return string(reader, NULL, &length);
    case 't':
        return word(reader, "true");
    case 'f':
        return word(reader, "false");
    case 'n':
        return word(reader, "null");
    case '{':
    case '[': {
        char end = *reader->at++ == '{' ? '}' : ']';
        if (++reader->depth > DEEPEST) return false;
        if (!taken(reader, end)) {
            do {
                if (end == '}' && (blanks(reader), !string(reader, NULL, &length) || !taken(reader, ':'))) return false;
                if (!value(reader)) return false;
            } while (taken(reader, ','));
            if (!taken(reader, end)) return false;
        }
        reader->depth--;
        return true;
    }
    default:
        return number(reader);
    }
}

bool riposte_json_is_valid(const char *json) {
    struct reader reader = {json, 0};
    if (!riposte_is_utf8(json) || !value(&reader)) return false;
    blanks(&reader);
    return *reader.at == 0;
}

/* The next name of a pointer, with ~1 and ~0 as what they stand for. */
static const char *step(const char *pointer, bool slashes, char *name) {
    while (*pointer && *pointer != (slashes ? '/' : '.')) {
        char c = *pointer++;
        if (slashes && c == '~' && (*pointer == '0' || *pointer == '1')) c = *pointer++ == '0' ? '~' : '/';
        *name++ = c;
    }
    *name = 0;
    return pointer;
}

/* The member of this name; none when there are two. */
static const char *member(const char *object, const char *name) {
    struct reader reader = {object, 0};
    const char *found = NULL;
    size_t wanted = strlen(name), length;
    if (!taken(&reader, '{') || taken(&reader, '}')) return NULL;
    do {
        char *known = riposte_alloc(strlen(reader.at) + 1);
        blanks(&reader);
        string(&reader, known, &length);
        taken(&reader, ':');
        blanks(&reader);
        if (length == wanted && memcmp(known, name, length) == 0) {
            if (found) return NULL;
            found = reader.at;
        }
        value(&reader);
    } while (taken(&reader, ','));
    return found;
}

static const char *element(const char *array, const char *index) {
    struct reader reader = {array, 0};
    size_t wanted = 0, digit_count = strspn(index, "0123456789");
    if (digit_count == 0 || digit_count > 6 || index[digit_count] || (index[0] == '0' && digit_count > 1)) return NULL;
    for (const char *at = index; *at; at++) wanted = wanted * 10 + (size_t)(*at - '0');
    if (!taken(&reader, '[') || taken(&reader, ']')) return NULL;
    for (size_t i = 0;; i++) {
        blanks(&reader);
        if (i == wanted) return reader.at;
        value(&reader);
        if (!taken(&reader, ',')) return NULL;
    }
}

enum riposte_json_kind riposte_json_at(const char *json, const char *pointer, riposte_bytes *text) {
    bool slashes = *pointer == '/';
    char *name = riposte_alloc(strlen(pointer) + 1);
    const char *at = json;
    while (*pointer) {
        if (slashes || *pointer == '.') pointer++;
        pointer = step(pointer, slashes, name);
        at += strspn(at, " \t\r\n");
        at = *at == '{' ? member(at, name) : *at == '[' && slashes ? element(at, name) : NULL;
        if (!at) return JSON_NOTHING;
    }
    struct reader reader = {at, 0};
    blanks(&reader);
    const char *start = reader.at;
    if (*start == '"') {
        char *room = riposte_alloc(strlen(start) + 1);
        size_t length;
        string(&reader, room, &length);
        *text = riposte_copy(room, length);
        return JSON_TEXT;
    }
    if (strchr("{[n", *start)) return JSON_NOTHING;
    value(&reader);
    *text = riposte_copy(start, (size_t)(reader.at - start));
    return *start == 't' || *start == 'f' ? JSON_BOOLEAN : JSON_NUMBER;
}
