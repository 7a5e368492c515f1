/* Requests over wasi:http. A component imports it when its response sends. */
#include "riposte_wasm.h"

#include <string.h>

/* Most that one write may take (`blocking-write-and-flush` of wasi:io). */
enum { CHUNK = 4096, READ = 64 << 10 };

/* The engine's own words are in its log; these are for the response's. */
static riposte_result refused(const wasi_http_types_error_code_t *code) {
    switch (code->tag) {
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED:
        return riposte_error_of("denied",
            "the command's <http/> grants do not allow this request; the engine's log says which one would", false);
    case WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED:
        return riposte_error_of("denied",
            "the host name stands for an address of a private or special network; the engine's log says which", false);
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID:
        return riposte_invalid("the URL cannot be used; the engine's log says why");
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE:
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_HEADER_SECTION_SIZE:
        return riposte_error_of("denied", "the request is larger than the command's <http/> grant allows", false);
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_BODY_SIZE:
        return riposte_failed("the answer is larger than the command's <http/> grant allows");
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_DNS_TIMEOUT:
        return riposte_error_of("timeout", "the server did not answer in time", true);
    case WASI_HTTP_TYPES_ERROR_CODE_DNS_ERROR:
        return riposte_unavailable("the host name was not found");
    case WASI_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR:
        return riposte_failed("the certificate of the server is not valid for this host; the engine's log says why");
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED:
        return riposte_error_of("denied", "too many requests in this call, or at a time", true);
    case WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR:
        if (code->val.internal_error.is_some) {
            plugin_string_t message = code->val.internal_error.val;
            return riposte_failed("%s", (const char *)riposte_copy(message.ptr, message.len).data);
        }
        /* fallthrough */
    default:
        return riposte_unavailable("the server could not be reached, or does not speak HTTP");
    }
}

static riposte_result fault(void) {
    return riposte_failed("wasi:http of this engine does not behave as it should; please report this fault");
}

static wasi_http_types_method_t method(const char *name) {
    static const struct { const char *name; uint8_t tag; } KNOWN[] = {
        {"GET", WASI_HTTP_TYPES_METHOD_GET}, {"POST", WASI_HTTP_TYPES_METHOD_POST},
        {"PUT", WASI_HTTP_TYPES_METHOD_PUT}, {"PATCH", WASI_HTTP_TYPES_METHOD_PATCH},
        {"DELETE", WASI_HTTP_TYPES_METHOD_DELETE}, {"HEAD", WASI_HTTP_TYPES_METHOD_HEAD},
    };
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        if (strcmp(name, KNOWN[i].name) == 0) return (wasi_http_types_method_t){.tag = KNOWN[i].tag};
    }
    return (wasi_http_types_method_t){.tag = WASI_HTTP_TYPES_METHOD_OTHER, .val.other = riposte_lent(name)};
}

static bool append(wasi_http_types_own_fields_t fields, const char *name, const char *value) {
    wasi_http_types_header_error_t error;
    plugin_string_t field = riposte_lent(name);
    wasi_http_types_field_value_t bytes = {(uint8_t *)value, strlen(value)};
    return wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields), &field, &bytes, &error);
}

/* Whether the server took all of it. */
static bool write_body(wasi_http_types_own_outgoing_body_t body, riposte_bytes bytes) {
    wasi_http_types_own_output_stream_t stream;
    if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body), &stream)) return false;
    bool written = true;
    for (size_t at = 0; written && at < bytes.length; at += CHUNK) {
        size_t length = bytes.length - at < CHUNK ? bytes.length - at : CHUNK;
        plugin_list_u8_t chunk = {(uint8_t *)bytes.data + at, length};
        wasi_io_streams_stream_error_t error;
        written = wasi_io_streams_method_output_stream_blocking_write_and_flush(
            wasi_io_streams_borrow_output_stream(stream), &chunk, &error);
    }
    wasi_io_streams_output_stream_drop_own(stream);
    return written;
}

static riposte_result broken_off(wasi_io_streams_own_error_t error) {
    wasi_http_types_error_code_t code;
    if (wasi_http_types_http_error_code(wasi_io_error_borrow_error(error), &code)) return refused(&code);
    return riposte_unavailable("the answer of the server broke off");
}

static riposte_result read_stream(wasi_http_types_own_input_stream_t stream, riposte_bytes *all) {
    uint8_t *bytes = riposte_alloc(1);
    size_t length = 0, room = 1;
    for (;;) {
        plugin_list_u8_t chunk;
        wasi_io_streams_stream_error_t error;
        if (!wasi_io_streams_method_input_stream_blocking_read(wasi_io_streams_borrow_input_stream(stream), READ, &chunk,
                                                               &error)) {
            if (error.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED) break;
            return broken_off(error.val.last_operation_failed);
        }
        if (room - length <= chunk.len) {
            room = (length + chunk.len + 1) * 2;
            uint8_t *larger = riposte_alloc(room);
            memcpy(larger, bytes, length);
            bytes = larger;
        }
        if (chunk.len > 0) memcpy(bytes + length, chunk.ptr, chunk.len);
        length += chunk.len;
        plugin_list_u8_free(&chunk);
    }
    bytes[length] = 0;
    *all = (riposte_bytes){bytes, length};
    return RIPOSTE_OK;
}

static riposte_result read_body(wasi_http_types_own_incoming_body_t body, riposte_bytes *all) {
    wasi_http_types_own_input_stream_t stream;
    if (!wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body), &stream)) return fault();
    riposte_result result = read_stream(stream, all);
    wasi_io_streams_input_stream_drop_own(stream);
    return result;
}

