//! Names of units of the init system, parsed once at the boundary.

use std::fmt;
use std::str::FromStr;

/// The kinds of units, by the end of their names.
const KINDS: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// The name of one unit, with its suffix: `nginx.service`,
/// `getty@tty1.service`. The grammar is that of `systemd.unit(5)`: at most 255
/// of letters, digits, `:-_.\` and one `@`, and a suffix that is the kind. What
/// begins with a hyphen could be an option and is refused, and so is a template
/// without an instance, which is no unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName(String);

impl UnitName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What comes before the kind: `nginx` of `nginx.service`.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(stem, _)| stem)
    }

    /// What comes behind the last point: `service`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, kind)| kind)
    }
}

impl FromStr for UnitName {
    type Err = NotAUnitName;

    fn from_str(text: &str) -> Result<Self, NotAUnitName> {
        let wrong = || NotAUnitName(crate::diagnostic::shown(text));
        let (stem, kind) = text.rsplit_once('.').ok_or_else(wrong)?;
        let plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_.\\".contains(&b))
        };
        let named = match stem.split_once('@') {
            Some((template, instance)) => plain(template) && plain(instance),
            None => plain(stem),
        };
        // Nobody names a unit like this; a path or an option looks like it.
        let odd = stem.starts_with(['-', '.']) || stem.contains("..");
        if text.len() <= 255 && named && !odd && KINDS.contains(&kind) {
            Ok(Self(text.to_owned()))
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot name a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAUnitName(String);

impl fmt::Display for NotAUnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not the name of a unit with its suffix, such as nginx.service", self.0)
    }
}

impl std::error::Error for NotAUnitName {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_pass() {
        for name in [
            "nginx.service",
            "getty@tty1.service",
            "a.b.socket",
            "dev-disk-by\\x2duuid.device",
            "x:y_z-1.timer",
        ] {
            assert!(name.parse::<UnitName>().is_ok(), "{name}");
        }
        for name in [
            "",
            "nginx",
            ".service",
            "nginx.conf",
            "nginx.service ",
            "-h.service",
            "../nginx.service",
            "a/b.service",
            "a b.service",
            "a\n.service",
            "getty@.service",
            "@x.service",
            "a@b@c.service",
            "a..b.service",
            "*.service",
            "é.service",
        ] {
            assert!(name.parse::<UnitName>().is_err(), "{name:?}");
        }
        assert!(format!("{}.service", "x".repeat(248)).parse::<UnitName>().is_err());
        assert!(format!("{}.service", "x".repeat(247)).parse::<UnitName>().is_ok());
    }

    #[test]
    fn a_name_has_two_parts() {
        let unit: UnitName = "a.b.socket".parse().unwrap();
        assert_eq!((unit.stem(), unit.kind()), ("a.b", "socket"));
    }
}
