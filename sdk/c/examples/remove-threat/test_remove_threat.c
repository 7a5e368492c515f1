#include "riposte_mock.h"

#include <string.h>

int main(void) {
    riposte_list keys;
    riposte_mock_alert("{\"syscheck\":{\"path\":\"/srv/upload/eicar.com\"}}");
    EXPECT_OK(riposte_mock_keys(&keys));
    EXPECT(keys.count == 1 && strcmp(keys.items[0], "/srv/upload/eicar.com") == 0);
    EXPECT_OK(riposte_mock_add());
    EXPECT_OK(riposte_mock_add());
    EXPECT_CALLS("quarantine.put /srv/upload/eicar.com", "quarantine.put /srv/upload/eicar.com");
    EXPECT(strcmp(riposte_mock_log().items[1], "info: /srv/upload/eicar.com was in quarantine already") == 0);
    EXPECT_OK(riposte_mock_undo_without_receipt());
    EXPECT_CALLS("quarantine.restore /srv/upload/eicar.com");

    riposte_mock_alert("{\"data\":{\"virustotal\":{\"source\":{\"file\":\"/srv/a b\"}}}}");
    EXPECT_OK(riposte_mock_add());
    EXPECT_CALLS("quarantine.put /srv/a b");

    riposte_mock_alert("{\"syscheck\":{\"path\":\"HKEY_LOCAL_MACHINE\"}}");
    EXPECT_ERROR(riposte_mock_add(), "no-key");
    EXPECT_NO_CALLS();
    return 0;
}
