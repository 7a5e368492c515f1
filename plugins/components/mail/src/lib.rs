//! Posts an alert, as it is, to a URL that the operator sets.

use riposte_sdk::http::{self, Request};
use riposte_sdk::{Alert, Error, Oneshot, export_oneshot};

struct Webhook;
impl Oneshot for Webhook {
    fn run(alert: &Alert) -> Result<(), Error> {
        let r = http::send(&Request::post_json("https://example.com/", alert.json()))?;
        if r.is_success() { Ok(()) } else { Err(Error::failed("x")) }
    }
}
export_oneshot!(Webhook);
