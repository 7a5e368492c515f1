//! `riposte ledger`: whether it is sound, a copy of it, what can be had of a
//! damaged one.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use riposte_ledger::verify::{Verified, verify};
use riposte_ledger::{Clock, Ledger as Books, SystemClock};
use serde_json::{Value, json};

use super::ask::{complain, say, say_text};
use crate::cli::Where;
use crate::control::{Request, Result, client};
use crate::exit::Exit;
use crate::places::Places;
use crate::report::time;

const VERIFY_CODES: &str = "Works with and without an engine; nothing is changed.\n\
    Exit codes: 0 sound, 1 findings (each says what to do) or no ledger, 2 usage.";
const BACKUP_CODES: &str = "Works with and without an engine.\nExit codes: 0 copied, 1 the ledger cannot be read or the file not be made, 2 usage.";
const RECOVER_CODES: &str = "The damaged ledger and its copies stay as they are. An engine does the same by itself when it starts.\n\
    Exit codes: 0 recovered, 1 the file cannot be made, 2 usage.";

/// `riposte ledger`.
#[derive(Clone, Debug, Subcommand)]
pub enum Ledger {
    /// Whether the file is sound, and what its rows say together
    #[command(after_help = VERIFY_CODES)]
    Verify(Verify),
    /// Copy it to a new file
    #[command(after_help = BACKUP_CODES)]
    Backup(ToFile),
    /// Make a new file out of a damaged ledger and its copies
    #[command(after_help = RECOVER_CODES)]
    Recover(ToFile),
}

/// `riposte ledger verify`.
#[derive(Args, Clone, Debug)]
pub struct Verify {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Where,
}

/// `riposte ledger backup`, `riposte ledger recover`.
#[derive(Args, Clone, Debug)]
pub struct ToFile {
    /// The file to make; it must not be there
    pub file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Where,
}

/// Does what is asked.
pub fn ledger(asked: &Ledger) -> Exit {
    match asked {
        Ledger::Verify(asked) => verified(asked),
        Ledger::Backup(asked) => backup(asked),
        Ledger::Recover(asked) => recover(asked),
    }
}

fn verified(asked: &Verify) -> Exit {
    let places = Places::new(asked.at.home.as_deref(), None, &[]);
    let now = SystemClock::new().now();
    let looked = places
        .ledger_to_read()
        .and_then(|ledger| verify(&ledger, now.wall_ms, now.boot_ms).map_err(|error| error.to_string()));
    let verified = match looked {
        Ok(verified) => verified,
        Err(error) => return failed(asked.json, &error),
    };
    let (engine, differences) = memory(&places);
    let is_sound = verified.findings.is_empty() && differences.is_empty();
    if asked.json {
        let mut data = serde_json::to_value(&verified).unwrap_or_default();
        if let Some(data) = data.as_object_mut() {
            data.insert("sound".to_owned(), json!(is_sound));
            data.insert("engine".to_owned(), json!(engine));
            data.insert("memory".to_owned(), json!(differences));
        }
        say(&data);
    } else {
        say_text(&sentences(&verified, engine, &differences));
    }
    if is_sound { Exit::Done } else { Exit::Failed }
}

/// Whether an engine runs, and where what it remembers is not what the tables say.
fn memory(places: &Places) -> (bool, Vec<String>) {
    match client::ask(&places.socket(), &Request::VerifyLedger) {
        Ok(answer) => {
            let said = answer.data.as_array().cloned().unwrap_or_default();
            let mut said: Vec<String> = said.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            if answer.result != Result::Done && said.is_empty() {
                said.push(answer.message);
            }
            (true, said)
        }
        Err(client::Unanswered::NoEngine(_)) => (false, Vec::new()),
        Err(error) => (false, vec![error.to_string()]),
    }
}

fn sentences(verified: &Verified, engine: bool, differences: &[String]) -> String {
    let mut lines = vec![format!(
        "{}: version {}, {} entries, {} open ({} for good, {} stuck)",
        verified.path.display(),
        verified.version.map_or_else(|| "unreadable".to_owned(), |version| version.to_string()),
        verified.entries,
        verified.open,
        verified.permanent,
        verified.stuck,
    )];
    lines.push(match (&verified.backup, verified.backup_ms) {
        (Some(copy), Some(made)) => format!("the last copy is {}, of {}", copy.display(), time(made)),
        _ => "there is no copy yet".to_owned(),
    });
    lines
        .extend(verified.salvaged.as_ref().map(|salvaged| format!("{}: {salvaged}", time(salvaged.time_ms))));
    lines.push(if engine { "an engine is running" } else { "no engine is running" }.to_owned());
    for finding in &verified.findings {
        lines.push(format!("{}: {}\n    {}", finding.code, finding.what, finding.help));
    }
    for difference in differences {
        lines.push(format!(
            "memory: {difference}\n    restart the engine, which reads the tables again, and report this"
        ));
    }
    if verified.findings.is_empty() && differences.is_empty() {
        lines.push("sound".to_owned());
    }
    lines.join("\n")
}

fn backup(asked: &ToFile) -> Exit {
    let places = Places::new(asked.at.home.as_deref(), None, &[]);
    if let Some(exit) = refused(asked) {
        return exit;
    }
    let copied = places.ledger_to_read().and_then(|ledger| {
        Books::copy(&ledger, &asked.file, SystemClock::new().now().wall_ms).map_err(|error| error.to_string())
    });
    match copied {
        Ok(copy) => {
            let text = format!("{} bytes copied to {}", copy.bytes, asked.file.display());
            done(asked.json, &text, &json!({"file": asked.file, "bytes": copy.bytes}))
        }
        Err(error) => failed(asked.json, &error),
    }
}

fn recover(asked: &ToFile) -> Exit {
    let places = Places::new(asked.at.home.as_deref(), None, &[]);
    if let Some(exit) = refused(asked) {
        return exit;
    }
    // An empty file made of nothing would look like a ledger without entries.
    let there =
        places.has_ledger().and_then(|there| if there { Ok(()) } else { places.ledger_to_read().map(drop) });
    let recovered = there.and_then(|()| {
        let now = SystemClock::new().now().wall_ms;
        Books::recover(&places.ledger(), &asked.file, now).map_err(|error| error.to_string())
    });
    match recovered {
        Ok(found) => {
            let data = serde_json::to_value(&found).unwrap_or_default();
            let counts = found.counts;
            let text = format!(
                "{}: {} entries from ledger and copy, {} only from the ledger, {} only from the copy; {} are open; {} \
                 could not be read",
                asked.file.display(),
                counts.in_both,
                counts.from_damaged,
                counts.from_backup,
                counts.open,
                counts.lost
            );
            done(asked.json, &text, &data)
        }
        Err(error) => failed(asked.json, &error),
    }
}

/// A file that is there is not overwritten.
fn refused(asked: &ToFile) -> Option<Exit> {
    if !asked.file.exists() {
        return None;
    }
    complain(asked.json, &format!("{} is there already; name a new file", asked.file.display()));
    Some(Exit::Failed)
}

fn done(json: bool, text: &str, data: &Value) -> Exit {
    if json {
        say(data);
    } else {
        say_text(text);
    }
    Exit::Done
}

fn failed(json: bool, error: &str) -> Exit {
    complain(json, error);
    Exit::Failed
}
