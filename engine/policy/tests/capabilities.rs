//! The documentation of grants says what the code does: the table of
//! docs/capabilities.md and of each page `docs/capabilities/NAME.md` are those
//! of `grant::language`, and every example is read without a finding.
//! `tests/findings/bless` writes the tables anew.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use riposte_policy::config::{Config, Source};
use riposte_policy::grant::language::{Attribute, ELEMENTS, Element, Need, Takes, Times};

fn docs(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(below)
}

fn page(element: &Element) -> PathBuf {
    docs("capabilities").join(format!("{}.md", element.name))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A text in a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const ATTRIBUTES: &str = "| attribute | takes | absent | meaning |\n|---|---|---|---|\n";

/// The table of a page.
fn attributes(element: &Element) -> String {
    let takes = |attribute: &Attribute| match attribute.takes {
        Takes::OneOf(words) => format!("`{}`", words.join("`, `")),
        Takes::SomeOf(words) if words.len() > 12 => "their names, blanks or commas between".to_owned(),
        Takes::SomeOf(words) => format!("one or more of `{}`", words.join("`, `")),
        Takes::Number(from, to) => format!("{from} to {to}"),
        Takes::Text(kind, _) => kind.to_owned(),
    };
    let absent = |attribute: &Attribute| match attribute.need {
        Need::Required => "an error".to_owned(),
        Need::Default(default) => format!("`{default}`"),
        Need::Optional(meaning) => meaning.to_owned(),
    };
    let row = |attribute: &Attribute| {
        let (takes, absent) = (cell(&takes(attribute)), cell(&absent(attribute)));
        format!("| `{}` | {takes} | {absent} | {} |\n", attribute.name, cell(attribute.what))
    };
    format!("{ATTRIBUTES}{}", element.attributes.iter().map(row).collect::<String>())
}

const INTERFACES: &str = "| WIT interface | element | how often | what it allows |\n|---|---|---|---|\n";

/// The one table of docs/capabilities.md.
fn interfaces() -> String {
    let row = |element: &Element| {
        let often = match element.times {
            Times::Once => "once".to_owned(),
            Times::OnceFor(attribute) => format!("once for each `{attribute}`"),
            Times::Often => "often".to_owned(),
        };
        format!(
            "| `{}` | [`<{1}>`](capabilities/{1}.md) | {often} | to {2} |\n",
            element.interface, element.name, element.what
        )
    };
    let first = "| `invocation`, `alert`, `log` | none: always there | | to read the alert and the circumstances; to log at most 8 KiB a call |\n";
    let last = "| other `wasi:*` 0.2 | none: linked when imported, and inert | | clocks and random numbers; no environment, no arguments, no network; output goes to the log |\n";
    format!("{INTERFACES}{first}{}{last}", ELEMENTS.iter().map(row).collect::<String>())
}

/// `text` with this table in the place of the one that begins alike.
fn with_table(text: &str, head: &str, table: &str) -> String {
    let (before, rest) = text.split_once(head).unwrap_or_else(|| panic!("no table {head}"));
    let after: String = rest.split_inclusive('\n').skip_while(|line| line.starts_with('|')).collect();
    format!("{before}{table}{after}")
}

#[test]
fn the_tables_are_those_of_the_code() {
    for element in ELEMENTS {
        let text = text(&page(element));
        let expected = with_table(&text, ATTRIBUTES, &attributes(element));
        assert_eq!(text, expected, "{}: tests/findings/bless writes it anew", element.name);
        assert!(text.starts_with(&format!("# {}\n\n", element.name)), "{}", element.name);
        for part in ["**A component sees** ", "**Guarded:** ", "**Not guarded:** "] {
            assert!(text.contains(part), "{}: {part}is missing", element.name);
        }
    }
    let all = text(&docs("capabilities.md"));
    let expected = with_table(&all, INTERFACES, &interfaces());
    assert_eq!(all, expected, "tests/findings/bless writes it anew");
}

#[test]
fn there_is_one_page_for_each_element() {
    let names: BTreeSet<PathBuf> = ELEMENTS.iter().map(page).collect();
    let there = docs("capabilities").read_dir().unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(there.collect::<BTreeSet<_>>(), names);
}

#[test]
fn every_example_is_read_without_a_finding() {
    for element in ELEMENTS {
        let text = text(&page(element));
        let examples: Vec<_> =
            text.split("```xml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(!examples.is_empty(), "{}: no example", element.name);
        for example in examples {
            let command = format!(
                "<command><name>a</name><executable>a</executable><capabilities>{example}</capabilities></command>"
            );
            let config = Config::read(&[Source::new("example", &command)]);
            assert_eq!(config.diagnostics, [], "{}", element.name);
            let grants = config.commands[0].capabilities.clone().unwrap_or_default();
            assert!(grants.to_string().contains(&format!("<{}", element.name)), "{example}");
        }
    }
}

/// Everything an author may import is granted by an element that is in the
/// table, under the name of its WIT file's interface.
#[test]
fn every_interface_of_the_package_is_in_the_table() {
    let world = text(&docs("../wit/worlds.wit"));
    let capabilities =
        world.split("world capabilities {").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
    let imported: BTreeSet<&str> = capabilities
        .lines()
        .filter_map(|line| line.trim().strip_prefix("import ")?.strip_suffix(';'))
        .collect();
    let ours = ELEMENTS.iter().map(|element| element.interface).filter(|name| !name.starts_with("wasi:"));
    assert_eq!(ours.collect::<BTreeSet<_>>(), imported);
}

#[test]
#[ignore = "writes files: tests/findings/bless runs it"]
fn bless() {
    for element in ELEMENTS {
        let written = with_table(&text(&page(element)), ATTRIBUTES, &attributes(element));
        std::fs::write(page(element), written).unwrap();
    }
    let all = docs("capabilities.md");
    std::fs::write(&all, with_table(&text(&all), INTERFACES, &interfaces())).unwrap();
}
