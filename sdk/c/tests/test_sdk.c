/* The SDK itself, natively: what riposte.c and the host of tests do. */
#include "riposte_mock.h"

#include <stdio.h>
#include <string.h>

#include "riposte_mock_json.h"

const struct riposte_reversible riposte_reversible = {NULL, NULL, NULL};

static void is(int line, const char *came, const char *expected) {
    if (came != expected && (!came || !expected || strcmp(came, expected) != 0)) {
        fprintf(stderr, "line %d: expected %s\n", line, expected ? expected : "nothing");
        riposte_mock_expect(__FILE__, line, came ? came : "nothing", false);
    }
}
#define IS(came, expected) is(__LINE__, (came), (expected))

static void texts_and_numbers(void) {
    int64_t number;
    riposte_mock_alert("{\"rule\":{\"level\":10,\"id\":\"5712\",\"mail\":true,\"x\":-3,\"y\":1.5},"
                       "\"data\":{\"a/b\":\"c\",\"list\":[\"x\",{\"y\":\"z\"}],\"null\":null,\"empty\":\"\","
                       "\"twice\":1,\"twice\":2,\"u\":\"\\u00e9\\ud83d\\ude00\\n\",\"zero\":\"a\\u0000b\"}}");
    IS(riposte_alert_text("/rule/id"), "5712");
    IS(riposte_alert_text("rule.id"), "5712");
    IS(riposte_alert_text("/rule/level"), "10");
    IS(riposte_alert_text("/rule/mail"), "true");
    IS(riposte_alert_text("/rule/y"), "1.5");
    IS(riposte_alert_text("/rule"), NULL);
    IS(riposte_alert_text("/data/null"), NULL);
    IS(riposte_alert_text("/data/empty"), "");
    IS(riposte_alert_text("/data/a~1b"), "c");
    IS(riposte_alert_text("/data/list/1/y"), "z");
    IS(riposte_alert_text("/data/list/01"), NULL);
    IS(riposte_alert_text("/data/list/9"), NULL);
    IS(riposte_alert_text("/data/twice"), NULL);
    IS(riposte_alert_text("/data/u"), "\xc3\xa9\xf0\x9f\x98\x80\n");
    /* Never shortened. */
    IS(riposte_alert_text("/data/zero"), NULL);
    EXPECT(riposte_alert_number("/rule/level", &number) && number == 10);
    EXPECT(riposte_alert_number("/rule/id", &number) && number == 5712);
    EXPECT(riposte_alert_number("/rule/x", &number) && number == -3);
    EXPECT(!riposte_alert_number("/rule/y", &number));
    EXPECT(!riposte_alert_number("/rule/mail", &number));
    riposte_mock_alert("{\"a\":9223372036854775807,\"b\":\"9223372036854775808\",\"c\":-9223372036854775808}");
    EXPECT(riposte_alert_number("/a", &number) && number == INT64_MAX);
    EXPECT(!riposte_alert_number("/b", &number));
    EXPECT(riposte_alert_number("/c", &number) && number == INT64_MIN);
}

static void the_source_address_of_each_product(void) {
    static const char *const FOUND[] = {
        "{\"data\":{\"win\":{\"eventdata\":{\"ipAddress\":5}},\"srcip\":\"192.0.2.7\"}}",
        "{\"data\":{\"win\":{\"eventdata\":{\"ipAddress\":\"5\"}},\"srcip\":\"192.0.2.7\"}}",
        "{\"data\":{\"srcip\":\"192.0.2.7\"}}",
        "{\"srcip\":\"192.0.2.7\"}",
        "{\"data\":{\"srcip\":\"-\"},\"source\":{\"ip\":\"192.0.2.7\"}}",
    };
    static const char *const NONE[] = {"{}", "{\"data\":{\"srcip\":\"\"}}", "{\"data\":{\"srcip\":null}}", "[]", "1"};
    const char *address;
    for (size_t i = 0; i < sizeof FOUND / sizeof FOUND[0]; i++) {
        riposte_mock_alert(FOUND[i]);
        EXPECT_OK(riposte_srcip(&address));
        IS(address, "192.0.2.7");
    }
    for (size_t i = 0; i < sizeof NONE / sizeof NONE[0]; i++) {
        riposte_mock_alert(NONE[i]);
        EXPECT_ERROR(riposte_srcip(&address), "no-key");
    }
    /* Not the address behind it, and not a part of this one. */
    riposte_mock_alert("{\"data\":{\"srcip\":\"192.0.2.7\\u0000.example\"},\"srcip\":\"198.51.100.1\"}");
    EXPECT_ERROR(riposte_srcip(&address), "invalid-input");
}

