// Locks the account that the alert is about, and ends its sessions when the
// command says <config name="sessions" value="end"/>.
#include "riposte.hpp"

// The one that the operator's <keys> names, else the user of the alert.
static riposte::Result<std::string> account() {
    auto keys = riposte::invocation::keys();
    if (!keys.empty()) return std::string(keys.front());
    return std::string(RIPOSTE_GET(riposte::user()));
}

struct DisableUser {
    static riposte::Result<std::vector<std::string>> keys() {
        return std::vector{RIPOSTE_GET(account())};
    }

    static riposte::Result<riposte::Receipt> add() {
        auto user = RIPOSTE_GET(account());
        bool locked = RIPOSTE_GET(riposte::accounts::lock(user));
        riposte::info(locked ? "locked " : "was locked already: ", user);
        if (riposte::config("sessions") == "end") {
            auto ended = RIPOSTE_GET(riposte::accounts::end_sessions(user));
            riposte::info("ended ", ended, " processes of ", user);
        }
        return riposte::Receipt{};
    }

    static riposte::Result<> undo(std::optional<riposte::Receipt>) {
        RIPOSTE_GET(riposte::accounts::unlock(RIPOSTE_GET(account())));
        return {};
    }
};

RIPOSTE_EXPORT(DisableUser);
