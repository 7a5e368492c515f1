//! XML to a small tree that knows where everything stands.
//!
//! Wazuh's files are no XML documents: they hold several roots or none, bare
//! ampersands, and what editors and word processors made of them. What is
//! wrong is said with its exact place, and what stood before it is still read.

use quick_xml::Reader;
use quick_xml::escape;
use quick_xml::events::attributes::{AttrError, Attributes};
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::findings::{Cursor, Findings, Spot};
use super::suggest::{is_typographic_hyphen, plain_hyphens};

/// The elements that hold sections.
pub(super) const ROOTS: [&str; 2] = ["ossec_config", "agent_config"];

/// Deepest nesting.
const DEEPEST: usize = 64;
/// Most elements in one file.
const MOST_ELEMENTS: usize = 200_000;
/// Most attributes of one element.
const MOST_ATTRIBUTES: usize = 64;

/// One element, with where it stands.
#[derive(Debug)]
pub(super) struct Element {
    /// Its name, with plain hyphens.
    pub(super) name: String,
    /// Whether the name was written with typographic hyphens.
    pub(super) typographic: bool,
    pub(super) spot: Spot,
    pub(super) attributes: Vec<Attribute>,
    pub(super) children: Vec<Element>,
    /// All text directly in it, comments left out, references resolved.
    pub(super) text: String,
    /// Where that text begins, blanks left out; `None` when it is blank.
    text_spot: Option<Spot>,
    /// Whether its end was read. Only a root may be without.
    pub(super) closed: bool,
}

/// One attribute, with where its name stands.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) spot: Spot,
}

impl Element {
    /// Its text without surrounding blanks.
    pub(super) fn value(&self) -> &str {
        self.text.trim()
    }

    /// Where its text begins, or else the element.
    pub(super) fn text_spot(&self) -> Spot {
        self.text_spot.unwrap_or(self.spot)
    }
}

/// Reads file number `file`: its outermost elements, complete up to the first
/// place where the text is not XML.
pub(super) fn read(file: usize, text: &str, findings: &mut Findings<'_>) -> Vec<Element> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    // Names are compared here, where the place of the opening tag is known.
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    let mut tree = Tree {
        text,
        cursor: Cursor::new(file, text),
        roots: Vec::new(),
        open: Vec::new(),
        elements: 0,
        findings,
    };
    loop {
        let start = position(reader.buffer_position());
        let step = match reader.read_event() {
            Ok(Event::Eof) => {
                tree.end_of_file();
                break;
            }
            Ok(event) => tree.event(event, start, position(reader.buffer_position())),
            Err(error) => tree.syntax(&error, position(reader.error_position()).max(start)),
        };
        if step.is_none() {
            break;
        }
    }
    if let Some(root) = tree.open.drain(..).next() {
        tree.roots.push(root);
    }
    tree.roots
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

struct Tree<'t, 'f, 'a> {
    text: &'t str,
    cursor: Cursor<'t>,
    roots: Vec<Element>,
    /// The elements around the current place, outermost first.
    open: Vec<Element>,
    elements: usize,
    findings: &'f mut Findings<'a>,
}

