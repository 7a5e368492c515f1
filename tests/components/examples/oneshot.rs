//! Behaves: says what it was asked, once.

use riposte_sdk::{Alert, Error, Oneshot, export, invocation, log};

struct Says;

impl Oneshot for Says {
    fn run(alert: &Alert) -> Result<(), Error> {
        let rule = alert.text("/rule/id").unwrap_or_default();
        log::info(format!("{} answers rule {rule}", invocation::command()));
        Ok(())
    }
}

export!(Says: Oneshot);
