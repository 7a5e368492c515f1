//! Returns a receipt of the length that the alert asks for.

use riposte_sdk::{Alert, Error, Reversible, export};

struct BigReceipt;

impl Reversible for BigReceipt {
    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let length = alert.number("/length").ok_or_else(|| Error::no_key("no /length in the alert"))?;
        Ok(vec![b'r'; usize::try_from(length).map_err(|e| Error::invalid(e.to_string()))?])
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

export!(BigReceipt);
