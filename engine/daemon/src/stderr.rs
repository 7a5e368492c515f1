//! Standard error, whose reader may be gone and whose disk may be full. What
//! cannot be said there keeps nobody from working: `eprintln!` would panic.

use std::fmt;
use std::io::{self, Write};

/// Says one line, as one piece.
pub fn line(text: impl fmt::Display) {
    // Nobody is left to tell.
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// Standard error as a writer that does not fail.
pub struct Quiet;

impl Write for Quiet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
