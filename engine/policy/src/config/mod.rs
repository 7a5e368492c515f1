//! `ossec.conf` to [`Config`].
//!
//! Reading never fails as a whole. What is wrong becomes a [`Diagnostic`], the
//! element or block it stands in is not used, and all others are: which of
//! them, the message says. The parts:
//!
//! * `read`: files to sections, and what sections say about each other;
//! * `command`, `grants`, `response`, `settings`, `white_list`: one block each;
//!   `block`: what they share;
//! * `triggers`, `places`, `offenders`, `packages`: parts of a response;
//! * `names`: the commands that responses name; `location`: where one runs;
//! * `xml`: text to a tree that knows its places; `findings`: the diagnostics;
//! * `stored`: a command as the ledger keeps it.
//!
//! # Codes
//!
//! E: error, W: warning, N: note.
//!
//! | code | | what is found |
//! |---|---|---|
//! | `xml-attribute` | E | an attribute without value or quotes, or twice |
//! | `xml-encoding` | E W | UTF-16; bytes that are not UTF-8 |
//! | `xml-mismatched-tag` | E | a closing tag of another name than the open element |
//! | `xml-syntax` | E | a comment, tag or section that never ends |
//! | `xml-tag` | E | a tag without a name, or one that runs into the next |
//! | `xml-too-deep` | E | elements nested more than 64 deep |
//! | `xml-too-large` | E | more than 16 MiB, or more than 200,000 elements |
//! | `xml-typographic-hyphen` | E | a tag with a hyphen from a word processor |
//! | `xml-unclosed` | E | an element that is never closed |
//! | `xml-unmatched-tag` | E | a closing tag where nothing is open |
//! | `active-response-disabled` | W N | `<disabled>yes</disabled>` for the whole machine |
//! | `agent-invalid` | E W | an `<agent_id>` that is no agent |
//! | `agent-list` | W | an `<agent_id>` that names several |
//! | `agent-missing` | E | `defined-agent` without `<agent_id>` |
//! | `agent-unused` | W | an `<agent_id>` for another location |
//! | `attribute-unknown` | E W | an attribute that its element does not have; a warning where Wazuh passes over it |
//! | `ca-unused` | N | certificates, which take effect when packages are installed |
//! | `command-duplicate` | W | a name defined twice in one file |
//! | `command-incomplete` | E | a command without name or executable |
//! | `command-nested` | E | a definition inside a response |
//! | `command-order` | W | a command defined after the response that names it |
//! | `command-undefined` | E | a response names no command |
//! | `command-unusable` | E | a response names a command with errors |
//! | `element-nested` | E | an element inside one that holds text |
//! | `element-repeated` | E W | an element that may stand once; an error where it says what runs or what is granted |
//! | `element-unenforced` | E | an element that this version cannot enforce |
//! | `element-unknown` | E W | an element that its block does not have; a warning where Wazuh passes over it |
//! | `expect-unknown` | W | `<expect>` with another field than srcip, user, filename |
//! | `findings-many` | E W N | more than 1,000 findings in one file |
//! | `grant-beyond-guard` | W | a grant that the guard narrows |
//! | `grant-unenforced` | E | a grant that this version cannot enforce |
//! | `grant-unknown` | E | there is no such grant |
//! | `group-pattern` | W | a group that looks like a pattern, or a pattern that is none |
//! | `level-invalid` | E W | a level that is not 1 to 16; a warning where Wazuh takes it |
//! | `location-all` | W | a response that runs on every agent |
//! | `location-combined` | W | several locations, of which Wazuh takes one |
//! | `location-loose` | W | a location that Wazuh takes because it holds a known word |
//! | `location-unknown` | E | there is no such location |
//! | `matching-differs` | W N | the block fires otherwise under Wazuh 4.x: N with groups alone, or where `<matching>` is written |
//! | `offenders-in-seconds` | W | `<repeated_offenders>` read as seconds |
//! | `offenders-too-many` | W | more than five values |
//! | `offenders-without-timeout` | W | a list without a `<timeout>` |
//! | `response-disabled` | N | `<disabled>yes</disabled>` in one response |
//! | `response-incomplete` | E W | a response without command or location |
//! | `responses-unused` | N | responses in a file of execd, which fires nothing |
//! | `root-attribute` | N | an attribute of a root, which narrows nothing |
//! | `root-unknown` | E | a root of another name that holds responses |
//! | `section-unknown` | E | a section whose name is nearly a known one |
//! | `text-stray` | W | text between elements |
//! | `timeout-not-allowed` | W | a timeout for a command that allows none |
//! | `trigger-missing` | W | a response that no alert fires |
//! | `value-invalid` | E W | a value that its element or attribute does not take; a warning where Wazuh reads a part of it |
//! | `white-list-host` | W | an entry of the white list that is in no address |

