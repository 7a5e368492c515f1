//! What a response acts on: the keys that tell one target from another.
//!
//! Two alerts with the same keys mean the same target: the ledger keeps one
//! entry for both, and counts offences by them. The keys come from the
//! definition, so that a program which never says its own is still undone.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::alert;
use crate::config::{Command, Expect};
pub use crate::pointer::{NotAPointer, Pointer};

/// What one response acts on: 1 to 16 keys, in order, each 1 to 1,024 bytes
/// without surrounding blanks and without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Keys(Vec<String>);

impl Keys {
    /// Most keys.
    pub const MOST: usize = 16;
    /// Longest key in bytes.
    pub const LONGEST: usize = 1024;

    /// Takes these keys, trimmed.
    ///
    /// # Errors
    ///
    /// When there are none or too many, or one of them is not a key.
    pub fn new<S: AsRef<str>>(keys: &[S]) -> Result<Self, NotKeys> {
        match keys.len() {
            0 => Err(NotKeys::None),
            1..=Self::MOST => keys
                .iter()
                .map(|key| one(key.as_ref()).map(str::to_owned))
                .collect::<Result<_, _>>()
                .map(Self),
            number => Err(NotKeys::TooMany(number)),
        }
    }

    /// The keys; never empty.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// For people: the keys joined by a comma. Two lists of keys may look alike
/// this way; what tells them apart is the list.
impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, key) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            f.write_str(key)?;
        }
        Ok(())
    }
}

impl TryFrom<Vec<String>> for Keys {
    type Error = NotKeys;

    fn try_from(keys: Vec<String>) -> Result<Self, NotKeys> {
        Self::new(&keys)
    }
}

impl From<Keys> for Vec<String> {
    fn from(keys: Keys) -> Self {
        keys.0
    }
}

/// The texts are not keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotKeys {
    /// There is no key at all.
    None,
    /// There are more than 16.
    TooMany(usize),
    /// A key is empty.
    Empty,
    /// A key is longer than 1,024 bytes; here is how it begins.
    TooLong(String),
    /// A key holds a control character; here is how it begins.
    Control(String),
}

impl fmt::Display for NotKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there is no key"),
            Self::TooMany(number) => write!(f, "{number} keys are more than 16"),
            Self::Empty => f.write_str("a key is empty"),
            Self::TooLong(key) => write!(f, "the key {key} is longer than 1024 bytes"),
            Self::Control(key) => write!(f, "the key {key} holds a control character"),
        }
    }
}

impl std::error::Error for NotKeys {}

/// What an alert says about the target of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Derived {
    /// The target.
    Keys(Keys),
    /// The alert names none. This is no failure: the alert is just not for
    /// this command.
    NoKey {
        /// Where it was looked for, and why what stood there is no key.
        looked_for: String,
    },
}

/// The keys of `command` in the alert whose JSON object is `object`.
///
/// * With `<keys>`: every pointer that leads to a text or number gives one
///   key, in order.
/// * Else with `<expect>`: one key for each field, all of which must be there,
///   as OSSEC has it (`analysisd.c`).
/// * Else the first of the source address, `/data/dstuser`, `/syscheck/path`
///   and the alert's `/id`.
///
/// The source address is the first of `/data/win/eventdata/ipAddress`,
/// `/data/win/eventdata/destinationIp` and `/data/srcip`, as in Wazuh 4.14.7
/// (`active_responses.c`, `get_srcip_from_json`). What is missing, empty or
/// `-` counts as absent; so does a member that its object holds twice, since
/// readers disagree which of the two is meant.
pub fn derive(command: &Command, object: &str) -> Derived {
    if !command.keys.is_empty() {
        let found = command.keys.iter().map(|pointer| named(object, pointer));
        return settle(found.filter_map(Result::transpose).collect(), || listed(&command.keys));
    }
    if !command.expect.is_empty() {
        let mut keys = Vec::new();
        for expect in &command.expect {
            let pointers = pointers(*expect);
            match first(object, pointers) {
                Ok(Some(key)) => keys.push(Ok(key)),
                Ok(None) => return Derived::NoKey { looked_for: listed(pointers) },
                Err(why) => return Derived::NoKey { looked_for: why },
            }
        }
        return settle(keys.into_iter().collect(), || "<expect>".to_owned());
    }
    let found = first(object, &USUAL);
    settle(found.map(|key| key.into_iter().collect()), || listed(&USUAL))
}

