//! `riposte commands`: every command of a configuration, where it comes from,
//! what runs it, and what that may do. Read from the files; no engine is asked.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::Args;
use riposte_plugins::Builtin;
use riposte_policy::Severity;
use riposte_policy::config::{Command, Role};
use riposte_policy::diagnostic::shown;
use riposte_policy::grant::{Detail, Grants};
use riposte_policy::limit::Limits;
use riposte_policy::span;
use serde_json::{Value, json};

use crate::arm::executable::{self, Executable};
use crate::arm::{Armed, COMPONENTS, PROGRAMS, Ready, Runner, definition};
use crate::cli::Sources;
use crate::commands::{ask, check, locate};
use crate::exit::Exit;
use crate::files;
use crate::places::Places;

/// What it ends with.
pub const EXIT_CODES: &str = "Nothing is asked of a running engine, and nothing is changed.\n\
    Exit codes: 0 listed, also commands with errors (riposte check has them); 1 a file cannot be read, or with --strict \
    there are errors or warnings; 2 usage.";

/// `riposte commands`.
#[derive(Args, Clone, Debug)]
pub struct Commands {
    #[command(flatten)]
    pub sources: Sources,
    /// Also the built-in responses that no command names
    #[arg(long)]
    pub builtin: bool,
    /// Print an array of commands as JSON
    #[arg(long)]
    pub json: bool,
}

/// Lists them, and says whether the files could be read.
pub fn commands(args: &Commands) -> Exit {
    let (places, configs) = locate(&args.sources);
    let (all, wrong) = match list(&places, &configs, args) {
        Ok(listed) => listed,
        Err(error) => {
            ask::complain(args.json, &error);
            return Exit::Failed;
        }
    };
    if args.json {
        ask::say(&Value::Array(all.iter().map(One::json).collect()));
    } else if all.is_empty() {
        ask::say_text("no command is defined; --builtin lists the built-in responses");
    } else {
        let all: Vec<_> = all.iter().map(One::text).collect();
        ask::say_text(all.join("\n").trim_end());
    }
    if args.sources.strict && wrong > 0 {
        ask::tell(&format!(
            "the configuration has errors or warnings: {wrong}; riposte check --strict shows them"
        ));
        return Exit::Failed;
    }
    Exit::Done
}

/// The commands, and how many errors and warnings there are.
fn list(
    places: &Places,
    configs: &[std::path::PathBuf],
    args: &Commands,
) -> Result<(Vec<One>, usize), String> {
    let files = match files::read(configs) {
        // Without a configuration there are the built-in responses all the same.
        Err(_) if args.builtin && args.sources.config.is_empty() => Vec::new(),
        read => read.map_err(|error| error.to_string())?,
    };
    let (components, _) = check::sandbox(1)?;
    check::announce(&files, places, &components, Role::Standalone);
    let armed = Armed::new_as(&files, places, &components, Role::Standalone);
    let wrong = armed.config.diagnostics.iter().filter(|found| found.severity != Severity::Note).count();
    let mut all: Vec<_> =
        armed.config.commands.iter().map(|command| One::new(command, false, &armed, places)).collect();
    if args.builtin {
        let named: Vec<_> = all.iter().filter_map(|one| one.builtin).collect();
        let others = riposte_plugins::builtins().iter().filter(|builtin| !named.contains(&builtin.name));
        let others: Vec<Arc<Command>> = others.filter_map(definition).collect();
        let (armed, _) = armed.with(&others, places, &components);
        all.extend(others.iter().map(|command| One::new(command, true, &armed, places)));
    }
    Ok((all, wrong))
}

/// One command.
struct One {
    command: Arc<Command>,
    /// Whether no file defines it.
    unnamed: bool,
    ready: Option<Arc<Ready>>,
    /// What runs, in words.
    runs: &'static str,
    /// The file, or the name of the built-in.
    what: Option<String>,
    /// Its built-in, when it is one.
    builtin: Option<&'static str>,
}

impl One {
    fn new(command: &Arc<Command>, unnamed: bool, armed: &Armed, places: &Places) -> Self {
        let ready = armed.ready(&command.name);
        let found = executable::find(&command.executable, command.runtime, places).ok();
        let (runs, what, builtin) = match (&ready, found) {
            (_, Some(Executable::Builtin(Builtin { name, .. }, _))) => {
                ("built-in", Some((*name).to_owned()), Some(*name))
            }
            (_, Some(Executable::Component(path))) => ("component", Some(path.display().to_string()), None),
            (_, Some(Executable::Native(name))) => {
                ("native", Some(places.programs().join(name).display().to_string()), None)
            }
            (Some(_), None) => ("unsupported", None, None),
            (None, None) => ("nothing", None, None),
        };
        Self { command: Arc::clone(command), unnamed, ready, runs, what, builtin }
    }