/// Each step says whether to go on: `None` after what cannot be read past.
impl Tree<'_, '_, '_> {
    fn event(&mut self, event: Event<'_>, start: usize, end: usize) -> Option<()> {
        match event {
            Event::Start(tag) => {
                let element = self.element(&tag, start, end)?;
                self.open.push(element);
            }
            Event::Empty(tag) => {
                let element = self.element(&tag, start, end)?;
                self.close(element);
            }
            Event::End(tag) => return self.end(tag.name().as_ref(), start, end),
            Event::Text(text) => self.push_text(&text, start),
            Event::CData(text) => self.push_text(&text, start),
            Event::GeneralRef(reference) => self.push_text(&resolved(&reference), start),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Eof => {}
        }
        Some(())
    }

    fn push_text(&mut self, text: &str, start: usize) {
        let first =
            !text.trim().is_empty() && self.open.last().is_none_or(|element| element.text_spot.is_none());
        let blanks = text.len() - text.trim_start().len();
        let spot = if first { self.cursor.advance(start + blanks) } else { self.cursor.advance(start) };
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
            if first {
                element.text_spot = Some(spot);
            }
        } else if first {
            self.findings.warning(spot, "text-stray", "this text stands outside of every element", "");
        }
    }

    /// The element that the tag at `start` begins.
    fn element(&mut self, tag: &BytesStart<'_>, start: usize, end: usize) -> Option<Element> {
        let spot = self.cursor.advance(start);
        self.unterminated(start, end, spot)?;
        let name = tag.name().as_ref().to_owned();
        self.elements += 1;
        if name.is_empty() {
            return self.stop(spot, "xml-tag", "this tag has no name", "write &lt; for the character <.");
        }
        if self.open.len() >= DEEPEST {
            return self.stop(
                spot,
                "xml-too-deep",
                format!("elements are nested more than {DEEPEST} deep"),
                "",
            );
        }
        if self.elements > MOST_ELEMENTS {
            return self.stop(
                spot,
                "xml-too-large",
                format!("there are more than {MOST_ELEMENTS} elements"),
                "",
            );
        }
        let typographic = self.typographic(&name, spot);
        let attributes = self.attributes(tag, start)?;
        let name = plain_hyphens(&name);
        Some(Element {
            name,
            typographic,
            spot,
            attributes,
            children: Vec::new(),
            text: String::new(),
            text_spot: None,
            closed: false,
        })
    }

    fn attributes(&mut self, tag: &BytesStart<'_>, start: usize) -> Option<Vec<Attribute>> {
        let mut attributes: Vec<Attribute> = Vec::new();
        let mut cursor = self.cursor;
        let cursor_start = start + 1 + tag.name().as_ref().len();
        // Positions count from the character after `<`, where the name begins.
        // Duplicates are found here: quick-xml takes quadratic time for it.
        let mut read: Attributes<'_> = tag.attributes();
        for attribute in read.with_checks(false) {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => {
                    let (at, what) = misplaced(&error);
                    let mut offset = start + 1 + at;
                    if matches!(error, AttrError::ExpectedEq(_)) {
                        // That is where = was looked for; the name stands before it.
                        let before = self.text.get(..offset).unwrap_or_default().trim_end();
                        let name = before.rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
                        offset = name.max(cursor_start);
                    }
                    let spot = cursor.advance(offset);
                    return self.stop(spot, "xml-attribute", what, "write name=\"value\".");
                }
            };
            let name = attribute.key.as_ref();
            let offset = (name.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
            let spot = cursor.advance(offset);
            if attributes.iter().any(|earlier| earlier.name == name) {
                let what = format!("the attribute {} stands here twice", printable(name));
                return self.stop(spot, "xml-attribute", what, "remove one of the two.");
            }
            let value =
                escape::unescape(&attribute.value).unwrap_or_else(|_| (*attribute.value).into()).into_owned();
            attributes.push(Attribute { name: name.to_owned(), value, spot });
            if attributes.len() > MOST_ATTRIBUTES {
                let what = format!("this element has more than {MOST_ATTRIBUTES} attributes");
                return self.stop(spot, "xml-attribute", what, "");
            }
        }
        Some(attributes)
    }

    fn end(&mut self, written: &str, start: usize, end: usize) -> Option<()> {
        let spot = self.cursor.advance(start);
        self.unterminated(start, end, spot)?;
        let name = plain_hyphens(written);
        match self.open.pop() {
            Some(mut element) if element.name == name => {
                element.typographic = element.typographic || self.typographic(written, spot);
                self.close(element);
                Some(())
            }
            Some(element) => {
                let (opened, line) = (printable(&element.name), element.spot.line);
                let what =
                    format!("</{}> does not close <{opened}>, which line {line} opens", printable(&name));
                self.open.push(element);
                self.stop(spot, "xml-mismatched-tag", what, format!("close it with </{opened}>."))
            }
            None => {
                let what = format!("</{}> closes nothing: no element is open here", printable(&name));
                self.stop(spot, "xml-unmatched-tag", what, "remove it.")
            }
        }
    }

    fn close(&mut self, mut element: Element) {
        element.closed = true;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.roots.push(element),
        }
    }

    fn end_of_file(&mut self) {
        if let Some(element) = self.open.last() {
            let (name, spot) = (printable(&element.name), element.spot);
            let what = format!("<{name}> is never closed");
            let help = format!("close it with </{name}>.");
            if ROOTS.contains(&element.name.as_str()) {
                // Every block in it is complete.
                self.findings.error(spot, "xml-unclosed", what, help);
            } else {
                let _: Option<()> = self.stop(spot, "xml-unclosed", what, help);
            }
        }
    }

    /// A tag that runs into the next one has lost its `>`.
    fn unterminated(&mut self, start: usize, end: usize, spot: Spot) -> Option<()> {
        let tag = self.text.get(start + 1..end).unwrap_or_default();
        let mut quote = None;
        for c in tag.chars() {
            match (quote, c) {
                (Some(open), _) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(c),
                (None, '<') => {
                    return self.stop(
                        spot,
                        "xml-tag",
                        "this tag is not closed before the next one begins",
                        "close it with >.",
                    );
                }
                (None, _) => {}
            }
        }
        Some(())
    }

    fn typographic(&mut self, name: &str, spot: Spot) -> bool {
        let Some(hyphen) = name.chars().find(|c| is_typographic_hyphen(*c)) else { return false };
        let plain = printable(&plain_hyphens(name));
        self.findings.error(
            spot,
            "xml-typographic-hyphen",
            format!(
                "the tag {} is written with a typographic hyphen (U+{:04X}), which makes it another name than {plain}",
                printable(name),
                u32::from(hyphen)
            ),
            format!("write <{plain}> with the hyphen of the keyboard. This element is not used."),
        );
        true
    }

    fn syntax(&mut self, error: &quick_xml::Error, at: usize) -> Option<()> {
        use quick_xml::errors::{Error, SyntaxError as Syntax};
        let spot = self.cursor.advance(at);
        let (what, help) = match error {
            Error::Syntax(Syntax::UnclosedComment) => ("this comment is never closed", "close it with -->."),
            Error::Syntax(Syntax::UnclosedCData) => {
                ("this CDATA section is never closed", "close it with ]]>.")
            }
            Error::Syntax(Syntax::UnclosedTag) => ("this tag is never closed", "close it with >."),
            Error::Syntax(
                Syntax::UnclosedSingleQuotedAttributeValue | Syntax::UnclosedDoubleQuotedAttributeValue,
            ) => ("an attribute of this tag has no closing quote", "close the quote, then the tag with >."),
            Error::Syntax(Syntax::UnclosedPI | Syntax::UnclosedXmlDecl) => {
                ("this processing instruction is never closed", "close it with ?>.")
            }
            Error::Syntax(Syntax::UnclosedDoctype) => ("this DOCTYPE is never closed", "remove it."),
            Error::Syntax(Syntax::InvalidBangMarkup) => {
                ("this is neither a comment nor a CDATA section", "write &lt; for the character <.")
            }
            _ => ("this is not XML", "write &lt; for the character < and &amp; for &."),
        };
        self.stop(spot, "xml-syntax", what, help)
    }

    /// Reports what cannot be read past.
    fn stop<T>(
        &mut self,
        spot: Spot,
        code: &'static str,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        // The block around it is incomplete; a root is not, block by block.
        let block = self.open.iter().find(|element| !ROOTS.contains(&element.name.as_str()));
        let line = block.map_or(spot.line, |block| block.spot.line).min(spot.line);
        let mut help = help.into();
        if !help.is_empty() {
            help.push(' ');
        }
        help.push_str(&format!("Nothing from line {line} of this file on is used."));
        self.findings.error(spot, code, what, help);
        None
    }
}