/// Where the target stands when the definition does not say.
static USUAL: LazyLock<Vec<Pointer>> = LazyLock::new(|| {
    let id = Pointer::to_member(&["id"]);
    [&*SOURCE_IP, &*USER, &*FILE_NAME].into_iter().flatten().cloned().chain([id]).collect()
});
static SOURCE_IP: LazyLock<Vec<Pointer>> = LazyLock::new(|| {
    vec![
        Pointer::to_member(&["data", "win", "eventdata", "ipAddress"]),
        Pointer::to_member(&["data", "win", "eventdata", "destinationIp"]),
        Pointer::to_member(&["data", "srcip"]),
    ]
});
static USER: LazyLock<Vec<Pointer>> = LazyLock::new(|| vec![Pointer::to_member(&["data", "dstuser"])]);
static FILE_NAME: LazyLock<Vec<Pointer>> = LazyLock::new(|| vec![Pointer::to_member(&["syscheck", "path"])]);

fn pointers(expect: Expect) -> &'static [Pointer] {
    match expect {
        Expect::SourceIp => &SOURCE_IP,
        Expect::User => &USER,
        Expect::FileName => &FILE_NAME,
    }
}

/// What `<keys>` names: a text, or a number as it is written.
fn named(object: &str, pointer: &Pointer) -> Result<Option<String>, String> {
    present(alert::text_or_number(object, pointer), pointer)
}

