//! `riposte check`: what is wrong with a configuration, without running it.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use riposte_capability::firewall::fake::Fake;
use riposte_capability::{Backends, Capabilities, Guard};
use riposte_ledger::audit::signed::SigningKey;
use riposte_policy::Severity;
use riposte_policy::config::{self, Role};
use riposte_policy::diagnostic::{self, CODES, Diagnostic, Look, Place, shown};
use riposte_runtime::{Components, Settings};

use crate::arm::{self, Armed};
use crate::claims::Nowhere;
use crate::cli::Sources;
use crate::commands::{ask, kept, locate};
use crate::engine::COMPONENTS;
use crate::exit::Exit;
use crate::files;
use crate::installed::apart;
use crate::places::Places;
use crate::show::counted;

/// What it ends with.
pub const EXIT_CODES: &str = "Exit codes: 0 nothing found, or only warnings and notes; 1 errors (with --strict warnings too; with --starts \
     only those with which no engine starts), or a file that cannot be read; 2 usage. Colours go to a terminal only, and not when NO_COLOR is set.";

/// `riposte check`.
#[derive(Args, Clone, Debug)]
pub struct Check {
    #[command(flatten)]
    pub sources: Sources,
    /// Print an array of findings as JSON
    #[arg(long)]
    pub json: bool,
    /// Fail only for what keeps an engine from starting: not for a command that it would start without
    #[arg(long)]
    pub starts: bool,
    /// Check it for this role
    #[arg(
        long,
        value_enum,
        value_name = "run|execd|manager",
        default_value = "run",
        hide_possible_values = true
    )]
    pub role: As,
    /// Print what a finding means and how to mend it; without CODE list them all
    #[arg(long, value_name = "CODE", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["json", "strict", "starts", "config"])]
    pub explain: Option<String>,
}

/// For which role a configuration is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum As {
    /// `riposte run`.
    Run,
    /// `riposte execd`.
    Execd,
    /// `riposte manager`.
    Manager,
}

impl As {
    /// The role.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Run => Role::Standalone,
            Self::Execd => Role::Execd,
            Self::Manager => Role::Manager,
        }
    }
}

/// Checks, prints, and says whether there are errors.
pub fn check(check: &Check) -> Exit {
    if let Some(code) = &check.explain {
        return explain(code);
    }
    let (places, configs) = locate(&check.sources);
    let armed = match arm(&places, &configs, check.role.role()) {
        Ok(armed) => armed,
        Err(error) => {
            ask::complain(check.json, &error);
            return Exit::Failed;
        }
    };
    let mut found = armed.config.diagnostics.clone();
    found.extend(response_log(&places));
    let unsigned = signing_key(&armed);
    let starts = unsigned.is_none() && armed.fatal(check.sources.strict).next().is_none();
    found.extend(unsigned);
    let bad = |severity| severity == Severity::Error || check.sources.strict && severity == Severity::Warning;
    let good = if check.starts { starts } else { !found.iter().any(|found| bad(found.severity)) };
    let mut out = io::stdout().lock();
    let written = if check.json {
        serde_json::to_writer(&mut out, &found).map_err(io::Error::from).and_then(|()| writeln!(out))
    } else {
        out.write_all(text(&found, coloured()).as_bytes())
            .and_then(|()| writeln!(out, "{}", totals(&armed, &found, check.sources.strict, starts)))
    };
    if let Err(error) = ask::written(written.and_then(|()| out.flush())) {
        ask::complain(false, &error);
        return Exit::Failed;
    }
    if good { Exit::Done } else { Exit::Failed }
}

/// Prints the page of a code; all codes when there is none.
fn explain(code: &str) -> Exit {
    let mut out = io::stdout().lock();
    let page = if code.is_empty() {
        let widest = CODES.iter().map(|code| code.code.len()).max().unwrap_or_default();
        let line = |code: &diagnostic::Code| format!("{:widest$}  {}\n", code.code, code.summary);
        Ok(CODES.iter().map(line).collect())
    } else {
        diagnostic::code(code).map(|code| code.page.to_owned())
    };
    match page {
        Ok(page) => {
            // A reader that went away has read enough.
            let _ = out.write_all(page.as_bytes());
            Exit::Done
        }
        Err(error) => {
            ask::complain(false, &error.to_string());
            Exit::Usage
        }
    }
}

/// The findings for people. The page of a code is named at its first finding.
fn text(found: &[Diagnostic], colour: bool) -> String {
    let mut named = HashSet::new();
    let mut text = String::new();
    for found in found {
        text.push_str(&found.rendered(Look { colour, page: named.insert(found.code) }));
        text.push('\n');
    }
    text
}

/// The last line.
fn totals(armed: &Armed, found: &[Diagnostic], strict: bool, starts: bool) -> String {
    let (commands, responses) = (armed.config.commands.len(), armed.config.responses.len());
    let mut line = format!("{}, {}: ", counted(commands, "command"), counted(responses, "response"));
    if found.is_empty() {
        line.push_str("nothing found");
    }
    let mut joint = "";
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let count = found.iter().filter(|found| found.severity == severity).count();
        if count != 0 {
            // Writing to a string does not fail.
            let _ = write!(line, "{joint}{}", counted(count, &severity.to_string()));
            joint = ", ";
        }
    }
    if strict && found.iter().any(|found| found.severity == Severity::Warning) {
        line.push_str("; warnings count as errors");
    }
    if starts && found.iter().any(|found| found.severity == Severity::Error) {
        line.push_str("; an engine starts all the same, without what is refused");
    }
    line
}

/// Whether to print colours: to a terminal, unless <https://no-color.org> says no.
fn coloured() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "NO_COLOR is how users of every program ask for no colours"
    )]
    let refused = std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
    !refused && io::stdout().is_terminal()
}

