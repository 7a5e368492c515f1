//! What arming found, with the source line of each.

use std::borrow::Cow;
use std::collections::HashMap;

use riposte_policy::config::Config;
use riposte_policy::diagnostic::{self, Diagnostic, Place, Severity};

use crate::files::{self, Doubt, File};

/// Most findings that are kept: nobody reads more.
const MOST: usize = 1_000;
/// Most characters of a source line that are shown.
const WIDEST: usize = 200;

/// The files, and what was found about the commands and responses in them.
pub(super) struct Findings<'a> {
    files: &'a [File],
    /// The text of each file, and where each line begins. Looked up for every
    /// finding, so read once.
    texts: HashMap<String, (Cow<'a, str>, Vec<usize>)>,
    /// The block that was looked into last, and the byte where it begins: the
    /// next one often stands behind it in the same line, and then its columns are
    /// counted from there.
    last: Option<(Place, usize)>,
    found: Vec<Diagnostic>,
    /// How bad the worst of those is that are no longer kept, and where.
    unkept: Option<(Severity, Place)>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(files: &'a [File]) -> Self {
        Self { files, texts: HashMap::new(), last: None, found: Vec::new(), unkept: None }
    }

    /// Adds one finding.
    pub(super) fn say(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: &Place,
        message: String,
        help: String,
    ) {
        debug_assert!(diagnostic::code(code).is_ok_and(|code| code.may_be(severity)), "{code} {severity}");
        if self.found.len() >= MOST {
            if self.unkept.as_ref().is_none_or(|(worst, _)| *worst < severity) {
                self.unkept = Some((severity, place.clone()));
            }
            return;
        }
        let source = self.line(place);
        let place = place.clone();
        self.found.push(Diagnostic { severity, code, place, source, message, help, wazuh: String::new() });
    }

    /// What was said last.
    pub(super) fn last(&self) -> String {
        match (self.found.last(), &self.unkept) {
            (Some(found), None) => found.message.clone(),
            _ => "riposte check says why".to_owned(),
        }
    }

    /// Says which files others can change. That Wazuh's own group may write one
    /// of Wazuh's is how Wazuh installs it.
    pub(super) fn exchangeable(&mut self) {
        for file in self.files {
            let Some(doubt) = files::doubt(&file.path, files::EVERYBODY) else { continue };
            let place = Place { file: file.path.display().to_string().into(), line: 1, column: 1 };
            let (message, help) = match doubt {
                Doubt::Writable(mode) => (
                    format!(
                        "everybody may write this file (mode {mode:04o}), and so decide what the engine runs"
                    ),
                    format!("chmod o-w {}", file.path.display()),
                ),
                Doubt::Owner(uid) => (
                    format!("this file belongs to uid {uid}, who may decide so what the engine runs"),
                    format!("chown root {}", file.path.display()),
                ),
            };
            self.say(Severity::Error, "config-writable", &place, message, help);
        }
    }

    /// Says when there is nothing in the files that the engine could do.
    pub(super) fn empty(&mut self, config: &Config) {
        let wrong = |found: &Diagnostic| found.severity == Severity::Error;
        let switched_off = |found: &Diagnostic| found.code == "active-response-disabled";
        let explained = config.diagnostics.iter().any(|found| wrong(found) || switched_off(found));
        let Some(file) = self.files.first() else { return };
        if explained || !config.commands.is_empty() || !config.responses.is_empty() {
            return;
        }
        let place = Place { file: file.path.display().to_string().into(), line: 1, column: 1 };
        let message = "there is no <command> and no <active-response> here, so nothing will ever be done";
        let help = "name the file that has them with --config; docs/configuration.md has a whole one";
        self.say(Severity::Warning, "config-empty", &place, message.to_owned(), help.to_owned());
    }

    /// Puts them where they belong among those that were found before.
    pub(super) fn add_to(mut self, diagnostics: &mut Vec<Diagnostic>) {
        if let Some((severity, place)) = self.unkept.take() {
            self.found.truncate(MOST - 1);
            let message = format!("there is more to say about executables than these {MOST} findings");
            self.say(severity, "findings-many", &place, message, String::new());
        }
        diagnostics.append(&mut self.found);
        let files = self.files.iter().enumerate();
        let order: HashMap<String, usize> =
            files.map(|(number, file)| (file.path.display().to_string(), number)).collect();
        diagnostics.sort_by_key(|found| {
            (order.get(&*found.place.file).copied(), found.place.line, found.place.column)
        });
    }

    /// They alone.
    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        self.add_to(&mut diagnostics);
        diagnostics
    }

    /// Where the element `tag` of the block at `block` stands, or else the block:
    /// a later file may have said it. With `text` it is the one that holds that.
    pub(super) fn inside(&mut self, block: &Place, tag: &str, text: Option<&str>) -> Place {
        self.found_inside(block, tag, text).unwrap_or_else(|| block.clone())
    }

    fn found_inside(&mut self, block: &Place, tag: &str, text: Option<&str>) -> Option<Place> {
        let last = self.last.take();
        let (all, lines) = self.text(block)?;
        let first = usize::try_from(block.line).ok()?.checked_sub(1)?;
        let (counted, start) = match last {
            Some((last, begin))
                if (&last.file, last.line) == (&block.file, block.line) && last.column <= block.column =>
            {
                (last.column, begin)
            }
            _ => (1, *lines.get(first)?),
        };
        let columns = usize::try_from(block.column.checked_sub(counted)?).ok()?;
        let (skipped, _) = all.get(start..)?.char_indices().nth(columns)?;
        let begin = start + skipped;
        self.last = Some((block.clone(), begin));
        let (all, lines) = self.text(block)?;
        let block_text = all.get(begin..)?;
        let block_text = block_text.get(..block_text.find("</command")?)?;
        let opening = format!("<{tag}");
        let at = block_text.match_indices(&opening).map(|(at, _)| at).find(|at| {
            let inner = block_text.get(at + opening.len()..).unwrap_or_default();
            let value =
                inner.split_once('>').map_or("", |(_, rest)| rest).split('<').next().unwrap_or_default();
            inner.starts_with(|c: char| c.is_whitespace() || "/>".contains(c))
                && text.is_none_or(|text| value.trim() == text)
        })?;
        let offset = begin + at;
        let line = lines.partition_point(|from| *from <= offset);
        // In the line of the block its column is known.
        let (from, counted) = match *lines.get(line.checked_sub(1)?)? {
            from if from <= begin => (begin, block.column),
            from => (from, 1),
        };
        let before = all.get(from..offset)?.chars().count();
        Some(Place {
            line: u32::try_from(line).ok()?,
            column: u32::try_from(before).ok()?.checked_add(counted)?,
            ..block.clone()
        })
    }

    /// The source line of a place, fit to print.
    fn line(&mut self, place: &Place) -> String {
        let Some((text, lines)) = self.text(place) else { return String::new() };
        let number = usize::try_from(place.line).unwrap_or(usize::MAX);
        let from = number.checked_sub(1).and_then(|number| lines.get(number));
        let line = from.and_then(|from| text.get(*from..)).unwrap_or_default();
        // No further than is shown: a line may have many mebibytes.
        let line: String = line.chars().take_while(|c| *c != '\n').take(WIDEST).collect();
        let line = line.strip_suffix('\r').unwrap_or(&line);
        line.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}")
    }

    /// The text of the file of a place, and where its lines begin.
    fn text(&mut self, place: &Place) -> Option<(&str, &[usize])> {
        if !self.texts.contains_key(&*place.file) {
            let file = self.files.iter().find(|file| file.path.display().to_string() == *place.file)?;
            let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file.bytes);
            let text = String::from_utf8_lossy(bytes);
            let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1);
            let lines = std::iter::once(0).chain(ends).collect();
            self.texts.insert(place.file.to_string(), (text, lines));
        }
        self.texts.get(&*place.file).map(|(text, lines)| (&**text, lines.as_slice()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn an_element_of_a_block_is_found_where_it_stands() {
        let text = "\u{feff}<!-- é --> <command>\n é<executable>a</executable>\n\
                    <executables/><executable runtime='native'> b </executable>\n<limits/></command>\n\
                    <command><capabilities/></command>";
        let files = [File { path: "f".into(), bytes: text.as_bytes().to_vec() }];
        let mut findings = Findings::new(&files);
        let block = Place { file: "f".into(), line: 1, column: 12 };
        let mut at = |tag: &str, text: Option<&str>| {
            let place = findings.inside(&block, tag, text);
            (place.line, place.column)
        };
        assert_eq!(at("executable", Some("a")), (2, 3));
        assert_eq!(at("executable", Some("b")), (3, 15));
        assert_eq!(at("limits", None), (4, 1));
        // Once more, from what was counted.
        assert_eq!(at("executable", Some("a")), (2, 3));
        // Another file says it, or nobody.
        assert_eq!(at("executable", Some("c")), (1, 12));
        assert_eq!(at("capabilities", None), (1, 12));
        let elsewhere = Place { file: "g".into(), line: 7, column: 7 };
        assert_eq!(findings.inside(&elsewhere, "executable", None), elsewhere);
        let behind = Place { file: "f".into(), line: 99, column: 99 };
        assert_eq!(findings.inside(&behind, "executable", None), behind);
    }

    /// Counting each column from the beginning of its line would take minutes.
    #[test]
    fn blocks_of_one_long_line_are_found_in_one_pass() {
        let block = "<command>\u{e9}<executable>a</executable></command>";
        let text = block.repeat(20_000);
        let files = [File { path: "f".into(), bytes: text.into_bytes() }];
        let mut findings = Findings::new(&files);
        let wide = u32::try_from(block.chars().count()).unwrap();
        for number in 0..20_000 {
            let place = Place { file: "f".into(), line: 1, column: 1 + number * wide };
            assert_eq!(findings.inside(&place, "executable", Some("a")).column, place.column + 10);
        }
        // One that stands before the last is counted anew.
        let first = Place { file: "f".into(), line: 1, column: 1 };
        assert_eq!(findings.inside(&first, "executable", Some("a")).column, 11);
    }

    #[test]
    fn what_nobody_reads_is_counted_by_its_worst() {
        let mut findings = Findings::new(&[]);
        let place = Place { file: "f".into(), line: 1, column: 1 };
        for n in 0..1_100 {
            let severity = if n == 1_050 { Severity::Error } else { Severity::Note };
            findings.say(severity, "executable-missing", &place, String::new(), String::new());
        }
        let found = findings.into_diagnostics();
        assert_eq!(found.len(), 1_000);
        let many: Vec<_> = found.iter().filter(|found| found.code == "findings-many").collect();
        assert_eq!(many.iter().map(|found| found.severity).collect::<Vec<_>>(), [Severity::Error]);
    }
}
