//! `riposte plugin run`: one call of a response, before a host that only records.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use riposte_author::scenario::{Call, End, Expect, Scenario, Told, show};
use riposte_runtime::Kind;

use super::test::{stage, subject};
use crate::commands::ask;
use crate::exit::Exit;

/// What it ends with.
pub const EXIT_CODES: &str = "Nothing is done to this machine, and nobody has to be root.\n\
    Exit codes: 0 the response did what it is to do; 1 it said no, was stopped, or could not be read or run; 2 usage.";

/// Largest alert that is read: more than any response is given.
const LARGEST: u64 = 64 << 20;

/// `riposte plugin run`.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// The component, a .wasm file
    pub file: PathBuf,
    /// The alert: a file that holds one line of alerts.json
    pub alert: PathBuf,
    /// The function to call; default: add, or run of a oneshot
    #[arg(long, value_name = "keys|add|delete|run", value_parser = call)]
    pub call: Option<Call>,
    /// What delete is given
    #[arg(long, value_name = "TEXT")]
    pub receipt: Option<String>,
    /// A setting, as `<config>` makes it; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub config: Vec<(String, String)>,
    /// A secret, as `<secret>` makes it; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub secret: Vec<(String, String)>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Calls it, and shows what it did.
pub fn run(args: &Run) -> Exit {
    match ran(args) {
        Ok(true) => Exit::Done,
        Ok(false) => Exit::Failed,
        Err(error) => {
            ask::complain(args.json, &error);
            Exit::Failed
        }
    }
}

fn ran(args: &Run) -> Result<bool, String> {
    let named = |path: &PathBuf, error: String| format!("{}: {error}", path.display());
    let bytes = crate::installed::file::read(&args.file).map_err(|error| named(&args.file, error))?;
    let alert = crate::files::read_at_most(&args.alert, LARGEST)
        .map_err(|error| named(&args.alert, format!("cannot read the alert: {error}")))?;
    let stage = stage().map_err(|error| error.to_string())?;
    let subject = subject(&stage, &args.file, bytes)?;
    let call = match (args.call, subject.kind()) {
        (Some(Call::Run), Kind::Reversible) => {
            return Err(no_such(&args.file, "run", "keys, add and delete"));
        }
        (Some(call), Kind::Oneshot) if call != Call::Run => {
            return Err(no_such(&args.file, call.as_str(), "run"));
        }
        (Some(call), _) => call,
        (None, Kind::Reversible) => Call::Add,
        (None, Kind::Oneshot) => Call::Run,
    };
    let map = |pairs: &[(String, String)]| pairs.iter().cloned().collect::<BTreeMap<_, _>>();
    let scenario = Scenario {
        file: args.alert.clone(),
        name: args.file.display().to_string(),
        call,
        alert,
        receipt: args.receipt.clone().map(String::into_bytes),
        invocation: Told::default(),
        config: map(&args.config),
        secrets: map(&args.secret),
        folders: BTreeMap::new(),
        host: BTreeMap::new(),
        times: 1,
        expect: Expect {
            end: End::Ok,
            keys: None,
            receipt: None,
            calls: None,
            log: Vec::new(),
            memory: None,
            cpu: None,
        },
    };
    let played = stage.play(&subject, &scenario).map_err(|error| error.to_string())?;
    for round in &played.rounds {
        if args.json {
            ask::say(&show::round_value(round));
        } else {
            ask::say_text(show::table(&subject, call, round).trim_end());
        }
    }
    Ok(played.passed())
}

fn no_such(file: &std::path::Path, call: &str, there: &str) -> String {
    format!("{} has no {call}: it exports {there}", file.display())
}

fn call(text: &str) -> Result<Call, String> {
    Call::named(text).ok_or_else(|| "it is one of keys, add, delete and run".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
