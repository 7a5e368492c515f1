//! Panics.

use riposte_sdk::{Alert, Error, Reversible, export};

struct Panics;

impl Reversible for Panics {
    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        panic!("no reason given")
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

export!(Panics);
