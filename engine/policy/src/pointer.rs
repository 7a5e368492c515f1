//! JSON Pointers (RFC 6901), parsed once.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where in an alert something stands: `/data/srcip`. Wazuh's dotted form,
/// `data.srcip`, is read too; a name that itself holds a dot can only be
/// reached with the first form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer {
    /// The RFC 6901 spelling.
    text: Box<str>,
    /// Its reference tokens, unescaped. Never empty.
    tokens: Box<[Box<str>]>,
}

impl Pointer {
    /// Longest pointer accepted, in bytes.
    pub const LONGEST: usize = 512;
    /// Most steps from the alert to a value; an alert is at most 128 deep.
    pub const DEEPEST: usize = 128;

    /// The pointer as RFC 6901 writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names to follow from the alert, in order; at least one.
    pub fn tokens(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tokens.iter().map(|token| &**token)
    }

    /// A pointer to a member of objects in objects, whatever their names hold.
    #[must_use]
    pub fn to_member(names: &[&str]) -> Self {
        let text: String = names
            .iter()
            .flat_map(|name| ["/".to_owned(), name.replace('~', "~0").replace('/', "~1")])
            .collect();
        Self { text: text.into(), tokens: names.iter().map(|name| Box::from(*name)).collect() }
    }
}

impl FromStr for Pointer {
    type Err = NotAPointer;

    fn from_str(text: &str) -> Result<Self, NotAPointer> {
        let wrong = |why| NotAPointer { text: crate::diagnostic::shown(text), why };
        if text.len() > Self::LONGEST {
            return Err(wrong("it is longer than 512 bytes"));
        }
        if text.is_empty() {
            return Err(wrong("it is empty"));
        }
        if text.contains(char::is_control) {
            return Err(wrong("it holds control characters"));
        }
        let Some(rest) = text.strip_prefix('/') else {
            let names: Vec<&str> = text.split('.').collect();
            if names.len() > Self::DEEPEST || names.iter().any(|name| name.is_empty()) {
                return Err(wrong("a name between its dots is empty, or there are too many"));
            }
            return Ok(Self::to_member(&names));
        };
        let tokens: Option<Box<[Box<str>]>> = rest.split('/').map(unescaped).collect();
        match tokens {
            Some(tokens) if tokens.len() <= Self::DEEPEST => Ok(Self { text: text.into(), tokens }),
            Some(_) => Err(wrong("it has too many steps")),
            None => Err(wrong("in it ~ may only stand as ~0 (for ~) or ~1 (for /)")),
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Pointer {
    type Error = NotAPointer;

    fn try_from(text: String) -> Result<Self, NotAPointer> {
        text.parse()
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.text.into()
    }
}

/// One reference token with `~1` and `~0` put back; `None` for any other `~`.
fn unescaped(token: &str) -> Option<Box<str>> {
    let mut parts = token.split('~');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push(match part.as_bytes().first()? {
            b'0' => '~',
            b'1' => '/',
            _ => return None,
        });
        out.push_str(part.get(1..)?);
    }
    Some(out.into())
}

/// The text is not a JSON Pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAPointer {
    text: String,
    why: &'static str,
}

impl fmt::Display for NotAPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a JSON Pointer such as /data/srcip: {}", self.text, self.why)
    }
}

impl std::error::Error for NotAPointer {}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        text.parse::<Pointer>().unwrap().tokens().map(str::to_owned).collect()
    }

    #[test]
    fn both_spellings_are_read() {
        assert_eq!(tokens("/data/srcip"), ["data", "srcip"]);
        assert_eq!(tokens("data.srcip"), ["data", "srcip"]);
        assert_eq!("data.srcip".parse::<Pointer>().unwrap().as_str(), "/data/srcip");
        assert_eq!(tokens("srcip"), ["srcip"]);
        assert_eq!(tokens("/data/proc.name"), ["data", "proc.name"]);
        assert_eq!(tokens("/a~1b/m~0n/~01"), ["a/b", "m~n", "~1"]);
        assert_eq!(tokens("/"), [""]);
        assert_eq!("a/b.c~d".parse::<Pointer>().unwrap().as_str(), "/a~1b/c~0d");
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        let long = format!("/{}", "x".repeat(512));
        let deep = "/a".repeat(129);
        for text in ["", "data..srcip", ".data", "data.", "/a~", "/a~2", "/a\nb", &long, &deep] {
            assert!(text.parse::<Pointer>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn it_is_stored_as_its_text() {
        let pointer: Pointer = "data.win.eventdata.ipAddress".parse().unwrap();
        let json = serde_json::to_string(&pointer).unwrap();
        assert_eq!(json, "\"/data/win/eventdata/ipAddress\"");
        assert_eq!(serde_json::from_str::<Pointer>(&json).unwrap(), pointer);
        assert!(serde_json::from_str::<Pointer>("\"\"").is_err());
    }
}
