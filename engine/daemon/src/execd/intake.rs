//! From a datagram to an order, as `wazuh-execd` has it (`os_execd/execd.c`,
//! `ExecdRun`), and every message accounted for.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use riposte_capability::process::{Caps, Launch, Program};
use riposte_policy::config::Mode;
use riposte_policy::order::Actor;
use riposte_policy::{Order, alert};
use riposte_runtime::native;
use riposte_transport::route;
use riposte_transport::wazuh::ar_conf::{self, Presence, Table};
use riposte_transport::wazuh::execq::{self, Datagram, Message, Request};
use riposte_transport::wazuh::ossec_log::{Line, text};

use super::install::is_manager;
use super::local::{self, Local};
use super::wire::{self, Made};
use crate::arm::executable::{Executable, find};
use crate::arm::{Armed, Ready, Runner, TENANT};
use crate::engine::Engine;
use crate::files;

/// Most commands that are made ready before they are asked for. A table that
/// names more is no manager's, and must not keep messages waiting.
const AHEAD: usize = 256;
/// What starts the agent anew.
const RESTART: &str = "restart.sh";

/// Takes messages and makes orders of them.
pub struct Intake {
    engine: Arc<Engine>,
    conf: ArConf,
    table: Table,
    made: Made,
    /// What was armed when all names were last made ready.
    armed: Option<Arc<Armed>>,
    /// `<repeated_offenders>` of this host.
    offenders: Arc<[Duration]>,
}

impl Intake {
    /// Reads `ar.conf` and makes every command that it names ready to run.
    #[must_use]
    pub fn new(engine: Arc<Engine>, offenders: Arc<[Duration]>) -> Self {
        let conf = ArConf { path: engine.places.root.join(ar_conf::PATH), first: true, read: None };
        let (table, made) = (Table::default(), Made::default());
        let mut intake = Self { engine, conf, table, made, armed: None, offenders };
        intake.follow();
        intake
    }

    /// Reads `ar.conf` again when it has changed. Wazuh does so for an unknown
    /// name alone, and answers with an old timeout until then.
    pub fn follow(&mut self) {
        let changed = self.conf.has_changed();
        if changed {
            let (table, lines) = self.conf.read(&self.engine);
            lines.iter().for_each(|line| self.engine.report.wazuh(line));
            if let Some(table) = table {
                self.table = table;
            }
        }
        let armed = self.engine.armed();
        let known = self.armed.as_ref().is_some_and(|known| Arc::ptr_eq(known, &armed));
        if changed || !known {
            self.read_offenders();
            self.arm(&armed);
            self.armed = Some(self.engine.armed());
        }
    }

    /// `<repeated_offenders>` as it is now. A file that cannot be read, or says
    /// nothing that can be, changes nothing.
    fn read_offenders(&mut self) {
        let path = self.engine.places.root.join(local::PATH);
        let Ok(bytes) = files::read_at_most(&path, LARGEST) else { return };
        let Ok(local) = Local::read(&String::from_utf8_lossy(&bytes)) else { return };
        if *self.offenders != *local.offenders {
            local.lines.iter().for_each(|line| self.engine.report.wazuh(line));
            self.offenders = local.offenders.into();
        }
    }

    /// One datagram: an order, a restart, or why neither.
    pub async fn take(&mut self, datagram: Datagram) {
        let bytes = match datagram {
            Datagram::Whole(bytes) if bytes.is_empty() => {
                return self.refuse(&text::queue(execq::PATH, &io::Error::from_raw_os_error(0)));
            }
            Datagram::Whole(bytes) => bytes,
            Datagram::TooLong(length) => {
                let longest = execq::LONGEST;
                return self.refuse(&Line::error(format!(
                    "Message of {length} bytes is longer than the {longest} that are read. Nothing of it is done."
                )));
            }
        };
        let message = match Message::parse(&bytes) {
            Ok(message) => message,
            Err(line) => return self.refuse(&line),
        };
        // What no program could be told, such as half a surrogate pair, is no
        // JSON to Wazuh either.
        if native::Message::forwarded(&message.text, "").is_err() {
            return self.refuse(&text::not_json(&message.text));
        }
        self.follow();
        let (conf, engine) = (&mut self.conf, &self.engine);
        let (request, lines) = Request::find(&message.command, &mut self.table, || conf.read(engine));
        lines.iter().for_each(|line| self.engine.report.wazuh(line));
        match request {
            Request::Restart => self.restart(),
            Request::Known { program, timeout } => self.order(message, &program, timeout).await,
            Request::Custom { program } => self.order(message, &program, Duration::ZERO).await,
            Request::Absent => {
                let why = format!("{}: this machine has no such program", message.command);
                self.engine.report.not_ordered("message-absent", &why);
            }
            Request::Unknown => {
                let why = lines.last().map_or_else(String::new, |line| line.text.clone());
                self.engine.report.not_ordered("message-refused", &why);
            }
        }
    }

