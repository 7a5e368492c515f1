//! `riposte uninstall`: everything undone, and everything of Riposte's off this
//! host, also what no ledger knows.
//!
//! In this order, so that a run that is cut short is finished by the next one:
//! the engine stops, the ledger's entries are undone, what carries our mark goes
//! (`host`), Wazuh's files become what they were (`wazuh`), then our own files
//! (`own`). A file that a response took out of reach is never deleted.

mod host;
mod own;
mod wazuh;

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use riposte_ledger::entry::Filter;
use riposte_ledger::{Ledger, LedgerError};
use serde_json::{Value, json};

use crate::cli;
use crate::commands::{ask, locate, undo_all};
use crate::exit::Exit;
use crate::places::Places;
use crate::show::counted;

/// What it ends with.
pub const EXIT_CODES: &str = "Configuration and this program's own file stay. Files in quarantine are never deleted.\n\
    Exit codes: 0 nothing of this home's is left in force, or --dry-run has listed everything; 1 something is left, or \
    an engine runs; 2 usage.";

/// How long an engine that was told to stop may take.
const FAREWELL: Duration = Duration::from_secs(120);

/// `riposte uninstall`.
#[derive(Args, Clone, Debug)]
pub struct Uninstall {
    /// Only list what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Also remove the ledger, compiled code, installed components and logs
    #[arg(long)]
    pub purge: bool,
    /// With --purge: put files in quarantine back where they were, or keep them where they are
    #[arg(long, value_enum, value_name = "restore|keep", requires = "purge")]
    pub quarantine: Option<InQuarantine>,
    /// Tell an engine that runs to stop first
    #[arg(long)]
    pub stop: bool,
    /// Wazuh's home [default: as for `riposte run`]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    #[command(flatten)]
    pub by_hand: cli::ByHand,
}

/// What becomes of files in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum InQuarantine {
    /// They go back to their places.
    Restore,
    /// They stay in the quarantine, which is then all that stays.
    Keep,
}

/// Undoes and removes, or lists what it would.
pub fn uninstall(args: &Uninstall) -> Exit {
    let json = args.by_hand.json;
    let mut log = Log { json, dry: args.dry_run, lines: Vec::new(), failed: 0 };
    if let Err(error) = remove_all(args, &mut log) {
        if json {
            log.print();
        }
        ask::complain(json, &error);
        return Exit::Failed;
    }
    if json {
        log.print();
    } else if log.lines.is_empty() {
        ask::say_text("nothing of Riposte's is in force or left on this host");
    }
    match log.failed {
        0 => Exit::Done,
        failed => {
            ask::tell(&format!("{failed} steps failed; mend what they say, and run it again"));
            Exit::Failed
        }
    }
}

fn remove_all(args: &Uninstall, log: &mut Log) -> Result<(), String> {
    let sources =
        cli::Sources { at: args.by_hand.at.clone(), root: args.root.clone(), ..cli::Sources::default() };
    let (places, configs) = locate(&sources);
    // Who may not look would be told that there is nothing.
    places.has_ledger()?;
    let kept = own::quarantined(&places)?;
    if args.purge && !kept.is_empty() && args.quarantine.is_none() {
        return Err(format!(
            "files are in quarantine, and nothing was done:\n{}\nsay what becomes of them: --quarantine restore puts them \
             back, --quarantine keep leaves them there",
            own::listed(&kept)
        ));
    }
    stop(args, &places, log)?;
    let undone = undo(args, &places, &configs, log);
    // Nothing is taken from under an engine that is started now.
    let _held = match args.dry_run {
        true => None,
        false => Some(Ledger::hold(&places.ledger()).map_err(|error| error.to_string())?),
    };
    host::remove(&places, log);
    wazuh::give_back(args, &places, log);
    own::units(args, log);
    own::quarantine(args.quarantine, &places, log);
    // What could not be undone is only known to the ledger.
    let purges = args.purge && (undone || args.dry_run) && log.failed == 0;
    own::files(&places, purges, log);
    if args.purge && !purges {
        log.failed(
            "purge",
            &places.state.display().to_string(),
            "something is left in force, and only the ledger knows it",
        );
    }
    Ok(())
}