    fn plugin(&self) -> Option<&riposte_runtime::Plugin> {
        match self.ready.as_ref().map(|ready| &ready.runner) {
            Some(Runner::Component(plugin)) => Some(plugin),
            _ => None,
        }
    }

    /// What it is granted in the end: a built-in has the grants of its own
    /// definition where the file says nothing.
    fn grants(&self) -> Grants {
        let of = self.ready.as_ref().map_or(&self.command, |ready| &ready.command);
        of.capabilities.clone().unwrap_or_default()
    }

    fn json(&self) -> Value {
        let Self { command, ready, .. } = self;
        let Limits { memory, cpu, wall, concurrency, answer, run } = &command.limits;
        let (place, grants) = (&command.place, self.grants());
        let from = (!self.unnamed)
            .then(|| json!({"file": &*place.file, "line": place.line, "column": place.column}));
        let milliseconds = |span: &std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        json!({
            "name": &*command.name,
            "from": from,
            "executable": command.executable,
            "runs": self.runs,
            "builtin": self.builtin,
            "file": self.what.as_ref().filter(|_| self.builtin.is_none()),
            "kind": self.plugin().map(|plugin| plugin.kind().as_str()),
            "sha256": self.plugin().map(|plugin| plugin.digest().to_string()),
            "usable": self.idle().is_none(),
            "undone": ready.as_ref().filter(|_| self.idle().is_none()).map(|ready| ready.stateful),
            "grants": grants.elements(Detail::Least),
            "capabilities": grants.to_string(),
            "limits": {
                "memory": memory,
                "cpu_ms": milliseconds(cpu),
                "wall_ms": milliseconds(wall),
                "concurrency": concurrency.unwrap_or_else(|| self.usual_concurrency()),
                "answer_ms": milliseconds(answer),
                "run_ms": milliseconds(run),
            },
        })
    }

    /// Why it would not act, if it would not.
    fn idle(&self) -> Option<String> {
        match self.ready.as_ref().map(|ready| &ready.runner) {
            None if self.unnamed => Some("it is off until a <command> grants what it needs".to_owned()),
            None => Some("it is off: riposte check says why".to_owned()),
            Some(Runner::Unsupported(why)) => Some(format!("unsupported here: {why}")),
            Some(_) => None,
        }
    }

    fn usual_concurrency(&self) -> u32 {
        if self.runs == "native" { PROGRAMS } else { COMPONENTS }
    }

    fn text(&self) -> String {
        let Self { command, .. } = self;
        // Names come from a file that another may have written.
        let mut text = format!("{}\n", shown(&command.name).trim_matches('"'));
        let mut row = |name: &str, value: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {name:<8}{value}");
        };
        match self.unnamed {
            true => row("from", "no file; its own definition"),
            false => row("from", &command.place.to_string()),
        }
        let kind = self.plugin().map(|plugin| format!(", {}", plugin.kind().as_str())).unwrap_or_default();
        let what = self.what.as_ref().map(|what| format!(" {what}")).unwrap_or_default();
        row("runs", &format!("{}{what}{kind}", self.runs));
        if let Some(why) = self.idle() {
            row("", &why);
        }
        if let Some(plugin) = self.plugin() {
            row("sha256", &plugin.digest().to_string());
        }
        if let Some(ready) = self.ready.as_ref().filter(|_| self.idle().is_none()) {
            row("undone", if ready.stateful { "after its time" } else { "never" });
        }
        row("limits", &self.limits());
        match self.grants() {
            _ if self.runs == "native" => row("grants", "do not bind a native program"),
            grants => {
                let elements = grants.elements(Detail::Least);
                let mut name = "grants";
                for element in &elements {
                    row(name, element);
                    name = "";
                }
                if elements.is_empty() {
                    row(name, "none");
                }
            }
        }
        text
    }

    /// What binds this kind of program.
    fn limits(&self) -> String {
        let Limits { memory, cpu, wall, concurrency, answer, run } = &self.command.limits;
        let at_a_time = concurrency.unwrap_or_else(|| self.usual_concurrency());
        if self.runs == "native" {
            return format!(
                "answer {}, run {}, {at_a_time} at a time",
                span::shown(*answer),
                span::shown(*run)
            );
        }
        format!(
            "memory {} KiB, cpu {}, wall {}, {at_a_time} at a time",
            memory / 1024,
            span::shown(*cpu),
            span::shown(*wall)
        )
    }
}
