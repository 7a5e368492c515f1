//! What was found in the files, and where: the one place that knows the text.

use std::borrow::Cow;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Place, Severity};

/// A place in one of the files that are read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    /// Which file, from 0.
    pub(super) file: usize,
    /// Line, from 1.
    pub(super) line: u32,
    /// Column in characters, from 1.
    pub(super) column: u32,
}

/// The files, and the diagnostics about them.
#[derive(Debug, Default)]
pub(super) struct Findings<'a> {
    files: Vec<File<'a>>,
    found: Vec<(Spot, Diagnostic)>,
    /// Whether what was found last was kept.
    kept: bool,
}

#[derive(Debug)]
struct File<'a> {
    name: Arc<str>,
    text: Cow<'a, str>,
    /// Where each line begins.
    lines: Vec<usize>,
    /// How many diagnostics there are about it.
    found: usize,
    /// How bad the worst of those is that are no longer kept.
    unkept: Option<Severity>,
}

/// Most diagnostics kept about one file: nobody reads more, and each holds a
/// source line.
const MOST: usize = 1_000;
/// Most characters of a source line that are shown.
const WIDEST: usize = 200;

impl<'a> Findings<'a> {
    /// Takes one more file and returns its number.
    pub(super) fn add(&mut self, name: &str, text: Cow<'a, str>) -> usize {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        self.files.push(File { name: name.into(), text, lines, found: 0, unkept: None });
        self.files.len() - 1
    }

    /// The place as users see it.
    pub(super) fn place(&self, spot: Spot) -> Place {
        let file = self.files.get(spot.file).map_or_else(|| Arc::from(""), |file| Arc::clone(&file.name));
        Place { file, line: spot.line, column: spot.column }
    }

    pub(super) fn error(
        &mut self,
        spot: Spot,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, spot, code, message.into(), help.into());
    }

    pub(super) fn warning(
        &mut self,
        spot: Spot,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Warning, spot, code, message.into(), help.into());
    }

    pub(super) fn note(
        &mut self,
        spot: Spot,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Note, spot, code, message.into(), help.into());
    }

    /// A finding whose severity depends on who reads.
    pub(super) fn found(
        &mut self,
        severity: Severity,
        spot: Spot,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(severity, spot, code, message.into(), help.into());
    }

    /// What Wazuh logs in the place of what was found last.
    pub(super) fn says(&mut self, wazuh: impl Into<String>) {
        if let Some((_, diagnostic)) = self.found.last_mut().filter(|_| self.kept) {
            diagnostic.wazuh = wazuh.into();
        }
    }

    /// Whether so much was found in this file that suggestions help nobody.
    pub(super) fn are_many(&self, spot: Spot) -> bool {
        self.files.get(spot.file).is_some_and(|file| file.found >= MOST / 10)
    }

    /// All diagnostics, in the order of the text.
    pub(super) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        for number in 0..self.files.len() {
            let Some(file) = self.files.get_mut(number) else { continue };
            let Some(severity) = file.unkept.take() else { continue };
            let line = u32::try_from(file.lines.len()).unwrap_or(u32::MAX);
            let spot = Spot { file: number, line, column: 1 };
            let message = format!("there is more to say about this file than these {MOST} findings");
            let diagnostic = self.diagnostic(severity, spot, "findings-many", message, String::new());
            self.found.push((spot, diagnostic));
        }
        self.found.sort_by_key(|(spot, _)| *spot);
        self.found.into_iter().map(|(_, diagnostic)| diagnostic).collect()
    }

    fn push(&mut self, severity: Severity, spot: Spot, code: &'static str, message: String, help: String) {
        let Some(file) = self.files.get_mut(spot.file) else { return };
        file.found += 1;
        self.kept = file.found <= MOST;
        if !self.kept {
            file.unkept = file.unkept.max(Some(severity));
            return;
        }
        let diagnostic = self.diagnostic(severity, spot, code, message, help);
        self.found.push((spot, diagnostic));
    }

    fn diagnostic(
        &self,
        severity: Severity,
        spot: Spot,
        code: &'static str,
        message: String,
        help: String,
    ) -> Diagnostic {
        #[cfg(test)]
        assert!(
            crate::diagnostic::code(code).is_ok_and(|code| code.may_be(severity)),
            "{code}, {severity}, is not in the list of codes"
        );
        let source = self.files.get(spot.file).map(|file| file.line(spot.line)).unwrap_or_default();
        Diagnostic { severity, code, place: self.place(spot), source, message, help, wazuh: String::new() }
    }
}

impl File<'_> {
    /// A source line, fit to print: no control characters, not too long. Each
    /// character stays one character, so that columns still count.
    fn line(&self, number: u32) -> String {
        let from = usize::try_from(number).ok().and_then(|number| self.lines.get(number.checked_sub(1)?));
        let rest = from.and_then(|from| self.text.get(*from..)).unwrap_or_default();
        // No further than is shown: a line may have many mebibytes.
        let line: String = rest.chars().take_while(|c| *c != '\n').take(WIDEST).collect();
        let line = line.strip_suffix('\r').unwrap_or(&line);
        line.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}")
    }
}

/// A position in a text that only moves forward, so that counting lines and
/// characters costs one pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'t> {
    rest: &'t str,
    offset: usize,
    spot: Spot,
}

impl<'t> Cursor<'t> {
    /// The beginning of file number `file`, whose text is `text`.
    pub(super) fn new(file: usize, text: &'t str) -> Self {
        Self { rest: text, offset: 0, spot: Spot { file, line: 1, column: 1 } }
    }

    /// Moves on to byte `offset` of the text, and says where that is.
    pub(super) fn advance(&mut self, offset: usize) -> Spot {
        let mut by = offset.saturating_sub(self.offset).min(self.rest.len());
        while !self.rest.is_char_boundary(by) {
            by -= 1;
        }
        let (passed, rest) = self.rest.split_at(by);
        let line_start = memchr::memrchr(b'\n', passed.as_bytes()).map(|end| end + 1);
        if let Some(line_start) = line_start {
            let lines = memchr::memchr_iter(b'\n', passed.as_bytes()).count();
            self.spot.line = self.spot.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
            self.spot.column = 1;
            self.pass(passed.get(line_start..).unwrap_or_default());
        } else {
            self.pass(passed);
        }
        self.rest = rest;
        self.offset += by;
        self.spot
    }

    fn pass(&mut self, text: &str) {
        let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        self.spot.column = self.spot.column.saturating_add(characters);
    }
}
