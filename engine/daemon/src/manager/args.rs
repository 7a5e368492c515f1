//! The command lines of a manager's side.

use std::path::PathBuf;

use clap::Args;
use riposte_transport::wazuh::message::Version;

use crate::cli;

/// `riposte manager`.
#[derive(Args, Clone, Debug)]
pub struct Manager {
    #[command(flatten)]
    pub run: cli::Run,
    /// Act although a Wazuh manager runs here; refused while it would carry out the same responses
    #[arg(long, conflicts_with = "shadow")]
    pub enforce: bool,
    /// Socket over which agents are reached [default: ROOT/queue/alerts/ar; 5.x: ROOT/queue/sockets/ar]
    #[arg(long, value_name = "PATH")]
    pub ar_queue: Option<PathBuf>,
    /// Socket of wazuh-db, which knows agents and their versions [default: ROOT/queue/db/wdb]
    #[arg(long, value_name = "PATH")]
    pub wdb: Option<PathBuf>,
    /// Version of agents whose own is not known [default: those are sent nothing]
    #[arg(long, value_name = "VERSION")]
    pub assume_agents: Option<Version>,
}

/// Wazuh's home, for commands that edit it.
#[derive(Args, Clone, Debug)]
pub struct Home {
    /// Wazuh's home
    #[arg(long, value_name = "DIR", default_value = "/var/ossec")]
    pub root: PathBuf,
    /// Print what would be written, and write nothing
    #[arg(long)]
    pub print: bool,
}

/// `riposte takeover`.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["commands", "all"])))]
pub struct Takeover {
    /// Responses that run these commands
    #[arg(value_name = "COMMAND")]
    pub commands: Vec<String>,
    /// Every response
    #[arg(long, conflicts_with = "commands")]
    pub all: bool,
    #[command(flatten)]
    pub home: Home,
}

/// `riposte giveback`.
#[derive(Args, Clone, Debug)]
pub struct Giveback {
    #[command(flatten)]
    pub home: Home,
}

/// `riposte ar-conf`.
#[derive(Args, Clone, Debug)]
pub struct ArConf {
    /// Wazuh's home
    #[arg(long, value_name = "DIR", default_value = "/var/ossec")]
    pub root: PathBuf,
    /// Write ROOT/etc/shared/ar.conf
    #[arg(long, conflicts_with = "print")]
    pub write: bool,
    /// Print it; so it is without --write
    #[arg(long)]
    pub print: bool,
}
