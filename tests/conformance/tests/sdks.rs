//! Every example of every SDK, built with the real tools of its language and
//! played in the real sandbox: the `block` of each language against one set of
//! scenarios, its `probe` and, where the language has HTTP and files, its `reach`
//! against others, and all of them against their own.
//!
//! `cargo test -p riposte-conformance --test sdks -- python block` does those
//! whose path holds one of these words. A language whose tools are not there is
//! left out, in one line that says so; under `CI` or `RIPOSTE_ALL_SDKS` that is a
//! failure, but for the experimental ones.

#![expect(
    clippy::disallowed_methods,
    reason = "it shows seconds, writes a file of scenarios, and is told by the environment where it runs"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use riposte_author::scenario::{self, End, Scenario, Stage, show};
use riposte_author::{Built, Error, Language, Manifest, Progress};
use serde_json::json;

/// Languages whose tools may be missing anywhere.
const EXPERIMENTAL: [Language; 2] = [Language::Zig, Language::Go];
/// Languages in which what nobody catches ends the instance: there is no place
/// left from which an error could be returned.
const TRAPS: [Language; 5] = [Language::Rust, Language::C, Language::Cpp, Language::Zig, Language::Go];
/// What there must be: no SDK without a subject.
const REQUIRED: [&str; 14] = [
    "rust/examples/block",
    "rust/examples/probe",
    "rust/examples/reach",
    "python/examples/block",
    "python/examples/probe",
    "python/examples/reach",
    "javascript/examples/block",
    "javascript/examples/probe",
    "javascript/examples/reach",
    "c/examples/block",
    "c/examples/block-cpp",
    "c/examples/probe",
    "c/examples/reach",
    "c/examples/reach-cpp",
];

/// How one example went.
enum Went {
    Well(String),
    /// A tool is not there.
    LeftOut(String),
    Wrong(String),
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |path: &str| words.is_empty() || words.iter().any(|word| path.contains(word.as_str()));
    let all = ["CI", "RIPOSTE_ALL_SDKS"].into_iter().any(|name| std::env::var_os(name).is_some());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk");

