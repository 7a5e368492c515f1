//! A finding for people: severity, code and message, then place, source line,
//! the words in question and what to do, as compilers print it.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Severity};

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// With the colours of a terminal.
    pub colour: bool,
    /// With a line that names the page of its code.
    pub page: bool,
}

/// Codes about a tag, whatever the element holds.
const OF_TAGS: [&str; 5] =
    ["element-nested", "element-unenforced", "element-unknown", "root-unknown", "section-unknown"];

/// Without colours and page.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rendered(Look::default()))
    }
}

impl Diagnostic {
    /// The finding as text of several lines, ending in a line end.
    #[must_use]
    pub fn rendered(&self, look: Look) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let title = level.primary_title(harmless(&self.message)).id(self.code);
        let mut group = self.place(Group::with_title(title));
        for (name, text) in [
            ("help", self.help.clone()),
            ("wazuh", self.wazuh.clone()),
            (
                "more",
                if look.page { format!("riposte check --explain {}", self.code) } else { String::new() },
            ),
        ] {
            if !text.is_empty() {
                group = group.element(Level::HELP.with_name(name).message(harmless(&text)));
            }
        }
        let renderer = if look.colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = renderer.render(&[group]);
        text.push('\n');
        text
    }

    /// The place, with the source line where that reaches so far.
    fn place<'a>(&'a self, group: Group<'a>) -> Group<'a> {
        let file = harmless(&self.place.file);
        let (line, column) = (number(self.place.line), number(self.place.column));
        if line == 0 {
            return group.element(Origin::path(file));
        }
        let source = harmless(&self.source);
        // The line was cut before the place, or is not known.
        if source.is_empty() || column > source.chars().count() + 1 {
            return group.element(Origin::path(file).line(line).char_column(column));
        }
        let byte = |column: usize| {
            source.char_indices().nth(column.saturating_sub(1)).map_or(source.len(), |(byte, _)| byte)
        };
        let from = byte(column);
        let to = byte(self.end_column().map_or(column + 1, number)).max(from);
        let snippet = Snippet::source(source).path(file).line_start(line);
        group.element(snippet.annotation(AnnotationKind::Primary.span(from..to)))
    }

    /// The column behind what the finding is about; `None` when the source
    /// line does not show it.
    #[must_use]
    pub fn end_column(&self) -> Option<u32> {
        let rest: String = self.source.chars().skip(number(self.place.column).checked_sub(1)?).collect();
        let of_tag = self.code.starts_with("xml-") || OF_TAGS.contains(&self.code);
        let length = if rest.starts_with('<') { tag(&rest, of_tag) } else { words(&rest, self.code) };
        let length = rest.get(..length)?.chars().count();
        (length != 0).then(|| self.place.column.saturating_add(u32::try_from(length).unwrap_or(u32::MAX)))
    }
}

/// How many bytes the tag at the beginning has, or the element when it holds
/// nothing but text and ends here.
fn tag(rest: &str, only: bool) -> usize {
    let name = rest.strip_prefix("</").or(rest.strip_prefix('<')).unwrap_or(rest);
    let name = name.split(|c: char| c.is_whitespace() || "/<>".contains(c)).next().unwrap_or_default();
    let next = rest.char_indices().skip(1).find(|(_, c)| *c == '<').map_or(rest.len(), |(at, _)| at);
    let Some(end) = rest.get(..next).and_then(|tag| tag.find('>')) else {
        return rest.get(..next).map_or(0, |tag| tag.trim_end().len());
    };
    let closing = format!("</{name}>");
    let closed = rest.get(next..).is_some_and(|rest| rest.starts_with(&closing));
    if closed && !only { next + closing.len() } else { end + 1 }
}

