//! Which commands run an installed component, and what is in force of it.

use std::path::PathBuf;
use std::sync::Arc;

use riposte_ledger::entry::{Filter, Kind};
use riposte_ledger::{Entry, Ledger};
use riposte_policy::config::{Command, Role};

use super::Name;
use crate::arm::executable::{self, Executable};
use crate::files;
use crate::places::Places;

/// The commands of a configuration that run components, by the component.
#[derive(Debug, Default)]
pub struct Uses {
    commands: Vec<(Name, Arc<Command>)>,
    /// Why the configuration could not be read.
    pub unread: Option<String>,
}

impl Uses {
    /// Reads a configuration, as an engine of this role does. One that cannot be
    /// read names no command, and says why.
    #[must_use]
    pub fn read(places: &Places, configs: &[PathBuf], role: Role) -> Self {
        // Before there is a configuration there are no commands.
        if configs.iter().all(|config| !config.exists()) {
            return Self::default();
        }
        let files = match files::read(configs) {
            Ok(files) => files,
            Err(error) => return Self::unknown(error.to_string()),
        };
        let config = files::config(&files, role);
        let plugins = places.plugins();
        let commands = config.commands.iter().filter_map(|command| {
            let found = executable::find(&command.executable, command.runtime, places);
            let Ok(Executable::Component(path)) = found else { return None };
            let name = path.strip_prefix(&plugins).ok()?.to_str()?.parse().ok()?;
            Some((name, Arc::clone(command)))
        });
        Self { commands: commands.collect(), unread: None }
    }

    /// Nothing is known of it, for this reason.
    #[must_use]
    pub fn unknown(why: String) -> Self {
        Self { commands: Vec::new(), unread: Some(why) }
    }

    /// Those that run the component of this name.
    pub fn of<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Arc<Command>> {
        self.commands.iter().filter(move |(used, _)| used == name).map(|(_, command)| command)
    }
}

/// What components have in force.
#[derive(Debug, Default)]
pub struct InForce {
    entries: Vec<Entry>,
}

impl InForce {
    /// Reads it from the ledger, whether an engine runs or not.
    ///
    /// # Errors
    ///
    /// When there is a ledger, and it cannot be read.
    pub fn read(places: &Places) -> Result<Self, String> {
        if !places.has_ledger()? {
            return Ok(Self::default());
        }
        let filter = Filter { open_only: true, ..Filter::default() };
        let ledger = places.ledger_to_read()?;
        let mut entries = Ledger::read(&ledger, &filter).map_err(|error| error.to_string())?;
        entries.retain(|entry| entry.kind != Kind::Native);
        Ok(Self { entries })
    }

    /// How many entries one version made.
    #[must_use]
    pub fn count(&self, sha256: &str) -> usize {
        self.entries.iter().filter(|entry| entry.digest.as_deref() == Some(sha256)).count()
    }

    /// The entries that a component made: by the executable of their command,
    /// since the same bytes may be installed under two names; where that cannot
    /// be told, by one of these versions.
    pub fn of<'a>(&'a self, name: &'a Name, versions: &'a [&str]) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| {
            let digest = entry.digest.as_deref();
            let of_version = digest.is_some_and(|digest| versions.contains(&digest));
            match Command::from_stored(&entry.definition) {
                Ok(command) => {
                    let named = command.executable.strip_suffix(".wasm").unwrap_or(&command.executable);
                    // Or a built-in of that name made it before this was installed.
                    named == name.as_str() && (of_version || !digest.is_some_and(is_built_in))
                }
                Err(_) => of_version,
            }
        })
    }
}

fn is_built_in(digest: &str) -> bool {
    riposte_plugins::builtins()
        .iter()
        .any(|builtin| riposte_runtime::digest(builtin.wasm).to_string() == digest)
}
