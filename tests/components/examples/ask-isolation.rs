//! Asks the capability `isolation` for whatever the alert says.

use riposte_sdk::isolation;

hostile_components::ask! {
    "isolate" => |a, b| isolation::isolate();
    "release" => |a, b| isolation::release();
    "isolated" => |a, b| isolation::isolated();
}
