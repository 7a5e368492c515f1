//! Lists what a new project is made of, for `src/sources.rs`: `wit/`, the SDKs
//! and the templates.
#![expect(
    clippy::disallowed_methods,
    reason = "a build script reads the sources and is configured by environment"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders of an SDK that its user does not need, or that a tool made.
const LEFT_OUT: [&str; 8] =
    ["examples", "target", "node_modules", "__pycache__", "test", "tests", "dist", "build"];

/// Files that only this repository needs.
const LEFT_OUT_FILES: [&str; 3] = ["test", "Cargo.lock", "package-lock.json"];

fn main() -> io::Result<()> {
    let root = Path::new("../..").canonicalize()?;
    let mut list = String::from("&[\n");
    for folder in ["wit", "sdk"] {
        add(&root, Path::new(folder), &mut list)?;
    }
    list.push_str("]\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    fs::write(out.join("files.rs"), list)
}

/// Adds every file of a folder, in the order of their names.
fn add(root: &Path, folder: &Path, list: &mut String) -> io::Result<()> {
    let absolute = root.join(folder);
    println!("cargo::rerun-if-changed={}", absolute.display());
    let mut entries: Vec<_> = fs::read_dir(&absolute)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let in_template = folder.starts_with("sdk/templates");
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = folder.join(name);
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let hidden = name.starts_with('.') && !in_template;
            // What a template is of belongs to it; what a tool left there does not.
            let made = ["target", "node_modules", "__pycache__"].contains(&name);
            if !hidden && !made && (in_template || !LEFT_OUT.contains(&name)) {
                add(root, &path, list)?;
            }
        } else if kind.is_file()
            && (in_template || !LEFT_OUT_FILES.contains(&name))
            && !name.ends_with(".pyc")
        {
            let file = root.join(&path);
            println!("cargo::rerun-if-changed={}", file.display());
            // Writing to a String does not fail.
            let _ = writeln!(list, "    ({path:?}, include_bytes!({file:?})),");
        }
    }
    Ok(())
}
