//! A host that is only played, for whoever writes a response.
//!
//! Where there is a [`Rehearsal`], it stands in front of every capability: it
//! keeps the text of each call, as the component made it, and answers what was
//! arranged, else like a host on which nothing is held yet. Neither grants nor
//! backends are asked, since both are the operator's; what holds on every host
//! holds here too: nothing but names during `keys`, arguments of the right kind,
//! and addresses that no engine ever blocks.
//!
//! * [`answer`]: what a call may be answered, and which kind each function has.
//! * `http`: requests.

pub mod answer;
mod http;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use riposte_policy::address::Prefix;
use riposte_policy::unit::UnitName;
use riposte_policy::user::UserName;

use crate::guard::{Guard, Verdict};
use crate::lines::Line;
use crate::path::HostPath;
use crate::processes::ProgramName;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::state::Key;

pub use answer::{Answer, Kind, Said, Value, function};
pub use http::Request;

/// What is arranged for one scene.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// Answers by function (`firewall.block`) or by the whole call
    /// (`firewall.block 192.0.2.7`), which goes first. Of several answers each
    /// serves one call, and the last all that follow.
    pub answers: BTreeMap<String, Vec<Answer>>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, String>,
    /// Folders that the component sees, and what stands in their place.
    pub folders: Vec<(String, PathBuf)>,
}

/// One call, as the component made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// A call of a capability: `firewall.block 192.0.2.7`.
    Plain(String),
    /// A request.
    Http(Request),
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::Http(request) => request.fmt(f),
        }
    }
}

impl Called {
    /// Whether this is the call that `text` describes. Names of headers are
    /// compared without case, as HTTP does.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        match self {
            Self::Plain(called) => called == text,
            Self::Http(request) => request.is(text),
        }
    }
}

/// Most that is kept of what a component asks, in bytes: one that asks without
/// end would else take the memory of this machine.
const KEPT: usize = 64 << 20;
/// What keeping any call takes beside its text.
const EACH: usize = 128;

/// The played host.
#[derive(Default)]
pub struct Rehearsal {
    guard: Guard,
    played: Mutex<Played>,
}

#[derive(Default)]
struct Played {
    scene: Scene,
    /// How often each arranged answer was given.
    given: BTreeMap<String, usize>,
    calls: Vec<Called>,
    /// How many bytes are kept of this scene.
    kept: usize,
    /// What is held, by interface and target.
    held: BTreeSet<(String, Vec<u8>)>,
    values: BTreeMap<String, Vec<u8>>,
}

impl Rehearsal {
    /// Forgets everything and begins this scene.
    pub fn begin(&self, scene: Scene) {
        *self.played() = Played { scene, ..Played::default() };
    }

