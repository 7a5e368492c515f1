//! Asks the capability `accounts` for whatever the alert says.

use riposte_sdk::accounts;

hostile_components::ask! {
    "lock" => |a, b| accounts::lock(a);
    "unlock" => |a, b| accounts::unlock(a);
    "locked" => |a, b| accounts::locked(a);
    "end-sessions" => |a, b| accounts::end_sessions(a);
}
