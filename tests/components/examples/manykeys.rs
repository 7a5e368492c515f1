//! Returns as many keys as `/count` says, each as long as `/length` says, or
//! `/key` as it is.

use riposte_sdk::{Alert, Error, Reversible, export};

struct ManyKeys;

impl Reversible for ManyKeys {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        if let Some(key) = alert.text("/key") {
            return Ok(vec![key]);
        }
        let size = |pointer| usize::try_from(alert.number(pointer).unwrap_or(1)).unwrap_or(1);
        Ok(vec!["k".repeat(size("/length")); size("/count")])
    }

    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

export!(ManyKeys);
