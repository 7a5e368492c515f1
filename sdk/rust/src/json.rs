//! JSON: text for what a plugin sends, and a reader for what it is answered.

use std::fmt::Write as _;

pub use crate::value::Value;

/// `text` as a JSON string, with its quotes (RFC 8259 section 7). What would
/// act on a reader's screen or end a line of JavaScript is escaped too.
#[must_use]
pub fn string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            // All of these have one code unit. Writing to a String cannot fail.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// An object of these members, whose values are JSON already.
#[must_use]
pub fn object(members: &[(&str, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| string(name) + ":" + value).collect();
    format!("{{{}}}", members.join(","))
}

/// An array of these elements, which are JSON already.
#[must_use]
pub fn array(elements: &[String]) -> String {
    format!("[{}]", elements.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_reads_back() {
        let all: String = (0..0x3000).filter_map(char::from_u32).chain("😀\u{10ffff}".chars()).collect();
        let json = object(&[("a\"b", array(&[string(&all), "1".to_owned()]))]);
        let value = json.parse::<Value>().unwrap();
        assert_eq!(value.at("/a\"b/0"), Some(&Value::String(all)));
        assert_eq!(value.at("/a\"b/1"), Some(&Value::Number("1".to_owned())));
        assert!(!json.contains(char::is_control));
    }
}
