//! Behaves: returns, as its receipt, everything that it was told.

use riposte_sdk::{Alert, Error, Reversible, export, invocation};

struct Echo;

impl Reversible for Echo {
    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let told = [
            invocation::command(),
            invocation::id(),
            invocation::attempt().to_string(),
            format!("{:?}", invocation::timeout()),
            invocation::offence().to_string(),
            invocation::tenant(),
            invocation::location(),
            invocation::arguments().join("+"),
            alert.json().to_owned(),
            format!("{:?}", alert.text("/rule/id")),
            format!("{:?}", alert.text("/rule/level")),
            format!("{:?}", alert.text("/rule")),
            format!("{:?}", alert.text("no pointer")),
            format!("{:?}", alert.text("/a~1b/0")),
            format!("{:?}", alert.number("/rule/level")),
            format!("{:?}", alert.number("/rule/id")),
            format!("{:?}", alert.number("/data/srcip")),
        ];
        Ok(told.join("\n").into_bytes())
    }

    fn delete(_alert: &Alert, receipt: Option<&[u8]>) -> Result<(), Error> {
        match receipt {
            Some(receipt) => Err(Error::failed(format!("a receipt of {} bytes", receipt.len()))),
            None => Ok(()),
        }
    }
}

export!(Echo);
