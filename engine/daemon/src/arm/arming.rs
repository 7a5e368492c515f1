//! One command: which executable, what it may do, what is worth saying of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use riposte_capability::firewall;
use riposte_capability::process::confine::{self, Strength};
use riposte_capability::process::{Program, Unfit};
use riposte_policy::config::{Command, Response, Role};
use riposte_policy::diagnostic::Severity;
use riposte_policy::grant::{Confinement, Grants, NewPrivileges};
use riposte_policy::limit::Limits;
use riposte_runtime::native::NativeProgram;
use riposte_runtime::{Components, Kind, LoadError};

use super::executable::{self, Executable, NotFound};
use super::findings::Findings;
use super::{REFUSED, Ready, Runner, definition, ready, script, versions};
use crate::files::{self, Doubt};
use crate::installed::file;
use crate::places::Places;

/// One arming: where things are, and what was found.
pub(super) struct Arming<'a> {
    pub(super) places: &'a Places,
    pub(super) components: &'a Components,
    pub(super) role: Role,
    pub(super) found: Findings<'a>,
}

impl Arming<'_> {
    /// A command with what runs it; `None` after a finding that says why there is
    /// nothing. `responses` are those that name it.
    pub(super) fn command(&mut self, command: &Arc<Command>, responses: &[&Response]) -> Option<Ready> {
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
                if let Some(unfit) = exchangeable(&path) {
                    let severity = if used { Severity::Error } else { Severity::Warning };
                    let (what, help) = script::unfit(&unfit);
                    let message = format!("command {:?}: {what}", command.name);
                    self.found.say(severity, script::code(&unfit), at, message, help);
                    return None;
                }
                let bytes = match crate::files::read_at_most(&path, crate::installed::LARGEST) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        let message = format!("cannot read the component {}: {error}", path.display());
                        self.found.say(Severity::Error, "executable-unreadable", at, message, String::new());
                        return None;
                    }
                };
                if let Some(is) = file::what_else(&bytes) {
                    let message = format!("command {:?} is off: {}: {is}", command.name, path.display());
                    self.found.say(Severity::Error, REFUSED, at, message, String::new());
                    return None;
                }
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
                let (message, help) = off(&command.name, wasm, &error);
                self.found.say(Severity::Error, REFUSED, at, message, help);
                return None;
            }
        };
        let filter = command.capabilities.as_ref().and_then(|grants| grants.firewall.as_ref()?.backend);
        if let Some(filter) = filter.filter(|filter| !firewall::may_be_here(*filter)) {
            let why = format!("the packet filter {} is one of another system", filter.as_str());
            let message = format!("command {:?}: {why}", command.name);
            let severity = if responses.is_empty() { Severity::Note } else { Severity::Warning };
            let help = "alerts that would fire it here are reported as unsupported".to_owned();
            self.found.say(severity, "executable-foreign", at, message, help);
            return Some(ready(command, Runner::Unsupported(why), false));
        }
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
        let folders = plugin.inspection().folders().then_some(command.capabilities.as_ref()).flatten();
        for grant in folders.into_iter().flat_map(|grants| &grants.folders) {
            if let Err(refusal) = riposte_capability::folders::check(grant) {
                let message = format!("command {:?} cannot run: {}", command.name, refusal.message);
                let help = "without the folder every call of it fails".to_owned();
                self.found.say(Severity::Warning, "folder-unusable", granted, message, help);
            }
        }
        let (limits, usual) = (&command.limits, Limits::default());
        if (limits.answer, limits.run) != (usual.answer, usual.run) {
            let message =
                format!("command {:?}: answer and run limit native programs, not components", command.name);
            let help = "write cpu and wall instead".to_owned();
            self.found.say(Severity::Warning, "limit-unused", limited, message, help);
        }
        if command.confinement != Confinement::Default {
            let message =
                format!("command {:?} runs a component, which has nothing but its grants", command.name);
            let help = "remove <confined> and <isolated>, which are for native programs".to_owned();
            self.found.say(Severity::Warning, "confinement-unused", at, message, help);
        }
        versions::keep(self.places, &plugin, wasm);
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
        self.confined(command, &program, responses)?;
        if command.timeout_allowed.is_none() {
            self.no_rollback(command, timed);
        }
        let native = NativeProgram::new(program, self.places.root.clone(), command);
        Some(ready(command, Runner::Native(native), command.timeout_allowed == Some(true)))
    }

    /// Tries the confinement of a native program; `None` when it cannot be had.
    fn confined(&mut self, command: &Command, program: &Program, responses: &[&Response]) -> Option<()> {
        let (element, what) = match &command.confinement {
            Confinement::Default => ("executable", String::new()),
            Confinement::Confined { write, capabilities, new_privileges } => {
                let filter = match new_privileges {
                    NewPrivileges::Refused => "",
                    NewPrivileges::Allowed => {
                        ", may gain privileges from a set-user-id file, and has no filter of system calls"
                    }
                };
                let capabilities = listed(capabilities, "no privileges");
                ("confined", format!("writes {}, has {capabilities}{filter}", listed_paths(write)))
            }
            Confinement::Isolated { write } => {
                ("isolated", format!("writes {}, has no network, runs as nobody", listed_paths(write)))
            }
        };
        let at = &self.found.inside(&command.place, element, None);
        let strength = match confine::examine(&command.confinement, program, &self.places.root) {
            Ok(strength) => strength,
            Err(why) => {
                let severity = if responses.is_empty() { Severity::Warning } else { Severity::Error };
                let (what, help) = script::mended(&why.to_string());
                let message = format!("command {:?}: {what}", command.name);
                self.found.say(severity, "confinement-unavailable", at, message, help);
                return None;
            }
        };
        let weaker = match strength {
            Strength::Whole => None,
            Strength::MayEmptyFiles => Some("before Linux 6.2 a confined program can empty any file"),
            Strength::None => Some("this host has no filter of system calls for native programs"),
        };
        if let Some(weaker) = weaker {
            let message = format!("command {:?}: {weaker}", command.name);
            let help = "use a newer kernel, or write <isolated/>".to_owned();
            self.found.say(Severity::Warning, "confinement-unavailable", at, message, help);
        }
        if command.confinement != Confinement::Default {
            let message = format!("command {:?} runs {element}: it {what}", command.name);
            self.found.say(Severity::Note, "confinement-level", at, message, String::new());
        }
        Some(())
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
    pub(super) fn wide(&mut self, response: &Response) {
        let Some(level) = response.level.filter(|level| *level < NARROW) else { return };
        if response.groups.is_empty() && response.rules.is_empty() {
            let message = format!("every alert from level {level} on fires this response");
            let help = "name the rules in <rules_id>, or raise the level".to_owned();
            self.found.say(Severity::Note, "trigger-wide", &response.place, message, help);
        }
    }
}