mod block;
mod command;
mod findings;
mod grants;
mod location;
mod names;
mod offenders;
mod packages;
mod places;
mod read;
mod response;
mod settings;
mod stored;
mod suggest;
mod triggers;
mod white_list;
mod xml;

use std::sync::Arc;
use std::time::Duration;

use crate::address::{Address, Prefix};
use crate::diagnostic::{Diagnostic, Place, Severity, shown};
use crate::grant::Grants;
use crate::keys::Pointer;
use crate::limit::Limits;
use crate::osregex::Pattern;

pub use location::Location;
pub use stored::StoredError;
pub use white_list::HostPattern;

/// One configuration file.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file as the user named it.
    pub file: &'a str,
    /// What is in it.
    pub bytes: &'a [u8],
}

impl<'a> Source<'a> {
    /// A file whose text is at hand.
    #[must_use]
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, bytes: text.as_bytes() }
    }
}

/// One or more configuration files, read together.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Every command, in the order of its first definition. Names are unique.
    pub commands: Vec<Arc<Command>>,
    /// Every response that can fire, in file order. Its command is defined.
    pub responses: Vec<Arc<Response>>,
    /// Whether an agent's own block switches active response off.
    pub disabled: bool,
    /// `<repeated_offenders>` of an agent's own block: for responses without a
    /// list, and for all that [`Role::Execd`] runs.
    pub offenders: Arc<[Duration]>,
    /// `<global><white_list>`: never acted against. What a `!` takes out of it
    /// is not in it.
    pub white_list: Vec<Prefix>,
    /// Entries of the white list that are looked for in the text of an address.
    pub white_list_hosts: Vec<HostPattern>,
    /// `<ca_store>`: files or folders of root certificates for packages.
    pub ca_stores: Vec<String>,
    /// `<ca_verification>`, when it is there.
    pub ca_verification: Option<bool>,
    /// `<riposte>`: how the engine does what differs between it and Wazuh.
    pub settings: Settings,
    /// Everything worth saying about the files.
    pub diagnostics: Vec<Diagnostic>,
}

impl Config {
    /// Reads files as one configuration, in order: a `<command>` that stands
    /// again in a later file refines the earlier one. Never fails and never
    /// panics: see [`Config::diagnostics`].
    #[must_use]
    pub fn read(sources: &[Source<'_>]) -> Self {
        Self::read_as(sources, Role::Standalone)
    }

    /// The same for an engine that stands in for a part of Wazuh, where what
    /// Wazuh does is what a file means unless it says otherwise.
    #[must_use]
    pub fn read_as(sources: &[Source<'_>], role: Role) -> Self {
        read::read(sources, role)
    }

    /// The command of this name.
    #[must_use]
    pub fn command(&self, name: &str) -> Option<&Arc<Command>> {
        self.commands.iter().find(|command| &*command.name == name)
    }

    /// Which entry of the white list keeps this address from being acted
    /// against, in words; `None` when none does.
    #[must_use]
    pub fn spares(&self, address: Address) -> Option<String> {
        let one = Prefix::from(address);
        let prefix = self.white_list.iter().find(|prefix| prefix.contains(one)).map(ToString::to_string);
        let host = || self.white_list_hosts.iter().find(|host| host.holds(address)).map(ToString::to_string);
        prefix.or_else(host).map(|entry| format!("white_list has {}", shown(&entry)))
    }

    /// Whether anything in the files is not used because it is wrong.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// `<command>`: a program and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The name that responses use.
    pub name: Arc<str>,
    /// File name of the program or component, perhaps without extension.
    pub executable: String,
    /// `<timeout_allowed>`, when it is there.
    pub timeout_allowed: Option<bool>,
    /// `<expect>`: which alert fields OSSEC's scripts expect, in order.
    pub expect: Vec<Expect>,
    /// `<extra_args>`, split at blanks as Wazuh splits them.
    pub extra_args: Vec<String>,
    /// `<keys>`: where in the alert the target stands; each that leads to
    /// something gives one key, in this order.
    pub keys: Vec<Pointer>,
    /// `<capabilities>`; `None` when the command has no such element.
    pub capabilities: Option<Grants>,
    /// `<limits>`.
    pub limits: Limits,
    /// `runtime="native|wasm"` of the `<executable>`.
    pub runtime: Option<Runtime>,
    /// `protocol="json|argv|5"` of the `<executable>`; `None`: as the program's
    /// name and `<expect>` suggest.
    pub protocol: Option<Protocol>,
    /// Where it is defined.
    pub place: Place,
}

/// `<active-response>`: when a command runs, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Name of the response in events: the command's name, `#` and its number
    /// among the responses of that command, from 1.
    pub name: Arc<str>,
    /// Name of the command.
    pub command: Arc<str>,
    /// Where it runs.
    pub location: Location,
    /// Whose way its triggers are matched. As documented any of them fires it;
    /// to Wazuh 4.x level and group restrict each other.
    pub matching: Way,
    /// `<level>`: fires from this rule level on, 1 to 16; up to 20 where a
    /// manager takes it.
    pub level: Option<u8>,
    /// `<rules_group>` as documented: fires for any of these groups; lower case.
    pub groups: Vec<String>,
    /// `<rules_group>` where Wazuh's way is asked for: fires when it is found
    /// in the text of the rule's groups.
    pub pattern: Option<Pattern>,
    /// `<rules_id>`: fires for any of these rules.
    pub rules: Vec<u32>,
    /// `<timeout>`; `None`: for good.
    pub timeout: Option<Duration>,
    /// `<repeated_offenders>`: timeouts from the second offence on.
    pub offenders: Arc<[Duration]>,
    /// Whether it acts or only says what it would do.
    pub mode: Mode,
    /// Where it is defined.
    pub place: Place,
}

/// Whether a response acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It acts.
    #[default]
    Enforce,
    /// It only says what it would do.
    Shadow,
}

