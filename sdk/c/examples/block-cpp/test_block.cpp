#include "riposte_mock.h"

#include <string_view>

int main() {
    riposte_mock_alert(R"({"data":{"srcip":"192.0.2.7"}})");
    riposte_list keys;
    EXPECT_OK(riposte_mock_keys(&keys));
    EXPECT(keys.count == 1 && keys.items[0] == std::string_view("192.0.2.7"));
    EXPECT_OK(riposte_mock_add());
    EXPECT_CALLS("firewall.block 192.0.2.7");
    EXPECT_OK(riposte_mock_undo());
    EXPECT_CALLS("firewall.unblock 192.0.2.7");

    riposte_mock_refuse("firewall.block", "denied", "the guard excludes it", false);
    EXPECT_ERROR(riposte_mock_add(), "denied");
    riposte_mock_alert("{}");
    EXPECT_ERROR(riposte_mock_add(), "no-key");
    EXPECT_NO_CALLS();
}
