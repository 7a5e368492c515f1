//! `<exec>`, and how a program of the host is confined: there by attributes, for
//! a native program by `<confined>` or `<isolated>` in its `<command>`.

use std::path::Path;

use super::super::findings::Findings;
use super::super::xml::Element;
use super::attributes::{Attributes, Wrong};
use super::values;
use crate::diagnostic::shown;
use crate::grant::language::{KEEPS, KEPT, NO_NEW_PRIVILEGES, PRIVILEGES, WRITE};
use crate::grant::{Arguments, Confinement, ExecGrant, NewPrivileges};

/// Programs that do what their arguments say: whoever chooses those chooses
/// everything. Versions (`python3.11`) count too.
const INTERPRETERS: [&str; 26] = [
    "ash", "awk", "bash", "busybox", "csh", "dash", "doas", "env", "fish", "gawk", "ksh", "lua", "mawk",
    "node", "perl", "php", "pkexec", "python", "ruby", "sed", "sh", "sudo", "tclsh", "xargs", "zsh", "find",
];

pub(super) fn exec(read: &mut Attributes<'_, '_, '_>) -> Option<ExecGrant> {
    let program = read.read("program", values::file);
    let arguments = read.read("arguments", |text| {
        if text.contains(|c: char| c.is_control() && !c.is_whitespace()) {
            return Err(Wrong::new(format!("{} holds control characters", shown(text)), ""));
        }
        Ok(Arguments::new(text.split_ascii_whitespace()))
    });
    let arguments = arguments.unwrap_or_default();
    let confinement = read.choose("confinement", &[("default", 0), ("confined", 1), ("isolated", 2)]);
    let confinement = match confinement.unwrap_or_default() {
        1 => confined(read),
        2 => isolated(read),
        _ => {
            for name in ["write", "capabilities"] {
                if read.raw(name).is_some() {
                    let why = "it says nothing about a program that is not confined";
                    read.refuse(name, Wrong::new(why, "add confinement=\"confined\", or remove it."));
                }
            }
            Confinement::Default
        }
    };
    let program = program?;
    if interprets(&program) && arguments.to_string().contains('*') {
        let message = format!(
            "{} does what its arguments say, and here the component chooses some of them",
            program.display()
        );
        let help = "grant the program that is meant, or write every argument in full.".to_owned();
        read.warn("arguments", "grant-wide", message, help);
    }
    Some(ExecGrant { program, arguments, confinement })
}

/// Whether a program does what its arguments say, by its name.
fn interprets(program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    INTERPRETERS.contains(&stem)
}

/// Reads a `<confined write="" capabilities=""/>` or an `<isolated write=""/>`.
/// `None` after an error: who cannot be confined as asked is not run.
pub(in crate::config) fn confinement(element: &Element, findings: &mut Findings<'_>) -> Option<Confinement> {
    if element.name == "isolated" {
        return Attributes::among(element, &[WRITE], findings).grant(|read| Some(isolated(read)));
    }
    Attributes::among(element, &[WRITE, KEEPS, NO_NEW_PRIVILEGES], findings)
        .grant(|read| Some(confined(read)))
}

fn confined(read: &mut Attributes<'_, '_, '_>) -> Confinement {
    let write = read.read("write", values::paths).unwrap_or_default();
    let capabilities = read.read("capabilities", privileges).unwrap_or_default();
    let words = [("yes", NewPrivileges::Refused), ("no", NewPrivileges::Allowed)];
    let new_privileges = read.choose("no_new_privs", &words).unwrap_or_default();
    Confinement::Confined { write, capabilities, new_privileges }
}

fn isolated(read: &mut Attributes<'_, '_, '_>) -> Confinement {
    let write = read.read("write", values::paths).unwrap_or_default();
    if read.raw("capabilities").is_some() {
        let why = "an isolated program keeps no privileges";
        read.refuse("capabilities", Wrong::new(why, "remove it, or write confined."));
    }
    Confinement::Isolated { write }
}

fn privileges(text: &str) -> Result<Vec<String>, Wrong> {
    let plain = text.to_ascii_lowercase();
    for word in super::words(&plain) {
        if let Some(meant) = word.strip_prefix("cap_").filter(|meant| PRIVILEGES.contains(meant)) {
            return Err(Wrong::new(
                format!("{} is no name of a privilege", shown(word)),
                format!("write {meant}."),
            ));
        }
    }
    let known: Vec<_> = KEPT.iter().map(|name| (*name, *name)).collect();
    Ok(values::several(text, &known)?.into_iter().map(str::to_owned).collect())
}