    /// A datagram that arrived while the engine stops: the manager does not
    /// send it again, so it is written down.
    pub fn refuse_late(&self, datagram: &Datagram) {
        let what = match datagram {
            Datagram::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Datagram::TooLong(length) => format!("{length} bytes"),
        };
        self.engine.report.not_ordered("message-refused", &format!("the engine stops: {what}"));
    }

    /// A message that could not be read.
    fn refuse(&self, line: &Line) {
        self.engine.report.wazuh(line);
        self.engine.report.not_ordered("message-refused", &line.text);
    }

    /// An order for `program`, on its way.
    async fn order(&mut self, message: Message, program: &str, timeout: Duration) {
        let engine = Arc::clone(&self.engine);
        let config = engine.armed();
        let command = self.made.command(&message.command, program, timeout, &config.config);
        let ready = match config.ready(&command.name) {
            Some(ready) if ready.command.executable == command.executable => ready,
            _ => {
                // It may have to be compiled, which must not hold up a worker.
                let found = tokio::task::block_in_place(|| engine.arm(&[Arc::clone(&command)]));
                match engine.armed().ready(&command.name) {
                    Some(ready) => ready,
                    None => {
                        let why: Vec<_> = found.iter().map(|found| found.message.as_str()).collect();
                        let line =
                            text::launch(&format!("{}/{program}: {}", ar_conf::PROGRAMS, why.join("; ")));
                        return self.refuse(&line);
                    }
                }
            }
        };
        engine.report.executing(&message.text, program);
        let order = self.of_message(message, &ready, timeout);
        engine.dispatch(order, Box::new(())).await;
    }

    /// The order that a message for a command that is ready becomes.
    #[cfg(test)]
    pub(super) fn order_for(&self, message: Message, program: &str) -> Order {
        let command =
            Made::default().command(&message.command, program, Duration::ZERO, &self.engine.armed().config);
        self.engine.arm(std::slice::from_ref(&command));
        self.of_message(message, &self.engine.armed().ready(&command.name).unwrap(), Duration::ZERO)
    }

    fn of_message(&self, message: Message, ready: &Ready, timeout: Duration) -> Order {
        let settings = &self.engine.armed().config.settings;
        // One that is nested too deep to be read is none to a component; a
        // program gets the whole message all the same.
        let alert = message.alert.as_deref().filter(|alert| alert::object(alert.as_bytes()).is_ok());
        let alert = alert.unwrap_or("{}");
        let at = |pointer: &str| {
            let pointer = pointer.parse().ok()?;
            alert::text(alert, &pointer).map(std::borrow::Cow::into_owned)
        };
        let undone =
            !timeout.is_zero() && !matches!(&ready.runner, Runner::Component(plugin) if is_oneshot(plugin));
        Order {
            tenant: TENANT.into(),
            command: Arc::clone(&ready.command),
            response: None,
            location: "local",
            agent: message.origin.as_deref().unwrap_or(route::SERVER).into(),
            alert_id: at("/id").unwrap_or_default().into(),
            rule_id: at("/rule/id").unwrap_or_default().into(),
            alert: alert.into(),
            timeout: undone.then_some(timeout),
            offenders: Arc::clone(&self.offenders),
            mode: Mode::Enforce,
            actor: Actor::Alert,
            reason: None,
            source: None,
            message: Some(message.text.into()),
            key: settings.key,
            offences: settings.offences,
        }
    }

