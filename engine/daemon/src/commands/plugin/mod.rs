//! `riposte plugin`: from nothing to an installed response, and what is
//! installed. One module for each command.

pub mod build;
pub mod inspect;
pub mod new;

use clap::Subcommand;

use crate::exit::Exit;

/// `riposte plugin`.
#[derive(Clone, Debug, Subcommand)]
pub enum Plugin {
    /// Make a new project: source, manifest, test, scenario, and the SDK beside them
    #[command(after_help = new::EXIT_CODES)]
    New(new::New),
    /// Build a project into a component, and check that it is what its manifest says
    #[command(after_help = build::EXIT_CODES)]
    Build(build::Build),
    /// What a component exports, imports and needs, and the least `<command>` for it
    #[command(after_help = inspect::EXIT_CODES)]
    Inspect(inspect::Inspect),
}

/// Does what was asked.
pub fn plugin(command: &Plugin) -> Exit {
    match command {
        Plugin::New(args) => new::new(args),
        Plugin::Build(args) => build::build(args),
        Plugin::Inspect(args) => inspect::inspect(args),
    }
}
