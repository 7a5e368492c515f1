//! `riposte plugin compile`: what `install` and `inspect` start apart, within
//! limits ([`crate::installed::apart`]). Nobody needs it by hand.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use riposte_runtime::Settings;

use crate::commands::{ask, check};
use crate::exit::Exit;
use crate::installed::{LARGEST, apart};

/// What it ends with.
pub const EXIT_CODES: &str = "The component is read from standard input.\n\
    Exit codes: 0 compiled; 1 it is no plugin; 2 usage.";

/// `riposte plugin compile`.
#[derive(Args, Clone, Debug)]
pub struct Compile {
    /// Keep the code in this folder
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
}

/// Compiles what is on standard input.
pub fn compile(args: &Compile) -> Exit {
    let mut wasm = Vec::new();
    let read = std::io::stdin().lock().take(LARGEST).read_to_end(&mut wasm);
    let settings = Settings { cache: args.into.clone(), concurrency: 1 };
    let compiled = read
        .map_err(|error| error.to_string())
        .and_then(|_| check::sandbox_with(&settings))
        .map(|(components, _)| apart::compile(&components, &wasm));
    match compiled {
        Ok((told, good)) => {
            ask::say_text(&told);
            if good { Exit::Done } else { Exit::Failed }
        }
        Err(error) => {
            ask::complain(true, &error);
            Exit::Failed
        }
    }
}
