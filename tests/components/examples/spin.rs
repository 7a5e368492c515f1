//! Never ends: neither in `add` nor, when the alert says so, in `keys`.

use riposte_sdk::{Alert, Error, Reversible, export};

struct Spin;

impl Reversible for Spin {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        if alert.text("/spin").as_deref() == Some("keys") {
            forever();
        }
        Ok(vec![alert.srcip()?])
    }

    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        forever()
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

fn forever() -> ! {
    loop {
        std::hint::black_box(0);
    }
}

export!(Spin);