/// `<expect>`: one field that OSSEC hands to a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expect {
    /// `srcip`.
    SourceIp,
    /// `user`.
    User,
    /// `filename`.
    FileName,
}

/// What runs an executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// A program of the operating system.
    Native,
    /// A component in the sandbox.
    Wasm,
}

/// How a native program is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Wazuh 4.2 and later: JSON lines on stdin and stdout.
    Json,
    /// OSSEC and Wazuh before 4.2: arguments.
    Argv,
    /// Wazuh 5: JSON lines with `enable` and `disable`.
    Five,
}

/// Which part of Wazuh the engine stands in for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// None: it works beside Wazuh, or without it.
    #[default]
    Standalone,
    /// `wazuh-execd` of an agent or a manager.
    Execd,
    /// The part of a manager that sends responses to agents.
    Manager,
}

/// `<riposte>`: how the engine does what differs between it and Wazuh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `<matching>`: which alerts fire a response.
    pub matching: Way,
    /// `<key>`: what makes two orders the same.
    pub key: Way,
    /// `<offences>`: what counts as one more offence.
    pub offences: Way,
    /// `<on_stop>`: what becomes of what is in force when the engine stops.
    pub on_stop: OnStop,
    /// `<execd>`: whether [`Role::Execd`] works although the stock part is
    /// switched off with `<disabled>yes</disabled>`.
    pub execd: Option<bool>,
    /// `<link>`: programs in `active-response/bin` that are links to the engine.
    pub links: Vec<String>,
}

impl Settings {
    /// What a role does when the files say nothing.
    #[must_use]
    pub fn of(role: Role) -> Self {
        let standing_in = if role == Role::Standalone { Way::Riposte } else { Way::Wazuh };
        let execd = if role == Role::Execd { Way::Wazuh } else { Way::Riposte };
        Self {
            matching: standing_in,
            key: execd,
            offences: execd,
            on_stop: if role == Role::Execd { OnStop::Revert } else { OnStop::Keep },
            execd: None,
            links: Vec::new(),
        }
    }
}

/// Whose way of doing something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Way {
    /// Ours, as documented.
    #[default]
    Riposte,
    /// What the code of Wazuh 4.x does.
    Wazuh,
}

/// What becomes of what is in force when the engine stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnStop {
    /// It stays, and is undone on time after the next start.
    #[default]
    Keep,
    /// It is undone, as `wazuh-execd` does.
    Revert,
}

#[cfg(test)]
pub(crate) mod tests;
