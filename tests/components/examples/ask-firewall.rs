//! Asks the capability `firewall` for whatever the alert says.

use riposte_sdk::firewall;

hostile_components::ask! {
    "block" => |a, b| firewall::block(a);
    "unblock" => |a, b| firewall::unblock(a);
    "blocked" => |a, b| firewall::blocked(a);
}
