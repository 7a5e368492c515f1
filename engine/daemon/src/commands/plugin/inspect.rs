//! `riposte plugin inspect`: what a component shows of itself, and the least
//! `<command>` that lets it work. Nothing of it is run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use riposte_policy::diagnostic::{inline, shown};
use riposte_policy::grant::language;
use riposte_runtime::{Inspection, Kind};
use serde_json::{Value, json};

use crate::commands::{ask, check, kept};
use crate::exit::Exit;
use crate::installed::{apart, file};

/// From this size on compiling is felt at every start without a cache.
const LARGE: usize = 16 << 20;

/// The words of [`language::Element::least`] that an operator has to fill in.
const TO_FILL_IN: [&str; 5] = ["NAME", "/PATH", "HOST", "ADDRESS", "VALUE"];

/// What it ends with.
pub const EXIT_CODES: &str = "Nothing of the component is run.\n\
    Exit codes: 0 a plugin that this engine can run once it is granted what it needs; 1 it cannot, or the file cannot \
    be read; 2 usage.";

/// `riposte plugin inspect`.
#[derive(Args, Clone, Debug)]
pub struct Inspect {
    /// The component, a .wasm file
    pub file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Inspects, prints, and says whether this engine can run it.
pub fn inspect(args: &Inspect) -> Exit {
    let looked = file::read(&args.file).and_then(|bytes| {
        let size = bytes.len();
        let inspection = examined(&args.file, bytes).map_err(|error| file::explained(size, &error))?;
        Ok((size, inspection))
    });
    let report = match &looked {
        Ok((size, inspection)) => Report::new(&args.file, *size, inspection).not_compiled(),
        Err(error) => {
            ask::complain(args.json, &format!("{}: {error}", args.file.display()));
            return Exit::Failed;
        }
    };
    if args.json {
        ask::say(&report.json());
    } else {
        ask::say_text(report.text().trim_end());
    }
    if report.missing.is_empty() { Exit::Done } else { Exit::Failed }
}

/// Examines it with the code that this user keeps of it; else compiles it, and
/// keeps that.
fn examined(file: &Path, wasm: Vec<u8>) -> Result<Inspection, String> {
    let (components, _, cache) = check::keeping(1)?;
    if components.is_compiled(riposte_runtime::digest(&wasm)) {
        return components.inspect(&wasm).map_err(|error| error.to_string());
    }
    if wasm.len() > apart::LARGE {
        let name = shown(&file.file_name().unwrap_or_default().to_string_lossy());
        let once = if cache.is_some() { ", once" } else { "" };
        ask::tell(&format!("compiling {name} ({} MiB){once}", wasm.len() >> 20));
    }
    let inspection = apart::examine(wasm, cache.as_deref()).map_err(|error| error.to_string());
    if let Some(cache) = cache {
        kept::prune(&cache);
    }
    inspection
}

/// What is worth saying of a component.
pub(super) struct Report<'a> {
    file: &'a Path,
    size: usize,
    inspection: &'a Inspection,
    /// The elements that it needs.
    needs: Vec<&'static language::Element>,
    /// What no grant would give it, each with what to do.
    pub(super) missing: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a Path, size: usize, inspection: &'a Inspection) -> Self {
        let http = inspection.imports.iter().any(|import| import.starts_with("wasi:http/"));
        let needs = language::ELEMENTS.iter().filter(|element| {
            inspection.needs.contains(&element.least) || element.interface == "wasi:http" && http
        });
        let mut warnings = Vec::new();
        if inspection.folders() {
            let element = language::of_interface("wasi:filesystem").map_or("", |element| element.least);
            warnings.push(format!(
                "it imports wasi:filesystem, as most languages do by themselves, and sees no folder; if it is to see one, grant {element}"
            ));
        }
        if inspection.imports.iter().any(|import| import.starts_with("wasi:sockets/")) {
            warnings.push("it imports wasi:sockets, which is there and reaches nothing".to_owned());
        }
        Self {
            file,
            size,
            inspection,
            needs: needs.collect(),
            missing: inspection.unsupported().map(ToString::to_string).collect(),
            warnings,
        }
    }

    /// Of one whose compiled code nothing keeps yet.
    fn not_compiled(mut self) -> Self {
        if self.size > LARGE {
            self.warnings.push(format!(
                "it has {}, and compiling it takes a while: `riposte plugin install` does so before an alert needs it",
                human(self.size)
            ));
        }
        self
    }

    /// The name of a command that runs it: that of the file, as far as it can
    /// be one.
    fn name(&self) -> String {
        let stem = self.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let plain: String =
            stem.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).collect();
        if plain.is_empty() { "NAME".to_owned() } else { plain }
    }

    /// The least command, ready to be pasted. What has to be filled in is named
    /// in a comment behind it.
    fn command(&self) -> String {
        self.command_of(&self.name())
    }

    /// The same, for a component of this name.
    pub(super) fn command_of(&self, name: &str) -> String {
        let undone = if self.inspection.kind == Kind::Reversible { "yes" } else { "no" };
        let mut xml = format!(
            "<command>\n  <name>{name}</name>\n  <executable>{name}.wasm</executable>\n  \
             <timeout_allowed>{undone}</timeout_allowed>\n  <capabilities sha256=\"{}\"",
            self.inspection.digest
        );
        if self.needs.is_empty() {
            xml.push_str("/>\n</command>");
            return xml;
        }
        xml.push_str(">\n");
        for element in &self.needs {
            // Writing to a string does not fail.
            let _ = write!(xml, "    {}", element.least);
            let words = to_fill_in(element.least);
            if !words.is_empty() {
                let _ = write!(xml, " <!-- fill in {} -->", words.join(", "));
            }
            xml.push('\n');
        }
        xml.push_str("  </capabilities>\n</command>");
        xml
    }

    fn json(&self) -> Value {
        let needs = self.needs.iter().map(|element| {
            json!({
                "interface": element.interface,
                "element": element.least,
                "fill_in": to_fill_in(element.least),
            })
        });
        json!({
            "file": self.file.display().to_string(),
            "size": self.size,
            "sha256": self.inspection.digest.to_string(),
            "kind": self.inspection.kind.as_str(),
            "exports": self.inspection.exports,
            "imports": self.inspection.imports,
            "compiles": true,
            "runs_here": self.missing.is_empty(),
            "needs": needs.collect::<Vec<_>>(),
            "missing": self.missing,
            "warnings": self.warnings,
            "command": self.command(),
        })
    }

    fn text(&self) -> String {
        let Self { inspection, .. } = self;
        let mut text = String::new();
        let mut rows = |name: &str, values: &mut dyn Iterator<Item = String>| {
            let mut name = name;
            for value in values {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{name:<9}{value}");
                name = "";
            }
        };
        let kind = match inspection.kind {
            Kind::Reversible => "reversible: what it does is undone after a time",
            Kind::Oneshot => "oneshot: it acts once, and nothing is undone",
        };
        let safe = |name: &String| shown(name).trim_matches('"').to_owned();
        rows("file", &mut std::iter::once(inline(&self.file.display().to_string())));
        rows("size", &mut std::iter::once(human(self.size)));
        rows("sha256", &mut std::iter::once(inspection.digest.to_string()));
        rows("kind", &mut std::iter::once(kind.to_owned()));
        rows("exports", &mut inspection.exports.iter().map(safe));
        rows("imports", &mut inspection.imports.iter().map(safe));
        let needs = self.needs.iter().map(|element| element.least.to_owned());
        rows("needs", &mut needs.chain(self.needs.is_empty().then(|| "no grant".to_owned())));
        let compiled = if self.missing.is_empty() {
            "it compiles, and runs here"
        } else {
            "it compiles, but cannot run here"
        };
        rows("check", &mut std::iter::once(compiled.to_owned()));
        rows("missing", &mut self.missing.iter().cloned());
        rows("warning", &mut self.warnings.iter().cloned());
        let _ = write!(text, "\nThe least command for it:\n\n{}\n", self.command());
        text
    }
}

fn to_fill_in(element: &str) -> Vec<&'static str> {
    // Inside of values only: `NAME.service` too.
    let values: Vec<&str> = element.split('"').skip(1).step_by(2).collect();
    TO_FILL_IN.into_iter().filter(|word| values.iter().any(|value| value.starts_with(word))).collect()
}

pub(super) fn human(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{bytes} bytes ({} KiB)", bytes / 1024),
        _ => format!("{bytes} bytes ({} MiB)", bytes / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_filled_in_is_named() {
        let marked = |name: &str| language::element(name).map(|element| to_fill_in(element.least));
        assert_eq!(marked("firewall"), Some(vec![]));
        assert_eq!(marked("service"), Some(vec!["NAME"]));
        assert_eq!(marked("secret"), Some(vec!["NAME", "/PATH"]));
        assert_eq!(marked("mail"), Some(vec!["HOST", "ADDRESS"]));
        assert_eq!(marked("config"), Some(vec!["NAME", "VALUE"]));
    }
}
