//! Lines in the bytes of a file. What is not the line stays byte for byte.

use riposte_policy::order::EntryId;

use crate::mark::Comment;

/// What becomes of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Edit {
    /// They are as wanted.
    None,
    /// They become these.
    Changed(Vec<u8>),
}

/// Whether `line` is a whole line of `text`. Ends of lines are LF or CR LF.
pub(super) fn contains(text: &[u8], line: &str) -> bool {
    lines(text).any(|whole| content(whole) == line.as_bytes())
}

/// `text` with `line` at its end, ended as its first line is; a last line
/// without an end gets one first.
pub(super) fn with(text: &[u8], line: &str) -> Edit {
    with_marked(text, line, None)
}

/// The same with the line that marks it before it.
pub(super) fn with_marked(text: &[u8], line: &str, mark: Option<&str>) -> Edit {
    if contains(text, line) {
        return Edit::None;
    }
    let end: &[u8] = if is_dos(text) { b"\r\n" } else { b"\n" };
    let mut changed = text.to_vec();
    if !text.is_empty() && !text.ends_with(b"\n") {
        changed.extend_from_slice(end);
    }
    for line in mark.into_iter().chain([line]) {
        changed.extend_from_slice(line.as_bytes());
        changed.extend_from_slice(end);
    }
    Edit::Changed(changed)
}

/// `text` without any line that is `line`, and without what marks it.
pub(super) fn without(text: &[u8], line: &str) -> Edit {
    if !contains(text, line) {
        return Edit::None;
    }
    let is_it = |whole: &&[u8]| content(whole) == line.as_bytes();
    let mut left = Vec::with_capacity(text.len());
    let mut following = lines(text).skip(1);
    for whole in lines(text) {
        let next = following.next();
        if is_it(&whole) || (mark_of(whole).is_some() && next.as_ref().is_some_and(is_it)) {
            continue;
        }
        left.extend_from_slice(whole);
    }
    Edit::Changed(left)
}

/// The line that marks the one behind it as an entry's.
#[cfg(target_os = "linux")]
pub(super) fn mark(entry: EntryId) -> String {
    format!("{MARK}{}", Comment::of(entry))
}

/// The lines that are marked, each with the entry that its mark names.
#[cfg(target_os = "linux")]
pub(super) fn marked(text: &[u8]) -> impl Iterator<Item = (EntryId, &str)> {
    let pairs = lines(text).zip(lines(text).skip(1));
    pairs.filter_map(|(mark, line)| Some((mark_of(mark)?, std::str::from_utf8(content(line)).ok()?)))
}

/// Whether lines end as on DOS here: the first one tells.
pub(super) fn is_dos(text: &[u8]) -> bool {
    lines(text).next().is_some_and(|first| first.ends_with(b"\r\n"))
}

/// All lines, without their ends.
#[cfg(target_os = "linux")]
pub(super) fn contents(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(text).map(content)
}

/// How the line before the engine's own begins, where `#` begins a comment.
const MARK: &str = "# riposte: ";

fn mark_of(whole: &[u8]) -> Option<EntryId> {
    let text = std::str::from_utf8(content(whole)).ok()?;
    Comment::parse(text.strip_prefix(MARK)?).entry()
}

/// The lines, each with its end.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

fn content(whole: &[u8]) -> &[u8] {
    let line = whole.strip_suffix(b"\n").unwrap_or(whole);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(text: &str, line: &str) -> Option<String> {
        shown(with(text.as_bytes(), line))
    }

    fn removed(text: &str, line: &str) -> Option<String> {
        shown(without(text.as_bytes(), line))
    }

    fn shown(edit: Edit) -> Option<String> {
        match edit {
            Edit::None => None,
            Edit::Changed(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    #[test]
    fn a_mark_comes_and_goes_with_its_line() {
        let mark = mark(EntryId(5));
        let with = shown(with_marked(b"x\n", "a", Some(&mark))).unwrap();
        assert_eq!(with, "x\n# riposte: entry 5\na\n");
        assert_eq!(marked(with.as_bytes()).collect::<Vec<_>>(), [(EntryId(5), "a")]);
        assert_eq!(removed(&with, "a").as_deref(), Some("x\n"));
        // Somebody wrote between them: the mark says nothing of what was there.
        let between = "# riposte: entry 5\ny\na\n";
        assert_eq!(removed(between, "a").as_deref(), Some("# riposte: entry 5\ny\n"));
        assert_eq!(marked(b"# riposte: by hand\na\n").count(), 0);
        assert_eq!(marked(b"# riposte: entry 5").count(), 0);
    }

    #[test]
    fn a_line_is_added_once_and_at_the_end() {
        assert_eq!(added("", "a").as_deref(), Some("a\n"));
        assert_eq!(added("x\n", "a").as_deref(), Some("x\na\n"));
        assert_eq!(added("x", "a").as_deref(), Some("x\na\n"));
        assert_eq!(added("x\r\n", "a").as_deref(), Some("x\r\na\r\n"));
        assert_eq!(added("x\r\ny", "a").as_deref(), Some("x\r\ny\r\na\r\n"));
        for there in ["a", "a\n", "a\r\n", "x\na\ny\n", "x\n\na"] {
            assert_eq!(added(there, "a"), None, "{there:?}");
        }
        for other in ["aa\n", " a\n", "a \n", "#a\n", "b\ra\n"] {
            assert!(added(other, "a").is_some(), "{other:?}");
        }
    }

    #[test]
    fn only_whole_lines_go() {
        let file = "# ALL:1.2.3.4 was bad\nALL:11.2.3.45\nALL:1.2.3.4\nALL:1.2.3.40\r\n\nALL:1.2.3.4";
        let rest = "# ALL:1.2.3.4 was bad\nALL:11.2.3.45\nALL:1.2.3.40\r\n\n";
        assert_eq!(removed(file, "ALL:1.2.3.4").as_deref(), Some(rest));
        assert_eq!(removed(rest, "ALL:1.2.3.4"), None);
        assert_eq!(removed("", "a"), None);
        assert_eq!(removed("a", "a").as_deref(), Some(""));
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let file = b"\xff\xfe\0\nx\n\xff";
        let Edit::Changed(changed) = with(file, "a") else { panic!("nothing was added") };
        assert_eq!(changed, b"\xff\xfe\0\nx\n\xff\na\n");
        let Edit::Changed(back) = without(&changed, "a") else { panic!("nothing was removed") };
        assert_eq!(back, b"\xff\xfe\0\nx\n\xff\n");
    }
}
