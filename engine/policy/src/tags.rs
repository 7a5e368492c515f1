//! The tags of a file and where each stands, byte by byte: to edit a file
//! without changing anything else in it, and to read files that are almost XML.
//!
//! The reader of configurations ([`crate::config`]) says exactly what is wrong
//! in a file and stops there. This one passes over what it does not understand:
//! Wazuh's rule files hold regular expressions with `<`, which its own reader
//! takes (`src/os_xml/os_xml.c`: a backslash escapes).

use std::ops::Range;

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag<'t> {
    /// Its name.
    pub name: &'t str,
    /// What follows the name, without the final `/`.
    pub attributes: &'t str,
    /// Whether it opens, closes, or both.
    pub kind: Kind,
    /// Its bytes in the text, brackets included.
    pub span: Range<usize>,
}

/// What a tag does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `<a>`.
    Open,
    /// `</a>`.
    Close,
    /// `<a/>`.
    Empty,
}

/// The tags of a text, in order. Comments, CDATA sections and processing
/// instructions are passed over.
#[must_use]
pub fn tags(text: &str) -> Tags<'_> {
    Tags { text, at: 0 }
}

/// See [`tags`].
#[derive(Clone, Debug)]
pub struct Tags<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Tags<'t> {
    type Item = Tag<'t>;

    fn next(&mut self) -> Option<Tag<'t>> {
        loop {
            let start = self.at + self.text.get(self.at..)?.find('<')?;
            let rest = self.text.get(start..)?;
            let skipped = SKIPPED.iter().find(|(opening, _)| rest.starts_with(opening));
            if let Some((opening, closing)) = skipped {
                let inside = rest.get(opening.len()..)?;
                // One that never ends hides the rest of the text.
                self.at = start + opening.len() + inside.find(closing)? + closing.len();
                continue;
            }
            self.at = start + 1;
            if self.text.get(..start)?.ends_with('\\') {
                continue;
            }
            if let Some(tag) = tag(rest, start) {
                self.at = tag.span.end;
                return Some(tag);
            }
        }
    }
}

const SKIPPED: [(&str, &str); 3] = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];

/// The tag with which `rest` begins, if it is one.
fn tag(rest: &str, start: usize) -> Option<Tag<'_>> {
    let inner = rest.get(1..)?;
    let (closes, inner) = inner.strip_prefix('/').map_or((false, inner), |inner| (true, inner));
    let named = |c: char| c.is_alphanumeric() || "_-.:".contains(c);
    let name = inner.get(..inner.find(|c: char| !named(c)).unwrap_or(inner.len()))?;
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return None;
    }
    let behind = inner.get(name.len()..)?;
    let mut quote = None;
    let end = behind.char_indices().find_map(|(at, c)| match (quote, c) {
        (Some(open), _) if c == open => {
            quote = None;
            None
        }
        (Some(_), _) => None,
        (None, '"' | '\'') => {
            quote = Some(c);
            None
        }
        (None, '>') => Some(Some(at)),
        // It runs into the next tag: it is none.
        (None, '<') => Some(None),
        (None, _) => None,
    })??;
    let attributes = behind.get(..end)?;
    let (kind, attributes) = match attributes.strip_suffix('/') {
        _ if closes => (Kind::Close, attributes),
        Some(attributes) => (Kind::Empty, attributes),
        None => (Kind::Open, attributes),
    };
    let length = rest.len() - behind.len() + end + 1;
    Some(Tag { name, attributes, kind, span: start..start + length })
}

impl Tag<'_> {
    /// The value of an attribute, as written between its quotes.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut rest = self.attributes;
        loop {
            let (key, behind) = rest.split_once('=')?;
            let behind = behind.trim_start();
            let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, next) = behind.get(1..)?.split_once(quote)?;
            if key.trim() == name {
                return Some(value);
            }
            rest = next;
        }
    }
}

/// The line, from 1, that byte `offset` of `text` stands in.
#[must_use]
pub fn line(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset.min(text.len())).unwrap_or_default();
    memchr::memchr_iter(b'\n', before).count() + 1
}

/// The text of an element without its comments, trimmed.
#[must_use]
pub fn plain(inner: &str) -> String {
    let mut out = String::new();
    let mut rest = inner;
    while let Some((before, comment)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, behind)| behind);
    }
    out.push_str(rest);
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, Kind, &str)> {
        tags(text).map(|tag| (tag.name, tag.kind, text.get(tag.span).unwrap())).collect()
    }

    #[test]
    fn tags_have_their_bytes() {
        let text = "é<a b='>' c=\"<\"><!-- <x> --><b-c/></a >\n<![CDATA[<y>]]><?z <z>?>";
        assert_eq!(
            found(text),
            [
                ("a", Kind::Open, "<a b='>' c=\"<\">"),
                ("b-c", Kind::Empty, "<b-c/>"),
                ("a", Kind::Close, "</a >")
            ]
        );
    }

    #[test]
    fn what_is_no_tag_is_passed_over() {
        assert_eq!(
            found(r"<regex>a < b \<c> <1> <d <e></regex> < <!-- <f>"),
            [("regex", Kind::Open, "<regex>"), ("e", Kind::Open, "<e>"), ("regex", Kind::Close, "</regex>")]
        );
        assert_eq!(found("<"), []);
        assert_eq!(found("<a"), []);
    }

    #[test]
    fn attributes_are_found_by_name() {
        let tag = tags("<rule id=\"5\" level = '3' none>").next().unwrap();
        assert_eq!((tag.attribute("id"), tag.attribute("level")), (Some("5"), Some("3")));
        assert_eq!((tag.attribute("none"), tag.attribute("x")), (None, None));
    }

    #[test]
    fn lines_and_texts() {
        assert_eq!((line("a\nb\nc", 0), line("a\nb\nc", 4), line("a", 99)), (1, 3, 1));
        assert_eq!(plain(" a<!-- b -->c <!-- d"), "ac");
    }
}
