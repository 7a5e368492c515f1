//! From a configuration to commands that can be run.
//!
//! Arming finds each executable, checks components against their grants and
//! compiles them, so that nothing of this happens when an alert arrives. A
//! command that cannot be armed is reported and the others are not affected.
//!
//! * `arming`: one command; `versions`: components that are needed for an undo;
//! * `executable`: which file a name means; `script`: what can be seen of it;
//! * `findings`: what was found, and where that stands in the files;
//! * `breaker`: suspends what keeps failing.

mod arming;
pub mod breaker;
pub mod executable;
mod findings;
mod script;
pub mod versions;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use riposte_plugins::Builtin;
use riposte_policy::Order;
use riposte_policy::alert::Alert;
use riposte_policy::config::{Command, Config, Mode, Response, Role, Source, Way};
use riposte_policy::diagnostic::{Diagnostic, Severity};
use riposte_policy::matching::Index;
use riposte_policy::order::Actor;
use riposte_policy::ruleset::Ruleset;
use riposte_runtime::native::NativeProgram;
use riposte_runtime::{Components, Plugin};
use riposte_transport::route;
use tokio::sync::Semaphore;

use self::arming::Arming;
use self::breaker::Breaker;
use self::executable::Executable;
use self::findings::Findings;
use crate::files::{self, File};
use crate::manager;
use crate::places::Places;

/// Runs of one component command at a time, when its limits say nothing. Most of
/// a run is waiting for the disk, so this is also how many share one sync.
pub const COMPONENTS: u32 = 32;
/// Runs of one native command at a time, when its limits say nothing.
pub const PROGRAMS: u32 = 4;

/// A configuration whose commands are ready to run.
pub struct Armed {
    /// What was read.
    pub config: Config,
    /// Which responses an alert fires.
    pub index: Index,
    /// The commands that can be run, by name.
    commands: HashMap<Arc<str>, Arc<Ready>>,
    /// Why the others cannot.
    off: BTreeMap<Arc<str>, String>,
    /// What the files were read as.
    role: Role,
    /// A manager's rules, where there are any.
    rules: Ruleset,
}

/// A command that can be run.
pub struct Ready {
    /// Its definition.
    pub command: Arc<Command>,
    /// Its definition as the ledger keeps it.
    pub definition: Arc<str>,
    /// What runs it.
    pub runner: Runner,
    /// Whether it may be undone after a time.
    pub stateful: bool,
    /// Runs at a time.
    pub permits: Arc<Semaphore>,
    /// Suspends adds that keep failing.
    pub breaker: Breaker,
}

/// What runs a command.
pub enum Runner {
    /// A component in the sandbox.
    Component(Arc<Plugin>),
    /// A program of this host.
    Native(NativeProgram),
    /// Nothing on this platform.
    Unsupported(String),
}

impl Runner {
    /// Digest of the component.
    #[must_use]
    pub fn digest(&self) -> Option<Arc<str>> {
        match self {
            Self::Component(plugin) => Some(plugin.digest().to_string().into()),
            Self::Native(_) | Self::Unsupported(_) => None,
        }
    }
}

impl Armed {
    /// Reads configuration files and arms every command that a response names
    /// or that is worth running by hand, for an engine of this role.
    pub fn new_as(files: &[File], places: &Places, components: &Components, role: Role) -> Self {
        let mut config = files::config(files, role);
        let mut arming = Arming { places, components, role, found: Findings::new(files) };
        arming.found.exchangeable();
        let mut responses: HashMap<Arc<str>, Vec<&Response>> = HashMap::new();
        for response in &config.responses {
            responses.entry(Arc::clone(&response.command)).or_default().push(response);
            arming.wide(response);
        }
        let (mut commands, mut off) = (HashMap::new(), BTreeMap::new());
        for command in &config.commands {
            let responses = responses.get(&command.name).map(Vec::as_slice).unwrap_or_default();
            if let Some(ready) = arming.command(command, responses) {
                commands.insert(Arc::clone(&command.name), Arc::new(ready));
            } else {
                off.insert(Arc::clone(&command.name), arming.found.last());
            }
        }
        if role != Role::Execd {
            arming.found.empty(&config);
        }
        let mut rules = Ruleset::default();
        if role == Role::Manager || role == Role::Standalone && manager::rules::are_in(&places.root) {
            rules = manager::rules::read(&places.root, files);
            for Diagnostic { severity, code, place, message, help, .. } in rules.check(&config) {
                arming.found.say(severity, code, &place, message, help);
            }
        }
        arming.found.add_to(&mut config.diagnostics);
        let index = Index::new(&config.responses);
        Self { config, index, commands, off, role, rules }
    }

