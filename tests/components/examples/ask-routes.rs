//! Asks the capability `routes` for whatever the alert says.

use riposte_sdk::routes;

hostile_components::ask! {
    "blackhole" => |a, b| routes::blackhole(a);
    "restore" => |a, b| routes::restore(a);
    "blackholed" => |a, b| routes::blackholed(a);
}
