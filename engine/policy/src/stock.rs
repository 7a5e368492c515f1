//! The responses of a manager's own configuration as stretches of bytes, and
//! the edits that switch them off and on again.
//!
//! What is switched off carries a mark in a comment, so that exactly these
//! edits can be taken back later, whatever else has changed in the file.

use std::fmt;
use std::ops::Range;

use crate::tags::{self, Kind, Tag, plain, tags};

/// Behind a `<disabled>yes</disabled>` that was put in.
const PUT_IN: &str = "<!-- riposte takeover -->";
/// Behind one whose value was changed: what it was follows.
const CHANGED: &str = "<!-- riposte takeover, was: ";
/// The end of that comment.
const CHANGED_END: &str = " -->";
/// What is put in.
const DISABLED: &str = "<disabled>yes</disabled>";

/// One `<active-response>` that names a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'t> {
    /// Its bytes, from `<active-response>` to `</active-response>`.
    pub text: &'t str,
    /// Where they stand.
    pub span: Range<usize>,
    /// Its line, from 1.
    pub line: usize,
    /// The command it names.
    pub command: String,
    /// Whether the manager carries it out.
    pub enabled: bool,
    /// Whether [`take_over`] switched it off.
    pub taken: bool,
    /// Where its content begins.
    inner: usize,
    /// The content of its last `<disabled>`, or that element when it is empty.
    disabled: Option<Disabled>,
}

/// A `<disabled>` element.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Disabled {
    /// All of it.
    span: Range<usize>,
    /// What it says.
    value: String,
}

/// The responses of a manager's configuration, in order. The manager's own
/// block, which names no command, is none of them.
///
/// # Errors
///
/// When the tags do not match: then nobody can say what belongs to what.
pub fn blocks(text: &str) -> Result<Vec<Block<'_>>, Unbalanced> {
    let mut open: Vec<Tag<'_>> = Vec::new();
    let mut found = Vec::new();
    let mut reading: Option<Reading> = None;
    // Counted on, so that a file is gone through once however many blocks it has.
    let (mut line, mut counted) = (1, 0);
    for tag in tags(text) {
        let named = |depth: usize, name: &str| open.get(depth).is_some_and(|tag| tag.name == name);
        // `active-response` below a root, and what stands directly in it.
        let outside = open.len() == 1 && named(0, "ossec_config");
        let inside = open.len() == 2 && named(0, "ossec_config") && named(1, "active-response");
        match tag.kind {
            Kind::Open => {
                if outside && tag.name == "active-response" {
                    reading = Some(Reading { inner: tag.span.end, ..Reading::default() });
                }
                open.push(tag);
            }
            Kind::Empty => {
                if let (true, "disabled", Some(reading)) = (inside, tag.name, reading.as_mut()) {
                    reading.disabled = Some(Disabled { span: tag.span, value: String::new() });
                }
            }
            Kind::Close => {
                let Some(opened) = open.pop().filter(|opened| opened.name == tag.name) else {
                    let line = tags::line(text, tag.span.start);
                    return Err(Unbalanced { line, name: tag.name.to_owned() });
                };
                match (open.len(), reading.as_mut()) {
                    (2, Some(reading)) => {
                        let inner = text.get(opened.span.end..tag.span.start).unwrap_or_default();
                        reading.child(tag.name, plain(inner), opened.span.start..tag.span.end);
                    }
                    (1, Some(_)) => {
                        let span = opened.span.start..tag.span.end;
                        line += tags::line(text.get(counted..span.start).unwrap_or_default(), usize::MAX) - 1;
                        counted = span.start;
                        found.extend(reading.take().and_then(|reading| reading.block(text, span, line)));
                    }
                    _ => {}
                }
            }
        }
    }
    match open.pop() {
        None => Ok(found),
        Some(tag) => Err(Unbalanced { line: tags::line(text, tag.span.start), name: tag.name.to_owned() }),
    }
}

/// A block that is being read.
#[derive(Default)]
struct Reading {
    inner: usize,
    command: Option<String>,
    disabled: Option<Disabled>,
}

impl Reading {
    /// Of what stands there twice the last counts, as in Wazuh.
    fn child(&mut self, name: &str, value: String, span: Range<usize>) {
        match name {
            "command" => self.command = Some(value),
            "disabled" => self.disabled = Some(Disabled { span, value }),
            _ => {}
        }
    }

    fn block(self, text: &str, span: Range<usize>, line: usize) -> Option<Block<'_>> {
        let disabled = self.disabled.as_ref();
        let behind = disabled.and_then(|disabled| text.get(disabled.span.end..)).unwrap_or_default();
        let taken = behind.starts_with(PUT_IN) || behind.starts_with(CHANGED);
        Some(Block {
            text: text.get(span.clone())?,
            line,
            span,
            command: self.command?,
            enabled: disabled.is_none_or(|disabled| disabled.value != "yes"),
            taken: taken && disabled.is_some_and(|disabled| disabled.value == "yes"),
            inner: self.inner,
            disabled: self.disabled,
        })
    }
}

