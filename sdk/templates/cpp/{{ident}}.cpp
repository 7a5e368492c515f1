// Blocks the source address of an alert until the time of the response is over.
#include "riposte.hpp"

struct {{type}} {
    static riposte::Result<riposte::Receipt> add() {
        auto address = RIPOSTE_GET(riposte::srcip());
        RIPOSTE_GET(riposte::firewall::block(address));
        riposte::info("blocked ", address);
        return riposte::Receipt{};
    }

    static riposte::Result<> undo(std::optional<riposte::Receipt>) {
        auto address = RIPOSTE_GET(riposte::srcip());
        RIPOSTE_GET(riposte::firewall::unblock(address));
        return {};
    }
};

RIPOSTE_EXPORT({{type}});
