#include "riposte_mock.h"

#include <string.h>

int main(void) {
    riposte_mock_alert("{\"data\":{\"probe\":\"log\"}}");
    EXPECT_OK(riposte_mock_run());
    EXPECT(strcmp(riposte_mock_log().items[0], "warn: from probe") == 0);
    /* Here, and only here, two calls share their memory. */
    EXPECT_ERROR(riposte_mock_run(), "failed");
    return 0;
}
