//! Sleeps for an hour in `add`: within a call to the host, where it uses no
//! processor time. Built with WASI. Also writes to its standard error.

use riposte_sdk::{Alert, Error, Reversible, export};

struct Sleeper;

impl Reversible for Sleeper {
    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        eprintln!("going to sleep");
        std::thread::sleep(std::time::Duration::from_secs(3600));
        Ok(Vec::new())
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        eprintln!("not asleep");
        Ok(())
    }
}

export!(Sleeper);
