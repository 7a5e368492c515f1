//! Asks the capability `state` for whatever the alert says.

use riposte_sdk::state;

hostile_components::ask! {
    "get" => |a, b| state::get(a);
    "set" => |a, b| state::set(a, b.as_bytes());
    "fill" => |a, b| state::set(a, &vec![7; b.parse().unwrap_or(0)]);
    "remove" => |a, b| state::remove(a);
}
