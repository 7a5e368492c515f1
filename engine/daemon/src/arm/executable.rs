//! Which file, or which built-in response, an `<executable>` means.
//!
//! An installed component comes first, then a native program, then a built-in
//! component under its own name or a historic one. A native file that is a
//! program of a stock Wazuh or OSSEC installation gives way to the built-in.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use riposte_plugins::Builtin;
use riposte_policy::config::Runtime;
use riposte_policy::diagnostic::shown;

use crate::places::Places;

/// What an executable turned out to be.
#[derive(Debug)]
#[must_use]
pub enum Executable {
    /// A component file.
    Component(PathBuf),
    /// A program, by its file name under `active-response/bin`.
    Native(String),
    /// A component that is part of the engine, and the stock program that it
    /// stands in for, if one is installed.
    Builtin(&'static Builtin, Option<PathBuf>),
}

/// Extensions of programs that another platform runs.
const FOREIGN: [&str; 5] = ["exe", "cmd", "bat", "ps1", "vbs"];

/// Finds what `name` means on this machine.
///
/// # Errors
///
/// When nothing has that name, or several files share its stem.
pub fn find(name: &str, runtime: Option<Runtime>, places: &Places) -> Result<Executable, NotFound> {
    if runtime == Some(Runtime::Native) && is_in_folder(name) {
        let found = places.programs().join(name).is_file();
        return if found { Ok(Executable::Native(name.to_owned())) } else { Err(missing(name, places)) };
    }
    if name.contains(['/', '\\', '\0']) || name.starts_with('.') {
        return Err(NotFound::NotAName(shown(name)));
    }
    let wasm = runtime != Some(Runtime::Native);
    let native = runtime != Some(Runtime::Wasm);
    let programs = places.programs();
    if wasm {
        let folders = [places.plugins(), programs.clone()];
        if let Some(component) = folders.iter().find_map(|folder| component(folder, name)) {
            return Ok(Executable::Component(component));
        }
    }
    let builtin =
        riposte_plugins::builtins().iter().find(|builtin| answers_to(builtin, name)).filter(|_| wasm);
    let program = if native { program(&programs, name)? } else { None };
    match (program, builtin) {
        (Some(program), Some(builtin)) if runtime.is_none() && is_stock(&programs.join(&program)) => {
            Ok(Executable::Builtin(builtin, Some(programs.join(program))))
        }
        (Some(program), _) => Ok(Executable::Native(program)),
        (None, Some(builtin)) => Ok(Executable::Builtin(builtin, None)),
        (None, None) if is_foreign(name) => Err(NotFound::Foreign(shown(name))),
        // A folder, a device, a link that leads nowhere: looked at like a program,
        // so that what is wrong with it is said.
        (None, None) if native && is_there(&programs.join(name)) => Ok(Executable::Native(name.to_owned())),
        (None, None) => {
            let folders = if native { vec![programs, places.plugins()] } else { vec![places.plugins()] };
            Err(NotFound::Missing { name: shown(name), nearest: nearest(name, &folders), folders })
        }
    }
}

fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Whether it is a program in a folder below the programs', which only a
/// message of a manager names.
fn is_in_folder(name: &str) -> bool {
    let parts = || Path::new(name).components();
    parts().count() > 1 && parts().all(|part| matches!(part, Component::Normal(_)))
}

fn missing(name: &str, places: &Places) -> NotFound {
    NotFound::Missing { name: shown(name), nearest: None, folders: vec![places.programs()] }
}

fn answers_to(builtin: &Builtin, name: &str) -> bool {
    builtin.name == name || builtin.aliases.contains(&name)
}

fn component(folder: &Path, name: &str) -> Option<PathBuf> {
    let stem = name.strip_suffix(".wasm").unwrap_or(name);
    let path = folder.join(format!("{stem}.wasm"));
    path.is_file().then_some(path)
}

/// A program of exactly this name, or the only one with this stem.
fn program(folder: &Path, name: &str) -> Result<Option<String>, NotFound> {
    if folder.join(name).is_file() && !name.ends_with(".wasm") {
        return Ok(Some(name.to_owned()));
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(None) };
    let mut same_stem: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| Path::new(file).file_stem().is_some_and(|stem| stem == name))
        .filter(|file| !file.ends_with(".wasm") && !is_foreign(file) && folder.join(file).is_file())
        .collect();
    same_stem.sort();
    match same_stem.len() {
        0 => Ok(None),
        1 => Ok(same_stem.pop()),
        _ => Err(NotFound::Several { name: shown(name), files: same_stem }),
    }
}

/// What was probably meant: a file with a name much like it, or a built-in.
fn nearest(name: &str, folders: &[PathBuf]) -> Option<String> {
    let files: Vec<String> = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()))
        .collect();
    let builtins = riposte_plugins::builtins();
    let builtins =
        builtins.iter().flat_map(|builtin| [builtin.name].into_iter().chain(builtin.aliases.iter().copied()));
    // Under another extension, or without one, it is most likely the same.
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_ascii_lowercase();
    let same = files.iter().find(|file| stem(file) == stem(name));
    let known = || files.iter().map(String::as_str).chain(builtins);
    same.cloned().or_else(|| riposte_policy::diagnostic::nearest(name, known()).map(str::to_owned))
}

fn is_foreign(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|ext| FOREIGN.iter().any(|foreign| ext.eq_ignore_ascii_case(foreign)))
}

