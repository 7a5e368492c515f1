//! `riposte plugin`: from nothing to an installed response, and what is
//! installed. One module for each command.

pub mod build;
mod candidate;
mod changes;
pub mod compile;
pub mod inspect;
pub mod install;
pub mod list;
pub mod new;
pub mod remove;
pub mod rollback;
pub mod run;
mod steps;
pub mod test;
pub mod update;
mod whose;
pub mod wrap;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::{Sources, Where};
use crate::commands::in_use::InUse;
use crate::commands::{ask, locate};
use crate::control::{Request, Result as Went, client};
use crate::exit::Exit;
use crate::installed::Installed;
use crate::installed::uses::Uses;
use crate::places::Places;
use crate::show::quoted;

/// `riposte plugin`.
#[derive(Clone, Debug, Subcommand)]
pub enum Plugin {
    /// Make a new project: source, manifest, test, scenario, and the SDK beside them
    #[command(after_help = new::EXIT_CODES)]
    New(new::New),
    /// Build a project into a component, and check that it is what its manifest says
    #[command(after_help = build::EXIT_CODES)]
    Build(build::Build),
    /// Build a project, run its native tests, then its scenarios in the real sandbox before a host that only records
    #[command(after_help = test::EXIT_CODES)]
    Test(test::Test),
    /// Call a response once with an alert, before a host that only records, and show what it did
    #[command(after_help = run::EXIT_CODES)]
    Run(run::Run),
    /// What a component exports, imports and needs, and the least `<command>` for it
    #[command(after_help = inspect::EXIT_CODES)]
    Inspect(inspect::Inspect),
    /// Check a component, compile it and put it where the engine finds it
    #[command(after_help = install::EXIT_CODES)]
    Install(install::Install),
    /// What is installed: version, digest, who uses it, what it has in force
    #[command(after_help = list::EXIT_CODES)]
    List(list::List),
    /// Put another version in the place of an installed one, and show what that changes
    #[command(after_help = update::EXIT_CODES)]
    Update(update::Update),
    /// Let the version run again that ran before
    #[command(after_help = update::EXIT_CODES)]
    Rollback(rollback::Rollback),
    /// Take an installed component away
    #[command(after_help = remove::EXIT_CODES)]
    Remove(remove::Remove),
    /// Make a component of a core module and its WIT
    #[command(after_help = wrap::EXIT_CODES)]
    Wrap(wrap::Wrap),
    /// Compile what is on standard input, within the limits of this process
    #[command(hide = true, after_help = compile::EXIT_CODES)]
    Compile(compile::Compile),
}

/// Does what was asked.
pub fn plugin(command: &Plugin) -> Exit {
    match command {
        Plugin::New(args) => new::new(args),
        Plugin::Build(args) => build::build(args),
        Plugin::Test(args) => test::test(args),
        Plugin::Run(args) => run::run(args),
        Plugin::Inspect(args) => inspect::inspect(args),
        Plugin::Install(args) => install::install(args),
        Plugin::List(args) => list::list(args),
        Plugin::Update(args) => update::update(args),
        Plugin::Rollback(args) => rollback::rollback(args),
        Plugin::Remove(args) => remove::remove(args),
        Plugin::Wrap(args) => wrap::wrap(args),
        Plugin::Compile(args) => compile::compile(args),
    }
}

/// Where components are installed, and which configuration uses them.
#[derive(Args, Clone, Debug, Default)]
pub struct At {
    /// Configuration in which commands that use it are looked for; may be repeated [default: the running engine's, else as for `riposte run`]
    #[arg(long, short, value_name = "PATH")]
    pub config: Vec<PathBuf>,
    /// Wazuh's home, where native programs lie
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    #[command(flatten)]
    pub at: Where,
}

impl At {
    fn sources(&self) -> Sources {
        let Self { config, root, at } = self.clone();
        Sources { config, root, strict: false, at }
    }

    /// What the engine that they are for goes by.
    fn in_use(&self) -> InUse {
        InUse::find(&self.sources())
    }

    /// What has another command of `plugin` act on the same: its options, as a
    /// shell takes them, each behind a blank.
    fn again(&self) -> String {
        let option = |name: &'static str| move |path: &PathBuf| format!(" --{name} {}", word(path));
        let before = self.config.iter().map(option("config")).chain(self.root.iter().map(option("root")));
        before.chain([self.home()]).collect()
    }

    /// The same of a command that takes no other of them, such as `reload`.
    fn home(&self) -> String {
        self.at.home.as_ref().map(|home| format!(" --home {}", word(home))).unwrap_or_default()
    }

    /// The folders that are an engine's, wherever they lie.
    fn folders(&self) -> Vec<PathBuf> {
        let (places, _) = locate(&self.sources());
        self.at.home.iter().cloned().chain(places.own()).collect()
    }
}

/// A path as a shell takes it.
fn word(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// The installed components, to change them. What had to be put right is told on
/// standard error. Of a home that is not there the last folder is made, and no
/// more: the others are more likely misspelled than missing.
fn to_change(places: &Places, at: &At) -> Result<Installed, String> {
    if let Some(home) = &at.at.home
        && let Some(above) = std::path::absolute(home).unwrap_or_else(|_| home.clone()).parent()
        && matches!(above.try_exists(), Ok(false))
    {
        return Err(format!(
            "cannot make the home {}: there is no folder {}; mend --home, or make that folder first",
            home.display(),
            above.display()
        ));
    }
    let installed = Installed::to_change(places).map_err(|error| error.to_string())?;
    installed.mended().iter().for_each(|mended| say(mended));
    Ok(installed)
}

/// Which commands use what is installed.
fn uses(in_use: &InUse) -> Uses {
    match &in_use.unasked {
        None => Uses::read(&in_use.places, &in_use.configs, in_use.role),
        // It may have any configuration.
        Some(why) => Uses::unknown(why.clone()),
    }
}

/// On standard error, and only there.
fn say(what: &str) {
    ask::tell(what);
}

/// The same of what may take a while.
fn say_progress(what: &str) {
    say(&format!("{what} ..."));
}

/// What the running engine has to do with a change, and perhaps does at once;
/// then also what is off with it, as `riposte reload` has it.
///
/// # Errors
///
/// When it was to reload, and did not: the change itself is made.
fn engine(places: &Places, at: &At, reload: bool) -> Result<String, String> {
    let (socket, home) = (places.socket(), at.home());
    if !reload {
        return Ok(if client::is_listening(&socket) {
            format!("the running engine takes it up with `riposte reload{home}`")
        } else {
            "the next start of the engine takes it up".to_owned()
        });
    }
    match client::ask(&socket, &Request::Reload) {
        Ok(answer) if answer.result == Went::Done => {
            let off = answer.message.lines().skip(1).map(|line| format!("\n{line}"));
            Ok(format!("the running engine has taken it up{}", off.collect::<String>()))
        }
        Ok(answer) => Err(format!(
            "the change is made, but the engine runs on without it: {}; mend that, and run `riposte reload{home}`",
            answer.message
        )),
        Err(client::Unanswered::NoEngine(_)) => Ok("no engine runs; its next start takes it up".to_owned()),
        Err(error) => Err(format!("the change is made, but {error}; run `riposte reload{home}`")),
    }
}
