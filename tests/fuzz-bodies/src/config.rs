//! Configuration files.

use std::collections::HashSet;

use riposte_policy::config::{Command, Config, Role, Source};
use riposte_policy::matching::Index;

use crate::edits::edits;

/// What stands between two files of one input: no XML file holds it.
const BETWEEN: &[u8] = b"\x01\xff";
/// Most findings about one file, and the one that says there are more.
const MOST_FINDINGS: usize = 1_001;

/// One to three files, read together in every role.
pub fn config(data: &[u8]) {
    let files = split(data);
    files.iter().for_each(|file| edits(file));
    let names = ["0.conf", "1.conf", "2.conf"];
    let sources: Vec<Source<'_>> =
        names.iter().zip(&files).map(|(file, bytes)| Source { file, bytes }).collect();
    for role in [Role::Standalone, Role::Execd, Role::Manager] {
        let config = Config::read_as(&sources, role);
        findings(&config, &sources);
        definitions(&config, data.len());
        if role == Role::Standalone {
            crate::migrate::there_and_back(&config);
        }
    }
}

fn split(data: &[u8]) -> Vec<&[u8]> {
    let mut files = Vec::new();
    let mut rest = data;
    while files.len() < 2 {
        let Some(at) = memchr::memmem::find(rest, BETWEEN) else { break };
        files.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    files.push(rest);
    files
}

/// Every finding points into a file, says something, and can be printed.
fn findings(config: &Config, sources: &[Source<'_>]) {
    assert!(config.diagnostics.len() <= sources.len() * MOST_FINDINGS, "{}", config.diagnostics.len());
    let texts: Vec<Vec<usize>> = sources.iter().map(|source| widths(source.bytes)).collect();
    for found in &config.diagnostics {
        let place = &found.place;
        let file = sources.iter().position(|source| *source.file == *place.file).unwrap();
        let line = usize::try_from(place.line).unwrap();
        let column = usize::try_from(place.column).unwrap();
        let width = line.checked_sub(1).and_then(|line| texts[file].get(line));
        assert!(
            column >= 1 && width.is_some_and(|width| column <= width + 1),
            "{place} is not in the text: {found:?}"
        );
        assert!(!found.code.is_empty() && !found.message.is_empty(), "{found:?}");
        // Bounded however long what it is about is.
        assert!(found.message.len() + found.help.len() + found.wazuh.len() <= 16_384, "{found:?}");
        assert!(found.source.chars().count() <= 200, "{found:?}");
        let printed = found.to_string();
        assert!(!printed.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{printed:?}");
    }
    serde_json::to_string(&config.diagnostics).unwrap();
}

/// How many characters each line of a file has, read as the reader reads it.
fn widths(bytes: &[u8]) -> Vec<usize> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    String::from_utf8_lossy(bytes).split('\n').map(|line| line.chars().count()).collect()
}

/// What was read is consistent, and not more than the text can hold.
fn definitions(config: &Config, size: usize) {
    let mut names = HashSet::new();
    for command in &config.commands {
        assert!(names.insert(&command.name), "two commands are named {}", command.name);
        assert!(!command.name.is_empty() && !command.executable.is_empty());
        let stored = command.to_stored();
        let again = Command::from_stored(&stored).unwrap();
        assert_eq!(stored, again.to_stored());
    }
    let mut responses = HashSet::new();
    let mut held = 0;
    for response in &config.responses {
        assert!(config.command(&response.command).is_some(), "{response:?} runs nothing");
        assert!(responses.insert(&response.name), "two responses are named {}", response.name);
        assert!(response.offenders.len() <= 5);
        held += response.rules.len() * 4 + response.groups.iter().map(String::len).sum::<usize>();
    }
    held += config
        .commands
        .iter()
        .map(|command| command.name.len() + command.executable.len() + command.extra_args.concat().len())
        .sum::<usize>();
    // `İ` grows from two to three bytes in lower case; a rule is at least one digit.
    assert!(held <= 4 * size + 64, "{held} bytes read out of {size}");
    assert!(
        config.responses.len() + config.commands.len() <= size / 16,
        "more blocks than fit into the text"
    );
    let _ = Index::new(&config.responses);
}