static void what_is_json(void) {
    static const char *const WRONG[] = {"", "{", "{]", "[1,]", "{\"a\":}", "{\"a\" 1}", "01", "1.", "nul", "\"\t\"",
                                        "\"\\x\"", "\"\\ud800\"", "{} x", "\"\xff\"", "-"};
    char deep[300];
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) EXPECT(!riposte_json_is_valid(WRONG[i]));
    EXPECT(riposte_json_is_valid(" [ { \"a\" : [ ] , \"b\" : -0.5e+3 } , null , \"\\u00e9\" ] "));
    for (int depth = 128; depth <= 129; depth++) {
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        deep[2 * depth] = 0;
        EXPECT(riposte_json_is_valid(deep) == (depth == 128));
    }
}

static void formats(void) {
    riposte_mock_reset();
    IS(riposte_format("%s %d %u %x %c%% %zu %lld", "a", -3, 4u, 255u, 'z', (size_t)7, -9000000000LL), "a -3 4 ff z% 7 -9000000000");
    IS(riposte_format("%d", (int)INT32_MIN), "-2147483648");
    IS(riposte_json_string("a\"\\\n\x01\xc3\xa9\xe2\x80\xa8\xff"), "\"a\\\"\\\\\\n\\u0001\xc3\xa9\\u2028?\"");
}

static void http(void) {
    struct riposte_response response;
    struct riposte_header header = {"Content-Type", "application/json"};
    struct riposte_request request = {"POST", "https://example.com/x#y", &header, 1, riposte_bytes_of("{}")};
    riposte_mock_alert("{}");
    EXPECT_OK(riposte_http_send(&request, &response));
    EXPECT(response.status == 200 && response.body.length == 0);
    EXPECT_CALLS("http.send POST https://example.com/x Content-Type: application/json {}");
    riposte_mock_answer_http(404, "no");
    EXPECT_OK(riposte_http_send(&request, &response));
    EXPECT(response.status == 404 && response.body.length == 2 && response.header_count == 0);
    EXPECT(riposte_response_header(&response, "retry-after") == NULL);
    riposte_mock_answer_http_header("Retry-After", "7");
    riposte_mock_answer_http_header("retry-after", "8");
    EXPECT_OK(riposte_http_send(&request, &response));
    IS(riposte_response_header(&response, "RETRY-after"), "7");
    EXPECT(response.header_count == 2);
    request = (struct riposte_request){.url = "https://example.com/"};
    EXPECT_OK(riposte_http_send(&request, &response));
    EXPECT_CALLS("http.send POST https://example.com/x Content-Type: application/json {}",
                 "http.send POST https://example.com/x Content-Type: application/json {}",
                 "http.send GET https://example.com/");
    request.headers = &(struct riposte_header){"x", NULL};
    request.header_count = 1;
    EXPECT_ERROR(riposte_http_send(&request, &response), "invalid-input");
    request = (struct riposte_request){.url = NULL};
    EXPECT_ERROR(riposte_http_send(&request, &response), "invalid-input");
    EXPECT_NO_CALLS();
    request.url = "file:///etc/passwd";
    EXPECT_ERROR(riposte_http_send(&request, &response), "invalid-input");
}

static void the_host_remembers_what_is_held(void) {
    bool changed;
    riposte_mock_alert("{}");
    EXPECT_OK(riposte_firewall_block("192.0.2.7", &changed));
    EXPECT(changed);
    EXPECT_OK(riposte_firewall_block("192.0.2.7", &changed));
    EXPECT(!changed);
    EXPECT_OK(riposte_firewall_blocked("192.0.2.7", &changed));
    EXPECT(changed);
    EXPECT_OK(riposte_firewall_unblock("192.0.2.7", &changed));
    EXPECT(changed);
    EXPECT_OK(riposte_lines_ensure("/etc/hosts.deny", "ALL:192.0.2.7", NULL));
    EXPECT_OK(riposte_isolation_isolate(NULL));
    EXPECT_OK(riposte_exec_run("/bin/x", (const char *const[]){"-a", "b c", NULL}, riposte_bytes_of(""), &(struct riposte_output){0}));
    EXPECT_CALLS("firewall.block 192.0.2.7", "firewall.block 192.0.2.7", "firewall.blocked 192.0.2.7",
                 "firewall.unblock 192.0.2.7", "lines.ensure /etc/hosts.deny ALL:192.0.2.7", "isolation.isolate host",
                 "exec.run /bin/x -a b c");
}

int main(void) {
    texts_and_numbers();
    the_source_address_of_each_product();
    what_is_json();
    formats();
    http();
    the_host_remembers_what_is_held();
    riposte_mock_reset();
    return 0;
}
