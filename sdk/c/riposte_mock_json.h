/* A reader of JSON for the host of native tests. */
#ifndef RIPOSTE_MOCK_JSON_H
#define RIPOSTE_MOCK_JSON_H

#include "riposte_internal.h"

/* Whether the whole text is one JSON value, nested at most 128 deep. */
bool riposte_json_is_valid(const char *json);

/* What stands at a JSON Pointer, or at names joined by dots. */
enum riposte_json_kind { JSON_NOTHING, JSON_TEXT, JSON_NUMBER, JSON_BOOLEAN };
enum riposte_json_kind riposte_json_at(const char *json, const char *pointer, riposte_bytes *text);

#endif
