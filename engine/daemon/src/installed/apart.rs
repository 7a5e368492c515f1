//! A component is examined and compiled in a process of its own.
//!
//! Compiling may take memory and time without end when somebody wants it to:
//! the process has limits, no privileges, and writes nowhere but into the
//! folder for compiled code. It is this program again (`riposte plugin
//! compile`), with the component on its standard input; what it found is one
//! JSON object on its standard output.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use riposte_capability::process::{By, Caps, Ended, Exit, Leftovers, Program, confine};
use riposte_policy::grant::{Confinement, Digest, NewPrivileges};
use riposte_runtime::{Components, Inspection};
use serde::{Deserialize, Serialize};

/// What compiling may use. Python's components, the largest that an SDK makes,
/// take a quarter of the memory and a tenth of the time.
const MEMORY: u64 = 4 << 30;
const PROCESSOR: u64 = 300;
const WALL: Duration = Duration::from_secs(300);
/// From this size on, in bytes, compiling is felt.
pub const LARGE: usize = 1 << 20;
/// What is found has some KiB, as long as names are.
const OUTPUT: usize = 16 << 20;

/// Examines a component, and compiles it; the code is kept in `cache`, when
/// there is one.
///
/// # Errors
///
/// When it is no plugin, or could not be looked at within the limits.
pub fn examine(wasm: Vec<u8>, cache: Option<&Path>) -> Result<Inspection, Refused> {
    let program = Program::this().map_err(|unfit| Refused::NotStarted(unfit.to_string()))?;
    let mut arguments = vec!["plugin".to_owned(), "compile".to_owned()];
    if let Some(cache) = cache {
        arguments.extend(["--into".to_owned(), cache.display().to_string()]);
    }
    let caps = Caps {
        run: WALL,
        output: OUTPUT,
        leftovers: Leftovers::End,
        memory: MEMORY,
        processor: PROCESSOR,
        ..Caps::default()
    };
    let root = Path::new("/");
    let launch = riposte_capability::process::Launch { program: &program, arguments: &arguments, root, caps };
    let confinement = confinement(&program, cache, root);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Refused::NotStarted(error.to_string()))?;
    let ended = runtime.block_on(launch.under(&confinement).run(wasm));
    told(&ended.map_err(|error| Refused::NotStarted(error.to_string()))?)
}

/// As little as this kernel can confine it to.
fn confinement(program: &Program, cache: Option<&Path>, root: &Path) -> Confinement {
    let confined = Confinement::Confined {
        write: cache.map(Path::to_owned).into_iter().collect(),
        capabilities: Vec::new(),
        new_privileges: NewPrivileges::Refused,
    };
    if confine::examine(&confined, program, root).is_ok() { confined } else { Confinement::Default }
}

fn told(ended: &Ended) -> Result<Inspection, Refused> {
    let errors = String::from_utf8_lossy(&ended.errors.bytes);
    let told = serde_json::from_slice::<Told>(&ended.output.bytes);
    match (ended.exit, told) {
        (_, Ok(Told::Refused { error })) if no_memory(&error) => Err(Refused::Memory),
        (_, Ok(Told::Refused { error })) => Err(Refused::Unfit(error)),
        (Exit::Code(0), Ok(Told::Found { sha256, exports, imports })) => {
            let digest: Digest = sha256.parse().map_err(|_| Refused::Lost("it told no digest".to_owned()))?;
            Inspection::from_names(digest, exports, imports)
                .map_err(|error| Refused::Unfit(error.to_string()))
        }
        _ if ended.by == By::Deadline => Err(Refused::Time(WALL.as_secs())),
        _ if no_memory(&errors) => Err(Refused::Memory),
        // SIGXCPU, or KILL when that was not heard.
        (Exit::Signal(24 | 9), _) => Err(Refused::Time(PROCESSOR)),
        _ => Err(Refused::Lost(ended.to_string())),
    }
}

