//! From a configuration to commands that can be run.
//!
//! Arming finds each executable, checks components against their grants and
//! compiles them, so that nothing of this happens when an alert arrives. A
//! command that cannot be armed is reported and the others are not affected.
//!
//! * `executable`: which file a name means; `script`: what can be seen of it;
//! * `findings`: what was found, and where that stands in the files;
//! * `breaker`: suspends what keeps failing.

pub mod breaker;
pub mod executable;
mod findings;
mod script;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use riposte_capability::process::Program;
use riposte_plugins::Builtin;
use riposte_policy::Order;
use riposte_policy::alert::Alert;
use riposte_policy::config::{Command, Config, Mode, Response, Role, Way};
use riposte_policy::diagnostic::{Diagnostic, Severity};
use riposte_policy::grant::Grants;
use riposte_policy::limit::Limits;
use riposte_policy::matching::Index;
use riposte_policy::order::Actor;
use riposte_policy::ruleset::Ruleset;
use riposte_runtime::native::NativeProgram;
use riposte_runtime::{Components, Kind, LoadError, Plugin};
use riposte_transport::route;
use tokio::sync::Semaphore;

use self::breaker::Breaker;
use self::executable::{Executable, NotFound};
use self::findings::Findings;
use crate::files::File;
use crate::manager;
use crate::places::Places;

/// Runs of one component command at a time, when its limits say nothing. Most of
/// a run is waiting for the disk, so this is also how many share one sync.
const COMPONENTS: u32 = 32;
/// Runs of one native command at a time, when its limits say nothing.
const PROGRAMS: u32 = 4;

