//! The command line: what can be asked for, and what each word means.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use riposte_policy::span::{self, Bare};

pub use crate::commands::check::{As, Check};
pub use crate::commands::explain::Explain;
pub use crate::commands::listed::Commands;
pub use crate::commands::migrate::Migrate;
pub use crate::commands::plugin::Plugin;
use crate::commands::{self, check, explain, listed, uninstall, upgrade_check};
use crate::{execd, manager};

/// What most commands end with.
pub const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed or findings, 2 usage, 3 no engine running, 4 not yet confirmed.";

const EXEC_HELP: &str = "The caller owns the rollback: what `add` did stays until the caller sends `delete`.\n\
    With an engine running the response is handed over to it and listed there without a due time;\n\
    without one it is made here, and nothing else remembers it.\n\
    A link to riposte under the response's name in active-response/bin does the same.\n\
    Exit codes: 0 done or aborted, 255 failed (the log and stderr say why).";

/// Active response for Wazuh, OSSEC and their kin: alerts in, sandboxed
/// responses out, undone on time.
#[derive(Debug, Parser)]
#[command(name = "riposte", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the engine: follow the alerts and respond
    #[command(after_help = EXIT_CODES)]
    Run(Run),
    /// Run the engine in the place of a Wazuh manager's dispatcher: respond here and on stock agents
    #[command(after_help = EXIT_CODES)]
    Manager(manager::args::Manager),
    /// Take responses over from a Wazuh manager
    #[command(after_help = EXIT_CODES)]
    Takeover(manager::args::Takeover),
    /// Give responses back to a Wazuh manager
    #[command(after_help = EXIT_CODES)]
    Giveback(manager::args::Giveback),
    /// The names by which a Wazuh manager's agents know responses (`ar.conf`)
    #[command(after_help = EXIT_CODES)]
    ArConf(manager::args::ArConf),
    /// Stand in for wazuh-execd: answer what reaches queue/alerts/execq
    #[command(after_help = execd::args::EXIT_CODES, args_conflicts_with_subcommands = true)]
    Execd(execd::args::Execd),
    /// Check the configuration and say what is wrong, where, and what to write instead (also `riposte -t`)
    #[command(after_help = check::EXIT_CODES)]
    Check(Check),
    /// Every command: where it comes from, what runs it, what it is granted
    #[command(after_help = listed::EXIT_CODES)]
    Commands(Commands),
    /// Components that are to become responses
    #[command(subcommand)]
    Plugin(Plugin),
    /// The schema of the configuration (RELAX NG), from which editors complete
    #[command(after_help = EXIT_CODES)]
    Schema,
    /// Say what becomes of an alert under every response, and why; of a log of alerts, how often
    #[command(after_help = explain::EXIT_CODES)]
    Explain(Explain),
    /// Run a built-in response as Wazuh's program of that name: message on stdin, dialogue on stdout
    #[command(after_help = EXEC_HELP)]
    Exec(Exec),
    /// Write responses as documents for Wazuh 5, or documents of Wazuh 5 as a configuration
    #[command(after_help = EXIT_CODES)]
    Migrate(Migrate),
    /// The ledger: whether it is sound, a copy of it, what can be had of a damaged one
    #[command(subcommand)]
    Ledger(commands::ledger::Ledger),
    /// List what is in force
    #[command(after_help = EXIT_CODES)]
    List(List),
    /// Undo what is in force on an address, a user or an entry
    #[command(visible_aliases = ["unban", "unblock"], after_help = EXIT_CODES)]
    Undo(Undo),
    /// Run a command by hand
    #[command(after_help = EXIT_CODES)]
    Add(Add),
    /// Addresses that are never acted against
    #[command(subcommand)]
    Allow(Allow),
    /// Stop responding; what is in force is still undone on time
    #[command(after_help = EXIT_CODES)]
    Pause(Pause),
    /// Respond again
    #[command(after_help = EXIT_CODES)]
    Resume(Resume),
    /// Switch a command between acting and only saying what it would do
    #[command(after_help = EXIT_CODES)]
    Mode(ModeChange),
    /// Read the configuration again; the old one stays in use when the new one has errors
    #[command(after_help = EXIT_CODES)]
    Reload(Simple),
    /// Try on a copy whether this program would take over from the one that runs
    #[command(after_help = upgrade_check::EXIT_CODES)]
    UpgradeCheck(upgrade_check::UpgradeCheck),
    /// Undo everything and take everything of Riposte's off this host
    #[command(after_help = uninstall::EXIT_CODES)]
    Uninstall(uninstall::Uninstall),
    /// Whether the audit is what was written, and keys that vouch for it
    #[command(subcommand)]
    Audit(commands::audit::Audit),
    /// What was done, refused and undone, and who asked
    #[command(after_help = commands::history::EXIT_CODES)]
    History(commands::history::History),
    /// Why an address, a user or a file is blocked, was, or was not
    #[command(after_help = commands::why::EXIT_CODES)]
    Why(commands::why::Why),
    /// What the engine is doing, and every path in use
    #[command(after_help = EXIT_CODES)]
    Status(Simple),
}