/// What is said when no memory is left.
fn no_memory(text: &str) -> bool {
    ["memory allocation of", "Cannot allocate memory", "os error 12"].iter().any(|words| text.contains(words))
}

/// What the process tells.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Told {
    Found { sha256: String, exports: Vec<String>, imports: Vec<String> },
    Refused { error: String },
}

/// The work of that process: one JSON object, and whether the component is a
/// plugin.
#[must_use]
pub fn compile(components: &Components, wasm: &[u8]) -> (String, bool) {
    let told = match components.inspect(wasm) {
        Ok(Inspection { digest, exports, imports, .. }) => {
            Told::Found { sha256: digest.to_string(), exports, imports }
        }
        Err(error) => Told::Refused { error: error.to_string() },
    };
    // Strings alone: it does not fail.
    (serde_json::to_string(&told).unwrap_or_default(), matches!(told, Told::Found { .. }))
}

/// A component that is not to be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is no plugin of this engine.
    Unfit(String),
    /// Compiling it takes too much memory.
    Memory,
    /// Compiling it takes longer than so many seconds.
    Time(u64),
    /// The process could not be started.
    NotStarted(String),
    /// The process ended without a word.
    Lost(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(why) => f.write_str(why),
            Self::Memory => write!(
                f,
                "compiling it takes more than the {} GiB of memory that this may take: a response is small; leave out \
                 code and data that it does not need",
                MEMORY >> 30
            ),
            Self::Time(seconds) => write!(
                f,
                "compiling it takes more than the {seconds} seconds that this may take: a response is small; leave out \
                 code that it does not need"
            ),
            Self::NotStarted(why) => write!(f, "the process that compiles it was not started: {why}"),
            Self::Lost(how) => write!(
                f,
                "the process that compiles it ended without an answer ({how}); please report this fault with the file"
            ),
        }
    }
}

impl std::error::Error for Refused {}

/// The folder for compiled code, as a path that both processes understand.
#[must_use]
pub fn cache(folder: PathBuf) -> PathBuf {
    std::path::absolute(&folder).unwrap_or(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_capability::process::Kept;

    fn ended(exit: Exit, by: By, output: &str, errors: &str) -> Ended {
        let kept = |text: &str| Kept { bytes: text.as_bytes().to_vec(), dropped: 0 };
        Ended { exit, by, output: kept(output), errors: kept(errors) }
    }

    #[test]
    fn every_end_is_told_apart() {
        let found = format!(
            r#"{{"sha256":"{}","exports":["active-response:plugin/oneshot@0.1.0"],"imports":["wasi:io/poll@0.2.6"]}}"#,
            Digest([7; 32])
        );
        let good = told(&ended(Exit::Code(0), By::Itself, &found, "")).unwrap();
        assert_eq!((good.digest, good.wasi), (Digest([7; 32]), true));
        let refused =
            |exit, by, output: &str, errors: &str| told(&ended(exit, by, output, errors)).unwrap_err();
        let unfit = refused(Exit::Code(1), By::Itself, r#"{"error":"no"}"#, "");
        assert_eq!(unfit, Refused::Unfit("no".to_owned()));
        let words = "memory allocation of 8 bytes failed";
        assert_eq!(refused(Exit::Signal(6), By::Itself, "", words), Refused::Memory);
        let words = r#"{"error":"x: Cannot allocate memory (os error 12)"}"#;
        assert_eq!(refused(Exit::Code(1), By::Itself, words, ""), Refused::Memory);
        assert_eq!(refused(Exit::Signal(24), By::Itself, "", ""), Refused::Time(PROCESSOR));
        assert_eq!(refused(Exit::Signal(15), By::Deadline, "", ""), Refused::Time(300));
        assert!(matches!(refused(Exit::Signal(11), By::Itself, "", ""), Refused::Lost(_)));
        // What it says it found counts only when it ended well.
        assert!(matches!(refused(Exit::Signal(11), By::Itself, &found, ""), Refused::Lost(_)));
    }
}
