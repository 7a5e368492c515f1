//! Commands that ask the running engine.

use std::io::{self, Read};
use std::path::Path;

use riposte_ledger::entry::Filter;
use riposte_ledger::{Ledger, LedgerError};
use riposte_policy::diagnostic;
use serde_json::{Value, json};

use crate::cli::{self, Allow};
use crate::control::{Answer, Request, Result, client};
use crate::exit::Exit;
use crate::places::Places;
use crate::{show, stderr};

/// Asks, prints the answer, and says how it went.
pub fn ask(at: &cli::Where, json: bool, request: &Request) -> Exit {
    let places = Places::new(at.home.as_deref(), None, &[]);
    match client::ask(&places.socket(), request) {
        Ok(answer) => print(&answer, json),
        Err(error) => {
            let exit = match error {
                client::Unanswered::NoEngine(_) => Exit::NoEngine,
                client::Unanswered::Failed { .. } => Exit::Failed,
            };
            complain(json, &error.to_string());
            exit
        }
    }
}

/// Prints an answer, and says how it went.
pub fn print(answer: &Answer, json: bool) -> Exit {
    if json {
        say(&match &answer.data {
            Value::Null => json!({"result": answer.result, "message": answer.message}),
            data => data.clone(),
        });
        if answer.result != Result::Done && answer.data.is_null() {
            tell(&answer.message);
        }
    } else if answer.result == Result::Failed {
        tell(&answer.message);
    } else {
        say_text(&answer.message);
    }
    match answer.result {
        Result::Done => Exit::Done,
        Result::Failed => Exit::Failed,
        Result::NotYet => Exit::NotYet,
    }
}

/// An error, as text or as an object with the key `error`.
pub fn complain(json: bool, error: &str) {
    if json {
        say(&json!({"error": error}));
    }
    tell(error);
}

/// Tells people on standard error. Names that others chose may stand in the text:
/// nothing in it acts on a terminal, and only its first line begins as ours do.
pub fn tell(text: &str) {
    stderr::line(format_args!("riposte: {}", below(&diagnostic::lines(text))));
}

/// The lines of a text, those after the first indented.
fn below(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| {
        let blank = if line.is_empty() || line.starts_with([' ', '\t']) { "" } else { "  " };
        text + "\n" + blank + line
    })
}

/// Whether somebody reads on: one that went away has read enough.
///
/// # Errors
///
/// When the output was lost for another reason, such as a disk that is full:
/// what follows on it must not take silence for a good answer.
pub fn written(result: io::Result<()>) -> std::result::Result<bool, String> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(format!("cannot write the answer: {error}")),
    }
}

/// Prints for programs. A reader that went away is not an error.
pub fn say(value: &Value) {
    print_line(&value.to_string());
}

/// Prints for people. Nothing in it acts on a terminal.
pub fn say_text(text: &str) {
    print_line(&diagnostic::lines(text));
}

