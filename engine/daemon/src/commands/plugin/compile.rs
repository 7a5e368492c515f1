//! `riposte plugin compile`: what `install`, `inspect`, `test` and `run` start
//! apart, within limits ([`crate::installed::apart`]). Nobody needs it by hand.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

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
    end_with_the_parent();
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

/// Ends this process when the one that asked has: after Ctrl-C there, nobody
/// waits for the code. The signal that the kernel would send for that goes by
/// the thread that started this, which does not live as long.
fn end_with_the_parent() {
    let parent = rustix::process::getppid();
    let watch = move || {
        while rustix::process::getppid() == parent {
            std::thread::sleep(Duration::from_millis(500));
        }
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    };
    // Without it, the limits of this process end it too.
    let _ = std::thread::Builder::new().name("parent".to_owned()).spawn(watch);
}
