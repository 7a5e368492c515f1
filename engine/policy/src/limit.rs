//! How much one run of a command may use.

use std::time::Duration;

/// The `<limits>` of a command; the defaults are those of a command without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of a component in bytes. Default 64 MiB.
    pub memory: u64,
    /// Time a component may spend computing. Time spent waiting in a host call
    /// does not count. Default 500 ms.
    pub cpu: Duration,
    /// Time one call of a component may take in all. Default 10 s.
    pub wall: Duration,
    /// How many runs of this command at a time. Default 32 for components and
    /// 4 for native programs.
    pub concurrency: Option<u32>,
    /// How long a native program is waited for until its first line. Default 5 s.
    pub answer: Duration,
    /// How long a native program may run in all. Default 30 min.
    pub run: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            cpu: Duration::from_millis(500),
            wall: Duration::from_secs(10),
            concurrency: None,
            answer: Duration::from_secs(5),
            run: Duration::from_secs(30 * 60),
        }
    }
}