/// How many bytes the attribute, the word or the stray text at the beginning
/// has.
fn words(rest: &str, code: &str) -> usize {
    let until = |end: fn(char) -> bool| rest.find(end).unwrap_or(rest.len());
    if code == "text-stray" {
        return rest.get(..until(|c| c == '<')).map_or(0, |text| text.trim_end().len());
    }
    let word = until(|c| c.is_whitespace() || "<>=\"'/".contains(c)).max(1);
    let Some(value) = rest.get(word..).and_then(|rest| rest.trim_start().strip_prefix('=')) else {
        return word.min(rest.len());
    };
    let value = value.trim_start();
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return word };
    let before = rest.len() - value.len();
    value.get(1..).and_then(|value| value.find(quote)).map_or(word, |end| before + end + 2)
}

/// Nothing that moves a cursor, turns the direction of writing, begins a line or
/// cannot be seen. Each character stays one.
fn harmless(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(
                c,
                '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            )
    };
    text.replace(harmful, "\u{fffd}")
}

fn number(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Place;

    fn finding(source: &str, line: u32, column: u32) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "command-undefined",
            place: Place { file: "ossec.conf".into(), line, column },
            source: source.into(),
            message: "no command is named \"fire\"".into(),
            help: "did you mean firewall-drop?".into(),
            wazuh: String::new(),
        }
    }

    #[test]
    fn the_carets_stand_under_the_words() {
        let look = Look { colour: false, page: true };
        assert_eq!(
            finding("\t<command>fire</command> <x/>", 12, 2).rendered(look),
            "\
error[command-undefined]: no command is named \"fire\"
  --> ossec.conf:12:2
   |
12 |     <command>fire</command> <x/>
   |     ^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: did you mean firewall-drop?
   = more: riposte check --explain command-undefined
"
        );
    }

    #[test]
    fn what_the_carets_stand_under() {
        let marked = |code: &'static str, source: &str, column: u32| {
            let found = Diagnostic { code, ..finding(source, 1, column) };
            let end = found.end_column().unwrap_or(column);
            source.chars().skip(number(column) - 1).take(number(end - column)).collect::<String>()
        };
        assert_eq!(marked("value-invalid", "<a>é</a><b/>", 1), "<a>é</a>");
        assert_eq!(marked("element-unknown", "<a x='1'>b</a>", 1), "<a x='1'>");
        assert_eq!(marked("trigger-missing", "<a><b/></a>", 1), "<a>");
        assert_eq!(marked("xml-tag", "<a  <b>", 1), "<a");
        assert_eq!(marked("xml-mismatched-tag", "<a>x</b>", 5), "</b>");
        assert_eq!(marked("attribute-unknown", "<a é = \"1 2\" c>", 4), "é = \"1 2\"");
        assert_eq!(marked("xml-attribute", "<a b>", 4), "b");
        assert_eq!(marked("text-stray", "some stray  <b/>", 1), "some stray");
        assert_eq!(marked("value-invalid", "", 1), "");
        assert_eq!(marked("value-invalid", "=", 1), "=");
    }

    #[test]
    fn a_place_that_the_line_does_not_show_makes_no_endless_line() {
        let behind = finding("cut", 7, u32::MAX).to_string();
        assert!(behind.contains("--> ossec.conf:7:4294967295\n") && !behind.contains("cut"), "{behind}");
        let whole = finding("", 0, 0).to_string();
        assert!(whole.contains("--> ossec.conf\n"), "{whole}");
    }

    #[test]
    fn control_characters_stay_harmless() {
        let mut found = finding("<a>\u{1b}[2J\u{202e}\u{61c}\u{200b}\u{2028}\u{feff}</a>", 1, 1);
        found.message.push('\u{1b}');
        found.help.push('\u{7}');
        found.place.file = "a\u{1b}b".into();
        let text = found.to_string();
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n')
                && !text.contains(['\u{202e}', '\u{61c}', '\u{200b}', '\u{2028}', '\u{feff}']),
            "{text:?}"
        );
        assert!(found.rendered(Look { colour: true, page: false }).contains("\u{1b}["));
    }
}