    /// Makes ready what the table names and is not, for instance after a
    /// reload, so that no message waits for a compilation.
    fn arm(&mut self, armed: &Armed) {
        let mut missing = Vec::new();
        for (name, named) in self.table.iter() {
            if missing.len() == AHEAD {
                tracing::warn!(
                    "{} names more than {AHEAD} programs; the others are looked at when they are asked for",
                    ar_conf::PATH
                );
                break;
            }
            let Some(program) = &named.program else { continue };
            let command = self.made.command(name, program, named.timeout, &armed.config);
            let is_ready = armed
                .ready(&command.name)
                .is_some_and(|ready| ready.command.executable == command.executable);
            if !is_ready && !missing.contains(&command) {
                missing.push(command);
            }
        }
        if missing.is_empty() {
            return;
        }
        for found in tokio::task::block_in_place(|| self.engine.arm(&missing)) {
            tracing::warn!(code = found.code, "{}", found.message);
        }
    }

    /// `restart-wazuh`: neither spoken to nor waited for, since it may end us.
    fn restart(&self) {
        let places = &self.engine.places;
        if self.engine.is_shadow() {
            return self.engine.report.not_ordered("restart", "shadow: nothing is started");
        }
        let kind = if is_manager(&places.root) { "manager" } else { "agent" };
        let path = format!("{}/{RESTART}", ar_conf::PROGRAMS);
        let started = Program::resolve(&places.programs(), RESTART).map_err(|unfit| unfit.to_string());
        let started = started.and_then(|program| {
            let arguments = [kind.to_owned()];
            let caps = Caps::default();
            let launch = Launch { program: &program, arguments: &arguments, root: &places.root, caps };
            launch.release().map_err(|error| error.to_string())
        });
        match started {
            Ok(()) => self.engine.report.not_ordered("restart", &format!("{path} {kind}")),
            Err(error) => {
                let missing = !places.root.join(&path).exists();
                let error = if missing { "No such file or directory".to_owned() } else { error };
                self.refuse(&text::executing(&path, &error));
            }
        }
    }
}

fn is_oneshot(plugin: &riposte_runtime::Plugin) -> bool {
    plugin.kind() == riposte_runtime::Kind::Oneshot
}

/// The file, and what is known of it.
struct ArConf {
    path: PathBuf,
    /// Whether it was never read: absent programs are named once.
    first: bool,
    /// What it was when it was read.
    read: Option<Stamp>,
}

/// Enough to see that a file is another: device, inode, size, and the last
/// change in seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

impl ArConf {
    fn has_changed(&self) -> bool {
        let now = stamp(&self.path);
        // A file that is away for a moment, while the agent replaces it, is no change.
        now.is_some() && now != self.read
    }

    /// The table, or none when there is no file: then what was known stays
    /// known. And what is to be logged.
    fn read(&mut self, engine: &Engine) -> (Option<Table>, Vec<Line>) {
        // Taken before reading, so that a change while it is read is seen.
        self.read = stamp(&self.path);
        let bytes = match files::read_at_most(&self.path, LARGEST) {
            Ok(bytes) => bytes,
            Err(error) => return (None, vec![text::no_file(ar_conf::PATH, &error)]),
        };
        let armed = engine.armed();
        let here = |program: &str| {
            let path = engine.places.programs().join(program);
            let readable = rustix::fs::access(&path, rustix::fs::Access::READ_OK).is_ok();
            if readable || wire::defines(&armed.config, program) {
                return Presence::File;
            }
            match find(program, None, &engine.places) {
                Ok(Executable::Component(_)) => Presence::File,
                Ok(Executable::Builtin(..)) => Presence::StoodFor,
                _ => Presence::Absent,
            }
        };
        let first = std::mem::replace(&mut self.first, false);
        let (table, mut lines) = Table::read(&String::from_utf8_lossy(&bytes), first, here);
        if lines.len() > SAID {
            let more = lines.len() - SAID;
            lines.truncate(SAID);
            lines.push(Line::error(format!("{more} more lines of '{}' are like these.", ar_conf::PATH)));
        }
        (Some(table), lines)
    }
}

/// Most lines that are logged about one reading: a file of empty lines, read
/// again for every unknown name, must not fill the disk.
const SAID: usize = 256;
/// Largest file that is read, in bytes.
const LARGEST: u64 = 16 << 20;

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}
