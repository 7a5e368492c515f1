//! Ends its process as if it had succeeded. Built with WASI. Its `delete`
//! looks around in what WASI gives it.

#![expect(clippy::disallowed_methods, reason = "trying what it may not do is its purpose")]

use riposte_sdk::{Alert, Error, Reversible, export};

struct Exits;

impl Reversible for Exits {
    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        std::process::exit(0)
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        let found = [
            ("variables", std::env::vars().count()),
            ("arguments", std::env::args().count()),
            ("files", usize::from(std::fs::read("/etc/passwd").is_ok())),
            ("folders", usize::from(std::fs::read_dir("/").is_ok())),
            ("sockets", usize::from(std::net::TcpStream::connect("127.0.0.1:1").is_ok())),
            ("listeners", usize::from(std::net::TcpListener::bind("127.0.0.1:0").is_ok())),
        ];
        match found.iter().find(|(_, count)| *count != 0) {
            Some((what, count)) => Err(Error::failed(format!("found {count} {what}"))),
            None => Ok(()),
        }
    }
}

export!(Exits);
