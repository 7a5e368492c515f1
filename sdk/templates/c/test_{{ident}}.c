/* Run by `make test` on a host that records every call and does nothing. */
#include "riposte_mock.h"

int main(void) {
    riposte_mock_alert("{\"data\":{\"srcip\":\"192.0.2.7\"}}");
    EXPECT_OK(riposte_mock_add());
    EXPECT_CALLS("firewall.block 192.0.2.7");
    EXPECT_OK(riposte_mock_undo());
    EXPECT_CALLS("firewall.unblock 192.0.2.7");

    riposte_mock_alert("{\"rule\":{\"level\":10}}");
    EXPECT_ERROR(riposte_mock_add(), "no-key");
    EXPECT_NO_CALLS();
    return 0;
}
