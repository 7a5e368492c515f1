// Writes a line about an alert to the log of the engine.
#include "riposte.hpp"

struct {{type}} {
    static riposte::Result<> run() {
        auto description = riposte::alert::text("/rule/description");
        if (!description) return riposte::invalid("the alert has no rule.description");
        riposte::info(*description);
        return {};
    }
};

RIPOSTE_EXPORT({{type}});
