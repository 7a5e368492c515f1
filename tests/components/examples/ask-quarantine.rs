//! Asks the capability `quarantine` for whatever the alert says.

use riposte_sdk::quarantine;

hostile_components::ask! {
    "put" => |a, b| quarantine::put(a);
    "restore" => |a, b| quarantine::restore(a);
    "holds" => |a, b| quarantine::holds(a);
}
