#include "riposte_mock.h"

#include <string.h>

int main(void) {
    riposte_mock_alert("{\"data\":{\"url\":\"https://example.com/\",\"header\":\"a\"}}");
    riposte_mock_answer_http(503, "no");
    riposte_mock_answer_http_header("X-Reply", "b");
    EXPECT_OK(riposte_mock_run());
    EXPECT_CALLS("http.send GET https://example.com/ X-Probe: a");
    EXPECT(strcmp(riposte_mock_log().items[0], "info: answered 503, b, 2 bytes") == 0);

    riposte_mock_alert("{\"data\":{\"read\":\"/srv/a\"}}");
    EXPECT_ERROR(riposte_mock_run(), "denied");
    riposte_mock_file("/srv/a", "text");
    EXPECT_OK(riposte_mock_run());
    EXPECT(strcmp(riposte_mock_log().items[0], "info: read 4 bytes") == 0);
    return 0;
}
