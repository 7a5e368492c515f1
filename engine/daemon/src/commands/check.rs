//! `riposte check`: what is wrong with a configuration, without running it.

use std::io::{self, Write};
use std::sync::Arc;

use riposte_capability::firewall::fake::Fake;
use riposte_capability::{Capabilities, Guard};
use riposte_policy::Severity;
use riposte_runtime::{Components, Settings};

use crate::arm::Armed;
use crate::claims::Nowhere;
use crate::commands::{ask, locate};
use crate::engine::COMPONENTS;
use crate::exit::Exit;
use crate::{cli, files};

/// Checks, prints, and says whether there are errors.
pub fn check(check: &cli::Check) -> Exit {
    let (places, configs) = locate(&check.sources);
    let armed = match arm(&places, &configs) {
        Ok(armed) => armed,
        Err(error) => {
            ask::complain(check.json, &error);
            return Exit::Failed;
        }
    };
    let found = &armed.config.diagnostics;
    let bad = |severity| severity == Severity::Error || check.sources.strict && severity == Severity::Warning;
    let errors = found.iter().filter(|found| bad(found.severity)).count();
    let mut out = io::stdout().lock();
    // A reader that went away has read enough.
    let _ = if check.json {
        serde_json::to_writer(&mut out, found).map_err(io::Error::from).and_then(|()| writeln!(out))
    } else {
        found.iter().try_for_each(|found| writeln!(out, "{found}")).and_then(|()| {
            let (commands, responses) = (armed.config.commands.len(), armed.config.responses.len());
            let verdict = if errors == 0 { "good".to_owned() } else { format!("{errors} to mend") };
            writeln!(
                out,
                "commands: {commands}, responses: {responses}, findings: {}: {verdict}",
                found.len()
            )
        })
    };
    if errors == 0 { Exit::Done } else { Exit::Failed }
}

/// Reads and arms a configuration as `run` would, changing nothing.
///
/// # Errors
///
/// When a file cannot be read, or the sandbox not be set up.
pub fn arm(places: &crate::places::Places, configs: &[std::path::PathBuf]) -> Result<Armed, String> {
    arm_with(places, configs).map(|(armed, _)| armed)
}

/// The same, with the capabilities that its components would have: they act on
/// nothing.
///
/// # Errors
///
/// As [`arm`].
pub fn arm_with(
    places: &crate::places::Places,
    configs: &[std::path::PathBuf],
) -> Result<(Armed, Arc<Capabilities>), String> {
    let files = files::read(configs).map_err(|error| error.to_string())?;
    let claims = Arc::new(Nowhere);
    let firewall = Arc::new(Fake::new(Arc::clone(&claims) as _));
    let capabilities = Arc::new(Capabilities::new(claims, firewall, Arc::new(Guard::default())));
    let settings = Settings { cache: None, concurrency: COMPONENTS };
    let components =
        Components::new(&settings, Arc::clone(&capabilities)).map_err(|error| error.to_string())?;
    Ok((Armed::new(&files, places, &components), capabilities))
}
