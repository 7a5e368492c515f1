//! `riposte audit`: whether the audit is what was written. Needs no engine, and
//! may run beside one.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use riposte_ledger::Ledger;
use riposte_ledger::audit::signed::{PublicKey, SigningKey};
use riposte_ledger::audit::verify::{Against, Verified, verify, verify_files};
use riposte_ledger::error::LedgerError;
use serde_json::{Value, json};

use crate::cli::Where;
use crate::commands::ask;
use crate::exit::Exit;
use crate::places::{Places, way_out};

const VERIFY_HELP: &str = "Every line is held against its hash and the line before, over all files; the end against the\n\
    head in the ledger. With --key also against the signed heads, which shows when files and ledger were both\n\
    changed.\n\
    Exit codes: 0 nothing was changed, 1 something was, or cannot be read; 2 usage.";

const KEYGEN_HELP: &str = "The file holds the secret half, for its owner alone. Keep the public half, which is printed, on another machine.\n\
    Exit codes: 0 made, 1 not made, 2 usage.";

/// `riposte audit`.
#[derive(Clone, Debug, Subcommand)]
pub enum Audit {
    /// Find what was edited, removed, inserted, reordered or cut off
    #[command(after_help = VERIFY_HELP)]
    Verify(Verify),
    /// Make a key that signs heads of the audit
    #[command(after_help = KEYGEN_HELP)]
    Keygen(Keygen),
}

/// `riposte audit verify`.
#[derive(Args, Clone, Debug)]
pub struct Verify {
    /// These files alone, as a part of an audit [default: all of it]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Whose signed heads to hold it against: 64 digits, or a file with them
    #[arg(long, value_name = "PUBLIC-KEY")]
    pub key: Option<String>,
    /// The signed heads, perhaps a copy from another machine [default: audit.heads beside the audit]
    #[arg(long, value_name = "FILE", requires = "key")]
    pub heads: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Where,
}

/// `riposte audit keygen`.
#[derive(Args, Clone, Debug)]
pub struct Keygen {
    /// The file to make [default: /etc/riposte/audit.key]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Where,
}

/// Does it.
pub fn audit(audit: &Audit) -> Exit {
    match audit {
        Audit::Verify(args) => verify_audit(args),
        Audit::Keygen(args) => keygen(args),
    }
}

fn verify_audit(args: &Verify) -> Exit {
    match verified(args) {
        Ok((verified, ledger)) => {
            if args.json {
                ask::say(&facts(&verified, ledger));
            } else {
                ask::say_text(&sentences(&verified, ledger, args));
            }
            if verified.is_sound() { Exit::Done } else { Exit::Failed }
        }
        Err(error) => {
            ask::complain(args.json, &error);
            Exit::Failed
        }
    }
}

/// How much the ledger had to say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InLedger {
    Head,
    NoHead,
    NotAsked,
}

fn verified(args: &Verify) -> Result<(Verified, InLedger), String> {
    let places = Places::new(args.at.home.as_deref(), None, &[]);
    let key = args.key.as_deref().map(PublicKey::read).transpose().map_err(|error| error.to_string())?;
    let heads = args.heads.clone().unwrap_or_else(|| places.audit_heads());
    let mut against = Against { ledger: None, signed: key.map(|key| (heads, key)) };
    if !args.files.is_empty() {
        let verified = verify_files(&args.files, &against)
            .map_err(|error| format!("the files cannot be read: {error}"))?;
        return Ok((verified, InLedger::NotAsked));
    }
    // Before the files: an engine that is running only adds to them.
    against.ledger = head(&places)?;
    let known = if against.ledger.is_some() { InLedger::Head } else { InLedger::NoHead };
    let path = places.audit();
    let verified = verify(&path, &against).map_err(|error| {
        format!("the audit {} cannot be read: {error}{}", path.display(), way_out(&error))
    })?;
    if verified.lines == 0 && verified.is_sound() && known == InLedger::NoHead {
        return Err(format!(
            "there is no audit at {}; name its folder with --home DIR, or its files",
            path.display()
        ));
    }
    Ok((verified, known))
}

fn head(places: &Places) -> Result<Option<riposte_ledger::audit::chain::Head>, String> {
    match Ledger::read_head(&places.ledger()) {
        Ok(head) => Ok(head),
        // Without a ledger the files can still be held against each other.
        Err(LedgerError::CannotOpen { .. }) if !places.ledger().exists() => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn facts(verified: &Verified, ledger: InLedger) -> Value {
    let findings: Vec<Value> = verified
        .findings
        .iter()
        .map(|finding| {
            json!({"kind": finding.kind.as_str(), "file": finding.file, "line": finding.line, "what": finding.what})
        })
        .collect();
    json!({
        "sound": verified.is_sound(),
        "files": verified.files,
        "lines": verified.lines,
        "first": verified.first,
        "last": verified.last.map(|head| head.count),
        "hash": verified.last.map(|head| head.hash.to_string()),
        "heads": verified.heads,
        "ledger": ledger == InLedger::Head,
        "found": verified.found,
        "findings": findings,
        "notes": verified.notes,
    })
}

fn sentences(verified: &Verified, ledger: InLedger, args: &Verify) -> String {
    let mut out: Vec<String> = verified.findings.iter().map(ToString::to_string).collect();
    let more = verified.found.saturating_sub(verified.findings.len() as u64);
    if more > 0 {
        out.push(format!("and {more} more"));
    }
    out.extend(verified.notes.iter().map(|note| format!("note: {note}")));
    if ledger == InLedger::NoHead {
        out.push(
            "note: the ledger has no head of the audit, so what may be cut off its end does not show"
                .to_owned(),
        );
    }
    if args.key.is_none() && ledger != InLedger::NotAsked {
        out.push(
            "note: whoever can write both the files and the ledger could have made both anew; only signed heads, held \
             against with --key, would show it"
                .to_owned(),
        );
    }
    let files = match verified.files.len() {
        1 => "1 file".to_owned(),
        files => format!("{files} files"),
    };
    let last = verified.last.map_or(0, |head| head.count);
    let first = verified.first.unwrap_or(0);
    out.push(match verified.found {
        0 => format!("the audit is what was written: lines {first} to {last} in {files}"),
        1 => format!("1 finding in lines {first} to {last} in {files}"),
        found => format!("{found} findings in lines {first} to {last} in {files}"),
    });
    out.join("\n")
}

fn keygen(args: &Keygen) -> Exit {
    let usual = || Places::new(args.at.home.as_deref(), None, &[]).config.join("audit.key");
    let file = args.file.clone().unwrap_or_else(usual);
    match SigningKey::generate(&file) {
        Ok(public) => {
            let file = std::path::absolute(&file).unwrap_or(file);
            let element = format!("<riposte><audit><sign key=\"{}\"/></audit></riposte>", file.display());
            if args.json {
                ask::say(&json!({"file": file, "public": public.to_string(), "add": element}));
            } else {
                ask::say_text(&format!(
                    "{public}\nKeep this public key on another machine: `riposte audit verify --key` takes it.\n\
                     To have heads signed, add: {element}"
                ));
            }
            Exit::Done
        }
        Err(error) => {
            ask::complain(args.json, &error.to_string());
            Exit::Failed
        }
    }
}
