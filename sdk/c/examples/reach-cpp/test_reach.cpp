#include "riposte_mock.h"

#include <string>
#include <string_view>

#include "riposte.hpp"

int main() {
    riposte_mock_alert(R"({"data":{"url":"https://example.com/","method":"PUT","body":"x","header":"a"}})");
    riposte_mock_answer_http(503, "no");
    riposte_mock_answer_http_header("X-Reply", "b");
    EXPECT_OK(riposte_mock_run());
    EXPECT_CALLS("http.send PUT https://example.com/ X-Probe: a x");
    EXPECT(riposte_mock_log().items[0] == std::string_view("info: answered 503, b, 2 bytes"));

    riposte_mock_alert(R"({"data":{"read":"/srv/a"}})");
    EXPECT_ERROR(riposte_mock_run(), "denied");
    riposte_mock_file("/srv/a", "text");
    EXPECT_OK(riposte_mock_run());
    EXPECT(riposte_mock_log().items[0] == std::string_view("info: read 4 bytes"));

    // What holds a zero byte is refused, not cut.
    const std::string zero("https://example.com/a\0b", 23);
    EXPECT(riposte::http::send({.url = zero}).error().kind == "invalid-input");
    EXPECT(riposte::http::send({.method = std::string("GET\0", 4), .url = "https://example.com/"}).error().kind == "invalid-input");
    EXPECT(riposte::http::send({.url = "https://example.com/", .headers = {{"a", zero}}}).error().kind == "invalid-input");
    EXPECT_NO_CALLS();
    EXPECT(riposte::json_string(std::string_view("a\"\0b\0", 5)) == "\"a\\\"\\u0000b\\u0000\"");
    EXPECT(riposte::json_string("") == "\"\"");
}
