//! What arming found, with the source line of each.

use std::borrow::Cow;
use std::collections::HashMap;

use riposte_policy::config::Config;
use riposte_policy::diagnostic::{self, Diagnostic, Place, Severity};

use crate::files::File;

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
    found: Vec<Diagnostic>,
    /// How bad the worst of those is that are no longer kept, and where.
    unkept: Option<(Severity, Place)>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(files: &'a [File]) -> Self {
        Self { files, texts: HashMap::new(), found: Vec::new(), unkept: None }
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
        let help = "name the file that has them with --config; docs/configuration.md begins with an example";
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

    /// The source line of a place, fit to print.
    fn line(&mut self, place: &Place) -> String {
        let Some(file) = self.files.iter().find(|file| file.path.display().to_string() == *place.file) else {
            return String::new();
        };
        let (text, lines) = self.texts.entry(place.file.to_string()).or_insert_with(|| {
            let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file.bytes);
            let text = String::from_utf8_lossy(bytes);
            let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1);
            let lines = std::iter::once(0).chain(ends).collect();
            (text, lines)
        });
        let number = usize::try_from(place.line).unwrap_or(usize::MAX);
        let from = number.checked_sub(1).and_then(|number| lines.get(number));
        let line = from.and_then(|from| text.get(*from..)).unwrap_or_default();
        let line = line.split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let harmless = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
        line.chars().take(WIDEST).map(harmless).collect()
    }
}