/// A configuration whose commands are ready to run.
pub struct Armed {
    /// What was read.
    pub config: Config,
    /// Which responses an alert fires.
    pub index: Index,
    /// The commands that can be run, by name.
    commands: HashMap<Arc<str>, Arc<Ready>>,
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
        let sources: Vec<_> =
            files.iter().map(|file| (file.path.display().to_string(), &file.bytes)).collect();
        let sources: Vec<_> = sources
            .iter()
            .map(|(file, bytes)| riposte_policy::config::Source { file, bytes: bytes.as_slice() })
            .collect();
        let mut config = Config::read_as(&sources, role);
        let mut arming = Arming { places, components, role, found: Findings::new(files) };
        let mut responses: HashMap<Arc<str>, Vec<&Response>> = HashMap::new();
        for response in &config.responses {
            responses.entry(Arc::clone(&response.command)).or_default().push(response);
            arming.wide(response);
        }
        let mut commands = HashMap::new();
        for command in &config.commands {
            let responses = responses.get(&command.name).map(Vec::as_slice).unwrap_or_default();
            if let Some(ready) = arming.command(command, responses) {
                commands.insert(Arc::clone(&command.name), Arc::new(ready));
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
        Self { config, index, commands, role, rules }
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
        let mut all = self.commands.clone();
        for command in commands {
            if let Some(ready) = arming.command(command, &[]) {
                all.insert(Arc::clone(&command.name), Arc::new(ready));
            }
        }
        let (config, index) = (self.config.clone(), Index::new(&self.config.responses));
        let rules = self.rules.clone();
        let armed = Self { config, index, commands: all, role: self.role, rules };
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

/// The tenant of a machine without tenants.
pub const TENANT: &str = "default";

/// Code of the findings that turn off one component and leave the rest on.
const REFUSED: &str = "component-refused";

/// One arming: where things are, and what was found.
struct Arming<'a> {
    places: &'a Places,
    components: &'a Components,
    role: Role,
    found: Findings<'a>,
}

impl Arming<'_> {
    fn command(&mut self, command: &Arc<Command>, responses: &[&Response]) -> Option<Ready> {
        let used = !responses.is_empty();
        let at = &self.found.inside(&command.place, "executable", Some(&command.executable));
        let executable = match executable::find(&command.executable, command.runtime, self.places) {
            Ok(executable) => executable,
            Err(error) => {
                let (severity, code) = match error {
                    NotFound::Foreign(_) => (Severity::Warning, "executable-foreign"),
                    NotFound::Several { .. } => (Severity::Error, "executable-ambiguous"),
                    _ => (Severity::Error, "executable-missing"),
                };
                // What only agents run need not be on a manager.
                let away = self.role == Role::Manager && responses.iter().any(|response| is_sent(response));
                let severity = if used && !away { severity } else { Severity::Note };
                let agents = if away { "; agents may have it" } else { "" };
                let message = format!("command {:?}: {error}{agents}", command.name);
                self.found.say(severity, code, at, message, error.help());
                let NotFound::Foreign(name) = error else { return None };
                return Some(ready(
                    command,
                    Runner::Unsupported(format!("{name} runs on another platform")),
                    false,
                ));
            }
        };
        match executable {
            Executable::Builtin(builtin, stock) => {
                if let Some(stock) = stock {
                    let message =
                        format!("the built-in {} runs instead of {}", builtin.name, stock.display());
                    let help = "write runtime=\"native\" on <executable> to run the program".to_owned();
                    self.found.say(Severity::Note, "executable-builtin", at, message, help);
                }
                let own = definition(builtin);
                let grants = command.capabilities.clone().or_else(|| own.as_ref()?.capabilities.clone());
                self.component(command, responses, builtin.wasm, grants.unwrap_or_default(), true)
            }
            Executable::Component(path) => {
                let bytes = match crate::files::read_at_most(&path, 256 << 20) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        let message = format!("cannot read the component {}: {error}", path.display());
                        self.found.say(Severity::Error, "executable-unreadable", at, message, String::new());
                        return None;
                    }
                };
                let grants = command.capabilities.clone().unwrap_or_default();
                self.component(command, responses, &bytes, grants, false)
            }
            Executable::Native(name) => self.native(command, responses, &name),
        }
    }

    fn component(
        &mut self,
        command: &Arc<Command>,
        responses: &[&Response],
        wasm: &[u8],
        grants: Grants,
        builtin: bool,
    ) -> Option<Ready> {
        let at = &self.found.inside(&command.place, "executable", Some(&command.executable));
        let granted = &self.found.inside(&command.place, "capabilities", None);
        let limited = &self.found.inside(&command.place, "limits", None);
        let anything_granted = Grants { digests: Vec::new(), ..grants.clone() } != Grants::default();
        let pinned = !grants.digests.is_empty();
        // The ledger keeps the grants that the entry was made with, also where
        // they are a built-in's own.
        let command = &Arc::new(Command { capabilities: Some(grants.clone()), ..(**command).clone() });
        let timed =
            responses.iter().any(|response| response.timeout.is_some_and(|timeout| !timeout.is_zero()));
        let wants_undo = command.timeout_allowed == Some(true);
        let loaded =
            self.components.load(&command.executable, wasm, &Arc::new(grants), &command.limits, wants_undo);
        let plugin = match loaded {
            Ok(plugin) => plugin,
            Err(error) => {
                let (message, help) = off(&command.name, &error);
                self.found.say(Severity::Error, REFUSED, at, message, help);
                return None;
            }
        };
        if !pinned && anything_granted && !builtin {
            let message =
                format!("command {:?}: the grants are for any component of that name", command.name);
            let help = format!("write <capabilities sha256=\"{}\">", plugin.digest());
            self.found.say(Severity::Warning, "digest-missing", granted, message, help);
        }
        for warning in plugin.warnings() {
            self.found.say(
                Severity::Warning,
                "grant-unused",
                granted,
                format!("command {:?}: {warning}", command.name),
                String::new(),
            );
        }
        let (limits, usual) = (&command.limits, Limits::default());
        if (limits.answer, limits.run) != (usual.answer, usual.run) {
            let message =
                format!("command {:?}: answer and run limit native programs, not components", command.name);
            let help = "write cpu and wall instead".to_owned();
            self.found.say(Severity::Warning, "limit-unused", limited, message, help);
        }
        keep_version(self.places, &plugin, wasm);
        let reversible = plugin.kind() == Kind::Reversible;
        let stateful = match command.timeout_allowed {
            Some(allowed) => allowed,
            None if builtin && reversible => {
                if timed {
                    let message = format!("command {:?} may be undone, as its built-in can", command.name);
                    let help = "write <timeout_allowed>yes</timeout_allowed> to say so".to_owned();
                    self.found.say(Severity::Note, "timeout-allowed-assumed", &command.place, message, help);
                }
                true
            }
            None if timed && !reversible => {
                let message = format!(
                    "command {:?}: its component can undo nothing, so a timeout ends nothing",
                    command.name
                );
                let help = "remove the <timeout>".to_owned();
                self.found.say(Severity::Warning, "timeout-unused", at, message, help);
                false
            }
            None => {
                self.no_rollback(command, timed);
                false
            }
        };
        Some(ready(command, Runner::Component(plugin), stateful))
    }

    fn native(&mut self, command: &Arc<Command>, responses: &[&Response], name: &str) -> Option<Ready> {
        let at = &self.found.inside(&command.place, "executable", Some(&command.executable));
        let program = match Program::resolve(&self.places.programs(), name) {
            Ok(program) => program,
            Err(unfit) => {
                let severity = if responses.is_empty() { Severity::Warning } else { Severity::Error };
                let (what, help) = script::unfit(&unfit);
                let message = format!("command {:?}: {what}", command.name);
                self.found.say(severity, script::code(&unfit), at, message, help);
                return None;
            }
        };
        if program.runs_by_shell() {
            let message =
                format!("{} has no `#!` line: /bin/sh runs it, as under Wazuh", program.path().display());
            let help = "write `#!/bin/sh`, or the interpreter that it is for, as its first line".to_owned();
            self.found.say(Severity::Note, "executable-no-shebang", at, message, help);
        }
        let timed =
            responses.iter().any(|response| response.timeout.is_some_and(|timeout| !timeout.is_zero()));
        for (severity, code, what, help) in script::look(command, program.path(), timed) {
            self.found.say(
                severity,
                code,
                at,
                format!("command {:?}: {what}", command.name),
                help.to_owned(),
            );
        }
        if command.capabilities.is_some() {
            let message =
                format!("command {:?} runs a native program, which grants do not bind", command.name);
            let help = "remove <capabilities>, or make the response a component".to_owned();
            let granted = self.found.inside(&command.place, "capabilities", None);
            self.found.say(Severity::Warning, "grant-unused", &granted, message, help);
        }
        if command.timeout_allowed.is_none() {
            self.no_rollback(command, timed);
        }
        let native = NativeProgram::new(program, self.places.root.clone(), &command.limits);
        Some(ready(command, Runner::Native(native), command.timeout_allowed == Some(true)))
    }

    fn no_rollback(&mut self, command: &Command, timed: bool) {
        if timed {
            let message =
                format!("what {:?} does is never undone: its command does not allow a timeout", command.name);
            let help = "add <timeout_allowed>yes</timeout_allowed> to the command".to_owned();
            self.found.say(Severity::Warning, "timeout-allowed-missing", &command.place, message, help);
        }
    }

    /// Notes a response that a low level alone fires.
    fn wide(&mut self, response: &Response) {
        let Some(level) = response.level.filter(|level| *level < NARROW) else { return };
        if response.groups.is_empty() && response.rules.is_empty() {
            let message = format!("every alert from level {level} on fires this response");
            let help = "name the rules in <rules_id>, or raise the level".to_owned();
            self.found.say(Severity::Note, "trigger-wide", &response.place, message, help);
        }
    }
}

