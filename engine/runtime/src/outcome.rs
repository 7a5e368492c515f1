//! What comes out of a call.

use std::fmt;
use std::time::Duration;

use riposte_capability::WouldBe;
use riposte_policy::diagnostic::acts;

/// How one call of a plugin ended, and what is worth keeping of it whatever
/// the end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Outcome<T> {
    /// The answer of the plugin, or why there is none.
    pub result: Result<T, Failure>,
    /// What it logged or wrote to its standard output and error, line by line,
    /// at most 8 KiB; control characters are escaped.
    pub log: Vec<Line>,
    /// In shadow: what it would have done, in order.
    pub would_be: Vec<WouldBe>,
    /// Processor time that it used.
    pub cpu: Duration,
    /// Linear memory that it had in the end, in bytes.
    pub memory: u64,
}

/// One line of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters; `INFO` for what was written to standard output.
    pub level: tracing::Level,
    /// What it says.
    pub text: String,
}

/// The lines without their levels, for a log that has none.
#[must_use]
pub fn texts(lines: Vec<Line>) -> Vec<String> {
    lines.into_iter().map(|line| line.text).collect()
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            tracing::Level::ERROR => "error",
            tracing::Level::WARN => "warn",
            tracing::Level::INFO => "info",
            tracing::Level::DEBUG => "debug",
            tracing::Level::TRACE => "trace",
        };
        write!(f, "{level}: {}", self.text)
    }
}

/// Why a call gave no answer. Effects may have been made before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The plugin itself said no, in the words of `error` of the WIT.
    Said {
        /// What kind of failure, from an open vocabulary: `no-key`, `denied`, ...
        kind: String,
        /// One line for the operator.
        message: String,
        /// Whether the same call may succeed later.
        retry: bool,
    },
    /// It computed for longer than `<limits cpu>`.
    CpuLimit {
        /// The limit.
        limit: Duration,
    },
    /// It took longer than `<limits wall>`.
    WallLimit {
        /// The limit.
        limit: Duration,
    },
    /// It asked for more memory than `<limits memory>`.
    MemoryLimit {
        /// The limit, in bytes.
        limit: u64,
    },
    /// It crashed.
    Trap {
        /// What happened, as WebAssembly names it.
        what: String,
    },
    /// It ended its process (`exit`), which is no answer, whatever the code.
    Exit,
    /// It answered what the engine cannot keep: a receipt that is too long, or
    /// keys that are none.
    Unfit {
        /// What is wrong with it.
        what: String,
    },
    /// The call was not made: every slot for a running component stayed taken
    /// for the whole wall limit.
    Busy,
    /// The call was not made: the engine's own fault, never the plugin's.
    Host(String),
}

impl Failure {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Busy | Self::Host(_) | Self::WallLimit { .. } | Self::Said { retry: true, .. })
    }

    /// Whether the plugin broke a rule, and did not only say no. A command
    /// whose plugin does so again and again is to be suspended.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        !matches!(self, Self::Said { .. } | Self::Busy | Self::Host(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said { kind, message, .. } => write!(f, "{}: {}", one_line(kind), one_line(message)),
            Self::CpuLimit { limit } => write!(
                f,
                "stopped after computing for {limit:?}; when it needs more, raise <limits cpu=\"...\"/> of its command"
            ),
            Self::WallLimit { limit } => write!(
                f,
                "stopped after {limit:?}; when it has to wait longer, raise <limits wall=\"...\"/> of its command"
            ),
            Self::MemoryLimit { limit } => write!(
                f,
                "stopped when it asked for more than {} KiB of memory; when it needs more, raise <limits memory=\"...\"/> of its command",
                limit / 1024
            ),
            Self::Trap { what } => write!(f, "crashed: {}", one_line(what)),
            Self::Exit => {
                f.write_str("ended itself instead of answering; a plugin returns, it does not call exit")
            }
            Self::Unfit { what } => write!(f, "answered what cannot be kept: {}", one_line(what)),
            Self::Busy => f.write_str("not called: all slots for components were taken; it is tried again"),
            Self::Host(what) => write!(f, "not called, by a fault of the engine: {what}; please report it"),
        }
    }
}

impl std::error::Error for Failure {}

/// A plugin's words on one line: what it says cannot forge a second one.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_says_stays_on_its_line() {
        let said = Failure::Said {
            kind: "failed\n".into(),
            message: "a\r\nb\u{1b}[0m é\u{2028}\u{202e}".into(),
            retry: false,
        };
        assert_eq!(said.to_string(), "failed\\n: a\\r\\nb\\u{1b}[0m é\\u{2028}\\u{202e}");
    }

    #[test]
    fn saying_no_is_no_fault() {
        assert!(!Failure::Said { kind: "denied".into(), message: String::new(), retry: false }.is_fault());
        assert!(!Failure::Busy.is_fault());
        assert!(Failure::Exit.is_fault());
        assert!(Failure::Busy.may_pass());
        assert!(!Failure::Trap { what: String::new() }.may_pass());
    }
}
