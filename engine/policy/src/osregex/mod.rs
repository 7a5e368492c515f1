//! OSSEC's own regular expressions (`os_regex`), in which Wazuh searches the
//! groups of a rule.
//!
//! A pattern is searched anywhere in a text, without case. `|` separates
//! alternatives; `^` at the beginning and `$` at the end of one tie it to the
//! ends of the text. `\d \w \s \p \t \.` stand for a character of a class,
//! `\D \W \S` for one outside of it, and `\( \) \\ \| \$ \<` for themselves. A
//! `+` or `*` after one of these repeats it; anywhere else it stands for itself,
//! as do `.`, `[`, `?` and all others. Parentheses only group; they neither nest
//! nor hold alternatives. An alternative without a character matches nothing.
//!
//! Where OSSEC's search gives up early (it goes back to four places at most),
//! this one does not: it finds whatever the pattern describes.
//!
//! A search looks at each byte of the text once, whatever stands in it; the
//! work for a byte is bounded by the length of the pattern, 20,480 bytes.

use std::fmt;

use memchr::memmem;

use crate::diagnostic::shown;

/// Longest pattern in bytes (`OS_PATTERN_MAXSIZE`).
const LONGEST: usize = 20_480;

/// A pattern that is ready to be searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    alternatives: Vec<Alternative>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// When OSSEC cannot compile it. It then matches nothing, without a word.
    pub fn new(text: &str) -> Result<Self, NotAPattern> {
        if text.len() > LONGEST {
            return Err(NotAPattern::TooLong);
        }
        let mut alternatives = Vec::new();
        let mut reading = Reading::default();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => {
                    let escaped = bytes.next().ok_or(NotAPattern::Unfinished)?;
                    let set = Set::escaped(escaped).ok_or(NotAPattern::Escape(char::from(escaped)))?;
                    reading.push(Token::Escape(set));
                }
                b'(' if reading.grouping => return Err(NotAPattern::Parentheses),
                b'(' => reading.open(true),
                b')' if !reading.grouping => return Err(NotAPattern::Parentheses),
                b')' => reading.open(false),
                b'|' if reading.grouping => return Err(NotAPattern::Parentheses),
                b'|' => alternatives.push(std::mem::take(&mut reading).finish()),
                literal => reading.push(Token::Plain(literal.to_ascii_lowercase())),
            }
        }
        if reading.grouping {
            return Err(NotAPattern::Parentheses);
        }
        alternatives.push(reading.finish());
        Ok(Self { text: text.to_owned(), alternatives })
    }

    /// The pattern that matches nothing, in place of one that is none.
    #[must_use]
    pub fn never(text: &str) -> Self {
        Self { text: text.to_owned(), alternatives: Vec::new() }
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is found in `text`.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        self.is_in_folded(text.to_ascii_lowercase().as_bytes())
    }

    /// Like [`Pattern::is_in`], for a text whose ASCII letters are small: no
    /// class tells them from capital ones.
    pub(crate) fn is_in_folded(&self, text: &[u8]) -> bool {
        self.alternatives.iter().any(|alternative| alternative.is_in(text))
    }
}

/// Why OSSEC cannot compile a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAPattern {
    /// It has more than 2,048 bytes.
    TooLong,
    /// It ends with a backslash.
    Unfinished,
    /// A backslash stands before this character, which it does not go with.
    Escape(char),
    /// Parentheses nest, are not closed, or hold alternatives.
    Parentheses,
}

impl fmt::Display for NotAPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it is longer than {LONGEST} bytes"),
            Self::Unfinished => f.write_str("nothing follows its last backslash"),
            Self::Escape(c) => write!(f, "a backslash stands before {}", shown(&c.to_string())),
            Self::Parentheses => f.write_str("its parentheses nest, are not closed, or hold a |"),
        }
    }
}

impl std::error::Error for NotAPattern {}

/// What stands between two `|`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alternative {
    /// It begins where the text begins.
    begins: bool,
    /// It ends where the text ends.
    ends: bool,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    /// Only characters that stand for themselves.
    Literal(Vec<u8>),
    /// Some that stand for others.
    Atoms(Vec<Atom>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Atom {
    set: Set,
    times: Times,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Once,
    AtLeastOnce,
    AnyNumber,
}

/// Which characters an atom stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    One(u8),
    Digit,
    Word,
    Space,
    Punctuation,
    NoDigit,
    NoWord,
    NoSpace,
    Any,
}

impl Set {
    /// What a backslash and this character stand for.
    fn escaped(byte: u8) -> Option<Self> {
        Some(match byte {
            b'd' => Self::Digit,
            b'w' => Self::Word,
            b's' => Self::Space,
            b'p' => Self::Punctuation,
            b'D' => Self::NoDigit,
            b'W' => Self::NoWord,
            b'S' => Self::NoSpace,
            b'.' => Self::Any,
            b't' => Self::One(b'\t'),
            b'(' | b')' | b'\\' | b'|' | b'$' | b'<' => Self::One(byte),
            _ => return None,
        })
    }

