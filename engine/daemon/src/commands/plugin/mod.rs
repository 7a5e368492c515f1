//! `riposte plugin`: from nothing to an installed response, and what is
//! installed. One module for each command.

pub mod inspect;

use clap::Subcommand;

use crate::exit::Exit;

/// `riposte plugin`.
#[derive(Clone, Debug, Subcommand)]
pub enum Plugin {
    /// What a component exports, imports and needs, and the least `<command>` for it
    #[command(after_help = inspect::EXIT_CODES)]
    Inspect(inspect::Inspect),
}

/// Does what was asked.
pub fn plugin(command: &Plugin) -> Exit {
    match command {
        Plugin::Inspect(args) => inspect::inspect(args),
    }
}
