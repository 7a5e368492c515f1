//! JSON text read in place: no tree is built for what nobody asks for.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::pointer::Pointer;

/// A struct that only an object becomes. What serde derives for a struct also
/// takes an array, member by member, which no writer of alerts means.
#[derive(Clone, Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(OnlyMap(PhantomData))
    }
}

/// A text, or a whole number as text; `null` is the empty text. Borrowed
/// unless it holds escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;

        impl<'de> Visitor<'de> for Words {
            type Value = Word<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a whole number")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Word<'de>, E> {
                Ok(Word(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Word<'de>, E> {
                Ok(Word(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Word<'de>, E> {
                Ok(Word(Cow::Owned(number.to_string())))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Word<'de>, E> {
                Ok(Word(Cow::Owned(number.to_string())))
            }

            fn visit_unit<E: Error>(self) -> Result<Word<'de>, E> {
                Ok(Word::default())
            }
        }

        deserializer.deserialize_any(Words)
    }
}

/// Hands each text of an array to `each`, and passes over everything else in
/// it. `text` was read as JSON before; a value that is no array has no texts.
pub(crate) fn each_text(text: &str, each: &mut dyn FnMut(&str)) {
    // Nearly every array holds plain texts alone, which need no parser.
    let Some(mut rest) = text.strip_prefix('[') else { return };
    let mut done = 0;
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t', '\r', '\n']);
        let Some(inner) = rest.strip_prefix('"') else { break };
        let Some(end) = memchr::memchr2(b'"', b'\\', inner.as_bytes()) else { return };
        let (item, after) = inner.split_at(end);
        let Some(after) = after.strip_prefix('"') else { break };
        each(item);
        done += 1;
        rest = after;
    }
    if rest.starts_with(']') {
        return;
    }
    let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    items.into_iter().skip(done).filter_map(|item| decoded(item.get())).for_each(|item| each(&item));
}

/// What stands at a pointer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    /// Nothing.
    Absent,
    /// A member on the way stands in its object twice, and readers disagree
    /// which one counts: the value is as good as absent.
    Ambiguous,
    /// This JSON value.
    Value(&'a str),
}

/// Follows `pointer` through the JSON text `object`, in one pass.
pub(crate) fn find<'a>(object: &'a str, pointer: &Pointer) -> Found<'a> {
    let tokens: Vec<&str> = pointer.tokens().collect();
    Step(&tokens).deserialize(&mut serde_json::Deserializer::from_str(object)).unwrap_or(Found::Absent)
}

/// Whether readers may find different things at `pointer`: a member on the way
/// stands twice in its object, or its name has other letters in upper case,
/// which cJSON, with which Wazuh's programs read, passes over.
pub(crate) fn is_ambiguous(object: &str, pointer: &Pointer) -> bool {
    let mut at = object;
    for token in pointer.tokens() {
        let Ok(Object(Members(members))) = serde_json::from_str::<Object<Members<'_>>>(at) else {
            return false;
        };
        let mut named = members.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(token));
        match (named.next(), named.next()) {
            (None, _) => return false,
            (Some((name, value)), None) if name == token => at = value.get(),
            _ => return true,
        }
    }
    false
}

/// All members of an object, in order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(All)
    }
}

/// The tokens still to follow.
struct Step<'t>(&'t [&'t str]);

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        if self.0.is_empty() {
            <&'de RawValue>::deserialize(deserializer).map(|raw| Found::Value(raw.get()))
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let Some((token, rest)) = self.0.split_first() else { return Ok(Found::Absent) };
        let mut found: Option<Found<'de>> = None;
        while let Some(meant) = map.next_key_seed(Is(token))? {
            if !meant {
                map.next_value::<IgnoredAny>()?;
            } else if found.is_some() {
                map.next_value::<IgnoredAny>()?;
                found = Some(Found::Ambiguous);
            } else {
                found = Some(map.next_value_seed(Step(rest))?);
            }
        }
        Ok(found.unwrap_or(Found::Absent))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found<'de>, A::Error> {
        let Some((token, rest)) = self.0.split_first() else { return Ok(Found::Absent) };
        // RFC 6901: digits without a leading zero.
        let canonical =
            token.bytes().all(|b| b.is_ascii_digit()) && (*token == "0" || !token.starts_with('0'));
        let wanted = canonical.then(|| token.parse::<usize>().ok()).flatten();
        let mut found = Found::Absent;
        let mut position = 0_usize;
        loop {
            if Some(position) == wanted {
                match items.next_element_seed(Step(rest))? {
                    Some(value) => found = value,
                    None => return Ok(found),
                }
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            position = position.saturating_add(1);
        }
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Found<'de>, E> {
        Ok(Found::Absent)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Found<'de>, E> {
        Ok(Found::Absent)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Found<'de>, E> {
        Ok(Found::Absent)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Found<'de>, E> {
        Ok(Found::Absent)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Found<'de>, E> {
        Ok(Found::Absent)
    }

    fn visit_unit<E: Error>(self) -> Result<Found<'de>, E> {
        Ok(Found::Absent)
    }
}

/// Whether a member's name, unescaped, is this one.
struct Is<'t>(&'t str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// The text that a JSON string stands for; `None` for any other value, and for
/// escapes that stand for no character.
pub(crate) fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(value).ok().map(Cow::Owned)
}

/// Where `text` first nests deeper than `deepest`, as a byte offset. Brackets
/// that do not match are left to the parser.
pub(crate) fn too_deep(text: &str, deepest: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    // Without that many opening brackets, those inside texts included, it
    // cannot nest that deep. Counting runs many bytes at a time: `[` and `{`
    // differ in one bit, and a byte counts up to 255.
    let count = |chunk: &[u8]| chunk.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    let opening: usize = bytes.chunks(255).map(|chunk| usize::from(count(chunk))).sum();
    if opening <= deepest {
        return None;
    }
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut escaped = false;
    for (offset, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > deepest {
                    return Some(offset);
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The byte at which serde stopped.
pub(crate) fn offset(text: &str, error: &serde_json::Error) -> usize {
    let before = error.line().saturating_sub(1);
    let line: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
    (line + error.column().saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let mut texts = Vec::new();
        each_text(text, &mut |text| texts.push(text.to_owned()));
        texts
    }

    #[test]
    fn the_texts_of_an_array() {
        assert_eq!(texts(r#"["a", "b" ,"é",""]"#), ["a", "b", "é", ""]);
        assert_eq!(texts(r#"[ ]"#), [""; 0]);
        assert_eq!(texts(r#"["a",1,"b",["c"],{"d":"e"},null,"f\n\"]","g"]"#), ["a", "b", "f\n\"]", "g"]);
        assert_eq!(texts(r#"["x","\ud800","y"]"#), ["x", "y"]);
        for other in [r#""a""#, "{}", "null", "1"] {
            assert_eq!(texts(other), [""; 0], "{other}");
        }
    }

    #[test]
    fn an_offset_counts_the_lines_before() {
        let text = "{\n\n \"a\": x}";
        let error = serde_json::from_str::<IgnoredAny>(text).unwrap_err();
        assert_eq!(text.get(offset(text, &error)..), Some("x}"));
    }
}