    /// The same with commands that stand in no file. Also returns what is wrong
    /// with those.
    pub fn with(
        &self,
        commands: &[Arc<Command>],
        places: &Places,
        components: &Components,
    ) -> (Self, Vec<Diagnostic>) {
        let mut arming = Arming { places, components, role: self.role, found: Findings::new(&[]) };
        let (mut all, mut off) = (self.commands.clone(), self.off.clone());
        for command in commands {
            if let Some(ready) = arming.command(command, &[]) {
                off.remove(&command.name);
                all.insert(Arc::clone(&command.name), Arc::new(ready));
            }
        }
        let (config, index) = (self.config.clone(), Index::new(&self.config.responses));
        let rules = self.rules.clone();
        let armed = Self { config, index, commands: all, off, role: self.role, rules };
        (armed, arming.found.into_diagnostics())
    }

    /// Whether the engine can run with this: nothing in it is wrong, or only
    /// single components that were refused.
    pub fn fatal(&self, strict: bool) -> impl Iterator<Item = &Diagnostic> {
        self.config.diagnostics.iter().filter(move |found| match found.severity {
            Severity::Error if found.code == REFUSED => false,
            // `wazuh-execd` reads little of this file, and starts whatever the rest says.
            Severity::Error if self.role == Role::Execd && found.place.file.ends_with("ossec.conf") => {
                strict || found.code.starts_with("xml-")
            }
            Severity::Error => true,
            Severity::Warning => strict,
            Severity::Note => false,
        })
    }

    /// What the configuration was read for.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The command of this name, if it can be run.
    #[must_use]
    pub fn ready(&self, command: &str) -> Option<Arc<Ready>> {
        self.commands.get(command).map(Arc::clone)
    }

