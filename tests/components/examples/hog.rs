//! Allocates without end.

use riposte_sdk::{Alert, Error, Reversible, export};

struct Hog;

impl Reversible for Hog {
    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        loop {
            all.push(std::hint::black_box(vec![1u8; 1 << 20]));
        }
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

export!(Hog);
