//! Lines in the bytes of a file. What is not the line stays byte for byte.

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
    if contains(text, line) {
        return Edit::None;
    }
    let dos = lines(text).next().is_some_and(|first| first.ends_with(b"\r\n"));
    let end: &[u8] = if dos { b"\r\n" } else { b"\n" };
    let mut changed = text.to_vec();
    if !text.is_empty() && !text.ends_with(b"\n") {
        changed.extend_from_slice(end);
    }
    changed.extend_from_slice(line.as_bytes());
    changed.extend_from_slice(end);
    Edit::Changed(changed)
}

/// `text` without any line that is `line`.
pub(super) fn without(text: &[u8], line: &str) -> Edit {
    if !contains(text, line) {
        return Edit::None;
    }
    let others = lines(text).filter(|whole| content(whole) != line.as_bytes());
    Edit::Changed(others.flatten().copied().collect())
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