fn print_line(text: &str) {
    use std::io::Write;
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// `riposte list`.
pub fn list(list: &cli::List) -> Exit {
    if list.orphans {
        return ask(&list.at, list.json, &Request::Orphans);
    }
    if !list.offline {
        let places = Places::new(list.at.home.as_deref(), None, &[]);
        return match client::ask(&places.socket(), &Request::List { all: list.all, stuck: list.stuck }) {
            Ok(answer) => print_entries(&answer, list.json),
            Err(client::Unanswered::NoEngine(_)) => {
                let socket = places.socket();
                let error = format!(
                    "no engine is listening on {}; start one with `riposte run`, or read its ledger with the same command and --offline",
                    socket.display()
                );
                complain(list.json, &error);
                Exit::NoEngine
            }
            Err(error) => {
                complain(list.json, &error.to_string());
                Exit::Failed
            }
        };
    }
    let places = Places::new(list.at.home.as_deref(), None, &[]);
    let filter = Filter { open_only: !list.all, ..Filter::default() };
    let read = places.ledger_to_read().and_then(|ledger| {
        let both = || Ok((Ledger::read(&ledger, &filter)?, Ledger::read_networks(&ledger)?));
        both().map_err(|error: LedgerError| error.to_string())
    });
    match read {
        Ok((mut entries, networks)) => {
            entries.retain(|entry| entry.stuck || !list.stuck);
            print_entries(&show::list(&entries, &networks, list.stuck), list.json)
        }
        Err(error) => {
            complain(list.json, &error);
            Exit::Failed
        }
    }
}

fn print_entries(answer: &Answer, json: bool) -> Exit {
    let (true, Result::Done, Some(entries)) = (json, answer.result, answer.data.as_array()) else {
        return print(answer, json);
    };
    entries.iter().for_each(say);
    Exit::Done
}

/// `riposte undo`.
pub fn undo(undo: &cli::Undo) -> Exit {
    if let Some(orphan) = &undo.orphan {
        let request = Request::UndoOrphan { orphan: orphan.clone(), reason: undo.by_hand.reason.clone() };
        return ask(&undo.by_hand.at, undo.by_hand.json, &request);
    }
    let request = Request::Undo {
        target: undo.target.clone(),
        allow: undo.allow.map(|allow| allow.as_secs().max(1)),
        reason: undo.by_hand.reason.clone(),
    };
    ask(&undo.by_hand.at, undo.by_hand.json, &request)
}

/// `riposte add`.
pub fn add(add: &cli::Add) -> Exit {
    let alert = match (&add.srcip, &add.user, &add.alert) {
        (Some(address), _, _) => made("srcip", address),
        (_, Some(user), _) => made("dstuser", user),
        (_, _, Some(path)) => match read(path) {
            Ok(alert) => alert,
            Err(error) => {
                complain(add.by_hand.json, &format!("cannot read the alert {}: {error}", path.display()));
                return Exit::Failed;
            }
        },
        // The command line makes sure that one of them is given.
        (None, None, None) => return Exit::Usage,
    };
    let request = Request::Add {
        command: add.command.clone(),
        alert,
        lasting: add.lasting.map(|lasting| lasting.as_secs().max(1)),
        reason: add.by_hand.reason.clone(),
    };
    ask(&add.by_hand.at, add.by_hand.json, &request)
}

/// The alert of an act by hand: no rule, only its target.
fn made(field: &str, value: &str) -> String {
    json!({
        "rule": {"level": 0, "id": "0", "description": "by hand", "groups": ["riposte"]},
        "agent": {"id": "000"},
        "data": {field: value},
    })
    .to_string()
}

fn read(path: &Path) -> io::Result<String> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().take(1 << 20).read_to_end(&mut bytes)?;
        bytes
    } else {
        crate::files::read_at_most(path, 1 << 20)?
    };
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

/// `riposte allow`.
pub fn allow(allow: &Allow) -> Exit {
    match allow {
        Allow::Add { target, lasting, by_hand } => {
            let lasting = lasting.map(|lasting| lasting.as_secs().max(1));
            let request = Request::Allow { target: target.clone(), lasting, reason: by_hand.reason.clone() };
            ask(&by_hand.at, by_hand.json, &request)
        }
        Allow::List { simple } => ask(&simple.at, simple.json, &Request::Allows),
        Allow::Delete { target, by_hand } => {
            let request = Request::Disallow { target: target.clone(), reason: by_hand.reason.clone() };
            ask(&by_hand.at, by_hand.json, &request)
        }
    }
}

/// `riposte pause`.
pub fn pause(pause: &cli::Pause) -> Exit {
    let request = Request::Pause {
        command: pause.command.clone(),
        lasting: pause.lasting.map(|lasting| lasting.as_secs().max(1)),
        reason: pause.by_hand.reason.clone(),
    };
    ask(&pause.by_hand.at, pause.by_hand.json, &request)
}

/// `riposte resume`.
pub fn resume(resume: &cli::Resume) -> Exit {
    let request = Request::Resume { command: resume.command.clone(), reason: resume.by_hand.reason.clone() };
    ask(&resume.by_hand.at, resume.by_hand.json, &request)
}

/// `riposte mode`.
pub fn mode(change: &cli::ModeChange) -> Exit {
    let mode = Some(change.mode.clone()).filter(|mode| mode != "file");
    let request =
        Request::Mode { command: change.command.clone(), mode, reason: change.by_hand.reason.clone() };
    ask(&change.by_hand.at, change.by_hand.json, &request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_begins_as_ours_do() {
        assert_eq!(below("a"), "a");
        assert_eq!(below("a\nriposte: b\n  c\n\nd"), "a\n  riposte: b\n  c\n\n  d");
    }
}