/// Refuses while an engine runs, unless it may be told to stop.
fn stop(args: &Uninstall, places: &Places, log: &mut Log) -> Result<(), String> {
    let Some(pid) = engine(&places.socket()) else { return unheard(places, log) };
    let what = format!("the engine, process {}", pid.as_raw_nonzero());
    if !args.stop {
        if args.dry_run {
            log.note("refuse", &format!("{what} runs: stop it first, or add --stop"));
            return Ok(());
        }
        return Err(format!(
            "{what} runs, and nothing was done; stop it first (systemctl stop riposte), or add --stop"
        ));
    }
    let places = places.clone();
    log.step("stop", &what, move || {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(|errno| errno.to_string())?;
        let begun = tokio::time::Instant::now();
        while engine(&places.socket()).is_some() || Ledger::hold(&places.ledger()).is_err() {
            if begun.elapsed() > FAREWELL {
                return Err("it has not stopped within 2 minutes".to_owned());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    });
    if log.failed > 0 { Err("the engine runs on, so nothing was done".to_owned()) } else { Ok(()) }
}

/// Refuses while an engine has the ledger open that cannot be reached: one that
/// starts or ends just now, or whose socket somebody removed.
fn unheard(places: &Places, log: &mut Log) -> Result<(), String> {
    match Ledger::hold(&places.ledger()) {
        Ok(_) => Ok(()),
        Err(error) if log.dry => {
            log.note("refuse", &error.to_string());
            Ok(())
        }
        Err(error) => Err(format!("nothing was done: {error}")),
    }
}

/// The process that listens on a control socket, as the kernel knows it.
fn engine(socket: &Path) -> Option<rustix::process::Pid> {
    let stream = UnixStream::connect(socket).ok()?;
    rustix::net::sockopt::socket_peercred(&stream).ok().map(|peer| peer.pid)
}

/// Undoes what the ledger knows. Whether nothing of it is left.
fn undo(args: &Uninstall, places: &Places, configs: &[PathBuf], log: &mut Log) -> bool {
    let ledger = places.ledger();
    match places.has_ledger() {
        Ok(true) => {}
        Ok(false) => {
            own::accounts(log);
            return true;
        }
        Err(error) => {
            log.failed("undo", &ledger.display().to_string(), &error);
            return false;
        }
    }
    let open = match Ledger::read(&ledger, &Filter { open_only: true, ..Filter::default() }) {
        Ok(open) => open,
        Err(LedgerError::Corrupt { .. } | LedgerError::CannotOpen { .. }) => {
            return undo_salvaged(args, places, configs, log);
        }
        Err(error) => {
            log.failed("undo", &ledger.display().to_string(), &error.to_string());
            // What a newer one wrote may be what a mark does not show.
            return !matches!(error, LedgerError::Newer { .. });
        }
    };
    let what = |entry: &riposte_ledger::Entry| {
        format!("entry {}: {} {}", entry.id, entry.command, entry.keys.join(", "))
    };
    if log.dry {
        open.iter().for_each(|entry| log.note("undo", &what(entry)));
        return true;
    }
    if open.is_empty() {
        return true;
    }
    match undo_all::offline(places.clone(), configs, Some(reason(args))) {
        Ok(summary) => {
            let stays = |entry: &&riposte_ledger::Entry| {
                summary.failed.iter().any(|(failed, _)| failed.id == entry.id)
            };
            open.iter().filter(|entry| !stays(entry)).for_each(|entry| log.note("undo", &what(entry)));
            for (entry, error) in &summary.failed {
                log.failed("undo", &what(entry), error);
            }
            summary.failed.is_empty()
        }
        Err(error) => {
            log.failed("undo", &ledger.display().to_string(), &error);
            false
        }
    }
}

/// The same where the ledger is damaged or gone: opening it makes a sound one of
/// its copy and of what can still be read. What carries no mark stood only there.
fn undo_salvaged(args: &Uninstall, places: &Places, configs: &[PathBuf], log: &mut Log) -> bool {
    let ledger = places.ledger().display().to_string();
    if log.dry {
        log.note("undo", &format!("all that {ledger}, which is damaged or gone, and its copies still show"));
        return true;
    }
    match undo_all::offline(places.clone(), configs, Some(reason(args))) {
        Ok(summary) => {
            own::accounts(log);
            log.note(
                "undo",
                &format!("{} that {ledger} and its copies still showed", counted(summary.undone, "entry")),
            );
            for (entry, error) in &summary.failed {
                let what = format!("entry {}: {} {}", entry.id, entry.command, entry.keys.join(", "));
                log.failed("undo", &what, error);
            }
            summary.failed.is_empty()
        }
        Err(error) => {
            log.failed("undo", &ledger, &error);
            false
        }
    }
}

fn reason(args: &Uninstall) -> &str {
    args.by_hand.reason.as_deref().unwrap_or("riposte uninstall")
}

/// What was done, or would be.
pub(super) struct Log {
    json: bool,
    /// Whether nothing is done.
    pub(super) dry: bool,
    lines: Vec<Value>,
    failed: usize,
}

impl Log {
    /// Does a step and says how it went; in a dry run only says it.
    pub(super) fn step(&mut self, verb: &'static str, what: &str, act: impl FnOnce() -> Result<(), String>) {
        if self.dry {
            return self.note(verb, what);
        }
        match act() {
            Ok(()) => self.note(verb, what),
            Err(error) => self.failed(verb, what, &error),
        }
    }

    /// Says what was done, or would be, or is left to somebody else.
    pub(super) fn note(&mut self, verb: &'static str, what: &str) {
        self.lines.push(json!({"do": verb, "what": what}));
        if !self.json {
            ask::say_text(&format!("{verb}: {what}"));
        }
    }

    /// Whether that was said.
    pub(super) fn says(&self, verb: &str, what: &str) -> bool {
        self.lines.iter().any(|line| line["do"] == verb && line["what"] == what)
    }

    /// Says what was not done, and why.
    pub(super) fn failed(&mut self, verb: &'static str, what: &str, error: &str) {
        self.failed += 1;
        self.lines.push(json!({"do": verb, "what": what, "error": error}));
        if !self.json {
            ask::tell(&format!("{verb}: {what}: {error}"));
        }
    }

    fn print(&self) {
        ask::say(&json!({"dry_run": self.dry, "failed": self.failed, "steps": self.lines}));
    }
}
