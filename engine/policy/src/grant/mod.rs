//! What a command may do. A grant is the operator's, never the plugin's.
//!
//! * `kinds`: one type for each capability; `allows`: what each lets through;
//! * [`language`]: the elements and attributes that give them, as one table;
//! * `render`: grants as the XML that gives them, which `config` reads;
//! * [`spelling`], `pattern`: how hosts, names and arguments are written.

use std::fmt;
use std::str::FromStr;

mod allows;
#[cfg(test)]
pub(crate) mod arbitrary;
mod host;
mod kinds;
pub mod language;
#[cfg(test)]
mod narrowing;
mod pattern;
mod render;
pub mod spelling;

pub use host::{Host, HostPattern, UnreadableHost};
pub use kinds::*;
pub use pattern::{Arguments, Pattern};
pub use render::Detail;

/// The `<capabilities>` of a command: each field is one capability, absent or
/// empty when it is not granted. Whoever adds a field adds its WIT interface,
/// its check in `riposte-capability` and its row in `docs/capabilities.md`;
/// nothing is accepted here that is not enforced there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The components that may use these grants, by digest of the `.wasm`
    /// file. Empty: any file of the executable's name (a warning, except for
    /// the built-in responses, whose bytes are part of the engine).
    pub digests: Vec<Digest>,
    /// `<firewall set="drop" widest4="24" widest6="48"/>`.
    pub firewall: Option<FirewallGrant>,
    /// `<route/>`.
    pub routes: Option<RouteGrant>,
    /// `<account/>`.
    pub accounts: Option<AccountGrant>,
    /// `<service/>`, once for each unit.
    pub services: Vec<ServiceGrant>,
    /// `<lines/>`, once for each file.
    pub lines: Vec<LinesGrant>,
    /// `<process/>`.
    pub processes: Option<ProcessGrant>,
    /// `<exec/>`, once for each program and shape of arguments.
    pub exec: Vec<ExecGrant>,
    /// `<state/>`.
    pub state: Option<StateGrant>,
    /// `<config/>`, once for each name.
    pub config: Vec<ConfigValue>,
    /// `<secret/>`, once for each name.
    pub secrets: Vec<SecretGrant>,
    /// `<quarantine/>`.
    pub quarantine: Option<QuarantineGrant>,
    /// `<isolation/>`.
    pub isolation: Option<IsolationGrant>,
    /// `<mail/>`.
    pub mail: Option<MailGrant>,
    /// `<folder/>`, once for each folder.
    pub folders: Vec<FolderGrant>,
    /// `<http/>`, once for each host.
    pub http: Vec<HttpGrant>,
}

/// Name of a set of blocked addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetName(String);

impl SetName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SetName {
    type Err = NotASetName;

    fn from_str(text: &str) -> Result<Self, NotASetName> {
        let fits = (1..=15).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_lowercase());
        let plain =
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        if fits && plain {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotASetName(crate::diagnostic::shown(text)))
        }
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot name a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotASetName(String);

impl fmt::Display for NotASetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot name a set: use 1 to 15 of a-z, 0-9, _ and -, beginning with a letter", self.0)
    }
}

impl std::error::Error for NotASetName {}

/// SHA-256 of a component's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let wrong = || NotADigest(crate::diagnostic::shown(text));
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The text is not a SHA-256 digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotADigest(String);

impl fmt::Display for NotADigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a SHA-256 digest of 64 hexadecimal digits", self.0)
    }
}

impl std::error::Error for NotADigest {}
