//! JSON as Wazuh prints it.
//!
//! Its daemons read a message with cJSON, change a field and print the whole
//! again, so what a program gets is not the text that was sent: blanks are
//! gone, `\/` and `\u00e9` have become characters, numbers have been through a
//! `double`. This does the same to text, value by value and without building a
//! tree, however deep it is nested.
//!
//! One thing differs: cJSON ends a text at `\u0000`, so that two readers see
//! two texts. It stays `\u0000` here.

use std::str::Chars;

/// Deepest nesting that cJSON reads (`CJSON_NESTING_LIMIT`).
const DEEPEST: usize = 1000;

/// The members of an object in order, twice the ones that are there twice:
/// the name itself, and the value as it is printed.
pub(super) type Fields = Vec<(String, String)>;

/// The members of the object that `text` begins with; whatever follows it is
/// not looked at. `Some(None)` is a value that is no object, `None` no JSON.
pub(super) fn object(text: &str) -> Option<Option<Fields>> {
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text) };
    reader.blanks();
    if !reader.take('{') {
        return reader.value(&mut String::new()).map(|()| None);
    }
    let mut fields = Fields::new();
    reader.blanks();
    if reader.take('}') {
        return Some(Some(fields));
    }
    loop {
        let name = reader.name()?;
        let mut value = String::new();
        reader.value(&mut value)?;
        fields.push((name, value));
        reader.blanks();
        if reader.take('}') {
            return Some(Some(fields));
        }
        reader.expect(',')?;
    }
}

/// The object with these members.
pub(super) fn printed(fields: &[(String, String)]) -> String {
    format!("{{{}}}", joined(fields))
}

/// The members without the braces around them.
pub(super) fn joined(fields: &[(String, String)]) -> String {
    let each: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    each.join(",")
}

/// A text as a JSON string: no escapes but those that JSON asks for.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote(text, &mut out);
    out
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control @ '\0'..' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// What is left of a text.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Prints one value. What is open is kept in a list, not on the stack of
    /// the thread, which hostile nesting could use up.
    fn value(&mut self, out: &mut String) -> Option<()> {
        let mut open: Vec<char> = Vec::new();
        loop {
            self.blanks();
            let begun = match self.rest.chars().next()? {
                '{' => Some(('{', '}')),
                '[' => Some(('[', ']')),
                _ => None,
            };
            if let Some((opening, closing)) = begun {
                self.expect(opening)?;
                out.push(opening);
                self.blanks();
                if self.take(closing) {
                    out.push(closing);
                } else {
                    open.push(closing);
                    if open.len() > DEEPEST {
                        return None;
                    }
                    self.member(closing, out)?;
                    continue;
                }
            } else {
                self.plain(out)?;
            }
            // A value has ended, and with it perhaps what it stands in.
            loop {
                let Some(&closing) = open.last() else { return Some(()) };
                self.blanks();
                if self.take(',') {
                    out.push(',');
                    self.member(closing, out)?;
                    break;
                }
                self.expect(closing)?;
                out.push(closing);
                open.pop();
            }
        }
    }

    /// What stands before a value in an object.
    fn member(&mut self, closing: char, out: &mut String) -> Option<()> {
        if closing == '}' {
            quote(&self.name()?, out);
            out.push(':');
        }
        Some(())
    }

    fn name(&mut self) -> Option<String> {
        self.blanks();
        let name = self.string()?;
        self.blanks();
        self.expect(':')?;
        Some(name)
    }

    /// A text, a number or a word.
    fn plain(&mut self, out: &mut String) -> Option<()> {
        if self.rest.starts_with('"') {
            quote(&self.string()?, out);
            return Some(());
        }
        for word in ["null", "true", "false"] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                out.push_str(word);
                return Some(());
            }
        }
        if !self.rest.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return None;
        }
        let (numeral, rest) = self.rest.split_at_checked(numeral(self.rest))?;
        out.push_str(&number(numeral.parse().ok()?));
        self.rest = rest;
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        let mut rest = self.rest.strip_prefix('"')?;
        let mut text = String::new();
        loop {
            let (plain, after) = rest.split_at_checked(rest.find(['"', '\\'])?)?;
            text.push_str(plain);
            let mut after = after.chars();
            if after.next()? == '"' {
                self.rest = after.as_str();
                return Some(text);
            }
            text.push(match after.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                same @ ('"' | '\\' | '/') => same,
                'u' => character(&mut after)?,
                _ => return None,
            });
            rest = after.as_str();
        }
    }

    /// Everything up to the blank counts as one, line feeds and NUL too.
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(|character| character <= ' ');
    }

    fn take(&mut self, what: char) -> bool {
        let rest = self.rest.strip_prefix(what);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, what: char) -> Option<()> {
        self.take(what).then_some(())
    }
}

/// What stands behind `\u`, with the second half of a pair.
fn character(text: &mut Chars<'_>) -> Option<char> {
    let first = unit(text)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if text.next()? != '\\' || text.next()? != 'u' {
        return None;
    }
    let second = unit(text)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + second)
}

fn unit(text: &mut Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit << 4 | text.next()?.to_digit(16)?))
}

/// How long the number is that `text` begins with, as `strtod` reads it; it
/// reads more than JSON allows.
fn numeral(text: &str) -> usize {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.bytes().take_while(u8::is_ascii_digit).count()
    };
    let is = |at: usize, what: &[u8]| text.as_bytes().get(at).is_some_and(|byte| what.contains(byte));
    let sign = usize::from(is(0, b"-"));
    let whole = digits(sign);
    let mut end = whole;
    if is(whole, b".") {
        let fraction = digits(whole + 1);
        if fraction > whole + 1 || whole > sign {
            end = fraction;
        }
    }
    if is(end, b"eE") {
        let from = end + 1 + usize::from(is(end + 1, b"+-"));
        let exponent = digits(from);
        if exponent > from {
            end = exponent;
        }
    }
    end
}

