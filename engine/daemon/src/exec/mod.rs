//! A built-in response as a program, in place of one of Wazuh's below
//! `active-response/bin`: `riposte exec NAME`, or a link of that name.
//!
//! It reads the message on standard input, says on what it would act, reads
//! whether to go on, acts, and ends as Wazuh's program does. Whoever called it
//! owns the rollback. It never opens the ledger: a running engine gets the
//! response handed over, and without one the effect is made here.
//!
//! * `called`: under which name, and where Wazuh's home is;
//! * `message`: the line on standard input;
//! * `work`: by an engine, or here;
//! * `hand_over`: the engine's side.
//!
//! Texts and exit codes are those of Wazuh 4.14.7 (`active_responses.c`,
//! `default-firewall-drop.c`).

mod called;
pub mod hand_over;
mod message;
mod work;

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;

use riposte_ledger::clock::{Clock, SystemClock};
use serde_json::json;

pub use self::called::Called;
use self::message::{Message, Verb};
use self::work::Work;
use crate::commands::ask;
use crate::report::wazuh_log::WazuhLog;

/// Longest line read, in bytes: Wazuh's longest message is 64 KiB, and one that
/// `wazuh-execd` has printed again may have grown a little.
const LONGEST: u64 = 72 << 10;

/// Reads, asks, acts; 0, or 255 as Wazuh's programs end on a failure.
#[must_use]
pub fn exec(called: &Called) -> ExitCode {
    let mut program = Program { called, log: Log::open(called), input: io::stdin().lock() };
    match program.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            program.log.say(&failed.logged(&called.name));
            ask::tell(&format!("{}: {failed}", called.name));
            ExitCode::from(255)
        }
    }
}

struct Program<'a, R> {
    called: &'a Called,
    log: Log,
    input: R,
}

impl<R: BufRead> Program<'_, R> {
    fn run(&mut self) -> Result<(), Failed> {
        self.log.say("Starting");
        // Said before anything is waited for.
        if called::builtin(&self.called.name).is_none() {
            return Err(Failed::Unknown(self.called.name.clone()));
        }
        let line = self.line()?.ok_or(Failed::NoInput)?;
        self.log.say(&line);
        let message = Message::parse(&line)?;
        let verb = match message.command.as_str() {
            "add" => Verb::Add,
            "delete" => Verb::Delete,
            _ => return Err(Failed::Command),
        };
        let mut work = Work::find(self.called)?;
        let keys = work.keys(&message)?;
        if verb == Verb::Add && !self.may_go_on(&keys)? {
            self.log.say("Aborted");
            return Ok(());
        }
        work.act(self.called, &message, verb)?;
        self.log.say("Ended");
        Ok(())
    }

    /// Says on what it would act, and reads the answer.
    fn may_go_on(&mut self, keys: &[String]) -> Result<bool, Failed> {
        let (name, keys) = (json!(self.called.name), json!(keys));
        let asking = format!(
            r#"{{"version":1,"origin":{{"name":{name},"module":"active-response"}},"command":"check_keys","parameters":{{"keys":{keys}}}}}"#
        );
        self.log.say(&asking);
        let mut out = io::stdout().lock();
        // Nobody reads it when it is called by hand with its output closed; what
        // counts is the answer.
        let _ = writeln!(out, "{asking}").and_then(|()| out.flush());
        let Some(answer) = self.line()? else {
            if self.called.is_strict() {
                return Err(Failed::NoAnswer);
            }
            ask::tell(&format!(
                "{}: nobody answered check_keys: acting all the same (with --strict it ends with 255)",
                self.called.name
            ));
            return Ok(true);
        };
        self.log.say(&answer);
        match Message::parse(&answer)?.command.as_str() {
            "continue" => Ok(true),
            "abort" => Ok(false),
            _ => Err(Failed::Command),
        }
    }

    /// The next line without its end; `None` at the end of the input.
    fn line(&mut self) -> Result<Option<String>, Failed> {
        let mut line = Vec::new();
        let read =
            (&mut self.input).take(LONGEST).read_until(b'\n', &mut line).map_err(Failed::Unreadable)?;
        if read == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') && read as u64 == LONGEST {
            return Err(Failed::Format(format!("the line is longer than {LONGEST} bytes")));
        }
        let text = String::from_utf8_lossy(&line);
        Ok(Some(text.trim_end_matches(['\n', '\r', '\0']).to_owned()))
    }
}