/// The text with every enabled block that `chosen` picks switched off, and the
/// blocks as they were.
///
/// # Errors
///
/// When the tags do not match, or a `<disabled>` says what Wazuh refuses.
pub fn take_over(
    text: &str,
    chosen: impl Fn(&Block<'_>) -> bool,
) -> Result<(String, Vec<Block<'_>>), NotTaken> {
    let blocks = blocks(text).map_err(NotTaken::Unbalanced)?;
    let taken: Vec<_> = blocks.into_iter().filter(|block| block.enabled && chosen(block)).collect();
    let mut out = String::with_capacity(text.len() + taken.len() * 64);
    let mut copied = 0;
    for block in &taken {
        let (span, edit) = match &block.disabled {
            Some(Disabled { span, value }) if value == "no" => {
                (span.clone(), format!("{DISABLED}{CHANGED}{}{CHANGED_END}", kept(text, span)?))
            }
            Some(Disabled { value, .. }) => {
                return Err(NotTaken::Disabled { line: block.line, value: value.clone() });
            }
            None => {
                let behind = text.get(block.inner..).unwrap_or_default();
                let blanks = behind.len() - behind.trim_start().len();
                let blanks = behind.get(..blanks).unwrap_or_default();
                (block.inner..block.inner, format!("{blanks}{DISABLED}{PUT_IN}"))
            }
        };
        out.push_str(text.get(copied..span.start).unwrap_or_default());
        out.push_str(&edit);
        copied = span.end;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Ok((out, taken))
}

/// What a changed element was, as a comment can hold it: in hexadecimal when
/// it is not the plain `<disabled>no</disabled>`.
fn kept(text: &str, span: &Range<usize>) -> Result<String, NotTaken> {
    let was = text.get(span.clone()).unwrap_or_default();
    if was == "<disabled>no</disabled>" {
        return Ok("no".to_owned());
    }
    Ok(was.bytes().fold("x".to_owned(), |out, byte| format!("{out}{byte:02x}")))
}

/// The text with every edit of [`take_over`] taken back, and how many blocks
/// that were.
///
/// # Errors
///
/// When the tags do not match.
pub fn give_back(text: &str) -> Result<(String, usize), Unbalanced> {
    let taken: Vec<_> = blocks(text)?.into_iter().filter(|block| block.taken).collect();
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for block in &taken {
        let Some(Disabled { span, .. }) = &block.disabled else { continue };
        let behind = text.get(span.end..).unwrap_or_default();
        if behind.starts_with(PUT_IN) {
            // The blanks before it were put in with it.
            let before = text.get(copied..span.start).unwrap_or_default().trim_end();
            out.push_str(before);
            copied = span.end + PUT_IN.len();
        } else if let Some((was, _)) =
            behind.strip_prefix(CHANGED).and_then(|was| was.split_once(CHANGED_END))
        {
            out.push_str(text.get(copied..span.start).unwrap_or_default());
            out.push_str(&restored(was));
            copied = span.end + CHANGED.len() + was.len() + CHANGED_END.len();
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Ok((out, taken.len()))
}

/// What [`kept`] kept.
fn restored(was: &str) -> String {
    let pairs = was.strip_prefix('x').unwrap_or_default().as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> =
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    let text = bytes.filter(|bytes| !bytes.is_empty()).and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| "<disabled>no</disabled>".to_owned())
}

/// The tags of a file do not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbalanced {
    /// The line of the tag that does not.
    pub line: usize,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Unbalanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, name } = self;
        write!(f, "line {line}: the tag {name} has no counterpart; riposte check says more")
    }
}

impl std::error::Error for Unbalanced {}

/// A block cannot be switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The tags of the file do not match.
    Unbalanced(Unbalanced),
    /// It has a `<disabled>` that Wazuh refuses.
    Disabled {
        /// The line of the block.
        line: usize,
        /// What the element says.
        value: String,
    },
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unbalanced(unbalanced) => unbalanced.fmt(f),
            Self::Disabled { line, value } => write!(
                f,
                "the response in line {line} has <disabled>{}</disabled>: write yes or no",
                crate::diagnostic::shown(value).trim_matches('"')
            ),
        }
    }
}

