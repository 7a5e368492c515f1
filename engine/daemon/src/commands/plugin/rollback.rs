//! `riposte plugin rollback`: a version that ran before runs again.

use clap::Args;
use riposte_runtime::Inspection;

use super::changes::Changes;
use super::update::{Exchange, How, ended, there};
use crate::installed::uses::Uses;
use crate::installed::{Installed, Name, One, Version, apart};

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
    let (places, configs) = args.how.at.locate();
    let installed = Installed::to_change(&places).map_err(|error| error.to_string())?;
    let one = there(&installed, &args.name)?;
    let exchange = Exchange { installed: &installed, one: &one, places: &places };
    if args.to.as_deref().is_some_and(|to| begins(&one.now, to)) {
        return exchange.same(&args.how);
    }
    let to = chosen(&one, args.to.as_deref())?;
    let wasm = installed.kept_bytes(&one, to).map_err(|error| error.to_string())?;
    let after = examined(wasm, &apart::cache(places.compiled()))?;
    let before = exchange.inspected();
    let uses = Uses::read(&places, &configs);
    let changes = Changes::new(before.as_ref(), &after, uses.of(&one.name));
    exchange.agreed(&to.sha256, &changes, &uses, &args.how)?;
    installed.switch(&one, to).map_err(|error| error.to_string())?;
    exchange.done(&to.sha256, &changes, &args.how)
}

/// The version that is meant.
fn chosen<'a>(one: &'a One, to: Option<&str>) -> Result<&'a Version, String> {
    let name = &one.name;
    let Some(to) = to else {
        return one.earlier.first().ok_or_else(|| {
            format!("{name} has no other version; `riposte plugin update` installs one from its file")
        });
    };
    let mut meant = one.earlier.iter().filter(|version| begins(version, to));
    match (meant.next(), meant.next()) {
        (Some(version), None) => Ok(version),
        (found, _) => {
            let why = if found.is_some() {
                "several versions begin so"
            } else {
                "no version is kept that begins so"
            };
            let kept: Vec<_> = one.earlier.iter().map(|version| version.sha256.as_str()).collect();
            let kept = if kept.is_empty() { "none".to_owned() } else { kept.join(", ") };
            Err(format!("{why}; of {name} are kept: {kept}"))
        }
    }
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
