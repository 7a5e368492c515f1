//! The real engine, killed or failed at each system call of what it promises
//! to survive.
//!
//! A tracer (strace) counts the engine's calls and kills it before one, or
//! fails one with ENOSPC or EIO. Then a sound engine starts, time passes, and
//! every promise is looked at. Nothing in the engine knows of it.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on has failed; it plays the user, with programs and files of its own"
)]

pub mod campaign;
pub mod engine;
pub mod order;
pub mod point;
pub mod promise;
pub mod run;
pub mod scene;
pub mod sweep;
pub mod trace;
pub mod version;

use std::process::Command;

/// Whether programs can be traced here.
///
/// # Errors
///
/// What is missing, and what to do about it.
pub fn tracer_works() -> Result<(), String> {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let why = match tried {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(format!(
        "no engine can be crashed here: strace does not work ({why}); run tests/make/tools test, and let this \
         process trace others (kernel.yama.ptrace_scope below 2; in a container --cap-add SYS_PTRACE)"
    ))
}
