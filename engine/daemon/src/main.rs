//! `riposte`: active response for Wazuh, OSSEC and their kin.
//!
//! # Layout
//!
//! The path of one response, in the order it is taken:
//!
//! * [`intake`]: alerts in: a file, standard input.
//! * [`arm`]: from the configuration to commands that are ready to run.
//! * [`respond`]: keys, admission, entry, run, settlement.
//! * [`timekeeper`], [`undo`]: the way back, on time.
//! * [`recover`]: what a start takes up; [`ahead`]: what it takes back first.
//!
//! Around it:
//!
//! * [`engine`]: everything one running engine holds.
//! * [`service`]: start, serve, stop. [`run`]: the same with alerts,
//!   [`execd`]: in place of `wazuh-execd`, [`manager`]: in that of a manager's dispatcher.
//! * [`claims`], [`remembered`], [`switches`], [`programs`]: the ledger as
//!   capabilities see it and without its disk, an operator's switches, programs
//!   nobody waits for.
//! * [`room`]: how many orders may be undecided. [`tally`]: what became of all of them.
//! * [`report`]: audit events, Wazuh's log, traces. [`outcome`]: what they tell.
//! * [`exec`]: a built-in response as a program, in place of one of Wazuh's.
//! * [`cli`], [`commands`], [`control`], [`show`], [`exit`]: what operators ask.
//! * [`keeper`]: copies of the ledger, and how its disk stands.
//! * [`notify`]: what the service manager is told. [`stderr`]: what people are.
//! * [`places`], [`files`]: where everything lies.

#![forbid(unsafe_code)]
// They panic where nobody reads: see `stderr`, and `ask::say`.
#![warn(clippy::print_stderr, clippy::print_stdout)]
#![allow(unreachable_pub, reason = "in a binary, `pub` says what modules offer each other")]

mod ahead;
mod arm;
mod claims;
mod cli;
mod commands;
mod control;
mod engine;
mod exec;
mod execd;
mod exit;
mod files;
mod host;
mod installed;
mod intake;
mod keeper;
mod manager;
mod notify;
mod outcome;
mod places;
mod programs;
mod recover;
mod remembered;
mod report;
mod respond;
mod room;
mod run;
mod service;
mod show;
mod standby;
mod stderr;
mod switches;
mod tally;
mod timekeeper;
mod undo;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::commands::{
    ask, check, explain, ledger, listed, migrate, plugin, undo_all, uninstall, upgrade_check,
};
use crate::control::Request;
use crate::exec::Called;
use crate::exit::Exit;

/// The system's allocator gives memory back to the kernel and asks for it again
/// several times for every alert; this one keeps what a burst will need.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A link is known by its name, before any word of a command line counts.
    match Called::by_link(std::env::args_os()) {
        Some(Ok(called)) => return exec::exec(&called),
        Some(Err(error)) => return misunderstood(&error),
        None => {}
    }
    let cli = match Cli::try_parse_from(arguments()) {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let exit = match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Manager(args) => manager::run(args),
        Command::Takeover(args) => manager::takeover::takeover(args),
        Command::Giveback(args) => manager::takeover::giveback(args),
        Command::ArConf(args) => manager::ar_conf::ar_conf(args),
        Command::Execd(args) => execd::execd(args),
        Command::Check(args) => check::check(args),
        Command::Commands(args) => listed::commands(args),
        Command::Plugin(args) => plugin::plugin(args),
        Command::Schema => check::schema(),
        Command::Explain(args) => explain::explain(args),
        Command::Migrate(args) => migrate::migrate(args),
        Command::Exec(args) => return exec::exec(&Called::new(args, None)),
        Command::Ledger(args) => ledger::ledger(args),
        Command::List(args) => ask::list(args),
        Command::Undo(args) if args.all => undo_all::undo_all(args),
        Command::Undo(args) => ask::undo(args),
        Command::Add(args) => ask::add(args),
        Command::Allow(args) => ask::allow(args),
        Command::Pause(args) => ask::pause(args),
        Command::Resume(args) => ask::resume(args),
        Command::Mode(args) => ask::mode(args),
        Command::UpgradeCheck(args) => upgrade_check::upgrade_check(args),
        Command::Uninstall(args) => uninstall::uninstall(args),
        Command::Reload(args) => ask::ask(&args.at, args.json, &Request::Reload),
        Command::Audit(args) => commands::audit::audit(args),
        Command::History(args) => commands::history::history(args),
        Command::Why(args) => commands::why::why(args),
        Command::Status(args) => ask::ask(&args.at, args.json, &Request::Status),
    };
    exit.into()
}

/// Help and version are answers; anything else is a wrong command line.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
    // Nobody is left to tell when the terminal is gone.
    let _ = error.print();
    exit.into()
}

/// The command line, with Wazuh's and fail2ban's `-t` for `check`.
fn arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os().enumerate().map(|(n, argument)| match argument.to_str() {
        Some("-t") if n == 1 => "check".into(),
        _ => argument,
    })
}