/// Wazuh's log of responses. One that cannot be written keeps nobody from
/// blocking an attacker.
struct Log {
    log: Option<WazuhLog>,
    name: String,
    clock: SystemClock,
}

impl Log {
    fn open(called: &Called) -> Self {
        let log = WazuhLog::open(&called.places().response_log());
        let log = log.inspect_err(|error| ask::tell(&format!("{}: {error}", called.name))).ok();
        Self { log, name: called.name.clone(), clock: SystemClock::new() }
    }

    fn say(&self, text: &str) {
        if let Some(log) = &self.log {
            log.lines(self.clock.now().wall_ms, &self.name, vec![text.to_owned()]);
        }
    }
}

/// Why the program ends with 255.
#[derive(Debug)]
pub enum Failed {
    /// Standard input ended before a message.
    NoInput,
    /// With `--strict`: it ended before an answer to check_keys.
    NoAnswer,
    /// Standard input cannot be read.
    Unreadable(io::Error),
    /// It is not a message.
    Format(String),
    /// The message asks for something else than is done here.
    Command,
    /// There is no built-in response of this name.
    Unknown(String),
    /// The alert holds nothing to act on.
    NoKey(String),
    /// It could not be done, or was not to be.
    NotDone(String),
}

impl Failed {
    /// The line in the log, in Wazuh's words where it has some.
    fn logged(&self, name: &str) -> String {
        match self {
            Self::NoInput | Self::NoAnswer | Self::Unreadable(_) => "Cannot read input from stdin".to_owned(),
            Self::Format(_) => "Invalid input format".to_owned(),
            Self::Command => "Invalid value of 'command'".to_owned(),
            Self::NoKey(_) => no_key(name).to_owned(),
            Self::Unknown(_) | Self::NotDone(_) => self.to_string(),
        }
    }
}

/// What Wazuh's program of that name says when the alert names no target.
fn no_key(name: &str) -> &'static str {
    let stem = name.split('.').next().unwrap_or(name);
    match stem {
        "disable-account" => "Cannot read 'dstuser' from data or invalid username format",
        "kaspersky" | "wazuh-slack" => "Cannot read 'extra_args' from data",
        "ipfw" | "npf" | "pf" | "netsh" | "route-null" => "Cannot read 'srcip' from data",
        _ => "Cannot read 'srcip' from data or invalid IP format",
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInput => {
                f.write_str("nothing on standard input; it reads one message line of Wazuh's there")
            }
            Self::NoAnswer => {
                f.write_str("nobody answered check_keys; without --strict it acts all the same")
            }
            Self::Unreadable(error) => write!(f, "cannot read standard input: {error}"),
            Self::Format(why) => write!(f, "the line on standard input is not a message of Wazuh's: {why}"),
            Self::Command => f.write_str(
                "`command` must be add or delete, and in the answer to check_keys continue or abort",
            ),
            Self::Unknown(name) => {
                let known: Vec<_> = riposte_plugins::builtins().iter().map(|builtin| builtin.name).collect();
                write!(f, "no built-in response is called {name}; there are: {}", known.join(", "))
            }
            Self::NoKey(why) => write!(f, "the alert names nothing to act on: {why}"),
            Self::NotDone(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_logged_in_wazuhs_words() {
        for (failed, text) in [
            (Failed::NoInput, "Cannot read input from stdin"),
            (Failed::Format("x".to_owned()), "Invalid input format"),
            (Failed::Command, "Invalid value of 'command'"),
            (Failed::NoKey(String::new()), "Cannot read 'srcip' from data or invalid IP format"),
        ] {
            assert_eq!(failed.logged("firewall-drop.sh"), text);
        }
        assert!(Failed::NoKey(String::new()).logged("disable-account").contains("'dstuser'"));
        assert_eq!(Failed::NoKey(String::new()).logged("route-null.cmd"), "Cannot read 'srcip' from data");
    }
}