    /// Every call since the last time this was asked, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Called> {
        std::mem::take(&mut self.played().calls)
    }

    /// Answers one call of a capability. `name` is `firewall.block`.
    ///
    /// # Errors
    ///
    /// What was arranged, or what every host would say to such a call.
    pub fn call<T: Value>(&self, session: &Session, name: &str, arguments: &[&[u8]]) -> Result<T, Said> {
        self.keep(arguments.iter().map(|argument| argument.len()).sum())?;
        let mut text = name.to_owned();
        for argument in arguments {
            text.push(' ');
            text.push_str(&String::from_utf8_lossy(argument));
        }
        let arranged = {
            let mut played = self.played();
            played.calls.push(Called::Plain(text.clone()));
            played.arranged(name, &text)
        };
        // What is only read may be asked during `keys`.
        if !matches!(name, "state.get" | "state.keys") {
            session.effects_allowed(name)?;
        }
        match arranged {
            Some(Answer::Error(said)) => Err(said),
            Some(answer) => T::of(answer).ok_or_else(|| unfit(name)),
            None => {
                self.check(name, arguments)?;
                T::of(self.usual(name, arguments)?).ok_or_else(|| unfit(name))
            }
        }
    }

    /// Makes sure that so many bytes more may be kept.
    fn keep(&self, bytes: usize) -> Result<(), Refusal> {
        let mut played = self.played();
        // A value is kept beside the call that set it.
        played.kept = played.kept.saturating_add(EACH).saturating_add(bytes.saturating_mul(2));
        if played.kept <= KEPT {
            return Ok(());
        }
        Err(Refusal::denied(format!(
            "more than {} MiB were asked of the host in this scenario: ask for less",
            KEPT >> 20
        )))
    }

    /// What stands in the place of the component's folders.
    #[cfg(target_os = "linux")]
    pub(crate) fn folders(&self) -> Vec<(String, PathBuf)> {
        self.played().scene.folders.clone()
    }

    /// What is refused on every host, whatever it is granted.
    fn check(&self, name: &str, arguments: &[&[u8]]) -> Result<(), Refusal> {
        let argument = |n: usize| arguments.get(n).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let (first, second) = (argument(0).unwrap_or_default(), argument(1).unwrap_or_default());
        let wrong = |e: &dyn fmt::Display| Refusal::invalid_input(e.to_string());
        match name.split_once('.').unwrap_or_default() {
            ("firewall" | "routes", function) => {
                let prefix: Prefix = first.parse().map_err(|e| wrong(&e))?;
                // Undoing is never refused.
                if matches!(function, "block" | "blackhole")
                    && let Verdict::Never { rule, detail } = self.guard.judge(prefix)
                {
                    let message = format!("{prefix} is never blocked: {detail} (guard: {rule})");
                    return Err(Refusal::denied(message));
                }
                Ok(())
            }
            ("accounts", _) => first.parse::<UserName>().map(drop).map_err(|e| wrong(&e)),
            ("services", _) => first.parse::<UnitName>().map(drop).map_err(|e| wrong(&e)),
            ("lines", _) => HostPath::parse(first).and_then(|_| Line::parse(second)).map(drop),
            ("quarantine", _) => HostPath::parse(first).map(drop),
            ("processes", "running") => first.parse::<ProgramName>().map(drop).map_err(|e| wrong(&e)),
            ("processes", _) => second.parse::<ProgramName>().map(drop).map_err(|e| wrong(&e)),
            ("exec", _) if !first.starts_with('/') => {
                Err(Refusal::denied(format!("no grant names the program {first:?}: it is no absolute path")))
            }
            ("state", "get" | "set" | "remove") => Key::parse(first).map(drop),
            _ => Ok(()),
        }
    }

    /// The answer of a host on which nothing is held yet.
    fn usual(&self, name: &str, arguments: &[&[u8]]) -> Result<Answer, Refusal> {
        let first = || String::from_utf8_lossy(arguments.first().copied().unwrap_or_default()).into_owned();
        let interface = name.split('.').next().unwrap_or_default().to_owned();
        let target = (interface, arguments.join(&b' '));
        let mut played = self.played();
        Ok(match function(name).map(|function| function.kind) {
            Some(Kind::Makes) => Answer::Changed(played.held.insert(target)),
            Some(Kind::Undoes) => Answer::Changed(played.held.remove(&target)),
            Some(Kind::Asks) => Answer::Changed(played.held.contains(&target)),
            Some(Kind::Changes) => match name {
                "state.remove" => Answer::Changed(played.values.remove(&first()).is_some()),
                _ => Answer::Changed(false),
            },
            Some(Kind::Does) => {
                if let ("state.set", [_, value]) = (name, arguments) {
                    played.values.insert(first(), value.to_vec());
                }
                Answer::Done
            }
            Some(Kind::Counts) => Answer::Number(0),
            Some(Kind::Lists) => Answer::Numbers(Vec::new()),
            Some(Kind::Reads) => Answer::Bytes(played.values.get(&first()).cloned()),
            Some(Kind::Names) => {
                let prefix = first();
                Answer::Texts(played.values.keys().filter(|key| key.starts_with(&prefix)).cloned().collect())
            }
            Some(Kind::Runs) => Answer::Ended(crate::exec::Output::default()),
            Some(Kind::Tells) => match played.scene.secrets.get(&first()) {
                Some(secret) => Answer::Text(secret.clone()),
                None => {
                    return Err(Refusal::denied(format!(
                        "the command has no <secret/> grant of the name {}: it is not among the secrets of this scenario",
                        riposte_policy::diagnostic::shown(&first())
                    )));
                }
            },
            Some(Kind::Requests) | None => return Err(Refusal::unsupported(format!("{name} is not played"))),
        })
    }

    fn played(&self) -> MutexGuard<'_, Played> {
        self.played.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Played {
    /// The next answer that was arranged for this call.
    fn arranged(&mut self, name: &str, text: &str) -> Option<Answer> {
        let key = [text, name].into_iter().find(|key| self.scene.answers.contains_key(*key))?;
        let answers = self.scene.answers.get(key)?;
        let given = self.given.entry(key.to_owned()).or_default();
        let answer = answers.get(*given).or(answers.last()).cloned();
        *given += 1;
        answer
    }
}

impl fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rehearsal").finish_non_exhaustive()
    }
}

/// An answer of another kind than the function has: a fault of who arranged it.
fn unfit(name: &str) -> Said {
    let message = format!("the answer that is arranged for {name} is none that it can give");
    Refusal::failed(message).into()
}

#[cfg(test)]
mod tests;
