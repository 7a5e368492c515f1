/* Run by `make test` on a host that records every call and does nothing. */
#include "riposte_mock.h"

#include <string.h>

int main(void) {
    riposte_mock_alert("{\"rule\":{\"description\":\"sshd: brute force\"}}");
    EXPECT_OK(riposte_mock_run());
    EXPECT(strcmp(riposte_mock_log().items[0], "info: sshd: brute force") == 0);

    riposte_mock_alert("{}");
    EXPECT_ERROR(riposte_mock_run(), "invalid-input");
    return 0;
}
