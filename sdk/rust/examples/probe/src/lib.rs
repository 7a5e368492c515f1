//! Does what a response must not do, to show what becomes of it.

use std::sync::atomic::{AtomicU32, Ordering};

use riposte_sdk::{Alert, Error, Oneshot, export, log};

/// Calls that this instance has served.
static CALLS: AtomicU32 = AtomicU32::new(0);

struct Probe;

impl Oneshot for Probe {
    fn run(alert: &Alert) -> Result<(), Error> {
        let before = CALLS.fetch_add(1, Ordering::Relaxed);
        match alert.text("/data/probe").as_deref() {
            Some("loop") => loop {
                std::hint::black_box(before);
            },
            Some("memory") => {
                let mut held = Vec::new();
                loop {
                    held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
                }
            }
            Some("throw") => panic!("thrown on purpose"),
            Some("state") if before > 0 => {
                Err(Error::failed(format!("this instance has served {before} calls before")))
            }
            Some("log") => {
                log::warn("from probe");
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

export!(Probe: Oneshot);
