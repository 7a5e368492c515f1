//! Builds the components of `tests/components`, and those of `wat/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use riposte_build_components::{BuildError, Source, Target, build};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

const PLAIN: [&str; 25] = [
    "ask-accounts",
    "ask-exec",
    "ask-firewall",
    "ask-http",
    "ask-isolation",
    "ask-lines",
    "ask-mail",
    "ask-processes",
    "ask-quarantine",
    "ask-routes",
    "ask-secret",
    "ask-services",
    "ask-state",
    "bigreceipt",
    "cheat",
    "deaf-delete",
    "echo",
    "floodlog",
    "hog",
    "manykeys",
    "oneshot",
    "panics",
    "spin",
    "tells-secret",
    "ungranted",
];
const WASI: [&str; 13] = [
    "ask-folder",
    "connect",
    "datagram",
    "environment",
    "exits",
    "flood-empty",
    "flood-output",
    "listen",
    "lookup",
    "once-asleep",
    "remembers",
    "sleeper",
    "threads",
];

fn main() -> Result<(), BuildError> {
    println!("cargo::rerun-if-changed=build.rs");
    let plain = PLAIN.iter().map(|name| (Source::Example(name), Target::Plain));
    let wasi = WASI.iter().map(|name| (Source::Example(name), Target::Wasi));
    let components: Vec<_> = plain.chain(wasi).collect();
    // Cargo runs this in the package's folder.
    build(Path::new("../.."), Path::new("../components"), &["examples"], &components)?;
    modules().map_err(|error| BuildError::Failed("wat".into(), error.to_string()))
}

type Error = Box<dyn std::error::Error>;

/// Makes a component of every `wat/*.wat`, and `$OUT_DIR/modules.rs`, which is
/// the table of them.
#[expect(clippy::disallowed_methods, reason = "a build script reads and writes files")]
fn modules() -> Result<(), Error> {
    println!("cargo::rerun-if-changed=wat");
    let mut resolve = Resolve::default();
    resolve.push_dir("../../wit")?;
    let package = resolve.push_str(
        "hostile.wit",
        "package riposte:hostile;
         world hostile {
             include active-response:plugin/capabilities@0.1.0;
             export active-response:plugin/reversible@0.1.0;
         }",
    )?;
    let world = resolve.select_world(&[package], Some("hostile"))?;
    let base = std::fs::read_to_string("wat/base.wat.in")?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);

    let mut table = String::from("&[\n");
    let mut files: Vec<_> = std::fs::read_dir("wat")?.collect::<Result<_, _>>()?;
    files.sort_by_key(std::fs::DirEntry::file_name);
    for file in
        files.iter().map(std::fs::DirEntry::path).filter(|file| file.extension().is_some_and(|e| e == "wat"))
    {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = filled(&base, &std::fs::read_to_string(&file)?);
        let wasm = component(&text, &resolve, world)
            .map_err(|error| format!("{}: {error:#}\n{text}", file.display()))?;
        let kept = out.join(format!("{name}.wat.wasm"));
        std::fs::write(&kept, wasm)?;
        writeln!(table, "    ({name:?}, include_bytes!({kept:?})),")?;
    }
    table.push_str("]\n");
    Ok(std::fs::write(out.join("modules.rs"), table)?)
}

fn component(text: &str, resolve: &Resolve, world: WorldId) -> Result<Vec<u8>, Error> {
    let mut module = wat::parse_str(text)?;
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8, false)?;
    // Not validated: what is wrong with it is for the engine to find.
    Ok(ComponentEncoder::default().validate(false).module(&module)?.encode()?)
}

/// Puts the parts of a file, each under a line `;; -- NAME`, into the places of
/// that name in `base`.
fn filled(base: &str, file: &str) -> String {
    let mut parts = BTreeMap::from([("memory", String::from("(memory (export \"memory\") 2)"))]);
    let mut part = "";
    for line in file.lines() {
        match line.strip_prefix(";; -- ") {
            Some(name) => {
                part = name;
                parts.insert(part, String::new());
            }
            None if part.is_empty() => {}
            None => {
                let text = parts.entry(part).or_default();
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    parts.iter().fold(base.to_owned(), |text, (name, part)| text.replace(&format!(";;{{{name}}}"), part))
}
