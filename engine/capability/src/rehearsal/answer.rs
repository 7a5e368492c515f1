//! What a call may be answered.

use std::collections::BTreeMap;
use std::fmt;

use crate::exec::Output;
use crate::refusal::Refusal;
use crate::secret::Secret;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was not done.
    Error(Said),
    /// It was done.
    Done,
    /// Whether anything changed, or is so.
    Changed(bool),
    /// How many.
    Number(u32),
    /// Which processes.
    Numbers(Vec<u32>),
    /// A value, if there is one.
    Bytes(Option<Vec<u8>>),
    /// A secret.
    Text(String),
    /// Keys.
    Texts(Vec<String>),
    /// How a program ended.
    Ended(Output),
    /// What a server answered.
    Response {
        /// Its status.
        status: u16,
        /// Its headers.
        headers: BTreeMap<String, String>,
        /// Its body.
        body: Vec<u8>,
    },
}

/// Why a call was not done: a [`Refusal`] whose kind may be any word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What kind of failure.
    pub kind: String,
    /// One line.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retry: bool,
}

impl From<Refusal> for Said {
    fn from(Refusal { kind, message, retry }: Refusal) -> Self {
        Self { kind: kind.to_owned(), message, retry }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

/// What a function does, which says what it can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Makes an effect; whether it is new.
    Makes,
    /// Takes it back; whether it was there.
    Undoes,
    /// Asks for it.
    Asks,
    /// Acts at once; whether anything changed.
    Changes,
    /// Acts, and has nothing to tell.
    Does,
    /// How many.
    Counts,
    /// Which processes.
    Lists,
    /// A value, if there is one.
    Reads,
    /// Keys of values.
    Names,
    /// Runs a program.
    Runs,
    /// Tells a secret.
    Tells,
    /// Sends a request.
    Requests,
}

/// One function that a component may call by grant.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// `firewall.block`.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
}

/// Every function that a component may call by grant.
#[rustfmt::skip]
pub const FUNCTIONS: [Function; 34] = [
    of("firewall.block", Kind::Makes), of("firewall.unblock", Kind::Undoes), of("firewall.blocked", Kind::Asks),
    of("routes.blackhole", Kind::Makes), of("routes.restore", Kind::Undoes), of("routes.blackholed", Kind::Asks),
    of("accounts.lock", Kind::Makes), of("accounts.unlock", Kind::Undoes), of("accounts.locked", Kind::Asks),
    of("accounts.end-sessions", Kind::Counts),
    of("services.restart", Kind::Does), of("services.reload", Kind::Does),
    of("services.start", Kind::Makes), of("services.stop", Kind::Undoes), of("services.active", Kind::Asks),
    of("lines.ensure", Kind::Makes), of("lines.remove", Kind::Undoes), of("lines.contains", Kind::Asks),
    of("processes.running", Kind::Lists), of("processes.kill", Kind::Changes),
    of("exec.run", Kind::Runs),
    of("state.get", Kind::Reads), of("state.set", Kind::Does), of("state.remove", Kind::Changes),
    of("state.keys", Kind::Names),
    of("secret.get", Kind::Tells),
    of("quarantine.put", Kind::Makes), of("quarantine.restore", Kind::Undoes), of("quarantine.holds", Kind::Asks),
    of("isolation.isolate", Kind::Makes), of("isolation.release", Kind::Undoes), of("isolation.isolated", Kind::Asks),
    of("mail.send", Kind::Does),
    of("http.send", Kind::Requests),
];

const fn of(name: &'static str, kind: Kind) -> Function {
    Function { name, kind }
}

/// The function of this name.
#[must_use]
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// What a function returns.
pub trait Value: Sized {
    /// The value in an answer; `None` when the answer is of another kind.
    fn of(answer: Answer) -> Option<Self>;
}

/// A type is a value when answers of one case hold it.
macro_rules! values {
    ($($case:pat => $value:expr, $type:ty;)*) => {
        $(impl Value for $type {
            fn of(answer: Answer) -> Option<Self> {
                match answer {
                    $case => Some($value),
                    _ => None,
                }
            }
        })*
    };
}

values! {
    Answer::Done => (), ();
    Answer::Changed(changed) => changed, bool;
    Answer::Number(number) => number, u32;
    Answer::Numbers(numbers) => numbers, Vec<u32>;
    Answer::Bytes(bytes) => bytes, Option<Vec<u8>>;
    Answer::Text(text) => Secret::new(text), Secret;
    Answer::Texts(texts) => texts, Vec<String>;
    Answer::Ended(output) => output, Output;
}