impl std::error::Error for NotTaken {}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = "<!-- <active-response><command>no</command></active-response> -->\r\n<ossec_config>\n\
        <localfile><command>df</command></localfile>\n\
        <active-response>\n\t<disabled>no</disabled>\n\t<ca_store>x</ca_store>\n</active-response>\n\
        <active-response>\n    <command>drop</command>\n    <location>local</location>\n  </active-response>\n\
        <active-response><disabled>no</disabled><command> tell </command></active-response>\n\
        <active-response><disabled>\n no <!-- yes -->\n</disabled><command>odd</command></active-response>\n\
        <active-response><command>off</command><disabled>yes</disabled></active-response>\n\
        </ossec_config>\n<ossec_config>\n<active-response>\r\n  <command>drop</command></active-response></ossec_config>";

    #[test]
    fn blocks_that_name_a_command_are_found() {
        let blocks = blocks(CONF).unwrap();
        let seen: Vec<_> = blocks
            .iter()
            .map(|block| (block.command.as_str(), block.line, block.enabled, block.taken))
            .collect();
        assert_eq!(
            seen,
            [
                ("drop", 8, true, false),
                ("tell", 12, true, false),
                ("odd", 13, true, false),
                ("off", 16, false, false),
                ("drop", 19, true, false)
            ]
        );
        assert!(blocks.iter().all(|block| block.text.ends_with("</active-response>")));
    }

    #[test]
    fn what_is_taken_over_comes_back_byte_for_byte() {
        let (taken, blocks) = take_over(CONF, |_| true).unwrap();
        assert_eq!(blocks.len(), 4);
        assert!(taken.contains(
            "<active-response>\n    <disabled>yes</disabled><!-- riposte takeover -->\n    <command>drop"
        ));
        assert!(taken.contains(
            "<active-response><disabled>yes</disabled><!-- riposte takeover, was: no --><command> tell"
        ));
        assert!(super::blocks(&taken).unwrap().iter().all(|block| !block.enabled));
        assert_eq!(take_over(&taken, |_| true).unwrap(), (taken.clone(), vec![]), "once is enough");
        assert_eq!(give_back(&taken).unwrap(), (CONF.to_owned(), 4));
        assert_eq!(give_back(CONF).unwrap(), (CONF.to_owned(), 0));
    }

    #[test]
    fn only_what_is_chosen_is_taken() {
        let (taken, blocks) = take_over(CONF, |block| block.command == "drop").unwrap();
        assert_eq!(blocks.len(), 2);
        let enabled: Vec<_> = super::blocks(&taken)
            .unwrap()
            .into_iter()
            .filter(|block| block.enabled)
            .map(|block| block.command)
            .collect();
        assert_eq!(enabled, ["tell", "odd"]);
        assert_eq!(give_back(&taken).unwrap().0, CONF);
    }

    #[test]
    fn what_was_changed_since_stays() {
        let (taken, _) = take_over(CONF, |_| true).unwrap();
        let edited = taken.replace("<location>local</location>", "<location>server</location>");
        let back = give_back(&edited).unwrap().0;
        assert_eq!(back, CONF.replace("<location>local</location>", "<location>server</location>"));
        let enabled = taken.replacen("<disabled>yes</disabled><!-- riposte takeover -->", "", 1);
        assert_eq!(give_back(&enabled).unwrap().1, 3, "what somebody enabled again is theirs");
    }

    #[test]
    fn what_cannot_be_edited_safely_is_refused() {
        assert_eq!(
            take_over("<ossec_config>\n<active-response></ossec_config>", |_| true).unwrap_err().to_string(),
            "line 2: the tag ossec_config has no counterpart; riposte check says more"
        );
        let odd = "<ossec_config><active-response><command>c</command><disabled>maybe</disabled></active-response></ossec_config>";
        assert!(take_over(odd, |_| true).unwrap_err().to_string().contains("write yes or no"));
        assert!(blocks("<ossec_config>").is_err());
    }

    #[test]
    fn every_configuration_of_the_corpus_comes_back() {
        let Some(corpus) = std::env::var_os("RIPOSTE_CORPUS") else {
            println!("skipped: set RIPOSTE_CORPUS");
            return;
        };
        let folder = std::path::Path::new(&corpus).join("configs");
        let mut taken_over = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            #[expect(clippy::disallowed_methods, reason = "the corpus is the test's own input")]
            let bytes = std::fs::read(&path).unwrap();
            let Ok(text) = std::str::from_utf8(&bytes) else { continue };
            let Ok((taken, blocks)) = take_over(text, |_| true) else { continue };
            assert_eq!(give_back(&taken).unwrap(), (text.to_owned(), blocks.len()), "{}", path.display());
            assert!(super::blocks(&taken).unwrap().iter().all(|block| !block.enabled), "{}", path.display());
            taken_over += blocks.len();
        }
        assert!(taken_over > 20, "{taken_over}");
    }
}
