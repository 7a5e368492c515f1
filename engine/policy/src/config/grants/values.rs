//! What the attributes of several grants take.

use std::path::PathBuf;

use super::super::command::words;
use super::attributes::Wrong;
use crate::diagnostic::shown;
use crate::grant::Pattern;

/// Longest path in bytes (`PATH_MAX`).
const LONGEST_PATH: usize = 4096;
/// Longest name of a value or a secret.
const LONGEST_NAME: usize = 64;

/// An absolute path in its plain spelling. Slashes at its end do not count.
pub(super) fn path(text: &str) -> Result<PathBuf, Wrong> {
    let wrong = |why: &str, help: &str| Err(Wrong::new(format!("{} {why}", shown(text)), help));
    let plain = text.trim_end_matches('/');
    if !text.starts_with('/') {
        return wrong("is not an absolute path", "write it from / on.");
    }
    if plain.split('/').any(|part| part == "..") {
        return wrong("takes a step back (..)", "write where it leads.");
    }
    if plain.is_empty() {
        return wrong("is everything there is", "name what is meant.");
    }
    if plain.split('/').skip(1).any(|part| part.is_empty() || part == ".") {
        return wrong("is not in its plain spelling", "leave out // and /./.");
    }
    if text.len() > LONGEST_PATH || text.contains(char::is_control) {
        return wrong("cannot be a path", "it has at most 4096 bytes and no control characters.");
    }
    Ok(plain.into())
}

/// The path of one file or folder, in which `*` is no pattern.
pub(super) fn one_path(text: &str) -> Result<PathBuf, Wrong> {
    if text.contains('*') {
        return Err(Wrong::new(
            format!("{} holds a *, but this takes no patterns", shown(text)),
            "write one element for each.",
        ));
    }
    path(text)
}

/// The path of a file: nothing behind a slash.
pub(super) fn file(text: &str) -> Result<PathBuf, Wrong> {
    if text.ends_with('/') {
        return Err(Wrong::new(format!("{} is a folder", shown(text)), "name the file."));
    }
    one_path(text)
}

/// Several paths, with blanks between.
pub(super) fn paths(text: &str) -> Result<Vec<PathBuf>, Wrong> {
    let paths = text.split_whitespace().map(one_path).collect::<Result<Vec<_>, _>>()?;
    some(paths, "there is no path")
}

/// Several patterns of names, with blanks or commas between.
pub(super) fn patterns(text: &str) -> Result<Vec<Pattern>, Wrong> {
    if text.contains(|c: char| c.is_control() && !c.is_whitespace()) {
        return Err(Wrong::new(format!("{} holds control characters", shown(text)), ""));
    }
    some(words(text).map(Pattern::new).collect(), "there is no name")
}

/// One or more of these words, each once.
pub(super) fn several<T: Copy + PartialEq>(text: &str, known: &[(&str, T)]) -> Result<Vec<T>, Wrong> {
    let mut all = Vec::new();
    for word in words(text) {
        let found = known.iter().find(|(name, _)| *name == word);
        let names = || known.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let (_, value) = found.ok_or_else(|| Wrong::word(word, &names()))?;
        if !all.contains(value) {
            all.push(*value);
        }
    }
    some(all, "there is no word")
}

/// The name under which a plugin asks for something.
pub(super) fn name(text: &str) -> Result<String, Wrong> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let fits = (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(plain);
    if fits && !matches!(text, "." | "..") {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(format!("{} is no name of 1 to 64 of A-Z, a-z, 0-9, _, - and .", shown(text)), ""))
}

/// Bytes within these bounds: a number with B, KiB, MiB or GiB.
pub(super) fn size(text: &str, from: u64, to: u64) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let each: u64 = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(each));
    bytes.filter(|bytes| (from..=to).contains(bytes))
}

/// What a grant may hold or move: 1 KiB to 64 MiB.
pub(super) fn amount(text: &str) -> Result<u64, Wrong> {
    size(text, 1 << 10, 64 << 20).ok_or_else(|| {
        Wrong::new(format!("{} is not a size from 1KiB to 64MiB, such as 256KiB", shown(text)), "")
    })
}

/// A port, which has no usual one besides its default.
pub(super) fn port(text: &str) -> Result<u16, Wrong> {
    let port = text.parse::<u16>().ok().filter(|port| *port != 0);
    port.ok_or_else(|| Wrong::new(format!("{} is not a port from 1 to 65535", shown(text)), ""))
}

/// A list that may not be empty: an empty attribute is a mistake, and a missing
/// one has its own meaning.
pub(super) fn some<T>(values: Vec<T>, none: &str) -> Result<Vec<T>, Wrong> {
    if values.is_empty() {
        Err(Wrong::new(none, "write one, or leave out the attribute."))
    } else {
        Ok(values)
    }
}
