//! Sleeps for an hour in `run`: something that happens once, and takes long.
//! Built with WASI.

use riposte_sdk::{Alert, Error, Oneshot, export};

struct OnceAsleep;

impl Oneshot for OnceAsleep {
    fn run(_alert: &Alert) -> Result<(), Error> {
        std::thread::sleep(std::time::Duration::from_secs(3600));
        Ok(())
    }
}

export!(OnceAsleep: Oneshot);