/// The first text that one of the pointers leads to. A text that stands there
/// but cannot be a key ends the search: the next field would be another target.
fn first(object: &str, pointers: &[Pointer]) -> Result<Option<String>, String> {
    for pointer in pointers {
        if let Some(key) = present(alert::string(object, pointer), pointer)? {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// Absent, a key, or why it cannot be one.
fn present(text: Option<Cow<'_, str>>, pointer: &Pointer) -> Result<Option<String>, String> {
    let Some(text) = text else { return Ok(None) };
    match text.trim() {
        "" | "-" => Ok(None),
        text => one(text).map(|key| Some(key.to_owned())).map_err(|why| format!("{pointer} ({why})")),
    }
}

fn settle(found: Result<Vec<String>, String>, looked_for: impl FnOnce() -> String) -> Derived {
    match found.map(|keys| Keys::new(&keys)) {
        Ok(Ok(keys)) => Derived::Keys(keys),
        Ok(Err(NotKeys::None)) => Derived::NoKey { looked_for: looked_for() },
        Ok(Err(why)) => Derived::NoKey { looked_for: format!("{} ({why})", looked_for()) },
        Err(looked_for) => Derived::NoKey { looked_for },
    }
}

fn one(key: &str) -> Result<&str, NotKeys> {
    let key = key.trim();
    if key.is_empty() {
        Err(NotKeys::Empty)
    } else if key.len() > Keys::LONGEST {
        Err(NotKeys::TooLong(crate::diagnostic::shown(key)))
    } else if key.contains(char::is_control) {
        Err(NotKeys::Control(crate::diagnostic::shown(key)))
    } else {
        Ok(key)
    }
}

fn listed(pointers: &[Pointer]) -> String {
    pointers.iter().map(Pointer::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(expect: &[Expect], keys: &[&str]) -> Command {
        Command {
            expect: expect.to_vec(),
            keys: keys.iter().map(|key| key.parse().unwrap()).collect(),
            ..crate::config::tests::command("block")
        }
    }

    #[track_caller]
    fn keys(command: &Command, object: &str) -> Vec<String> {
        match derive(command, object) {
            Derived::Keys(keys) => keys.into(),
            Derived::NoKey { looked_for } => panic!("no key in {object}: {looked_for}"),
        }
    }

    #[track_caller]
    fn looked_for(command: &Command, object: &str) -> String {
        match derive(command, object) {
            Derived::Keys(keys) => panic!("{keys} in {object}"),
            Derived::NoKey { looked_for } => looked_for,
        }
    }

    #[test]
    fn the_usual_fields_in_order() {
        let usual = command(&[], &[]);
        let all = r#"{"id":"1.2","data":{"srcip":"192.0.2.7","dstuser":"eve"},"syscheck":{"path":"/a"}}"#;
        assert_eq!(keys(&usual, all), ["192.0.2.7"]);
        assert_eq!(keys(&usual, r#"{"id":"1.2","data":{"srcip":"-","dstuser":" eve "}}"#), ["eve"]);
        assert_eq!(keys(&usual, r#"{"id":"1.2","data":{"srcip":""},"syscheck":{"path":"/a b"}}"#), ["/a b"]);
        assert_eq!(keys(&usual, r#"{"id":"1.2","data":{"srcip":null}}"#), ["1.2"]);
        assert!(looked_for(&usual, r#"{"rule":{}}"#).contains("/data/srcip"));
    }

    #[test]
    fn windows_events_name_the_source_address_themselves() {
        let expect = command(&[Expect::SourceIp], &[]);
        let event = |ip, destination| {
            format!(
                r#"{{"data":{{"win":{{"eventdata":{{"ipAddress":{ip},"destinationIp":{destination}}}}},"srcip":"198.51.100.3"}}}}"#
            )
        };
        assert_eq!(keys(&expect, &event("\"192.0.2.66\"", "\"192.0.2.99\"")), ["192.0.2.66"]);
        assert_eq!(keys(&expect, &event("\"-\"", "\"192.0.2.99\"")), ["192.0.2.99"]);
        assert_eq!(keys(&expect, &event("5", "null")), ["198.51.100.3"]);
    }

    #[test]
    fn expect_wants_every_field() {
        let both = command(&[Expect::User, Expect::SourceIp], &[]);
        assert_eq!(keys(&both, r#"{"data":{"srcip":"192.0.2.7","dstuser":"eve"}}"#), ["eve", "192.0.2.7"]);
        assert_eq!(looked_for(&both, r#"{"id":"1","data":{"srcip":"192.0.2.7"}}"#), "/data/dstuser");
        let file = command(&[Expect::FileName], &[]);
        assert_eq!(keys(&file, r#"{"syscheck":{"path":"/tmp/x"}}"#), ["/tmp/x"]);
    }

    #[test]
    fn named_keys_are_all_that_are_there() {
        let named = command(&[Expect::SourceIp], &["data.user", "/data/pid", "data.cloud.ip"]);
        assert_eq!(keys(&named, r#"{"data":{"user":"eve","pid":42}}"#), ["eve", "42"]);
        assert_eq!(keys(&named, r#"{"data":{"cloud":{"ip":"192.0.2.7"},"pid":true}}"#), ["192.0.2.7"]);
        // The source address is no substitute for what the definition names.
        assert_eq!(
            looked_for(&named, r#"{"data":{"srcip":"192.0.2.7"}}"#),
            "/data/user, /data/pid, /data/cloud/ip"
        );
    }

    #[test]
    fn what_cannot_be_a_key_is_no_other_target() {
        let usual = command(&[], &[]);
        let hostile = looked_for(&usual, r#"{"id":"1","data":{"srcip":"192.0.2.7\nforged"}}"#);
        assert!(hostile.starts_with("/data/srcip (") && hostile.contains("control character"), "{hostile}");
        let long = format!(r#"{{"id":"1","data":{{"srcip":"{}"}}}}"#, "x".repeat(1025));
        assert!(looked_for(&usual, &long).contains("longer than 1024 bytes"));
        let twice = r#"{"data":{"srcip":"127.0.0.1","srcip":"192.0.2.7"}}"#;
        assert!(looked_for(&usual, twice).contains("/data/srcip"));
    }

    #[test]
    fn keys_are_checked_wherever_they_come_from() {
        assert_eq!(Keys::new(&[" a ", "b"]).unwrap().as_slice(), ["a", "b"]);
        assert_eq!(Keys::new::<&str>(&[]), Err(NotKeys::None));
        assert_eq!(Keys::new(&["x"; 17]), Err(NotKeys::TooMany(17)));
        assert_eq!(Keys::new(&["a", "  "]), Err(NotKeys::Empty));
        assert!(matches!(Keys::new(&["a\u{1b}b"]), Err(NotKeys::Control(_))));
        let keys = Keys::new(&["192.0.2.7", "eve"]).unwrap();
        let json = serde_json::to_string(&keys).unwrap();
        assert_eq!(json, r#"["192.0.2.7","eve"]"#);
        assert_eq!(serde_json::from_str::<Keys>(&json).unwrap(), keys);
        assert!(serde_json::from_str::<Keys>("[]").is_err());
        assert_eq!(keys.to_string(), "192.0.2.7, eve");
    }
}
