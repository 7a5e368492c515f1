//! What a manager says to a stock agent, byte for byte.
//!
//! Sources, Wazuh 4.14: `src/analysisd/ar_json.c` (agents from 4.2 on),
//! `src/analysisd/alerts/exec.c` (older agents, the header), and
//! `src/shared/string_op.c: os_shell_escape`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use riposte_policy::alert;
use riposte_policy::diagnostic::shown;
use riposte_policy::keys::Pointer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Longest JSON message. A manager cuts at 65,536 bytes without a word, which
/// leaves invalid JSON; the headers that its network daemon adds, and the
/// `program` that the agent adds, need room below that.
pub const LONGEST_JSON: usize = 65_000;
/// Longest message to an agent before 4.2, its final NUL byte not counted.
pub const LONGEST_TEXT: usize = 1_023;

/// Members of an alert that are left out of a message that would be too long,
/// in this order, until it fits: copies of the log text first, then what the
/// manager says about itself and how it read the text. What names a target, the
/// rule, the agent and the file stays.
pub const EXPENDABLE: [&[&str]; 12] = [
    &["previous_output"],
    &["full_log"],
    &["previous_log"],
    &["syscheck", "diff"],
    &["data", "win", "system", "message"],
    &["predecoder"],
    &["GeoLocation"],
    &["cluster"],
    &["manager"],
    &["input"],
    &["decoder"],
    &["rule", "mitre"],
];

/// What one order says.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The manager's name in its cluster; empty without one.
    pub node: &'a str,
    /// Wire name of the response: see [`wire_name`].
    pub command: &'a str,
    /// The command's `<extra_args>`, split at blanks.
    pub extra_args: &'a [String],
    /// The alert as `alerts.json` has it, on one line.
    pub alert: &'a str,
}

impl Message<'_> {
    /// The text that an agent of this version understands.
    ///
    /// # Errors
    ///
    /// When it does not fit, or an old agent would take it for something else.
    pub fn payload(&self, version: Version) -> Result<String, Unfit> {
        if version < Version::JSON {
            return self.text();
        }
        let json = self.json()?;
        Ok(if version < Version::PLAIN { shell_proof(&json) } else { json })
    }

    /// The line that a stock program takes on its standard input to undo.
    #[must_use]
    pub fn delete(&self) -> String {
        Message { command: "delete", ..*self }.with_alert(self.alert)
    }

    /// For agents from 4.2 on.
    fn json(&self) -> Result<String, Unfit> {
        let whole = self.with_alert(self.alert);
        let size = whole.len();
        if size <= LONGEST_JSON {
            return Ok(whole);
        }
        let mut alert = self.alert.to_owned();
        for path in EXPENDABLE {
            let Some(shorter) = without(&alert, path) else { continue };
            alert = shorter;
            let shorter = self.with_alert(&alert);
            if shorter.len() <= LONGEST_JSON {
                return Ok(shorter);
            }
        }
        Err(Unfit::TooLong { size, longest: LONGEST_JSON })
    }

    fn with_alert(&self, alert: &str) -> String {
        let mut arguments = String::from("[");
        for (n, argument) in self.extra_args.iter().enumerate() {
            if n > 0 {
                arguments.push(',');
            }
            arguments.push_str(&quoted(argument));
        }
        arguments.push(']');
        format!(
            r#"{{"version":1,"origin":{{"name":{},"module":"wazuh-analysisd"}},"command":{},"parameters":{{"extra_args":{arguments},"alert":{alert}}}}}"#,
            quoted(self.node),
            quoted(self.command),
        )
    }

    /// For agents before 4.2: fields between blanks. A manager cuts it, and its
    /// agents split a path at a blank: both name another file, which is refused
    /// here. In the other fields, which name nothing to act on, a blank is `_`,
    /// so that none can move what follows it.
    fn text(&self) -> Result<String, Unfit> {
        let member = |path: &[&str]| alert::text(self.alert, &Pointer::to_member(path));
        let word = |path: &[&str], absent: &str| match member(path) {
            Some(text) if !text.is_empty() => one_word(&text),
            _ => absent.to_owned(),
        };
        let address = word(&["data", "srcip"], "-");
        let address = address.strip_prefix("::ffff:").unwrap_or(&address);
        let user = word(&["data", "dstuser"], "-");
        // `<epoch>.<number>` is what the alert's id is made of.
        let (id, rule) = (word(&["id"], "0.0"), word(&["rule", "id"], "0"));
        let filename = match member(&["decoder", "name"]) {
            Some(name) if name.starts_with("syscheck_") => member(&["syscheck", "path"]),
            _ => None,
        };
        if let Some(path) = filename.as_ref().filter(|path| path.contains(splits)) {
            return Err(Unfit::Path(shown(path)));
        }
        let filename = filename.filter(|path| !path.is_empty());
        let filename = filename.map_or_else(|| "-".to_owned(), |path| shell_escaped(&path));
        let arguments = self.extra_args.join(" ");
        let arguments = if arguments.is_empty() { "-".to_owned() } else { shell_escaped(&arguments) };
        let location = self.location();
        let text = format!("{} {user} {address} {id} {rule} {location} {filename} {arguments}", self.command);
        // One message is one line to the agent.
        let text: String = text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
        let size = text.len();
        if size <= LONGEST_TEXT { Ok(text) } else { Err(Unfit::TooLong { size, longest: LONGEST_TEXT }) }
    }

    /// Where the event came from, as analysisd has it: `alerts.json` splits the
    /// agent off (`src/analysisd/format/json_extended.c`).
    fn location(&self) -> String {
        let member = |path: &[&str]| alert::text(self.alert, &Pointer::to_member(path)).unwrap_or_default();
        let location = one_word(&member(&["location"]));
        let agent = member(&["agent", "id"]);
        if agent.is_empty() || agent.parse() == Ok(0) {
            return if location.is_empty() { "-".to_owned() } else { location };
        }
        let ip = member(&["agent", "ip"]);
        let ip = if ip.is_empty() { "any".to_owned() } else { one_word(&ip) };
        format!("({}) {ip}->{location}", one_word(&member(&["agent", "name"])))
    }
}

