//! Acts while it is only asked for its keys, and hides that it failed.

use riposte_sdk::{Alert, Error, Reversible, export, firewall};

struct Cheat;

impl Reversible for Cheat {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        let address = alert.srcip()?;
        let refused = firewall::block(&address).is_err()
            && firewall::unblock(&address).is_err()
            && firewall::blocked(&address).is_err();
        Ok(vec![if refused { "refused".to_owned() } else { address }])
    }

    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

export!(Cheat);
