//! Public configurations and alerts, read from a folder outside of the
//! project: `RIPOSTE_CORPUS=FOLDER cargo test -p riposte-policy --test corpus`.
//!
//! The folder holds `configs/*.conf` with `configs/INDEX.tsv`, which says what
//! Wazuh's own XML reader makes of each, and alerts, one on each line. Where
//! Riposte reads a file otherwise, `docs/differences.md` says so and why.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Path, PathBuf};

use riposte_policy::alert::Alert;
use riposte_policy::config::{Config, Role, Source};
use riposte_policy::matching::{Index, Why, explain};

/// The folder, when the environment names one.
#[expect(
    clippy::disallowed_methods,
    reason = "the corpus stays outside of the project, so only the caller knows where"
)]
fn corpus() -> Option<PathBuf> {
    let folder = std::env::var("RIPOSTE_CORPUS").ok();
    if folder.is_none() {
        println!("skipped: set RIPOSTE_CORPUS");
    }
    folder.map(PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "the corpus is read here and nowhere else")]
fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(path: &Path) -> String {
    String::from_utf8(bytes(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

/// Reads one file, and checks that each diagnostic stands where it says.
fn read(path: &Path) -> Config {
    read_as(path, Role::Standalone)
}

fn read_as(path: &Path, role: Role) -> Config {
    let content = bytes(path);
    let config = Config::read_as(&[Source { file: &path.display().to_string(), bytes: &content }], role);
    let lossy = String::from_utf8_lossy(&content);
    let lines: Vec<&str> = lossy.split('\n').collect();
    for diagnostic in &config.diagnostics {
        let line = usize::try_from(diagnostic.place.line).unwrap();
        let column = usize::try_from(diagnostic.place.column).unwrap();
        let source = lines.get(line - 1).unwrap_or_else(|| panic!("no such line:\n{diagnostic}"));
        assert!((1..=source.chars().count() + 1).contains(&column), "no such column:\n{diagnostic}");
        let shown: Vec<char> = diagnostic.source.chars().collect();
        let real: Vec<char> = source.trim_end_matches('\r').chars().take(200).collect();
        assert_eq!(shown, real, "{diagnostic}");
        print!("{diagnostic}");
    }
    config
}

/// How many blocks name no command: the settings of an agent.
fn agents_own(text: &str) -> usize {
    let mut plain = String::new();
    for (n, part) in text.split("<!--").enumerate() {
        plain.push_str(if n == 0 { part } else { part.split_once("-->").map_or("", |(_, rest)| rest) });
    }
    let blocks = plain.split("<active-response>").skip(1);
    blocks.filter(|block| !block.split("</active-response>").next().unwrap().contains("<command>")).count()
}

#[test]
fn configurations() {
    let Some(folder) = corpus() else { return };
    let index = text(&folder.join("configs/INDEX.tsv"));
    let mut compared = 0;
    for path in files(&folder.join("configs"), "conf") {
        let config = read(&path);
        // Whoever reads it, reading ends, and each finding has its place.
        for role in [Role::Execd, Role::Manager] {
            let config = read_as(&path, role);
            assert!(role == Role::Manager || config.responses.is_empty());
            let _ = Index::new(&config.responses);
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let row: Vec<&str> = index.lines().find(|row| row.starts_with(&name)).unwrap().split('\t').collect();
        let malformed = config
            .diagnostics
            .iter()
            .find(|found| found.code.starts_with("xml-") && found.code != "xml-encoding");
        println!("== {name}: {} commands, {} responses", config.commands.len(), config.responses.len());
        let verdict = row[5];
        assert_eq!(verdict.starts_with("OK"), malformed.is_none(), "{name}: {verdict}, but {malformed:?}");
        if let Some(found) = malformed {
            // Where Wazuh counts another line, it is the end of the tag.
            let line = verdict.rsplit("line ").next().unwrap().trim_end_matches(')');
            assert_eq!(found.place.line.to_string(), line, "{name}: {verdict}");
        }
        // Wazuh's reader counts what stands in a root, also commands of one name
        // and blocks with errors of their own: docs/differences.md, "duplicate
        // names" and "one bad block".
        let counted =
            |what: &str| verdict.split(' ').find_map(|word| word.strip_prefix(what)?.parse::<usize>().ok());
        if counted("other=") == Some(0) && !config.has_errors() && malformed.is_none() {
            let count = |code: &str| config.diagnostics.iter().filter(|found| found.code == code).count();
            let commands = config.commands.len() + count("command-duplicate");
            assert_eq!(counted("command="), Some(commands), "{name}");
            if count("active-response-disabled") == 0 {
                let responses = config.responses.len()
                    + count("response-disabled")
                    + count("trigger-missing")
                    + agents_own(&String::from_utf8_lossy(&bytes(&path)));
                assert_eq!(counted("ar="), Some(responses), "{name}");
            }
            compared += 1;
        }
    }
    assert!(compared > 20, "only {compared} files were compared");
}

#[test]
fn configurations_that_wazuh_refuses() {
    let Some(folder) = corpus() else { return };
    for (name, code) in [
        ("ossec-ar-bad-location", "location-unknown"),
        ("ossec-ar-defined-agent-000", "agent-invalid"),
        ("ossec-ar-defined-agent-noid", "agent-missing"),
        ("ossec-ar-level", "level-invalid"),
        ("ossec-ar-no-location", "response-incomplete"),
        ("ossec-ar-unknown-command", "command-undefined"),
        ("ossec-ar-unknown-element", "element-unknown"),
        ("ossec-cmd-bang-name", "value-invalid"),
        ("ossec-cmd-no-executable", "command-incomplete"),
        ("ossec-cmd-timeout-allowed", "value-invalid"),
        ("ossec-execd-disabled-value", "value-invalid"),
        // Wazuh switches the feature off without a word.
        ("ossec-repeated-nonnum", "value-invalid"),
    ] {
        let config = read(&folder.join(format!("wazuh/bad/{name}.conf")));
        let errors: Vec<_> = config
            .diagnostics
            .iter()
            .filter(|found| found.severity == riposte_policy::Severity::Error)
            .collect();
        assert_eq!(errors.iter().map(|found| found.code).collect::<Vec<_>>(), [code], "{name}");
    }
    for (name, role) in [("ossec-agent-good", Role::Execd), ("ossec-manager-good", Role::Manager)] {
        for role in [Role::Standalone, role] {
            let config = read_as(&folder.join(format!("wazuh/{name}.conf")), role);
            assert!(!config.has_errors(), "{name} as {role:?}");
        }
    }
}

/// What each of them makes Wazuh log is what the finding says it logs, and is
/// an error where Wazuh ends.
#[test]
fn what_wazuh_logs_for_what_it_refuses() {
    let Some(folder) = corpus() else { return };
    let mut compared = 0;
    for row in text(&folder.join("wazuh/bad/EXPECTED.tsv")).lines().skip(1) {
        let (name, who, expected) = match row.split('\t').collect::<Vec<_>>()[..] {
            [name, who, expected, ..] if name.starts_with("ossec-") => (name, who, expected),
            _ => continue,
        };
        let role = if who.starts_with("execd") { Role::Execd } else { Role::Manager };
        let config = read_as(&folder.join("wazuh/bad").join(name), role);
        let said: Vec<_> = config.diagnostics.iter().filter(|found| !found.wazuh.is_empty()).collect();
        let [said] = said.as_slice() else { panic!("{name}: {:?}", config.diagnostics) };
        assert!(expected.contains(&said.wazuh), "{name}: {} for {expected}", said.wazuh);
        let goes_on = ["not fatal", "no error"].iter().any(|words| expected.contains(words));
        assert_eq!(config.has_errors(), !goes_on, "{name}: {expected}");
        compared += 1;
    }
    assert_eq!(compared, 13);
}

#[test]
fn alerts() {
    let Some(folder) = corpus() else { return };
    let config = Config::read(&[Source::new(
        "made",
        "<command><name>c</name><executable>c</executable></command>
         <active-response><command>c</command><location>local</location><level>7</level></active-response>
         <active-response><command>c</command><location>local</location><rules_id>5710,5712,550</rules_id></active-response>
         <active-response><command>c</command><location>local</location>
           <rules_group>SSHD,|pci_dss_11.4,|gdpr_IV_35.7.d,</rules_group></active-response>",
    )]);
    assert_eq!(config.responses.len(), 3);
    let index = Index::new(&config.responses);
    let mut fired = [0; 3];
    let (mut read, mut refused) = (0, 0);
    for path in [
        "alerts/public_mixed.ndjson",
        "alerts/vendor_generated.ndjson",
        "wazuh/alerts.jsonl",
        "wazuh/execq.jsonl",
    ] {
        for line in text(&folder.join(path)).lines() {
            match Alert::parse(line.as_bytes()) {
                Ok(alert) => {
                    read += 1;
                    assert!(alert.object().starts_with('{') && alert.object().ends_with('}'));
                    let found = index.fires(&alert);
                    for (position, response) in config.responses.iter().enumerate() {
                        let why = explain(response, &alert);
                        assert_eq!(
                            matches!(why, Why::Fires(_)),
                            found.contains(&position),
                            "{why} for {line}"
                        );
                    }
                    found.iter().for_each(|position| fired[*position] += 1);
                }
                Err(error) => {
                    refused += 1;
                    println!("{path}: {error}: {}", line.chars().take(120).collect::<String>());
                }
            }
        }
    }
    println!("{read} alerts read, {refused} lines refused; fired {fired:?}");
    assert!(read > 1_400 && fired.iter().all(|count| *count > 0), "{read} read, {fired:?}");
}