/// The name under which agents know a response: the command's, and the timeout
/// in seconds (`src/config/active-response.c`).
#[must_use]
pub fn wire_name(command: &str, timeout: Option<Duration>) -> String {
    format!("{command}{}", timeout.map_or(0, |timeout| timeout.as_secs()))
}

/// What stands before the payload on the socket: which flag, and which agent.
#[must_use]
pub fn header(location: &str, agent: u32) -> String {
    let (event, named) = if location == "local" { ('R', 'N') } else { ('N', 'S') };
    format!("(local_source) [] N{event}{named} {agent:03}")
}

/// A field of the alert that holds what it never should: Wazuh skips the
/// response and logs this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crafted {
    /// `data.dstuser` is no user name.
    User(String),
    /// `data.srcip` is neither address nor host name.
    Address(String),
    /// This member of `data` stands there twice: who checks it and who acts on
    /// it may read different ones.
    Twice(&'static str),
}

impl Crafted {
    /// Looks at the fields that Wazuh looks at.
    #[must_use]
    pub fn find(alert: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let user = match as_agents_read(alert, "dstuser") {
            Ok(user) => user.filter(|user| !user.chars().all(|c| plain(c) || "@?".contains(c))),
            Err(twice) => return Some(twice),
        };
        let address = match as_agents_read(alert, "srcip") {
            Ok(address) => address.filter(|address| !address.chars().all(|c| plain(c) || c == ':')),
            Err(twice) => return Some(twice),
        };
        user.map(Self::User).or(address.map(Self::Address))
    }
}

/// The text of a member of `data` as agents read it: their reader of JSON tells
/// no `SrcIP` from `srcip` (cJSON's `cJSON_GetObjectItem`).
///
/// # Errors
///
/// When there are two.
pub fn as_agents_read(alert: &str, name: &'static str) -> Result<Option<String>, Crafted> {
    let one = |object: &str, name: &str| {
        let mut all = members(object).unwrap_or_default().into_iter();
        let mut named = all.by_ref().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let found = named.next().map(|(_, value)| value.get().to_owned());
        if named.next().is_some() { Err(()) } else { Ok(found) }
    };
    let data = one(alert, "data").map_err(|()| Crafted::Twice("data"))?.unwrap_or_default();
    let value = one(&data, name).map_err(|()| Crafted::Twice(name))?;
    Ok(value.filter(|value| value != "null").map(|value| serde_json::from_str(&value).unwrap_or(value)))
}