/// What is wrong with the log of responses of a Wazuh installation.
fn response_log(places: &Places) -> Option<Diagnostic> {
    let log = places.response_log();
    if !log.starts_with(&places.root) || !places.root.join("logs").is_dir() {
        return None;
    }
    let (code, message, help) = match std::fs::metadata(&log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => (
            "log-missing",
            "there is no log of responses here: Wazuh reads nothing of what they do until there is"
                .to_owned(),
            format!("touch {0} && chown wazuh:wazuh {0} && chmod 660 {0}", log.display()),
        ),
        Ok(found) if !found.is_file() => (
            "log-unwritable",
            "the log of responses is no file, so nothing can be written to it".to_owned(),
            "put a file in its place".to_owned(),
        ),
        _ => {
            let error = rustix::fs::access(&log, rustix::fs::Access::WRITE_OK).err()?;
            let message = format!("the log of responses cannot be written: {}", io::Error::from(error));
            ("log-unwritable", message, "let the user of the engine write it".to_owned())
        }
    };
    Some(Diagnostic {
        severity: Severity::Warning,
        code,
        place: Place { file: log.display().to_string().into(), line: 0, column: 0 },
        source: String::new(),
        message,
        help,
        wazuh: String::new(),
    })
}

/// What is wrong with the key that is to sign the audit: no engine starts
/// without it.
#[must_use]
pub fn signing_key(armed: &Armed) -> Option<Diagnostic> {
    let sign = armed.config.settings.audit.sign.as_ref()?;
    let error = SigningKey::read(&sign.key).err()?;
    Some(Diagnostic {
        severity: Severity::Error,
        code: "signing-key-unusable",
        place: Place { file: sign.key.display().to_string().into(), line: 0, column: 0 },
        source: String::new(),
        message: error.to_string(),
        help: format!("riposte audit keygen {}", sign.key.display()),
        wazuh: String::new(),
    })
}

/// Reads and arms a configuration as an engine of this role would, changing nothing.
///
/// # Errors
///
/// When a file cannot be read, or the sandbox not be set up.
pub fn arm(places: &Places, configs: &[PathBuf], role: Role) -> Result<Armed, String> {
    arm_with(places, configs, role).map(|(armed, _)| armed)
}

/// The same, with the capabilities that its components would have: they act on
/// nothing.
///
/// # Errors
///
/// As [`arm()`].
pub fn arm_with(
    places: &Places,
    configs: &[PathBuf],
    role: Role,
) -> Result<(Armed, Arc<Capabilities>), String> {
    let files = files::read(configs).map_err(|error| error.to_string())?;
    arm_files(places, &files, role)
}

/// The same with files that are at hand, and perhaps not yet written.
///
/// # Errors
///
/// When the sandbox cannot be set up.
pub fn arm_files(
    places: &Places,
    files: &[files::File],
    role: Role,
) -> Result<(Armed, Arc<Capabilities>), String> {
    let (components, capabilities) = sandbox(COMPONENTS)?;
    announce(files, places, &components, role);
    Ok((Armed::new_as(files, places, &components, role), capabilities))
}

/// Says which components arming compiles here, as far as that is felt.
pub fn announce(files: &[files::File], places: &Places, components: &Components, role: Role) {
    let once = if components.keeps_code() { ", once" } else { "" };
    let felt: BTreeSet<_> =
        arm::to_compile(files, places, components, role).filter(|(_, size)| *size > apart::LARGE).collect();
    for (name, size) in felt {
        ask::tell(&format!("compiling {} ({} MiB){once}", shown(&name), size >> 20));
    }
}

/// A sandbox to look at components in, `concurrency` at a time: what they could
/// do acts on nothing. The code is this user's own; that of the home is not
/// touched, since it may be anybody's.
///
/// # Errors
///
/// When it cannot be set up.
pub fn sandbox(concurrency: u32) -> Result<(Components, Arc<Capabilities>), String> {
    let (components, capabilities, cache) = keeping(concurrency)?;
    if let Some(cache) = cache {
        kept::prune(&cache);
    }
    Ok((components, capabilities))
}

/// The same, and the folder where its code is kept, when there is one.
///
/// # Errors
///
/// As [`sandbox`].
pub fn keeping(concurrency: u32) -> Result<(Components, Arc<Capabilities>, Option<PathBuf>), String> {
    let with = |cache: Option<PathBuf>| {
        let (components, capabilities) = sandbox_with(&Settings { cache: cache.clone(), concurrency })?;
        Ok((components, capabilities, cache))
    };
    match kept::cache() {
        // What cannot be kept is compiled each time.
        Some(cache) => with(Some(cache)).or_else(|_: String| with(None)),
        None => with(None),
    }
}

/// The same with any folder for compiled code, or none.
///
/// # Errors
///
/// As [`sandbox`].
pub fn sandbox_with(settings: &Settings) -> Result<(Components, Arc<Capabilities>), String> {
    let claims = Arc::new(Nowhere);
    let firewall = Arc::new(Fake::new(Arc::clone(&claims) as _));
    let capabilities =
        Arc::new(Capabilities::new(claims, Backends::only_firewall(firewall), Arc::new(Guard::default())));
    let components =
        Components::new(settings, Arc::clone(&capabilities)).map_err(|error| error.to_string())?;
    Ok((components, capabilities))
}

/// Prints the schema of the configuration.
pub fn schema() -> Exit {
    let mut out = io::stdout().lock();
    match ask::written(out.write_all(config::relax_ng().as_bytes()).and_then(|()| out.flush())) {
        Ok(_) => Exit::Done,
        Err(error) => {
            ask::complain(false, &error);
            Exit::Failed
        }
    }
}
