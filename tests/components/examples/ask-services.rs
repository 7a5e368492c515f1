//! Asks the capability `services` for whatever the alert says.

use riposte_sdk::services;

hostile_components::ask! {
    "restart" => |a, b| services::restart(a);
    "reload" => |a, b| services::reload(a);
    "start" => |a, b| services::start(a);
    "stop" => |a, b| services::stop(a);
    "active" => |a, b| services::active(a);
}
