//! Asks the capability `processes` for whatever the alert says.

use riposte_sdk::processes;

hostile_components::ask! {
    "running" => |a, b| processes::running(a);
    "kill" => |a, b| processes::kill(a.parse().unwrap_or(0), b);
}
