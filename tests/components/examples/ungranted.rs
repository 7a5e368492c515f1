//! Calls the firewall, whatever it was granted.

use riposte_sdk::{Alert, Error, Reversible, export, firewall};

struct Ungranted;

impl Reversible for Ungranted {
    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        firewall::block(&alert.srcip()?)?;
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        firewall::unblock(&alert.srcip()?)?;
        Ok(())
    }
}

export!(Ungranted);
