//! `ossec.conf` to [`Config`].
//!
//! Reading never fails as a whole. What is wrong becomes a [`Diagnostic`], the
//! element or block it stands in is not used, and all others are: which of
//! them, the message says. The parts:
//!
//! * `read`: files to sections, and what sections say about each other;
//! * `command`, `grants`, `guard`, `audit`, `ledger`, `response`, `settings`, `white_list`: one block each;
//!   `block`: what they share;
//! * `triggers`, `places`, `offenders`, `packages`: parts of a response;
//! * `names`: the commands that responses name; `location`: where one runs;
//! * `xml`: text to a tree that knows its places; `findings`: the diagnostics;
//! * `stored`: a command as the ledger keeps it; `schema`: all of it for editors.
//!
//! # Codes
//!
//! Every finding has a stable code: [`crate::diagnostic::CODES`] is the list,
//! with severity, summary and page of each.

mod audit;
mod block;
mod command;
mod confinement;
mod findings;
mod grants;
mod guard;
mod ledger;
mod location;
mod names;
mod offenders;
mod packages;
mod places;
mod read;
mod response;
mod schema;
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
use crate::grant::{Confinement, FirewallBackend, Grants};
use crate::keys::Pointer;
use crate::limit::Limits;
use crate::osregex::Pattern;

pub use audit::{Auditing, Signing, Syslog, SyslogServer};
pub use grants::NotGrants;
pub use guard::{Guarding, OVERRIDABLE, Overridden, Override, USERS_BELOW};
pub use ledger::Keeping;
pub use location::Location;
pub use schema::relax_ng;
pub use stored::StoredError;
pub use suggest::nearest;
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
    /// `<confined>` or `<isolated>`, for a native program.
    pub confinement: Confinement,
    /// `runtime="native|wasm"` of the `<executable>`.
    pub runtime: Option<Runtime>,
    /// `protocol="json|argv|both|5"` of the `<executable>`; without it `both`
    /// where there is an `<expect>`. `None`: `json`.
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
    /// Arguments and JSON lines at once: what an `<expect>` alone means, since
    /// the programs behind one read either.
    Both,
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

impl Role {
    /// The word for it: that of `riposte NAME`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standalone => "run",
            Self::Execd => "execd",
            Self::Manager => "manager",
        }
    }

    /// The role of this name; one that stands alone for any other word.
    #[must_use]
    pub fn named(name: &str) -> Self {
        [Self::Execd, Self::Manager].into_iter().find(|role| role.name() == name).unwrap_or_default()
    }
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
    /// `<offence_quiet>`: how long after the end of its last offence an offender
    /// starts anew; `None`: seven days. Wazuh's way of counting forgets nothing.
    pub offence_quiet: Option<Duration>,
    /// `<on_stop>`: what becomes of what is in force when the engine stops.
    pub on_stop: OnStop,
    /// `<execd>`: whether [`Role::Execd`] works although the stock part is
    /// switched off with `<disabled>yes</disabled>`.
    pub execd: Option<bool>,
    /// `<exec_strict>`: whether a built-in that is called as a program of Wazuh's
    /// fails, as that does, when nobody answers what it would act on.
    pub exec_strict: bool,
    /// `<link>`: programs in `active-response/bin` that are links to the engine.
    pub links: Vec<String>,
    /// `<firewall>`: what blocks addresses where no grant says otherwise.
    /// `None`: what is found to work at the start.
    pub firewall: Option<FirewallBackend>,
    /// `<guard>`: what is protected besides what the host itself shows.
    pub guard: Guarding,
    /// `<audit>`: how long the audit is kept, and where copies go.
    pub audit: Auditing,
    /// `<ledger>`: how the record of what is in force is kept.
    pub ledger: Keeping,
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
            offence_quiet: None,
            on_stop: if role == Role::Execd { OnStop::Revert } else { OnStop::Keep },
            execd: None,
            exec_strict: false,
            links: Vec::new(),
            firewall: None,
            guard: Guarding::default(),
            audit: Auditing::default(),
            ledger: Keeping::default(),
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
