//! `riposte plugin test`: the scenarios of a project, in the real sandbox before
//! a host that only records.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use riposte_author::Manifest;
use riposte_author::scenario::{self, Scenario, ScenarioError, Stage, Subject, show};
use serde_json::json;

use super::{build, candidate, say, steps, whose};
use crate::commands::{ask, kept};
use crate::exit::Exit;
use crate::installed::{apart, file};
use crate::show::counted;

/// What it ends with.
pub const EXIT_CODES: &str = "Nothing is done to this machine, and nobody has to be root.\n\
    Exit codes: 0 all went as expected; 1 something did not, or could not be built, read or run; 2 usage.";

/// The folder of a project's scenarios.
const SCENARIOS: &str = "scenarios";

/// `riposte plugin test`.
#[derive(Args, Clone, Debug)]
pub struct Test {
    /// The folder of a project, or a component (.wasm)
    #[arg(default_value = ".")]
    pub project: PathBuf,
    /// Play only the scenario of this name; may be repeated
    #[arg(long, value_name = "NAME")]
    pub scenario: Vec<String>,
    /// The file or folder of scenarios; default: `scenarios` of the project, or beside the component
    #[arg(long, value_name = "PATH")]
    pub scenarios: Option<PathBuf>,
    /// Take the component as the last build left it, and run no native tests
    #[arg(long)]
    pub no_build: bool,
    /// Print one JSON object on standard output; progress goes to standard error as ever
    #[arg(long)]
    pub json: bool,
}

/// Tests, and says how it went.
pub fn test(args: &Test) -> Exit {
    match tested(args) {
        Ok(true) => Exit::Done,
        Ok(false) => Exit::Failed,
        Err(error) => {
            ask::complain(args.json, &error);
            Exit::Failed
        }
    }
}

fn tested(args: &Test) -> Result<bool, String> {
    let project = &args.project;
    let (read, folder) = if project.is_file() {
        let bytes = file::read(project).map_err(|error| format!("{}: {error}", project.display()))?;
        (Some(bytes), project.parent().unwrap_or(Path::new(".")))
    } else {
        Manifest::read(project).map_err(text)?;
        (None, project.as_path())
    };
    // Before the build: what is wrong with them need not wait for it.
    let place = args.scenarios.clone().unwrap_or_else(|| folder.join(SCENARIOS));
    let scenarios = scenarios(&place, &args.scenario).map_err(text)?;
    let (file, bytes) = match read {
        Some(bytes) => (project.clone(), bytes),
        None => built(project, args.no_build)?,
    };
    let stage = stage().map_err(text)?;
    let subject = subject(&stage, &file, bytes)?;
    let mut played = Vec::new();
    for scenario in &scenarios {
        let one = stage.play(&subject, scenario).map_err(text)?;
        if !args.json {
            ask::say_text(show::text(&one).trim_end());
        }
        played.push(one);
    }
    let failed = played.iter().filter(|one| !one.passed()).count();
    let passed = played.len() - failed;
    if args.json {
        ask::say(&json!({
            "passed": passed,
            "failed": failed,
            "scenarios": played.iter().map(show::value).collect::<Vec<_>>(),
        }));
    } else {
        ask::say_text(&match failed {
            0 => format!("{} went as expected", counted(passed, "scenario")),
            _ => format!("{failed} of {} did not go as expected", counted(played.len(), "scenario")),
        });
    }
    Ok(failed == 0)
}

/// The component of a project and its file; built, unless `no_build`.
fn built(project: &Path, no_build: bool) -> Result<(PathBuf, Vec<u8>), String> {
    let built = if no_build {
        riposte_author::built(project, &mut build::show).map_err(text)?
    } else {
        let then = "this with --no-build";
        let project = whose::own(project, then)?;
        let built = build::built(&project, then)?;
        let native = || riposte_author::native_tests(&project, &built.manifest, &mut build::show);
        steps::run(native).map_err(text)?;
        built
    };
    Ok((built.artifact, built.bytes))
}

/// The scenarios of a place; of these names, when any are given.
fn scenarios(place: &Path, named: &[String]) -> Result<Vec<Scenario>, ScenarioError> {
    let mut all = Vec::new();
    for file in scenario::files(place)? {
        all.extend(scenario::read(&file)?);
    }
    if let Some(name) = named.iter().find(|name| !all.iter().any(|scenario| scenario.name == **name)) {
        let known = all.into_iter().map(|scenario| scenario.name).collect();
        return Err(ScenarioError::None { place: place.to_owned(), named: Some((name.clone(), known)) });
    }
    all.retain(|scenario| named.is_empty() || named.contains(&scenario.name));
    if all.is_empty() {
        return Err(ScenarioError::None { place: place.to_owned(), named: None });
    }
    Ok(all)
}

/// The stage, with compiled code kept in the user's own cache.
///
/// # Errors
///
/// When this machine cannot run components.
pub fn stage() -> Result<Stage, ScenarioError> {
    Stage::new(kept::cache().as_deref())
}

/// A component that can play. It is compiled apart, within the limits that
/// `install` has too, which is shown when it takes its time.
///
/// # Errors
///
/// What is wrong with the component, in the words of `install`.
pub fn subject(stage: &Stage, file: &Path, bytes: Vec<u8>) -> Result<Subject, String> {
    let refused = |why: &str| format!("{}: {why}", file.display());
    if !stage.knows(&bytes) {
        if bytes.len() > apart::LARGE {
            // A build in Python or JavaScript makes other bytes each time.
            say(&format!(
                "compiling {} MiB, once for these bytes: `riposte plugin test --no-build` finds them compiled",
                bytes.len() >> 20
            ));
        }
        let cache = stage.cache().map(|cache| apart::cache(cache.to_owned()));
        candidate::examined(file, &bytes, cache.as_deref())?;
        if let Some(cache) = cache {
            kept::prune(&cache);
        }
    }
    // Where its code could not be kept it is compiled once more, here: that it can
    // be within the limits has just been shown.
    let size = bytes.len();
    stage.subject(&file.display().to_string(), bytes).map_err(|error| match error {
        ScenarioError::Component(why) => refused(&file::explained(size, &why)),
        other => other.to_string(),
    })
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}
