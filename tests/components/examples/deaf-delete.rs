//! Blocks, and never unblocks.

use riposte_sdk::{Alert, Error, Reversible, export, firewall};

struct Deaf;

impl Reversible for Deaf {
    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        firewall::block(&alert.srcip()?)?;
        Ok(Vec::new())
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Err(Error::unavailable("not today"))
    }
}

export!(Deaf);
