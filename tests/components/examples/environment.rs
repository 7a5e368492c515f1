//! Reads whatever the environment and the arguments tell, and says it.

use riposte_sdk::{Alert, Error, Reversible, export};

struct Attempt;

impl Reversible for Attempt {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![alert.text("/id").unwrap_or_default()])
    }

    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        let told: Vec<_> = std::env::vars().map(|(name, _)| name).chain(std::env::args()).collect();
        Ok(told.join(" ").into_bytes())
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

export!(Attempt);
