#include "riposte_mock.h"

#include <string_view>

int main() {
    riposte_mock_alert(R"({"data":{"dstuser":"mallory"}})");
    riposte_list keys;
    EXPECT_OK(riposte_mock_keys(&keys));
    EXPECT(keys.count == 1 && keys.items[0] == std::string_view("mallory"));
    EXPECT_NO_CALLS();
    EXPECT_OK(riposte_mock_add());
    EXPECT_CALLS("accounts.lock mallory");

    riposte_mock_config("sessions", "end");
    riposte_mock_answer_number("accounts.end-sessions", 2);
    EXPECT_OK(riposte_mock_add());
    EXPECT_CALLS("accounts.lock mallory", "accounts.end-sessions mallory");
    EXPECT(riposte_mock_log().items[2] == std::string_view("info: ended 2 processes of mallory"));
    EXPECT_OK(riposte_mock_undo());
    EXPECT_CALLS("accounts.unlock mallory");

    static const char *const named[] = {"trudy"};
    riposte_mock_invocation()->keys = {named, 1};
    EXPECT_OK(riposte_mock_add());
    EXPECT_CALLS("accounts.lock trudy", "accounts.end-sessions trudy");

    riposte_mock_alert("{}");
    EXPECT_ERROR(riposte_mock_add(), "no-key");
    EXPECT_NO_CALLS();
}
