//! Writes single bytes to its standard output without end, none of which ends a line.

use riposte_sdk::{Alert, Error, Reversible, export};

struct Attempt;

impl Reversible for Attempt {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![alert.text("/id").unwrap_or_default()])
    }

    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        use std::io::Write as _;
        loop {
            let _ = std::io::stdout().write_all(b"z");
        }
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

export!(Attempt);
