//! Account names, parsed once at the boundary.

use std::fmt;
use std::str::FromStr;

/// A login name that is safe to hand to any tool: 1 to 256 bytes, nothing that
/// could be an option, a path, a field separator or a line end. The rules are
/// those of Wazuh 4.14.7 (`active_responses.c`, `is_valid_username`), and
/// control characters are refused besides. Whether an account may be touched
/// is for the guard to say, not for this type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

impl UserName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = NotAUserName;

    fn from_str(text: &str) -> Result<Self, NotAUserName> {
        let fits = (1..=256).contains(&text.len());
        let leads_with_option = text.starts_with(['-', '+', '~']);
        let forbidden = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | ',' | '/' | '\\');
        if fits && !leads_with_option && !text.contains(forbidden) && !text.contains("..") {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAUserName(crate::diagnostic::shown(text)))
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot be a login name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAUserName(String);

impl fmt::Display for NotAUserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a user name", self.0)
    }
}

impl std::error::Error for NotAUserName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_pass() {
        for name in ["backup", "www-data", "a.b", "DOMAIN$", "renée", "svc_x@example"] {
            assert!(name.parse::<UserName>().is_ok(), "{name}");
        }
        for name in
            ["", "-d", "+x", "~root", "a b", "a:b", "a,b", "../x", "a/b", "a\\b", "a\nb", "a\0b", "a..b"]
        {
            assert!(name.parse::<UserName>().is_err(), "{name:?}");
        }
        assert!("x".repeat(257).parse::<UserName>().is_err());
    }
}
