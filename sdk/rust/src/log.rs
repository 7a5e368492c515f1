//! Lines for the operator, in the engine's log under the command's name.

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// What was done.
    Info,
    /// Worked, but perhaps not as meant.
    Warn,
    /// Did not work.
    Error,
}

/// Writes one line. A call may write 8 KiB in all; what is more is dropped.
pub fn log(level: Level, message: impl AsRef<str>) {
    let message = message.as_ref();
    #[cfg(target_arch = "wasm32")]
    {
        use crate::bindings::log as host;
        // What is too long to be handed over would end the call as a crash. Twice
        // what may be written, so that the engine sees that there was more.
        let message = message.get(..message.floor_char_boundary(16 << 10)).unwrap_or_default();
        let level = match level {
            Level::Trace => host::Level::Trace,
            Level::Debug => host::Level::Debug,
            Level::Info => host::Level::Info,
            Level::Warn => host::Level::Warn,
            Level::Error => host::Level::Error,
        };
        host::log(level, message);
    }
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.calls.push(format!("log {level:?} {message}")));
}

/// Writes one line about what was done.
pub fn info(message: impl AsRef<str>) {
    log(Level::Info, message);
}

/// Writes one line about what is perhaps not as meant.
pub fn warn(message: impl AsRef<str>) {
    log(Level::Warn, message);
}

/// Writes one line about what did not work.
pub fn error(message: impl AsRef<str>) {
    log(Level::Error, message);
}
