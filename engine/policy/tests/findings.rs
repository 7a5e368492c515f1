//! Each kind of finding that reading can make has a page whose example gives
//! it and a fixture `tests/findings/CODE/`, whose findings are `expected.txt`
//! to the letter. `tests/findings/bless` writes those files anew.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use riposte_policy::config::{Config, Role, Source};
use riposte_policy::diagnostic::{CODES, Code, Stage};

/// What the examples of pages leave out.
const PRELUDE: &str = "<command><name>firewall-drop</name><executable>firewall-drop</executable></command>";

fn folder(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(below)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One line of a `setup` file and its words.
fn setup(folder: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.join("setup")).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// What a fixture is: its files in order of name, with what `setup` says about
/// them: `repeat MARK COUNT TEXT` writes the text so often in the place of the
/// mark, `byte MARK HEX` that byte; `role execd|manager` reads it as those do.
fn read(folder: &Path) -> Config {
    let mut role = Role::Standalone;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.push((name, std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    for words in setup(folder) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (mark, instead): (&str, Vec<u8>) = match words.as_slice() {
            ["repeat", mark, count, rest @ ..] => {
                (mark, rest.join(" ").repeat(count.parse().unwrap()).into_bytes())
            }
            ["byte", mark, hex] => (mark, vec![u8::from_str_radix(hex, 16).unwrap()]),
            ["role", "execd"] => {
                role = Role::Execd;
                continue;
            }
            ["role", "manager"] => {
                role = Role::Manager;
                continue;
            }
            ["last", _] => continue,
            _ => panic!("{}: {words:?}", folder.display()),
        };
        for (_, bytes) in &mut files {
            while let Some(at) = bytes.windows(mark.len()).position(|found| found == mark.as_bytes()) {
                bytes.splice(at..at + mark.len(), instead.iter().copied());
            }
        }
    }
    let sources: Vec<_> = files.iter().map(|(file, bytes)| Source { file, bytes }).collect();
    Config::read_as(&sources, role)
}

/// The findings as they are printed; with `last N` in `setup` only the last.
fn printed(folder: &Path, config: &Config) -> String {
    let mut from = 0;
    if let Some(last) = setup(folder).iter().find(|words| words[0] == "last") {
        from = config.diagnostics.len() - last[1].parse::<usize>().unwrap();
    }
    config.diagnostics[from..].iter().map(|found| format!("{found}\n")).collect()
}

fn of_reading() -> impl Iterator<Item = &'static Code> {
    CODES.iter().filter(|code| code.stage == Stage::Reading)
}

#[test]
fn every_fixture_gives_its_finding_and_no_other() {
    for code in of_reading() {
        let folder = folder("tests/findings").join(code.code);
        let config = read(&folder);
        let codes: BTreeSet<_> = config.diagnostics.iter().map(|found| found.code).collect();
        assert!(codes.contains(code.code), "{}: {codes:?}", code.code);
        // Those cannot come alone.
        let company = [
            "command-nested",
            "command-unusable",
            "findings-many",
            "group-pattern",
            "xml-typographic-hyphen",
        ];
        assert!(codes.len() == 1 || company.contains(&code.code), "{}: {codes:?}", code.code);
        let expected = text(&folder.join("expected.txt"));
        assert_eq!(printed(&folder, &config), expected, "{}: tests/findings/bless writes it anew", code.code);
    }
}

#[test]
fn every_page_has_an_example_that_gives_its_finding() {
    for code in of_reading() {
        let Some(example) = code.page.split("```xml\n").nth(1) else {
            assert!(code.page.contains("```text\n"), "{}: no example", code.code);
            continue;
        };
        let example = example.split("```").next().unwrap();
        let config =
            Config::read(&[Source::new("prelude.conf", PRELUDE), Source::new("ossec.conf", example)]);
        let found: Vec<_> = config.diagnostics.iter().map(|found| found.code).collect();
        assert!(found.contains(&code.code), "{}: {found:?}", code.code);
    }
}

#[test]
fn pages_and_fixtures_are_those_of_the_list() {
    let listed: BTreeSet<String> = CODES.iter().map(|code| code.code.to_owned()).collect();
    let names = |below: &str| -> BTreeSet<String> {
        let entries = folder(below).read_dir().unwrap().map(|entry| entry.unwrap().path());
        let kept = entries.filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "md"));
        let stems = kept.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
        stems.filter(|stem| stem != "README").collect()
    };
    assert_eq!(names("docs/findings"), listed);
    assert_eq!(names("tests/findings"), listed);
    assert_eq!(text(&folder("docs/findings/README.md")), index(), "tests/findings/bless writes it anew");
}

/// `docs/findings/README.md`.
fn index() -> String {
    let row = |code: &Code| {
        format!(
            "| [{0}]({0}.md) | {1} | {2} |\n",
            code.code,
            code.severities,
            code.summary.replace('|', "\\|")
        )
    };
    let rows: String = CODES.iter().map(row).collect();
    format!(
        "# Findings\n\n\
         What `riposte check` can say. The codes are stable: scripts may test them. `riposte check --explain CODE`\n\
         prints a page without a network. Codes that begin with `xml-` are for malformed XML alone.\n\n\
         | code | | what is found |\n|---|---|---|\n{rows}"
    )
}

#[test]
#[ignore = "writes files: tests/findings/bless runs it"]
fn bless() {
    for code in of_reading() {
        let folder = folder("tests/findings").join(code.code);
        std::fs::write(folder.join("expected.txt"), printed(&folder, &read(&folder))).unwrap();
    }
    std::fs::write(folder("docs/findings/README.md"), index()).unwrap();
}