/// Where everything lies.
#[derive(Args, Clone, Debug, Default)]
pub struct Where {
    /// Keep configuration, state, run files and logs under this one folder
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
}

/// Which configuration.
#[derive(Args, Clone, Debug, Default)]
pub struct Sources {
    /// Configuration file, or a folder of `*.conf` and `*.xml`; may be repeated, read in order
    #[arg(long, short, value_name = "PATH")]
    pub config: Vec<PathBuf>,
    /// Wazuh's home: where native programs run and `active-response/bin` lies
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub at: Where,
}

/// `riposte run`.
#[derive(Args, Clone, Debug)]
pub struct Run {
    #[command(flatten)]
    pub sources: Sources,
    /// Alerts to follow; `-` reads standard input [default: ROOT/logs/alerts/alerts.json]
    #[arg(long, value_name = "FILE")]
    pub alerts: Option<PathBuf>,
    /// Handle what the input holds now and end; what is in force stays in the ledger
    #[arg(long)]
    pub once: bool,
    /// Where to begin without a stored position [default: start for --alerts, end for the default file]
    #[arg(long, value_enum, value_name = "start|end")]
    pub from: Option<From>,
    /// Drop alerts older than this
    #[arg(long, value_name = "SPAN", value_parser = long_span)]
    pub max_age: Option<Duration>,
    /// Longest line read, in bytes; longer ones are reported and skipped
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = clap::value_parser!(u64).range(1024..=64 << 20))]
    pub max_line: u64,
    /// This machine also stands for this agent; may be repeated
    #[arg(long, value_name = "ID")]
    pub agent_id: Vec<String>,
    /// This machine stands for every agent
    #[arg(long)]
    pub all_local: bool,
    /// Change nothing on this host: journal and show what would be done
    #[arg(long)]
    pub shadow: bool,
    /// How much to say on standard error
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = ["error", "warn", "info", "debug", "trace"])]
    pub log: String,
}

/// Where to begin in an input that was never read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum From {
    /// At its first line.
    Start,
    /// Behind its last line.
    End,
}

/// `riposte exec`.
#[derive(Args, Clone, Debug)]
pub struct Exec {
    /// Name of a built-in response, or of the program of Wazuh or OSSEC that it stands in for
    pub name: String,
    /// End with 255 when nobody answers check_keys, as Wazuh's programs do
    #[arg(long)]
    pub strict: bool,
    /// Wazuh's home, where logs/active-responses.log is [default: from a link's own path, else /var/ossec]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    #[command(flatten)]
    pub at: Where,
}

/// `riposte list`.
#[derive(Args, Clone, Debug)]
pub struct List {
    #[command(flatten)]
    pub at: Where,
    /// One JSON object per entry
    #[arg(long)]
    pub json: bool,
    /// Also what is over
    #[arg(long)]
    pub all: bool,
    /// Only what could not be undone three times or more; it is still tried
    #[arg(long)]
    pub stuck: bool,
    /// What this host shows with Riposte's mark and the ledger never heard of
    #[arg(long, conflicts_with_all = ["all", "offline"])]
    pub orphans: bool,
    /// Read the ledger's file; needs no running engine
    #[arg(long)]
    pub offline: bool,
}

/// `riposte undo`.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["target", "all", "orphan", "offline"])))]
pub struct Undo {
    /// An address (every prefix that holds it too), a user, or an entry's id
    #[arg(value_name = "ADDRESS|USER|ID")]
    pub target: Option<String>,
    /// Take away what the ledger never heard of, as `list --orphans` names it
    #[arg(long, value_name = "EFFECT", conflicts_with_all = ["target", "all", "allow"])]
    pub orphan: Option<String>,
    /// Undo everything that is in force
    #[arg(long, conflicts_with = "target")]
    pub all: bool,
    /// With --all: without an engine, also when none can start with this configuration
    #[arg(long, requires = "all", conflicts_with_all = ["target", "orphan"])]
    pub offline: bool,
    /// With --offline: Wazuh's home, where native programs lie [default: as for `riposte run`]
    #[arg(long, value_name = "DIR", requires = "offline")]
    pub root: Option<PathBuf>,
    /// Then never act against the address for this long
    #[arg(long, value_name = "SPAN", value_parser = long_span, conflicts_with = "all")]
    pub allow: Option<Duration>,
    #[command(flatten)]
    pub by_hand: ByHand,
}

