#include "riposte_mock.h"

#include <string.h>

int main(void) {
    riposte_mock_alert("{\"data\":{\"srcip\":\"192.0.2.7\"}}");
    riposte_list keys;
    EXPECT_OK(riposte_mock_keys(&keys));
    EXPECT(keys.count == 1 && strcmp(keys.items[0], "192.0.2.7") == 0);
    EXPECT_OK(riposte_mock_add());
    EXPECT_CALLS("firewall.block 192.0.2.7");
    EXPECT(strcmp(riposte_mock_log().items[0], "info: blocked 192.0.2.7") == 0);
    EXPECT_OK(riposte_mock_undo());
    EXPECT_OK(riposte_mock_undo_without_receipt());
    EXPECT_CALLS("firewall.unblock 192.0.2.7", "firewall.unblock 192.0.2.7");

    riposte_mock_alert("{\"data\":{\"srcip\":\"-\"}}");
    EXPECT_ERROR(riposte_mock_add(), "no-key");
    EXPECT_NO_CALLS();

    riposte_mock_alert("{\"data\":{\"srcip\":\"192.0.2.7\"}}");
    riposte_mock_refuse("firewall.block", "denied", "the guard excludes it", false);
    EXPECT_ERROR(riposte_mock_add(), "denied");
    return 0;
}
