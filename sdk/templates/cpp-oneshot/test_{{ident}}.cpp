// Run by `make test` on a host that records every call and does nothing.
#include "riposte_mock.h"

#include <string_view>

int main() {
    riposte_mock_alert(R"({"rule":{"description":"sshd: brute force"}})");
    EXPECT_OK(riposte_mock_run());
    EXPECT(riposte_mock_log().items[0] == std::string_view("info: sshd: brute force"));

    riposte_mock_alert("{}");
    EXPECT_ERROR(riposte_mock_run(), "invalid-input");
}