/// Where an attribute goes wrong, in bytes after `<`, and how.
fn misplaced(error: &AttrError) -> (usize, &'static str) {
    match error {
        AttrError::ExpectedEq(at) => (*at, "this attribute has no value"),
        AttrError::ExpectedValue(at) => (*at, "this attribute has no value after its ="),
        AttrError::UnquotedValue(at) => (*at, "the value of this attribute is not in quotes"),
        AttrError::ExpectedQuote(at, _) => (*at, "the value of this attribute has no closing quote"),
        AttrError::Duplicated(at, _) => (*at, "this attribute stands here twice"),
    }
}

/// What `&name;` stands for. One that nobody defined stays as it is.
fn resolved(reference: &BytesRef<'_>) -> String {
    match reference.resolve_char_ref() {
        Ok(Some(c)) => c.to_string(),
        _ => match escape::resolve_predefined_entity(reference) {
            Some(text) => text.to_owned(),
            None => format!("&{};", &**reference),
        },
    }
}

/// A name as messages show it.
pub(super) fn printable(name: &str) -> String {
    let shown = crate::diagnostic::shown(name);
    shown.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(&shown).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    fn read(text: &str) -> (Vec<Element>, Vec<Diagnostic>) {
        let mut findings = Findings::default();
        let file = findings.add("f", text.into());
        let roots = super::read(file, text, &mut findings);
        (roots, findings.into_diagnostics())
    }

    /// What a text that is not XML is told, and how many roots stood before.
    #[track_caller]
    fn wrong(text: &str) -> (&'static str, u32, u32, String) {
        let (_, found) = read(text);
        let [found] = found.as_slice() else { panic!("not one finding: {found:?}") };
        (found.code, found.place.line, found.place.column, format!("{}; {}", found.message, found.help))
    }

    #[test]
    fn everything_has_its_place() {
        let (roots, found) = read(
            "<!-- é -->\r\n<a é='1'\n   two = \"&lt;2>\">t&#65;<![CDATA[<c>]]>&x;<!-- -- --> & e\n<b/></a >\n<?pi?><c></c>",
        );
        assert_eq!(found, []);
        let [a, c] = roots.as_slice() else { panic!("{roots:?}") };
        let at = |spot: Spot| (spot.line, spot.column);
        assert_eq!((a.name.as_str(), at(a.spot), a.value()), ("a", (2, 1), "tA<c>&x; & e"));
        assert_eq!(at(a.text_spot()), (3, 19));
        let attributes: Vec<_> = a
            .attributes
            .iter()
            .map(|found| (found.name.as_str(), found.value.as_str(), at(found.spot)))
            .collect();
        assert_eq!(attributes, [("é", "1", (2, 4)), ("two", "<2>", (3, 4))]);
        assert_eq!(
            a.children.iter().map(|b| (b.name.as_str(), at(b.spot), b.closed)).collect::<Vec<_>>(),
            [("b", (4, 1), true)]
        );
        assert_eq!((c.name.as_str(), at(c.spot)), ("c", (5, 7)));
    }

    #[test]
    fn a_wrong_tag_names_both_and_where_the_other_stands() {
        let (code, line, column, text) = wrong("<command>\n  <name>firewall-drop</command>\n");
        assert_eq!((code, line, column), ("xml-mismatched-tag", 2, 22));
        assert!(text.contains("</command> does not close <name>, which line 2 opens"), "{text}");
        assert!(
            text.contains("close it with </name>") && text.contains("Nothing from line 1 of this file"),
            "{text}"
        );
        let (code, line, column, text) = wrong("<a></a>\n</b>");
        assert_eq!((code, line, column), ("xml-unmatched-tag", 2, 1));
        assert!(text.contains("</b> closes nothing"), "{text}");
    }

    #[test]
    fn what_is_not_xml_has_a_code_and_a_place() {
        let deep = "<d>".repeat(65);
        for (text, expected) in [
            ("<a>\n <b>", ("xml-unclosed", 2, 2)),
            ("<ossec_config>\n<a/>", ("xml-unclosed", 1, 1)),
            ("<a>\n<b></b", ("xml-syntax", 2, 4)),
            ("<a></reports\n\n</a>", ("xml-tag", 1, 4)),
            ("<a>\n<b\n<c></c></a>", ("xml-tag", 2, 1)),
            ("<a><></></a>", ("xml-tag", 1, 4)),
            ("\n <!-- never", ("xml-syntax", 2, 2)),
            ("<a><![CDATA[ never", ("xml-syntax", 1, 4)),
            ("<a>\n<b {{ x }}/></a>", ("xml-attribute", 2, 4)),
            ("<a b=c/>", ("xml-attribute", 1, 6)),
            ("<a b/>", ("xml-attribute", 1, 4)),
            ("<a b=\"1\" b=\"2\"/>", ("xml-attribute", 1, 10)),
            ("<a b=\"1/>", ("xml-syntax", 1, 1)),
            (&deep, ("xml-too-deep", 1, 193)),
        ] {
            let (code, line, column, _) = wrong(text);
            assert_eq!((code, line, column), expected, "{text}");
        }
    }

    #[test]
    fn typographic_hyphens_are_named() {
        for (hyphen, code) in [('\u{2010}', "U+2010"), ('\u{2011}', "U+2011"), ('\u{2013}', "U+2013")] {
            let (roots, found) = read(&format!(
                "<active{hyphen}response></active{hyphen}response>\n<active-response></active{hyphen}response>"
            ));
            assert_eq!(
                roots.iter().map(|root| (root.name.as_str(), root.typographic)).collect::<Vec<_>>(),
                [("active-response", true); 2]
            );
            let [first, second] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((first.code, first.place.line, first.place.column), ("xml-typographic-hyphen", 1, 1));
            assert!(first.message.contains(code) && first.help.contains("<active-response>"), "{first}");
            assert_eq!((second.place.line, second.place.column), (2, 18));
        }
    }

    #[test]
    fn what_stood_before_is_kept() {
        let (roots, found) = read("<a><b/></a><ossec_config><c></c><d><e></ossec_config><f/>");
        assert_eq!(found.len(), 1);
        let names: Vec<_> =
            roots.iter().map(|root| (root.name.as_str(), root.closed, root.children.len())).collect();
        assert_eq!(names, [("a", true, 1), ("ossec_config", false, 1)]);
    }
}