/// Levels from this on are rare enough to act on alone: attacks begin at 7 in
/// Wazuh's classification of rules.
const NARROW: u8 = 7;

/// Whether a response may run on an agent.
fn is_sent(response: &Response) -> bool {
    let location = &response.location;
    location.is_local() || location.is_all() || location.agent().is_some()
}

/// What is wrong with a component, and what to do about it.
fn off(command: &str, error: &LoadError) -> (String, String) {
    let text = error.to_string();
    let (what, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let help: Vec<_> = rest.lines().map(str::trim).collect();
    (format!("command {command:?} is off: {what}"), help.join("\n").trim().to_owned())
}

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
    let source = riposte_policy::config::Source { file: builtin.name, bytes: builtin.definition.as_bytes() };
    Config::read(&[source]).commands.first().map(Arc::clone)
}

/// Keeps a component's bytes, so that what this version does can be undone by
/// it when the file has long been replaced.
fn keep_version(places: &Places, plugin: &Plugin, wasm: &[u8]) {
    let path = places.versions().join(format!("{}.wasm", plugin.digest()));
    if !places.versions().is_dir() || path.exists() {
        return;
    }
    if let Err(error) = store(&path, wasm) {
        tracing::warn!(path = %path.display(), %error, "cannot keep this version of the component");
    }
}

/// Writes a component's bytes so that they are whole or not there.
fn store(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let partial = path.with_extension("partial");
    #[expect(clippy::disallowed_methods, reason = "this module owns the kept versions")]
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(rustix::fs::rename(&partial, path)?)
}

/// Removes the versions that nothing in force was made with and no command
/// uses.
pub fn prune(places: &Places, used: &HashSet<String>) {
    let Ok(entries) = std::fs::read_dir(places.versions()) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !used.contains(&stem) {
            // Left over until the next start if it cannot go now.
            let _ = rustix::fs::unlink(&path);
        }
    }
}