/// Whether a file that has a built-in's name came with Wazuh or OSSEC: a
/// compiled program (Wazuh's are), or a script that says so at its beginning
/// (OSSEC's do). A user's own script of that name does neither.
fn is_stock(path: &Path) -> bool {
    // Only its beginning: it may be a link to this very program, which is large.
    let Ok(head) = crate::files::read_head(path, 2048) else { return false };
    if head.starts_with(b"\x7fELF") {
        return true;
    }
    let says = |word: &[u8]| memchr::memmem::find(&head, word).is_some();
    says(b"Author: Daniel B. Cid") || says(b"OSSEC") && says(b"Adds an IP to the")
}

/// An executable that cannot be run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// It is a path, not a name.
    NotAName(String),
    /// Nothing has that name.
    Missing {
        /// The name.
        name: String,
        /// What was probably meant.
        nearest: Option<String>,
        /// Where it was looked for.
        folders: Vec<PathBuf>,
    },
    /// Several files have that stem.
    Several {
        /// The stem.
        name: String,
        /// The files.
        files: Vec<String>,
    },
    /// It is a program for another platform.
    Foreign(String),
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAName(name) => write!(f, "{name} is a path; an executable is a file name"),
            Self::Missing { name, .. } => write!(f, "nothing here is called {name}"),
            Self::Several { name, files } => write!(f, "{name} could be any of {}", files.join(", ")),
            Self::Foreign(name) => write!(f, "{name} is a program for another platform"),
        }
    }
}

impl NotFound {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NotAName(_) => "put the file into active-response/bin and write its name".to_owned(),
            Self::Missing { nearest: Some(nearest), .. } => format!("did you mean {}?", shown(nearest)),
            Self::Missing { folders, .. } => {
                let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
                let builtins: Vec<_> =
                    riposte_plugins::builtins().iter().map(|builtin| builtin.name).collect();
                format!("looked in {}; built in are: {}", folders.join(" and "), builtins.join(", "))
            }
            Self::Several { .. } => "write the name with its extension".to_owned(),
            Self::Foreign(_) => "alerts that would fire it here are reported as unsupported".to_owned(),
        }
    }
}

impl std::error::Error for NotFound {}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Places) {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::new(Some(dir.path()), None, &[]);
        places.create().unwrap();
        std::fs::DirBuilder::new().recursive(true).create(places.programs()).unwrap();
        for (name, bytes) in files {
            use std::io::Write;
            let path = if name.starts_with("plugins/") {
                places.state.join(name)
            } else {
                places.programs().join(name)
            };
            crate::report::wazuh_log::append(&path).unwrap().write_all(bytes).unwrap();
        }
        (dir, places)
    }

    fn found(name: &str, runtime: Option<Runtime>, places: &Places) -> String {
        match find(name, runtime, places) {
            Ok(Executable::Component(path)) => format!("component {}", path.file_name().unwrap().display()),
            Ok(Executable::Native(name)) => format!("native {name}"),
            Ok(Executable::Builtin(builtin, stock)) => {
                format!("builtin {} {}", builtin.name, stock.is_some())
            }
            Err(error) => format!("error {error}"),
        }
    }

    #[test]
    fn a_stem_is_enough_when_only_one_file_has_it() {
        let (_dir, places) =
            places(&[("tell.sh", b"#!/bin/sh"), ("two.sh", b"#!"), ("two.py", b"#!"), ("tell.exe", b"MZ")]);
        assert_eq!(found("tell", None, &places), "native tell.sh");
        assert_eq!(found("tell.sh", None, &places), "native tell.sh");
        assert_eq!(found("two", None, &places), "error \"two\" could be any of two.py, two.sh");
        assert_eq!(found("two.py", None, &places), "native two.py");
        assert_eq!(
            found("block.exe", None, &places),
            "error \"block.exe\" is a program for another platform"
        );
        assert_eq!(found("netsh.exe", None, &places), "builtin netsh false");
        assert!(found("../bin/sh", None, &places).contains("is a path"));
        assert!(found("../bin/tell.sh", Some(Runtime::Native), &places).contains("is a path"));
        assert!(found("nothing", None, &places).contains("nothing here is called"));
    }

    #[test]
    fn installed_then_native_then_built_in() {
        let (_dir, places) =
            places(&[("plugins/tell.wasm", b"\0asm"), ("tell", b"#!/bin/sh"), ("own.wasm", b"\0asm")]);
        assert_eq!(found("tell", None, &places), "component tell.wasm");
        assert_eq!(found("tell", Some(Runtime::Native), &places), "native tell");
        assert_eq!(found("own", None, &places), "component own.wasm");
        assert_eq!(found("firewall-drop.sh", None, &places), "builtin firewall-drop false");
        assert!(found("firewall-drop", Some(Runtime::Native), &places).starts_with("error"));
    }

    #[test]
    fn only_stock_programs_give_way() {
        let (_dir, stock) = places(&[("firewall-drop", b"\x7fELF...")]);
        assert_eq!(found("firewall-drop", None, &stock), "builtin firewall-drop true");
        assert_eq!(found("firewall-drop", Some(Runtime::Native), &stock), "native firewall-drop");
        let (_dir, own) = places(&[("firewall-drop", b"#!/bin/sh\n# ours\n")]);
        assert_eq!(found("firewall-drop", None, &own), "native firewall-drop");
    }
}
