//! Opens a connection of its own.

use riposte_sdk::{Alert, Error, Reversible, export};

struct Attempt;

impl Reversible for Attempt {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![alert.text("/id").unwrap_or_default()])
    }

    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        match std::net::TcpStream::connect("127.0.0.1:25") {
            Ok(_) => Ok(b"connected".to_vec()),
            Err(error) => Err(Error::failed(error.to_string())),
        }
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

export!(Attempt);
