//! Says a secret wherever it can be said: in its log, and in its error.

use riposte_sdk::{Alert, Error, Oneshot, export, log, secret};

struct TellsSecret;

impl Oneshot for TellsSecret {
    fn run(_: &Alert) -> Result<(), Error> {
        let value = secret::get("hook")?;
        log::info(format!("the secret is {value}"));
        log::warn(&value);
        Err(Error::failed(format!("cannot post to {value}")))
    }
}

export!(TellsSecret: Oneshot);
