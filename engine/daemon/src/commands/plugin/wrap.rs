//! `riposte plugin wrap`: a core module and its WIT become a component.

use std::path::PathBuf;

use clap::Args;

use crate::commands::ask;
use crate::exit::Exit;

/// What it ends with.
pub const EXIT_CODES: &str = "Exit codes: 0 written; 1 it cannot be made a component; 2 usage.";

/// `riposte plugin wrap`.
#[derive(Args, Clone, Debug)]
pub struct Wrap {
    /// The core module (.wasm)
    pub file: PathBuf,
    /// Folder of the WIT package with its world
    #[arg(long, value_name = "DIR")]
    pub wit: Option<PathBuf>,
}

/// Wraps.
pub fn wrap(_args: &Wrap) -> Exit {
    ask::complain(false, "not yet");
    Exit::Failed
}
