//! `riposte plugin rollback`: a version that ran before runs again.

use clap::Args;
use riposte_runtime::Inspection;

use super::changes::Changes;
use super::update::{Exchange, How, ended, there};
use super::{At, to_change, uses};
use crate::installed::{Name, One, Version, apart};

/// `riposte plugin rollback`.
#[derive(Args, Clone, Debug)]
pub struct Rollback {
    /// What it is called
    pub name: Name,
    /// To this version: its SHA-256, or how that begins [default: the one that ran before]
    #[arg(long, value_name = "DIGEST", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub to: Option<String>,
    #[command(flatten)]
    pub how: How,
}

/// Goes back, and says to what.
pub fn rollback(args: &Rollback) -> crate::exit::Exit {
    ended(rolled(args), args.how.json)
}

fn rolled(args: &Rollback) -> Result<(), String> {
    let in_use = args.how.at.in_use();
    let places = &in_use.places;
    let installed = to_change(places, &args.how.at)?;
    let one = match installed.lost(&args.name) {
        Some(lost) => lost,
        None => there(&installed, &args.name, &args.how.at)?,
    };
    let exchange = Exchange { installed: &installed, one: &one, places };
    let others = |to| one.earlier.iter().any(|version| begins(version, to));
    if !one.lost && args.to.as_deref().is_some_and(|to| begins(&one.now, to) && !others(to)) {
        return exchange.same(&args.how);
    }
    let to = chosen(&one, args.to.as_deref(), &args.how.at)?;
    let wasm = installed.kept_bytes(&one, to).map_err(|error| error.to_string())?;
    let after = examined(wasm, &apart::cache(places.compiled()))?;
    let before = exchange.inspected();
    let uses = uses(&in_use);
    let changes = Changes::new(before.as_ref(), &after, uses.of(&one.name));
    exchange.agreed(&to.sha256, &changes, &uses, &args.how)?;
    installed.switch(&one, to).map_err(|error| error.to_string())?;
    exchange.done(&to.sha256, &changes, &args.how)
}

/// The version that is meant. One whose file is gone gives way to no other:
/// which one runs is for who asked to say.
fn chosen<'a>(one: &'a One, to: Option<&str>, at: &At) -> Result<&'a Version, String> {
    let (name, again) = (&one.name, at.again());
    let kept = || {
        let lost = one.lost.then_some(&one.now);
        let kept = lost.into_iter().chain(&one.earlier).filter(|version| !one.is_gone(version));
        let kept: Vec<_> = kept.map(|version| version.sha256.as_str()).collect();
        if kept.is_empty() { "none".to_owned() } else { kept.join(", ") }
    };
    let version = match to {
        // What ran last is put back.
        None if one.lost => &one.now,
        None => one.earlier.first().ok_or_else(|| {
            format!(
                "{name} has no other version; `riposte plugin update FILE --name {name}{again}` installs one from its file"
            )
        })?,
        Some(to) => {
            let all = std::iter::once(&one.now).chain(&one.earlier);
            let mut meant = all.filter(|version| begins(version, to));
            match (meant.next(), meant.next()) {
                (Some(version), None) => version,
                (found, _) => {
                    let why = if found.is_some() {
                        "several versions begin so"
                    } else {
                        "no version is kept that begins so"
                    };
                    return Err(format!("{why}; of {name} are kept: {}", kept()));
                }
            }
        }
    };
    if one.is_gone(version) {
        let how = if one.lost { "install" } else { "update" };
        let called = version.version.as_ref().map(|called| format!(" ({called})")).unwrap_or_default();
        return Err(format!(
            "the file of the version {}{called} is gone, and {name} stays as it is; of {name} are kept: {}: name one \
             with --to DIGEST, or install that version again from its file with \
             `riposte plugin {how} FILE --name {name}{again}`",
            version.sha256,
            kept()
        ));
    }
    Ok(version)
}

fn begins(version: &Version, to: &str) -> bool {
    version.sha256.starts_with(&to.to_ascii_lowercase())
}

/// It was a plugin when it was installed, of the engine of that time.
fn examined(wasm: Vec<u8>, cache: &std::path::Path) -> Result<Inspection, String> {
    let inspection = apart::examine(wasm, Some(cache)).map_err(|error| error.to_string())?;
    let missing = inspection.unsupported().next().map(ToString::to_string);
    missing.map_or(Ok(inspection), |missing| Err(format!("that version cannot run here: {missing}")))
}