    fn holds(self, byte: u8) -> bool {
        match self {
            Self::One(one) => byte == one,
            Self::Digit => byte.is_ascii_digit(),
            Self::Word => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'@' | b'_'),
            Self::Space => byte == b' ',
            Self::Punctuation => b"()*+,-.:;<=>?[]!\"'#$%&|{}".contains(&byte),
            Self::NoDigit => !Self::Digit.holds(byte),
            Self::NoWord => !Self::Word.holds(byte),
            Self::NoSpace => !Self::Space.holds(byte),
            Self::Any => true,
        }
    }
}

/// One alternative while it is read.
#[derive(Default)]
struct Reading {
    tokens: Vec<Token>,
    /// Whether a parenthesis is open.
    grouping: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    /// A character without a backslash.
    Plain(u8),
    /// One with.
    Escape(Set),
    /// A parenthesis, which matches nothing and keeps its neighbours apart.
    Parenthesis,
}

impl Reading {
    fn push(&mut self, token: Token) {
        self.tokens.push(token);
    }

    fn open(&mut self, open: bool) {
        self.grouping = open;
        self.tokens.push(Token::Parenthesis);
    }

    fn finish(self) -> Alternative {
        let mut tokens = self.tokens.as_slice();
        let mut begins = false;
        if let Some((Token::Plain(b'^'), rest)) = tokens.split_first() {
            (begins, tokens) = (true, rest);
        }
        let mut ends = false;
        if let Some((Token::Plain(b'$'), rest)) = tokens.split_last() {
            (ends, tokens) = (true, rest);
        }
        Alternative { begins, ends, body: body(tokens) }
    }
}

fn body(tokens: &[Token]) -> Body {
    let mut atoms = Vec::new();
    let mut tokens = tokens.iter().copied().peekable();
    while let Some(token) = tokens.next() {
        let once = |set| Atom { set, times: Times::Once };
        atoms.push(match token {
            Token::Parenthesis => continue,
            Token::Plain(byte) => once(Set::One(byte)),
            Token::Escape(set) => {
                let times = match tokens.peek() {
                    Some(Token::Plain(b'+')) => Times::AtLeastOnce,
                    Some(Token::Plain(b'*')) => Times::AnyNumber,
                    _ => Times::Once,
                };
                if times != Times::Once {
                    tokens.next();
                }
                Atom { set, times }
            }
        });
    }
    let literal = |atom: &Atom| match (atom.set, atom.times) {
        (Set::One(byte), Times::Once) => Some(byte),
        _ => None,
    };
    match atoms.iter().map(literal).collect() {
        Some(text) => Body::Literal(text),
        None => Body::Atoms(atoms),
    }
}

impl Alternative {
    fn is_in(&self, text: &[u8]) -> bool {
        match &self.body {
            Body::Literal(literal) if literal.is_empty() => false,
            Body::Literal(literal) => match (self.begins, self.ends) {
                (true, true) => text == literal,
                (true, false) => text.starts_with(literal),
                (false, true) => text.ends_with(literal),
                (false, false) => memmem::find(text, literal).is_some(),
            },
            Body::Atoms(atoms) => self.follow(atoms, text),
        }
    }

    /// Follows all ways through the atoms at once: a place among them is kept
    /// once, however many ways lead to it.
    fn follow(&self, atoms: &[Atom], text: &[u8]) -> bool {
        let mut now = Places::new(atoms.len());
        let mut next = Places::new(atoms.len());
        now.reach(0, atoms);
        for byte in text {
            if now.done && !self.ends {
                return true;
            }
            next.clear();
            for place in &now.list {
                let Some(atom) = atoms.get(*place).filter(|atom| atom.set.holds(*byte)) else { continue };
                if atom.times != Times::Once {
                    next.reach(*place, atoms);
                }
                if atom.times != Times::AnyNumber {
                    next.reach(place + 1, atoms);
                }
            }
            if !self.begins {
                next.reach(0, atoms);
            }
            std::mem::swap(&mut now, &mut next);
            if now.list.is_empty() && !now.done {
                return false;
            }
        }
        now.done
    }
}

/// The atoms that the next byte may be for.
struct Places {
    list: Vec<usize>,
    there: Vec<bool>,
    /// Whether a way has come to the end.
    done: bool,
}

impl Places {
    fn new(atoms: usize) -> Self {
        Self { list: Vec::with_capacity(atoms), there: vec![false; atoms], done: false }
    }

    fn clear(&mut self) {
        self.list.clear();
        self.there.fill(false);
        self.done = false;
    }

    /// Adds a place, and those behind atoms that may be passed over.
    fn reach(&mut self, place: usize, atoms: &[Atom]) {
        for (place, atom) in atoms.iter().enumerate().skip(place) {
            match self.there.get_mut(place) {
                Some(there) if !*there => *there = true,
                _ => return,
            }
            self.list.push(place);
            if atom.times != Times::AnyNumber {
                return;
            }
        }
        self.done = true;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed unwrap is a failed test")]
mod tests;
