//! `riposte plugin list`: what is installed, who uses it, what is in force.

use clap::Args;
use serde_json::{Value, json};

use super::inspect::human;
use super::{At, say, uses};
use crate::commands::ask;
use crate::exit::Exit;
use crate::installed::uses::InForce;
use crate::installed::{Installed, One, Version};
use crate::report::time;

/// What it ends with.
pub const EXIT_CODES: &str = "Read from the files; a running engine is asked only which configuration it has.\n\
    Exit codes: 0 listed; 1 something cannot be read; 2 usage.";

/// `riposte plugin list`.
#[derive(Args, Clone, Debug)]
pub struct List {
    /// Print an array of components as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: At,
}

/// Lists them.
pub fn list(args: &List) -> Exit {
    match listed(args) {
        Ok((all, unread)) => {
            if args.json {
                ask::say(&Value::Array(all.iter().map(Row::json).collect()));
            } else if all.is_empty() && unread.is_empty() {
                let again = args.at.again();
                ask::say_text(&format!(
                    "no component is installed; `riposte plugin install{again}` installs one"
                ));
            } else if !all.is_empty() {
                ask::say_text(
                    all.iter().map(|row| row.text(&args.at)).collect::<Vec<_>>().join("\n").trim_end(),
                );
            }
            unread.iter().for_each(|error| say(error));
            if unread.is_empty() { Exit::Done } else { Exit::Failed }
        }
        Err(error) => {
            ask::complain(args.json, &error);
            Exit::Failed
        }
    }
}

/// All that can be read, and what is wrong with the others.
fn listed(args: &List) -> Result<(Vec<Row>, Vec<String>), String> {
    let in_use = args.at.in_use();
    let places = &in_use.places;
    let installed = Installed::to_read(places);
    let uses = uses(&in_use);
    if let Some(unread) = &uses.unread {
        say(&format!("which commands use them is not known: {unread}"));
    }
    let (mut all, mut unread) = (Vec::new(), Vec::new());
    let in_force = InForce::read(places)
        .map_err(|error| unread.push(format!("what is in force of each version is not known: {error}")))
        .ok();
    for name in installed.names().map_err(|error| error.to_string())? {
        let one = match installed.one(&name) {
            Ok(Some(one)) => one,
            Ok(None) => continue,
            Err(error) => {
                unread.push(error.to_string());
                continue;
            }
        };
        all.push(one);
    }
    all.extend(installed.all_lost());
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let row = |one: One| {
        let commands = uses.of(&one.name).map(|command| command.name.to_string()).collect();
        let count = |version: &Version| Some(in_force.as_ref()?.count(&version.sha256));
        let (now, earlier) = (count(&one.now), one.earlier.iter().map(count).collect());
        Row { one, commands, now, earlier }
    };
    Ok((all.into_iter().map(row).collect(), unread))
}

/// One component.
struct Row {
    one: One,
    commands: Vec<String>,
    /// How many entries are in force of each version, where that is known.
    now: Option<usize>,
    earlier: Vec<Option<usize>>,
}

impl Row {
    fn versions(&self) -> impl Iterator<Item = (&Version, Option<usize>)> {
        let earlier = self.one.earlier.iter().zip(self.earlier.iter().copied());
        std::iter::once((&self.one.now, self.now)).chain(earlier)
    }

    fn json(&self) -> Value {
        let one = |(version, in_force): (&Version, Option<usize>)| {
            json!({
                "kept": !self.one.is_gone(version),
                "sha256": version.sha256,
                "version": version.version,
                "kind": version.kind,
                "size": version.size,
                "since": version.since_ms.map(time),
                "in_force": in_force,
            })
        };
        let mut versions: Vec<_> = self.versions().map(one).collect();
        let mut row = versions.remove(0);
        row["name"] = json!(self.one.name.as_str());
        row["runs"] = json!(!self.one.lost);
        row["commands"] = json!(self.commands);
        row["earlier"] = Value::Array(versions);
        row
    }

    fn text(&self, at: &At) -> String {
        let commands = match self.commands.as_slice() {
            _ if self.one.lost => {
                let to = if self.one.is_gone(&self.one.now) { " --to DIGEST" } else { "" };
                let (name, again) = (&self.one.name, at.again());
                format!(
                    "its file is gone, and nothing runs; `riposte plugin rollback {name}{to}{again}` puts it back"
                )
            }
            [] => "no command uses it".to_owned(),
            commands => format!("used by {}", commands.join(", ")),
        };
        let mut text = format!("{}: {commands}\n", self.one.name);
        for (n, (version, in_force)) in self.versions().enumerate() {
            let role = match n {
                0 if !self.one.lost => "runs",
                _ if self.one.is_gone(version) => "gone",
                _ => "kept",
            };
            let since = version
                .since_ms
                .map_or_else(|| "put there by hand".to_owned(), |ms| format!("since {}", time(ms)));
            let known: Vec<_> =
                [version.version.clone(), version.kind.clone(), Some(human(version.size)), Some(since)]
                    .into_iter()
                    .flatten()
                    .collect();
            text.push_str(&format!("  {role}  {}  {}\n", version.sha256, known.join(", ")));
            if let Some(count @ 1..) = in_force {
                text.push_str(&format!("        {count} in force\n"));
            }
        }
        text
    }
}