/// Wazuh's own words. The text is an attacker's: it is made safe to print.
impl fmt::Display for Crafted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = |text: &str| shown(text).trim_matches('"').to_owned();
        match self {
            Self::User(text) => {
                write!(f, "(1272): Invalid username '{}'. Possible logging attack.", inner(text))
            }
            Self::Twice(name) => {
                write!(f, "the alert has two members {name}, and an agent may read either of them")
            }
            Self::Address(text) => {
                write!(f, "(1271): Invalid IP Address '{}'. Possible logging attack.", inner(text))
            }
        }
    }
}

/// The version of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u16,
    minor: u16,
    patch: u16,
}

impl Version {
    /// The first that takes JSON.
    const JSON: Self = Self { major: 4, minor: 2, patch: 0 };
    /// The first that takes it without protection for its shell.
    const PLAIN: Self = Self { major: 4, minor: 2, patch: 5 };
}

/// `Wazuh v4.7.3`, `v4.7.3`, `4.7.3` or `4.7`.
impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let wrong = || NotAVersion(shown(text));
        let numbers = text.rsplit(['v', ' ']).next().unwrap_or_default();
        let mut numbers = numbers.split('.').map(|number| {
            let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
            number.get(..digits).unwrap_or_default().parse::<u16>().map_err(|_| wrong())
        });
        let mut next = || numbers.next();
        let (major, minor) = (next().ok_or_else(wrong)??, next().ok_or_else(wrong)??);
        Ok(Self { major, minor, patch: next().transpose()?.unwrap_or(0) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The text is not a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAVersion(String);

impl fmt::Display for NotAVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a version such as 4.2 or v4.14.1", self.0)
    }
}

impl std::error::Error for NotAVersion {}

/// An agent of this version cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The message does not fit, even without all that is expendable.
    TooLong {
        /// Its length in bytes, with everything in it.
        size: usize,
        /// What fits.
        longest: usize,
    },
    /// The file's path, safe to print, has a blank, and fields are split there.
    Path(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { size, longest } => {
                write!(f, "the message has {size} bytes, and an agent of this version takes {longest}")
            }
            Self::Path(path) => write!(
                f,
                "an agent of this version splits the path {path} at its blank and would act on another file"
            ),
        }
    }
}

impl std::error::Error for Unfit {}

/// The object without the member at `path`; `None` when it has none, or is no
/// object.
fn without(object: &str, path: &[&str]) -> Option<String> {
    let (name, rest) = path.split_first()?;
    let members = members(object)?;
    let mut found = false;
    let mut out = String::with_capacity(object.len());
    for (key, value) in members {
        let shorter;
        let value = if key != *name {
            value.get()
        } else if rest.is_empty() {
            found = true;
            continue;
        } else {
            shorter = without(value.get(), rest)?;
            found = true;
            &shorter
        };
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(&quoted(&key));
        out.push(':');
        out.push_str(value);
    }
    if out.is_empty() {
        out.push('{');
    }
    out.push('}');
    found.then_some(out)
}

/// The members of an object in their order, values as written.
fn members(object: &str) -> Option<Vec<(String, &RawValue)>> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
    }

    serde_json::Deserializer::from_str(object).deserialize_map(Members).ok()
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Where an agent before 4.2 splits, or what is turned into such a place.
fn splits(c: char) -> bool {
    c == ' ' || c.is_control()
}

/// A text as one field of the message to an agent before 4.2.
fn one_word(text: &str) -> String {
    text.replace(splits, "_")
}

/// Backslashes before what a shell would take for its own.
fn shell_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\\"'\t;`><|#*[]{}&$!:()".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Agents 4.2.0 to 4.2.4 hand the message to a shell: what it would act on
/// becomes text, as managers do it for them.
fn shell_proof(json: &str) -> String {
    json.replace('!', r"\\x21").replace('$', r"\\x24").replace('\'', r"\\x27").replace('`', r"\\x60")
}

#[cfg(test)]
mod tests;
