//! Asks the capability `secret` for whatever the alert says.

use riposte_sdk::secret;

hostile_components::ask! {
    "get" => |a, b| secret::get(a);
}