/// Who else could exchange a component. Its grants may be for any component of
/// that name.
fn exchangeable(path: &Path) -> Option<Unfit> {
    let each = [Some(path), path.parent()];
    each.into_iter().flatten().find_map(|path| {
        let path = path.to_owned();
        match files::doubt_of_any(&path, files::OTHERS)? {
            Doubt::Owner(uid) => Some(Unfit::Owner { path, uid }),
            Doubt::Writable(mode) => Some(Unfit::Writable { path, mode }),
        }
    })
}

/// Levels from this on are rare enough to act on alone: attacks begin at 7 in
/// Wazuh's classification of rules.
const NARROW: u8 = 7;

/// The names, or `none` when there are none.
fn listed(names: &[String], none: &str) -> String {
    if names.is_empty() { none.to_owned() } else { names.join(" ") }
}

fn listed_paths(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    listed(&paths, "nothing of its own")
}

/// Whether a response may run on an agent.
fn is_sent(response: &Response) -> bool {
    let location = &response.location;
    location.is_local() || location.is_all() || location.agent().is_some()
}

/// What is wrong with a component, and what to do about it.
fn off(command: &str, wasm: &[u8], error: &LoadError) -> (String, String) {
    let text = file::explained(wasm.len(), &error.to_string());
    let (what, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let help: Vec<_> = rest.lines().map(str::trim).collect();
    (format!("command {command:?} is off: {what}"), help.join("\n").trim().to_owned())
}
