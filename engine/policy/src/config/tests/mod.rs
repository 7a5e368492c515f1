//! Whole configurations, by topic.

mod commands;
mod files;
mod grants;
mod responses;
mod roles;
mod settings;

use super::*;
use crate::diagnostic::Severity::{Error, Note, Warning};

/// A command with nothing but its name.
pub(crate) fn command(name: &str) -> Command {
    Command {
        name: name.into(),
        executable: name.to_owned(),
        timeout_allowed: None,
        expect: Vec::new(),
        extra_args: Vec::new(),
        keys: Vec::new(),
        capabilities: None,
        limits: Limits::default(),
        confinement: Confinement::default(),
        runtime: None,
        protocol: None,
        place: Place { file: "ossec.conf".into(), line: 1, column: 1 },
    }
}

fn read(text: &str) -> Config {
    Config::read(&[Source::new("ossec.conf", text)])
}

/// Reads a file with a command `block`, then this.
fn with_block(text: &str) -> Config {
    read(&format!("<command><name>block</name><executable>block</executable></command>{text}"))
}

/// Reads one response to `block` with this in it.
fn response(text: &str) -> Config {
    with_block(&format!("<active-response><command>block</command>{text}</active-response>"))
}

/// Reads one command with this in it.
fn defined(text: &str) -> Config {
    read(&format!("<command><name>block</name><executable>block</executable>{text}</command>"))
}

fn codes(config: &Config) -> Vec<&'static str> {
    config.diagnostics.iter().map(|found| found.code).collect()
}

/// Severity, code, line and column of everything that was found.
fn found(config: &Config) -> Vec<(Severity, &'static str, u32, u32)> {
    let place = |found: &Diagnostic| (found.severity, found.code, found.place.line, found.place.column);
    config.diagnostics.iter().map(place).collect()
}

#[track_caller]
fn one(config: &Config) -> &Diagnostic {
    let [found] = config.diagnostics.as_slice() else { panic!("not one finding: {:?}", config.diagnostics) };
    found
}

fn seconds(config: &Config) -> Vec<u64> {
    config.responses[0].offenders.iter().map(Duration::as_secs).collect()
}
