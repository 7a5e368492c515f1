//! Reads JSON: what a server answers, and in native tests the alert. A component
//! that reads none carries none of this.

use std::str::FromStr;

use crate::Error;

/// As deep as an alert may be nested.
const DEEPEST: usize = 128;

/// A JSON value, read from its text with [`str::parse`].
///
/// ```
/// use riposte_sdk::json::Value;
///
/// let answer: Value = r#"{"blocks":[{"id":42}]}"#.parse().unwrap();
/// assert_eq!(answer.number("/blocks/0/id"), Some(42));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// As it is written.
    Number(String),
    /// A text.
    String(String),
    /// `[...]`.
    Array(Vec<Value>),
    /// `{...}`, in order; a name may stand twice.
    Object(Vec<(String, Value)>),
}

/// Reads a text that is one value (RFC 8259), nested at most 128 deep.
impl FromStr for Value {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.space();
        if reader.at == text.len() { Ok(value) } else { Err(reader.wrong("the end")) }
    }
}

impl Value {
    /// The text at a pointer; numbers and booleans as they are written.
    #[must_use]
    pub fn text(&self, pointer: &str) -> Option<String> {
        match self.at(pointer)? {
            Self::String(text) | Self::Number(text) => Some(text.clone()),
            Self::Bool(truth) => Some(truth.to_string()),
            Self::Null | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The whole number at a pointer, also when it is a text of digits.
    #[must_use]
    pub fn number(&self, pointer: &str) -> Option<i64> {
        match self.at(pointer)? {
            Self::String(text) if !text.bytes().all(|b| b.is_ascii_digit()) => None,
            Self::String(text) | Self::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The elements of the array at a pointer; none when there is no array.
    #[must_use]
    pub fn elements(&self, pointer: &str) -> &[Self] {
        match self.at(pointer) {
            Some(Self::Array(elements)) => elements,
            _ => &[],
        }
    }

    /// What stands at a JSON Pointer (`/a/0`; the empty one means all of it), or
    /// at a path with dots (`a.0`).
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Self> {
        match pointer.strip_prefix('/') {
            Some(path) => path
                .split('/')
                .try_fold(self, |value, name| value.member(&name.replace("~1", "/").replace("~0", "~"))),
            None if pointer.is_empty() => Some(self),
            None => pointer.split('.').try_fold(self, Self::member),
        }
    }

    /// A member of an object that has one of this name, or an element.
    fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                let mut named = members.iter().filter(|(member, _)| member == name);
                let (_, value) = named.next()?;
                named.next().is_none().then_some(value)
            }
            Self::Array(elements) => elements.get(name.parse::<usize>().ok()?),
            _ => None,
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        if depth > DEEPEST {
            return Err(Error::invalid(format!("the JSON is nested deeper than {DEEPEST}")));
        }
        self.space();
        match self.next() {
            Some('{') => self
                .list('}', |reader, members| {
                    reader.space();
                    let Some('"') = reader.next() else { return Err(reader.wrong("a name in quotes")) };
                    let name = reader.string()?;
                    reader.space();
                    reader.expect(':')?;
                    members.push((name, reader.value(depth + 1)?));
                    Ok(())
                })
                .map(Value::Object),
            Some('[') => self
                .list(']', |reader, elements| {
                    elements.push(reader.value(depth + 1)?);
                    Ok(())
                })
                .map(Value::Array),
            Some('"') => self.string().map(Value::String),
            Some('t') => self.word("rue", Value::Bool(true)),
            Some('f') => self.word("alse", Value::Bool(false)),
            Some('n') => self.word("ull", Value::Null),
            Some('-' | '0'..='9') => {
                let start = self.at - 1;
                let part = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
                while self.peek().is_some_and(part) {
                    self.next();
                }
                let number = self.text.get(start..self.at).unwrap_or_default();
                if is_number(number) {
                    Ok(Value::Number(number.to_owned()))
                } else {
                    Err(self.wrong("a number"))
                }
            }
            _ => Err(self.wrong("a value")),
        }
    }

    /// What stands between brackets, up to `end`.
    fn list<T>(
        &mut self,
        end: char,
        mut one: impl FnMut(&mut Self, &mut Vec<T>) -> Result<(), Error>,
    ) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        self.space();
        if self.peek() == Some(end) {
            self.next();
            return Ok(all);
        }
        loop {
            one(self, &mut all)?;
            self.space();
            match self.next() {
                Some(',') => {}
                Some(c) if c == end => return Ok(all),
                _ => return Err(self.wrong("`,` or the end of the list")),
            }
        }
    }

    /// A text, behind its first quote.
    fn string(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(c) if c >= ' ' => text.push(c),
                _ => return Err(self.wrong("the end of a text")),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Error> {
        let plain = match self.next() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let high = self.unit()?;
                let code = if (0xd800..0xdc00).contains(&high) {
                    self.expect('\\')?;
                    self.expect('u')?;
                    let low = self.unit()?.checked_sub(0xdc00).filter(|low| *low < 0x400);
                    low.map(|low| 0x1_0000 + ((high - 0xd800) << 10) + low)
                } else {
                    Some(high)
                };
                code.and_then(char::from_u32).ok_or_else(|| self.wrong("a character"))?
            }
            _ => return Err(self.wrong("an escape")),
        };
        Ok(plain)
    }