    let mut failed = 0;
    let examples = examples(&root);
    for missing in REQUIRED.into_iter().filter(|path| wanted(path)) {
        if !examples.iter().any(|example| example.ends_with(missing)) {
            println!("FAIL  {missing} is not there: every SDK has one");
            failed += 1;
        }
    }
    // Code that was compiled for an earlier run is used again.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("code");
    let stage = match Stage::new(Some(&cache)) {
        Ok(stage) => stage,
        Err(error) => {
            println!("FAIL  {error}");
            return ExitCode::FAILURE;
        }
    };
    for example in examples {
        let path = example.strip_prefix(&root).unwrap_or(&example).display().to_string();
        if !wanted(&path) {
            continue;
        }
        let began = Instant::now();
        match example_went(&stage, &example) {
            Went::Well(what) => println!("ok    {path}: {what}, {:.1} s", began.elapsed().as_secs_f64()),
            Went::LeftOut(why) if !all => println!("LEFT OUT  {path}: {why}"),
            Went::LeftOut(why) if why.starts_with("experimental") => println!("LEFT OUT  {path}: {why}"),
            Went::LeftOut(why) | Went::Wrong(why) => {
                println!("FAIL  {path}: {}", why.trim_end());
                failed += 1;
            }
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The folders of all examples, in order.
fn examples(root: &Path) -> Vec<PathBuf> {
    let below = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let sdks = below(root).into_iter();
    sdks.flat_map(|sdk| below(&sdk.join("examples")))
        .filter(|path| path.join("plugin.toml").is_file())
        .collect()
}

fn example_went(stage: &Stage, example: &Path) -> Went {
    let language = match Manifest::read(example) {
        Ok(manifest) => manifest.language,
        Err(error) => return Went::Wrong(error.to_string()),
    };
    let mut said = String::new();
    let mut hear = |progress: Progress<'_>| match progress {
        Progress::Step { step, .. } => said.push_str(&format!("\n      {step}")),
        Progress::Line(line) => said.push_str(&format!("\n        {line}")),
        Progress::Warning(warning) => said.push_str(&format!("\n      warning: {warning}")),
    };
    let built = riposte_author::build(example, &mut hear).and_then(|built| {
        riposte_author::native_tests(example, &built.manifest, &mut hear)?;
        Ok(built)
    });
    match built {
        Ok(built) => played(stage, example, built),
        Err(missing @ Error::NoTool { .. }) if EXPERIMENTAL.contains(&language) => {
            Went::LeftOut(format!("experimental, and {missing}"))
        }
        Err(missing @ Error::NoTool { .. }) => Went::LeftOut(missing.to_string()),
        Err(error) => Went::Wrong(format!("{error}{said}")),
    }
}

fn played(stage: &Stage, example: &Path, built: Built) -> Went {
    let scenarios = match scenarios(example, &built.manifest) {
        Ok(scenarios) => scenarios,
        Err(error) => return Went::Wrong(error),
    };
    // What it imports is refused where it is not declared.
    let undeclared = Manifest { capabilities: Vec::new(), ..built.manifest.clone() };
    if !built.manifest.capabilities.is_empty()
        && riposte_author::check(&built.artifact, &built.bytes, &undeclared).is_ok()
    {
        return Went::Wrong("its capabilities were not asked of a manifest without any".to_owned());
    }
    let subject = match stage.subject(&built.manifest.name, built.bytes) {
        Ok(subject) => subject,
        Err(error) => return Went::Wrong(error.to_string()),
    };
    let (mut wrong, mut count) = (String::new(), 0);
    for scenario in &scenarios {
        count += 1;
        match stage.play(&subject, scenario) {
            Ok(played) if played.passed() => {}
            Ok(played) => wrong.push_str(&format!("\n{}", show::text(&played))),
            Err(error) => wrong.push_str(&format!("\n{error}")),
        }
    }
    if wrong.is_empty() {
        Went::Well(format!("{count} scenarios, {} KiB", subject.size().div_ceil(1024)))
    } else {
        Went::Wrong(wrong)
    }
}

/// Those that all languages share, and the example's own.
fn scenarios(example: &Path, manifest: &Manifest) -> Result<Vec<Scenario>, String> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let folder = example.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let only_firewall = manifest.capabilities.iter().map(|one| one.name()).eq(["firewall"]);
    let mut files = match folder {
        "probe" => vec![shared.join("probe.json")],
        "reach" | "reach-cpp" => vec![shared.join("reach.json"), large()?],
        _ if folder.starts_with("block") && only_firewall => vec![shared.join("block.json")],
        _ => Vec::new(),
    };
    files.extend(scenario::files(&example.join("scenarios")).map_err(|error| error.to_string())?);
    let mut scenarios = Vec::new();
    for file in files {
        let shared = file.starts_with(&shared);
        for mut scenario in scenario::read(&file).map_err(|error| error.to_string())? {
            if shared
                && scenario.name == "an uncaught exception is an error"
                && TRAPS.contains(&manifest.language)
            {
                scenario.expect.end = End::Trap;
            }
            scenarios.push(scenario);
        }
    }
    Ok(scenarios)
}

/// What comes and goes in more than one piece, in a file that nobody has to read.
fn large() -> Result<PathBuf, String> {
    let text = "0123456789".repeat(20_000);
    let url = "https://example.com/";
    let scenarios = json!({"scenarios": [
        {
            "name": "a large body, and a larger answer", "call": "run",
            "alert": {"data": {"url": url, "method": "POST", "body": text}},
            "host": {"http.send": {"body": text.repeat(2)}},
            "expect": {
                "result": "ok", "calls": [format!("http.send POST {url} {text}")],
                "log": ["info: answered 200, none, 400000 bytes"],
            },
        },
        {
            "name": "a large file", "call": "run", "alert": {"data": {"read": "/srv/in/large"}},
            "folders": {"/srv/in": {"large": text}},
            "expect": {"result": "ok", "log": ["info: read 200000 bytes"]},
        },
    ]});
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("large.json");
    std::fs::write(&file, scenarios.to_string()).map_err(|error| error.to_string())?;
    Ok(file)
}
