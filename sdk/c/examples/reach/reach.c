/* Sends the request, or reads the file, that the alert names: what every SDK has
 * to bring of HTTP and of files. */
#include "riposte.h"

static riposte_result read_file(const char *path) {
    riposte_bytes content;
    RIPOSTE_TRY(riposte_read_file(path, &content));
    riposte_info("read %zu bytes", content.length);
    return RIPOSTE_OK;
}

static riposte_result run(void) {
    const char *path = riposte_alert_text("/data/read");
    if (path) return read_file(path);
    struct riposte_header header = {"X-Probe", riposte_alert_text("/data/header")};
    struct riposte_request request = {
        .method = riposte_alert_text("/data/method"),
        .url = riposte_alert_text("/data/url"),
        .headers = &header,
        .header_count = header.value ? 1 : 0,
        .body = riposte_bytes_of(riposte_alert_text("/data/body")),
    };
    if (!request.url) return riposte_no_key("the alert names nothing");
    int64_t times = 1;
    riposte_alert_number("/data/times", &times);
    for (; times > 0; times--) {
        struct riposte_response response;
        RIPOSTE_TRY(riposte_http_send(&request, &response));
        const char *reply = riposte_response_header(&response, "X-Reply");
        riposte_info("answered %u, %s, %zu bytes", (unsigned)response.status, reply ? reply : "none", response.body.length);
    }
    return RIPOSTE_OK;
}

RIPOSTE_ONESHOT(.run = run);
