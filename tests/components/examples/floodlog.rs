//! Logs without measure, and tries to forge a line.

use riposte_sdk::{Alert, Error, Reversible, export, log};

struct FloodLog;

impl Reversible for FloodLog {
    fn add(_alert: &Alert) -> Result<Vec<u8>, Error> {
        log::warn("first\n2026/11/20 forged \u{1b}[31m");
        for n in 0..1_000 {
            log::info(format!("line {n} {}", "x".repeat(100)));
        }
        Ok(Vec::new())
    }

    fn delete(_alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        Ok(())
    }
}

export!(FloodLog);
