//! Writes to its standard output and error without end.

use riposte_sdk::{Alert, Error, Reversible, export};

struct Attempt;

impl Reversible for Attempt {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![alert.text("/id").unwrap_or_default()])
    }

    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        loop {
            println!("{}", "x".repeat(4096));
            eprintln!("{}", "y".repeat(4096));
        }
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

export!(Attempt);