static void read_headers(wasi_http_types_borrow_incoming_response_t incoming, struct riposte_response *response) {
    wasi_http_types_own_headers_t fields = wasi_http_types_method_incoming_response_headers(incoming);
    wasi_http_types_list_tuple2_field_key_field_value_t entries;
    wasi_http_types_method_fields_entries(wasi_http_types_borrow_fields(fields), &entries);
    struct riposte_header *headers = riposte_alloc(entries.len * sizeof *headers);
    for (size_t i = 0; i < entries.len; i++) {
        riposte_bytes name = riposte_copy(entries.ptr[i].f0.ptr, entries.ptr[i].f0.len);
        riposte_bytes value = riposte_copy(entries.ptr[i].f1.ptr, entries.ptr[i].f1.len);
        headers[i] = (struct riposte_header){riposte_small((const char *)name.data),
                                             riposte_readable((const char *)value.data)};
    }
    response->headers = headers;
    response->header_count = entries.len;
    wasi_http_types_fields_drop_own(fields);
}

/* Takes the answer apart, which then belongs to nobody. */
static riposte_result read_response(wasi_http_types_own_incoming_response_t own, bool written,
                                    struct riposte_response *response) {
    wasi_http_types_borrow_incoming_response_t incoming = wasi_http_types_borrow_incoming_response(own);
    response->status = wasi_http_types_method_incoming_response_status(incoming);
    if (!written && response->status >= 200 && response->status < 300) {
        return riposte_unavailable("the server ended the connection before it had the whole request");
    }
    read_headers(incoming, response);
    wasi_http_types_own_incoming_body_t content;
    if (!wasi_http_types_method_incoming_response_consume(incoming, &content)) return fault();
    riposte_result result = read_body(content, &response->body);
    wasi_http_types_incoming_body_drop_own(content);
    return result;
}

static riposte_result outgoing(const struct riposte_request *request, const struct riposte_url *url,
                               wasi_http_types_own_outgoing_request_t *made) {
    wasi_http_types_own_fields_t fields = wasi_http_types_constructor_fields();
    for (size_t i = 0; i < request->header_count; i++) {
        const struct riposte_header *header = &request->headers[i];
        if (!append(fields, header->name, header->value)) {
            return riposte_invalid("the header %s or its value cannot be sent", header->name);
        }
    }
    /* Without it the body would be sent in chunks, which not every server takes. */
    if (!append(fields, "content-length", riposte_format("%zu", request->body.length))) return fault();
    *made = wasi_http_types_constructor_outgoing_request(fields);
    wasi_http_types_borrow_outgoing_request_t borrowed = wasi_http_types_borrow_outgoing_request(*made);
    wasi_http_types_method_t verb = method(request->method ? request->method : "GET");
    wasi_http_types_scheme_t scheme = {.tag = url->tls ? WASI_HTTP_TYPES_SCHEME_HTTPS : WASI_HTTP_TYPES_SCHEME_HTTP};
    plugin_string_t authority = riposte_lent(url->authority), path = riposte_lent(url->path);
    if (!wasi_http_types_method_outgoing_request_set_method(borrowed, &verb)
        || !wasi_http_types_method_outgoing_request_set_scheme(borrowed, &scheme)
        || !wasi_http_types_method_outgoing_request_set_authority(borrowed, &authority)
        || !wasi_http_types_method_outgoing_request_set_path_with_query(borrowed, &path)) {
        return riposte_invalid("the URL or the method is none of HTTP");
    }
    return RIPOSTE_OK;
}

riposte_result riposte_http_send(const struct riposte_request *request, struct riposte_response *response) {
    struct riposte_url url;
    RIPOSTE_TRY(riposte_request_checked(request));
    RIPOSTE_TRY(riposte_url_parts(request->url, &url));
    wasi_http_types_own_outgoing_request_t made;
    RIPOSTE_TRY(outgoing(request, &url, &made));
    wasi_http_types_own_outgoing_body_t body;
    if (!wasi_http_types_method_outgoing_request_body(wasi_http_types_borrow_outgoing_request(made), &body)) return fault();

    wasi_http_types_own_future_incoming_response_t answer;
    wasi_http_types_error_code_t code;
    if (!wasi_http_outgoing_handler_handle(made, NULL, &answer, &code)) return refused(&code);
    /* A server may answer before it has read everything, and the engine may
     * refuse: what comes of the request is in the answer, not here. */
    bool written = write_body(body, request->body);
    wasi_http_types_static_outgoing_body_finish(body, NULL, &code);

    wasi_http_types_own_pollable_t wait = wasi_http_types_method_future_incoming_response_subscribe(
        wasi_http_types_borrow_future_incoming_response(answer));
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(wait));
    wasi_io_poll_pollable_drop_own(wait);
    wasi_http_types_result_result_own_incoming_response_error_code_void_t came;
    if (!wasi_http_types_method_future_incoming_response_get(wasi_http_types_borrow_future_incoming_response(answer), &came)
        || came.is_err) {
        return fault();
    }
    if (came.val.ok.is_err) {
        wasi_http_types_future_incoming_response_drop_own(answer);
        return refused(&came.val.ok.val.err);
    }
    /* A call may send more than it may have open at a time: nothing stays open. */
    riposte_result result = read_response(came.val.ok.val.ok, written, response);
    wasi_http_types_incoming_response_drop_own(came.val.ok.val.ok);
    wasi_http_types_future_incoming_response_drop_own(answer);
    return result;
}
