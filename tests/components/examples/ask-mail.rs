//! Asks the capability `mail` for whatever the alert says.

use riposte_sdk::mail;

hostile_components::ask! {
    "send" => |a, b| mail::send(a, b);
}
