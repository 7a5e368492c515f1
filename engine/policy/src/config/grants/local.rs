//! `<account>`, `<service>`, `<lines>`, `<process>`, `<quarantine>` and
//! `<folder>`.

use super::attributes::{Attributes, Wrong};
use super::values;
use crate::diagnostic::shown;
use crate::grant::{
    Access, AccountGrant, FolderGrant, LinesGrant, Pattern, ProcessGrant, QuarantineGrant, ServiceAction,
    ServiceGrant, Sessions,
};

/// The kinds of units that can be acted on (systemd.unit(5)).
const UNITS: [&str; 8] = ["service", "socket", "timer", "target", "path", "mount", "slice", "scope"];

pub(super) fn account(read: &mut Attributes<'_, '_, '_>) -> Option<AccountGrant> {
    let users = read.read("users", values::patterns);
    let except = read.read("except", values::patterns);
    let sessions = read.choose("sessions", &[("keep", Sessions::Keep), ("end", Sessions::End)]);
    Some(AccountGrant {
        users: users?,
        except: except.unwrap_or_default(),
        sessions: sessions.unwrap_or_default(),
    })
}

pub(super) fn service(read: &mut Attributes<'_, '_, '_>) -> Option<ServiceGrant> {
    let unit = read.read("unit", unit);
    let actions = read.read("actions", |text| values::several(text, &ServiceAction::ALL));
    Some(ServiceGrant { unit: unit?, actions: actions.unwrap_or_else(|| vec![ServiceAction::Restart]) })
}

/// The name of one unit, as systemd.unit(5) allows it.
fn unit(text: &str) -> Result<String, Wrong> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '.' | '\\' | '@' | '-');
    if text.contains('*') {
        let why = format!("{} holds a *, but a unit is named in full", shown(text));
        return Err(Wrong::new(why, "write one <service> for each unit."));
    }
    if text.is_empty() || text.len() > 255 || !text.chars().all(plain) || text.starts_with(['-', '.']) {
        return Err(Wrong::new(format!("{} is no name of a unit", shown(text)), ""));
    }
    match text.rsplit_once('.') {
        Some((_, suffix)) if UNITS.contains(&suffix) => Ok(text.to_owned()),
        _ => {
            let help = format!("write {}.service.", super::printable(text));
            Err(Wrong::new(format!("{} does not say which kind of unit it is", shown(text)), help))
        }
    }
}

pub(super) fn lines(read: &mut Attributes<'_, '_, '_>) -> Option<LinesGrant> {
    // `/FOLDER/*` is every file that lies in the folder.
    let file = read.read("file", |text| match text.strip_suffix("/*") {
        Some(folder) => Ok(values::file(folder)?.join("*")),
        None => values::file(text),
    });
    // A line holds blanks, so they separate nothing here.
    let lines = read.read("match", |text| {
        if text.contains(char::is_control) {
            return Err(Wrong::new(format!("{} holds control characters", shown(text)), ""));
        }
        let patterns = text.split('|').map(str::trim).filter(|pattern| !pattern.is_empty());
        values::some(patterns.map(Pattern::new).collect(), "there is no pattern")
    });
    Some(LinesGrant { file: file?, lines: lines.unwrap_or_else(|| vec![Pattern::new("*")]) })
}

pub(super) fn process(read: &mut Attributes<'_, '_, '_>) -> Option<ProcessGrant> {
    let names = read.read("names", program_names);
    let except = read.read("except", program_names);
    Some(ProcessGrant { names: names?, except: except.unwrap_or_default() })
}

/// Patterns of file names: a path would never fit one.
fn program_names(text: &str) -> Result<Vec<Pattern>, Wrong> {
    if text.contains('/') {
        let why = format!("{} is a path; processes are known by the name of their file", shown(text));
        return Err(Wrong::new(why, "write the part behind the last /."));
    }
    values::patterns(text)
}

pub(super) fn quarantine(read: &mut Attributes<'_, '_, '_>) -> Option<QuarantineGrant> {
    let folders = read.read("folders", values::paths);
    Some(QuarantineGrant { folders: folders? })
}

pub(super) fn folder(read: &mut Attributes<'_, '_, '_>) -> Option<FolderGrant> {
    let path = read.read("path", values::one_path);
    let access = read.choose("access", &[("read", Access::Read), ("write", Access::Write)]);
    Some(FolderGrant { path: path?, access: access.unwrap_or_default() })
}