/// A number as cJSON prints it: with 15 digits, or with 17 where those do not
/// read back as the same.
fn number(number: f64) -> String {
    if !number.is_finite() {
        return "null".to_owned();
    }
    let short = general(number, 15);
    if short.parse() == Ok(number) { short } else { general(number, 17) }
}

/// C's `%1.{digits}g`.
fn general(number: f64, digits: i32) -> String {
    let decimals = usize::try_from(digits - 1).unwrap_or_default();
    let text = format!("{number:.decimals$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let figures: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let figures = figures.trim_end_matches('0');
    let point = |whole: &str, rest: &str| match (whole, rest) {
        ("", "") => "0".to_owned(),
        (whole, "") => whole.to_owned(),
        (whole, rest) => format!("{whole}.{rest}"),
    };
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    if exponent < -4 || exponent >= digits {
        let (first, rest) = figures.split_at_checked(1).unwrap_or((figures, ""));
        let down = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{}e{down}{:02}", point(first, rest), exponent.unsigned_abs());
    }
    if exponent < 0 {
        return format!("{sign}0.{}{figures}", zeros(-exponent - 1));
    }
    let whole = usize::try_from(exponent + 1).unwrap_or_default();
    match figures.split_at_checked(whole) {
        Some((whole, rest)) => format!("{sign}{}", point(whole, rest)),
        None if figures.is_empty() => format!("{sign}0"),
        None => {
            let missing = whole.saturating_sub(figures.len());
            format!("{sign}{figures}{}", "0".repeat(missing))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> Option<String> {
        let mut out = String::new();
        let mut reader = Reader { rest: text };
        reader.value(&mut out)?;
        Some(out)
    }

    #[track_caller]
    fn prints(text: &str, expected: &str) {
        assert_eq!(again(text).as_deref(), Some(expected), "{text}");
        assert_eq!(again(expected).as_deref(), Some(expected), "printed twice");
    }

    #[test]
    fn blanks_go_and_escapes_become_characters() {
        prints(" { \"a\" :\r\n\t[ 1 , { } , [ ] ,\"x y\" ] } trailing", r#"{"a":[1,{},[],"x y"]}"#);
        prints(r#""caf\u00e9 \/tmp \ud83d\ude00""#, "\"café /tmp 😀\"");
        prints(r#""\"\\\b\f\n\r\t\u001f\u007f\u0000""#, "\"\\\"\\\\\\b\\f\\n\\r\\t\\u001f\u{7f}\\u0000\"");
        prints("\"raw\nline\u{1}\"", r#""raw\nline\u0001""#);
        prints(r#"{"a":1,"a":2,"":null}"#, r#"{"a":1,"a":2,"":null}"#);
        prints("[true,false,null]", "[true,false,null]");
    }

    #[test]
    fn numbers_go_through_a_double() {
        for (text, expected) in [
            ("0", "0"),
            ("-0", "-0"),
            ("5710", "5710"),
            ("-5", "-5"),
            ("007", "7"),
            ("1.", "1"),
            ("-.5", "-0.5"),
            ("1.10e2", "110"),
            ("100", "100"),
            ("1e2", "100"),
            ("0.1", "0.1"),
            ("0.10", "0.1"),
            ("3.14159", "3.14159"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1e15", "1e+15"),
            ("1e14", "100000000000000"),
            ("123456789012345", "123456789012345"),
            ("1763632800123456", "1763632800123456"),
            ("12345678901234567890", "1.2345678901234567e+19"),
            ("1e20", "1e+20"),
            ("1.5e300", "1.5e+300"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("0.1234567890123456789", "0.12345678901234568"),
            ("1e400", "null"),
            ("2147483648", "2147483648"),
            ("1652272159.1549653", "1652272159.1549654"),
        ] {
            prints(text, expected);
        }
    }

    #[test]
    fn what_is_no_json_is_none() {
        for text in [
            "",
            "unknown",
            "nul",
            "-",
            "--1",
            "+1",
            ".5",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1",
            "[",
            "\"open",
            r#""\x""#,
            r#""\u12g4""#,
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            "[1e5x]",
            "[1e]",
            "[truex]",
        ] {
            assert_eq!(again(text), None, "{text}");
        }
    }

    #[test]
    fn nesting_ends_where_cjsons_does() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(again(&nested(1000)).is_some());
        assert!(again(&format!("{}1{}", "[".repeat(1001), "]".repeat(1001))).is_none());
        assert!(again(&"[{\"a\":".repeat(500_000)).is_none());
    }

    #[test]
    fn an_object_gives_its_members() {
        assert_eq!(
            object("\u{feff} {\"a\\u0062\" : [ 1 ], \"c\":{ \"d\" : \"\\/\"}} }}junk").unwrap().unwrap(),
            [("ab".to_owned(), "[1]".to_owned()), ("c".to_owned(), "{\"d\":\"/\"}".to_owned())]
        );
        assert_eq!(object(" { } "), Some(Some(Vec::new())));
        assert_eq!(object("[1]"), Some(None));
        assert_eq!(object("unknown"), None);
        assert_eq!(object("{\"a\":1,}"), None);
        assert_eq!(printed(&[("a\"b".to_owned(), "1".to_owned())]), r#"{"a\"b":1}"#);
    }
}
