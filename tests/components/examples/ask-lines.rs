//! Asks the capability `lines` for whatever the alert says.

use riposte_sdk::lines;

hostile_components::ask! {
    "ensure" => |a, b| lines::ensure(a, b);
    "remove" => |a, b| lines::remove(a, b);
    "contains" => |a, b| lines::contains(a, b);
}
