//! `riposte plugin wrap`: a core module and its WIT become a component.

use std::path::{Path, PathBuf};

use clap::Args;
use riposte_author::wrap;
use riposte_policy::diagnostic::inline;
use serde_json::json;

use super::inspect::human;
use crate::commands::ask;
use crate::exit::Exit;
use crate::files;
use crate::installed::LARGEST;

/// What it ends with.
pub const EXIT_CODES: &str = "Nothing of the module is run. What it imports of WASI preview 1 is adapted to what components have.\n\
    Exit codes: 0 written; 1 it cannot be made a component; 2 usage.";

/// The narrowed world of a project.
const WORLD: &str = "riposte/world";

/// `riposte plugin wrap`.
#[derive(Args, Clone, Debug)]
pub struct Wrap {
    /// The core module, a .wasm file
    #[arg(value_name = "CORE.wasm")]
    pub file: PathBuf,
    /// The WIT of its world: a folder with the package, or a file [default: what the module carries, or riposte/world]
    #[arg(long, value_name = "DIR")]
    pub wit: Option<PathBuf>,
    /// The world in it [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub world: Option<String>,
    /// Where to write the component, in the place of a link too [default: NAME.component.wasm beside the module]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Another adapter for WASI preview 1
    #[arg(long, value_name = "FILE")]
    pub adapter: Option<PathBuf>,
    /// Get memory for the adapter by growing the module's: Go needs it, whose own allocator is not up yet then
    #[arg(long)]
    pub realloc_via_memory_grow: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Wraps, and says what was written.
pub fn wrap(args: &Wrap) -> Exit {
    match wrapped(args) {
        Ok((path, size)) if args.json => {
            ask::say(&json!({"file": path.display().to_string(), "size": size}));
            Exit::Done
        }
        Ok((path, size)) => {
            ask::say_text(&format!("{}  {}", inline(&path.display().to_string()), human(size)));
            Exit::Done
        }
        Err(error) => {
            ask::complain(args.json, &error);
            Exit::Failed
        }
    }
}

fn wrapped(args: &Wrap) -> Result<(PathBuf, usize), String> {
    let read = |path: &Path| {
        files::read_at_most(path, LARGEST).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let module = read(&args.file)?;
    let of_project =
        || Some(PathBuf::from(WORLD)).filter(|world| !wrap::describes_itself(&module) && world.is_dir());
    let wrap = wrap::Wrap {
        wit: args.wit.clone().or_else(of_project),
        world: args.world.clone(),
        adapter: args.adapter.as_deref().map(read).transpose()?,
        realloc_via_memory_grow: args.realloc_via_memory_grow,
    };
    let component = wrap.wrap(&module).map_err(|error| format!("{}: {error}", args.file.display()))?;
    let path = args.output.clone().unwrap_or_else(|| args.file.with_extension("component.wasm"));
    riposte_author::replace(&path, &component).map_err(|error| error.to_string())?;
    Ok((path, component.len()))
}
