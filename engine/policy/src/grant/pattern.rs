//! Patterns for the arguments of capability calls.

use std::fmt;

/// A text in which `*` stands for any number of any characters, as operators
/// write patterns of users, units and programs. There is no other special
/// character and no way to write a literal `*`: none of these names has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` fits. Takes time in the product of both
    /// lengths at most.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
        let Some(mut last) = parts.next() else { return rest.is_empty() };
        // The earliest place for each part leaves the most for those after it.
        for next in parts {
            let Some(at) = rest.find(last) else { return false };
            rest = rest.get(at + last.len()..).unwrap_or_default();
            last = next;
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the arguments of a granted program may be: word by word a [`Pattern`],
/// of which `*` takes exactly one argument, and a last `**` takes any number of
/// them, also none.
///
/// An argument that begins with `-` is an option to most programs, and a value
/// from an alert must not become one. So only a word that itself begins with
/// `-` takes it: `*` and `**` do not, `-n*` does. A program whose arguments
/// have a `--` in the grant is no exception: the rule is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    words: Vec<Pattern>,
    rest: bool,
}

impl Arguments {
    /// Arguments of these words; a `**` anywhere but at the end is a pattern
    /// like any other and takes one argument.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words: Vec<_> = words.into_iter().collect();
        let rest = words.last() == Some(&"**");
        if rest {
            words.pop();
        }
        Self { words: words.into_iter().map(Pattern::new).collect(), rest }
    }

    /// Whether a program may be called with these.
    #[must_use]
    pub fn allow(&self, arguments: &[String]) -> bool {
        let enough = match self.rest {
            true => arguments.len() >= self.words.len(),
            false => arguments.len() == self.words.len(),
        };
        let mut arguments = arguments.iter();
        let fits = |word: &Pattern| {
            arguments.next().is_some_and(|argument| {
                word.matches(argument) && (!argument.starts_with('-') || word.as_str().starts_with('-'))
            })
        };
        enough && self.words.iter().all(fits) && arguments.all(|argument| !argument.starts_with('-'))
    }
}

impl fmt::Display for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words.iter().map(Pattern::as_str).chain(self.rest.then_some("**"));
        f.write_str(&words.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_takes_any_text_and_nothing_else_is_special() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b c", true),
            ("web-*", "web-1", true),
            ("web-*", "db-1", false),
            ("*.service", "a.service", true),
            ("a*b*c", "abbc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*b*", "abc", true),
            ("a.c", "abc", false),
            ("**", "x", true),
            ("a**b", "ab", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn arguments_are_counted() {
        let allow = |words: &str, given: &[&str]| {
            let given: Vec<String> = given.iter().map(|one| (*one).to_owned()).collect();
            Arguments::new(words.split_ascii_whitespace()).allow(&given)
        };
        assert!(allow("-r * **", &["-r", "rules.yar"]));
        assert!(allow("-r * **", &["-r", "rules.yar", "/tmp/a b", "x-"]));
        assert!(!allow("-r * **", &["-r"]));
        assert!(!allow("-r *", &["-r", "a", "b"]));
        assert!(!allow("-r *", &["-x", "a"]));
        assert!(allow("", &[]));
        assert!(!allow("", &["a"]));
        assert!(allow("**", &[]));
    }

    #[test]
    fn no_star_makes_an_option() {
        let allow = |words: &str, given: &[&str]| {
            let given: Vec<String> = given.iter().map(|one| (*one).to_owned()).collect();
            Arguments::new(words.split_ascii_whitespace()).allow(&given)
        };
        for option in ["-", "--", "-x", "--x=y", "-/tmp/file"] {
            assert!(!allow("*", &[option]), "{option}");
            assert!(!allow("**", &["a", option]), "{option}");
            assert!(!allow("*x*", &[option]), "{option}");
            assert!(!allow("-- *", &["--", option]), "{option}");
            assert!(allow("-*", &[option]), "{option}");
        }
        assert!(allow("--level=*", &["--level=-1"]));
        assert!(allow("*", &["a-b"]));
        assert!(!allow("-r *", &["-r"]));
        assert!(allow("*", &[""]));
    }
}