    /// Every command that can be run.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Ready>> {
        self.commands.values()
    }

    /// The commands that cannot be run, by name, and why.
    pub fn off(&self) -> impl Iterator<Item = (&str, &str)> {
        self.off.iter().map(|(name, why)| (&**name, &**why))
    }

    /// Whether the rule of an alert calls for responses, as far as the rules are
    /// known: they are in a manager's home.
    #[must_use]
    pub fn responds(&self, alert: &Alert<'_>) -> bool {
        alert.rule_number().is_none_or(|rule| self.rules.responds(rule))
    }

    /// The responses that an alert fires, by their position in the configuration.
    #[must_use]
    pub fn fires(&self, alert: &Alert<'_>) -> Vec<usize> {
        if self.responds(alert) { self.index.fires(alert) } else { Vec::new() }
    }

    /// The orders for the response at `position` of the configuration: one for
    /// each agent that its location names. Whether it [fires](Armed::fires) is
    /// not asked.
    #[must_use]
    pub fn orders(&self, position: usize, alert: &Alert<'_>) -> Vec<Order> {
        let Some(response) = self.config.responses.get(position) else { return Vec::new() };
        let command = self.config.commands.iter().find(|command| command.name == response.command);
        let Some(command) = command else { return Vec::new() };
        let stateful = self.ready(&command.name).is_none_or(|ready| ready.stateful);
        let from = Some(alert.agent_id()).filter(|id| !id.is_empty());
        let text: Arc<str> = alert.object().into();
        let mut recipients = route::recipients(&response.location, from);
        // Where there are agents, the server is none of them.
        if self.role == Role::Manager
            && response.location.is_all()
            && !recipients.iter().any(|(_, word)| *word == "all")
        {
            recipients.push((route::SERVER.into(), "all"));
        }
        let recipients = recipients.into_iter();
        let order = |(agent, location)| Order {
            tenant: TENANT.into(),
            command: Arc::clone(command),
            response: Some(Arc::clone(response)),
            location,
            agent,
            alert: Arc::clone(&text),
            alert_id: alert.id().into(),
            rule_id: alert.rule_id().into(),
            timeout: response.timeout.filter(|timeout| stateful && !timeout.is_zero()),
            offenders: Arc::clone(&response.offenders),
            mode: response.mode,
            actor: Actor::Alert,
            reason: None,
            source: None,
            message: None,
            key: self.config.settings.key,
            offences: self.config.settings.offences,
        };
        recipients.map(order).collect()
    }

    /// The order for a command by hand.
    #[must_use]
    pub fn order_by_hand(&self, ready: &Ready, alert: &Alert<'_>, uid: u32) -> Order {
        Order {
            tenant: TENANT.into(),
            command: Arc::clone(&ready.command),
            response: None,
            location: "server",
            agent: route::SERVER.into(),
            alert: alert.object().into(),
            alert_id: alert.id().into(),
            rule_id: alert.rule_id().into(),
            timeout: None,
            offenders: Arc::new([]),
            mode: Mode::Enforce,
            actor: Actor::User(uid),
            reason: None,
            source: None,
            message: None,
            key: Way::Riposte,
            offences: Way::Riposte,
        }
    }
}

/// The components that arming these files would compile: their executables, and
/// their sizes in bytes.
pub fn to_compile(
    files: &[File],
    places: &Places,
    components: &Components,
    role: Role,
) -> impl Iterator<Item = (String, usize)> {
    let commands = files::config(files, role).commands.into_iter();
    commands.filter_map(move |command| {
        let digests = command.capabilities.as_ref().map(|grants| grants.digests.clone()).unwrap_or_default();
        // What the grants are not for is refused before it is compiled.
        let compiles = |wasm: &[u8]| {
            let digest = riposte_runtime::digest(wasm);
            (digests.is_empty() || digests.contains(&digest)) && !components.is_compiled(digest)
        };
        let size = match executable::find(&command.executable, command.runtime, places) {
            Ok(Executable::Builtin(builtin, _)) => {
                Some(builtin.wasm.len()).filter(|_| compiles(builtin.wasm))
            }
            // What cannot be read is not compiled either.
            Ok(Executable::Component(path)) => {
                let wasm = files::read_at_most(&path, crate::installed::LARGEST).ok();
                wasm.filter(|wasm| compiles(wasm)).map(|wasm| wasm.len())
            }
            Ok(Executable::Native(_)) | Err(_) => None,
        };
        size.map(|size| (command.executable.to_string(), size))
    })
}

/// The tenant of a machine without tenants.
pub const TENANT: &str = "default";

/// Code of the findings that turn off one component and leave the rest on.
const REFUSED: &str = "component-refused";

/// A command with what runs it.
#[must_use]
pub fn ready(command: &Arc<Command>, runner: Runner, stateful: bool) -> Ready {
    let default = if matches!(runner, Runner::Native(_)) { PROGRAMS } else { COMPONENTS };
    let permits = command.limits.concurrency.unwrap_or(default).max(1);
    Ready {
        command: Arc::clone(command),
        definition: command.to_stored().into(),
        runner,
        stateful,
        permits: Arc::new(Semaphore::new(permits as usize)),
        breaker: Breaker::default(),
    }
}

/// The `<command>` that a built-in response ships with.
#[must_use]
pub fn definition(builtin: &Builtin) -> Option<Arc<Command>> {
    let source = Source { file: builtin.name, bytes: builtin.definition.as_bytes() };
    Config::read(&[source]).commands.first().map(Arc::clone)
}