/// `riposte add`.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("target").required(true).args(["srcip", "user", "alert"])))]
pub struct Add {
    /// Name of the command
    pub command: String,
    /// The address to act against
    #[arg(long, value_name = "ADDRESS")]
    pub srcip: Option<String>,
    /// The user to act against
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// The alert to act on; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub alert: Option<PathBuf>,
    /// Undo it after this long [default: for good]
    #[arg(long = "for", value_name = "SPAN", value_parser = long_span)]
    pub lasting: Option<Duration>,
    #[command(flatten)]
    pub by_hand: ByHand,
}

/// What every act by hand takes.
#[derive(Args, Clone, Debug, Default)]
pub struct ByHand {
    /// Why; kept with the act
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Where,
}

/// `riposte allow`.
#[derive(Clone, Debug, Subcommand)]
pub enum Allow {
    /// Never act against this address or prefix
    #[command(after_help = EXIT_CODES)]
    Add {
        /// An address or a prefix
        target: String,
        /// For this long [default: until deleted]
        #[arg(long = "for", value_name = "SPAN", value_parser = long_span)]
        lasting: Option<Duration>,
        #[command(flatten)]
        by_hand: ByHand,
    },
    /// The addresses allowed now
    #[command(after_help = EXIT_CODES)]
    List {
        #[command(flatten)]
        simple: Simple,
    },
    /// Take an allow back
    #[command(visible_alias = "remove", after_help = EXIT_CODES)]
    Delete {
        /// The address or prefix as it was allowed
        target: String,
        #[command(flatten)]
        by_hand: ByHand,
    },
}

/// `riposte pause`.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("scope").required(true).args(["command", "all"])))]
pub struct Pause {
    /// Only this command
    #[arg(long, value_name = "NAME")]
    pub command: Option<String>,
    /// Every command
    #[arg(long)]
    pub all: bool,
    /// For this long [default: until resumed]
    #[arg(long = "for", value_name = "SPAN", value_parser = long_span)]
    pub lasting: Option<Duration>,
    #[command(flatten)]
    pub by_hand: ByHand,
}

/// `riposte resume`.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("scope").required(true).args(["command", "all"])))]
pub struct Resume {
    /// Only this command
    #[arg(long, value_name = "NAME")]
    pub command: Option<String>,
    /// Every command
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub by_hand: ByHand,
}

/// `riposte mode`.
#[derive(Args, Clone, Debug)]
pub struct ModeChange {
    /// Name of the command
    pub command: String,
    /// The mode; `file` goes back to what the configuration says
    #[arg(value_parser = ["enforce", "shadow", "file"])]
    pub mode: String,
    #[command(flatten)]
    pub by_hand: ByHand,
}

/// A request without arguments.
#[derive(Args, Clone, Debug, Default)]
pub struct Simple {
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Where,
}

fn long_span(text: &str) -> Result<Duration, String> {
    let span = span::parse(text, Bare::Seconds).map_err(|wrong| wrong.to_string())?;
    if span.is_zero() { Err("must be longer than 0".to_owned()) } else { Ok(span) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_its_exit_codes() {
        fn each(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let leaf = command.get_subcommands().next().is_none();
            assert!(!leaf || help.contains("xit codes: "), "{}", command.get_name());
            command.get_subcommands().for_each(each);
        }
        each(&Cli::command());
    }

    #[test]
    fn spans_take_units() {
        let cli = Cli::parse_from(["riposte", "undo", "192.0.2.7", "--allow", "24h"]);
        let Command::Undo(undo) = cli.command else { panic!("not undo") };
        assert_eq!(undo.allow, Some(Duration::from_secs(86_400)));
        assert!(Cli::try_parse_from(["riposte", "undo"]).is_err());
        assert!(Cli::try_parse_from(["riposte", "unban", "--all"]).is_ok());
        assert!(Cli::try_parse_from(["riposte", "add", "c", "--srcip", "1.2.3.4", "--for", "0"]).is_err());
    }
}
