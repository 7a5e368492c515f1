//! The command line of `riposte execd`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli;

/// What it ends with.
pub const EXIT_CODES: &str = "Exit codes: 0 done, or switched off in ossec.conf; 1 failed, or stopped and all undone, as wazuh-execd ends; 2 usage.";

/// `riposte execd`.
#[derive(Args, Clone, Debug)]
pub struct Execd {
    #[command(subcommand)]
    pub act: Option<ExecdAct>,
    #[command(flatten)]
    pub root: Root,
    /// Configuration read after ROOT/etc/ossec.conf and ROOT/etc/riposte.conf; may be repeated
    #[arg(long, short, value_name = "PATH")]
    pub config: Vec<PathBuf>,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// Change nothing on this host: journal and show what would be done
    #[arg(long)]
    pub shadow: bool,
    /// How much to say on standard error; `debug` also in ROOT/logs/ossec.log
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = ["error", "warn", "info", "debug", "trace"])]
    pub log: String,
    #[command(flatten)]
    pub at: cli::Where,
}

/// Wazuh's home.
#[derive(Args, Clone, Debug)]
pub struct Root {
    /// Wazuh's home
    #[arg(long, value_name = "DIR", default_value = "/var/ossec")]
    pub root: PathBuf,
}

/// What is done about the installation.
#[derive(Clone, Debug, Subcommand)]
pub enum ExecdAct {
    /// Switch the stock active response off and this one on
    #[command(after_help = cli::EXIT_CODES)]
    Install {
        #[command(flatten)]
        root: Root,
        /// Make active-response/bin/NAME a link to this program; may be repeated
        #[arg(long, value_name = "NAME")]
        link: Vec<String>,
    },
    /// Put everything back as it was before
    #[command(after_help = cli::EXIT_CODES)]
    Uninstall {
        #[command(flatten)]
        root: Root,
    },
}