    /// Four digits of an escape.
    fn unit(&mut self) -> Result<u32, Error> {
        let digits =
            self.text.get(self.at..self.at + 4).filter(|four| four.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|four| u32::from_str_radix(four, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| self.wrong("four digits"))
    }

    fn word(&mut self, rest: &str, value: Value) -> Result<Value, Error> {
        rest.chars().try_for_each(|c| self.expect(c)).map(|()| value)
    }

    fn expect(&mut self, wanted: char) -> Result<(), Error> {
        if self.next() == Some(wanted) { Ok(()) } else { Err(self.wrong(&format!("`{wanted}`"))) }
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|c| matches!(c, ' ' | '\n' | '\r' | '\t')) {
            self.next();
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn wrong(&self, wanted: &str) -> Error {
        Error::invalid(format!("no JSON: {wanted} was expected before byte {}", self.at))
    }
}

/// `-12.5e+3`: no zero before other digits, and a digit on each side of a point.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(text, e)| (text, Some(e)));
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Value, Error> {
        text.parse()
    }

    #[test]
    fn values_and_places() {
        let value =
            parse(r#" {"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n"],"b/c":{"~":null},"d":1,"d":2,"e":{}} "#)
                .unwrap();
        assert_eq!(value.at("/a/1"), Some(&Value::Number("-2.5e3".to_owned())));
        assert_eq!(value.at("a.2"), Some(&Value::String("xé😀\n".to_owned())));
        assert_eq!(value.at("/b~1c/~0"), Some(&Value::Null));
        assert_eq!((value.at("/d"), value.at("/a/3"), value.at("/x")), (None, None, None));
        assert_eq!((value.elements("a").len(), value.elements("/d").len()), (3, 0));
        assert_eq!(value.at("e"), Some(&Value::Object(vec![])));
        for number in ["0", "-0.5", "10", "1E5", "12.25e-3"] {
            assert_eq!(parse(number), Ok(Value::Number(number.to_owned())));
        }
        // Only what is below the blank has to be escaped.
        assert_eq!(parse("\"\u{7f}\u{85}\""), Ok(Value::String("\u{7f}\u{85}".to_owned())));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "{}x",
            "[1,]",
            "{a:1}",
            "\"\\ud83d\"",
            "\"\\u12",
            "\"\\u+123\"",
            "01x",
            "01",
            "1.",
            "-.5",
            "1e",
            "1e+",
            "1.5.5",
            "-",
            "\"\n\"",
            "tru",
        ] {
            assert_eq!(parse(text).unwrap_err().kind, "invalid-input", "{text}");
        }
        let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&deep(128)).is_ok());
        assert!(parse(&deep(129)).is_err());
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
