//! What matches, what does not, and that it never takes long.

use proptest::prelude::*;

use super::*;

fn found(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).is_in(text)
}

#[test]
fn what_matches() {
    for (pattern, text) in [
        ("sshd,", "syslog,SSHD,"),
        ("web|Attack", "x,web_attack,"),
        ("^syslog,", "syslog,sshd,"),
        ("sshd,$", "syslog,sshd,"),
        ("^a,$", "a,"),
        ("authentication_failed,|authentication_failures,", "win_authentication_failed,"),
        (r"\d+", "rule 12"),
        (r"^\w+,\w+,$", "a-b,c@d_e,"),
        (r"a\d*b", "ab"),
        (r"a\d*b", "a123b"),
        (r"^\D\D\d$", "ab3"),
        (r"^\W$", ","),
        (r"^\S\s\S$", "a b"),
        (r"a\.+z", "a...\u{e9}z"),
        (r"^\p+$", "()*+,-.:;<=>?[]!\"'#$%&|{}"),
        (r"\t", "a\tb"),
        (r"\(\)\\\|\$\<", r"()\|$<"),
        (r"\.*", ""),
        // Only behind a backslash do they repeat.
        ("a+", "xa+y"),
        ("a.b?[c]", "A.B?[C]"),
        ("a$b^c", "a$b^c"),
        ("(ab)c", "abc"),
        (r"(\d+)-(\d+)", "10-20"),
        ("|b", "b"),
        // Repetitions side by side share what they can match.
        (r"^\s+\sx", "   xy"),
        (r"^\w+\d+\w+\s$", "ab12cd "),
        (r"^a\S*: b", "a: b"),
        (r"x\d+$", "x1x22"),
    ] {
        assert!(found(pattern, text), "{pattern} in {text}");
    }
}

#[test]
fn what_does_not() {
    for (pattern, text) in [
        ("web,", "web_attack,"),
        ("a.b", "axb"),
        ("a+", "aa"),
        ("^sshd,", "syslog,sshd,"),
        ("syslog,$", "syslog,sshd,"),
        ("a,b", "a,c,b,"),
        ("", "anything"),
        ("a||b", "c"),
        ("^", "a"),
        ("$", "a"),
        ("^$", ""),
        (r"\d+", "none"),
        (r"^\d+$", "12a"),
        (r"^\s$", "\t"),
        (r"\p", "a/b~c@d_e\\"),
        (r"(\d)+", "12"),
    ] {
        assert!(!found(pattern, text), "{pattern} in {text}");
    }
    assert!(!Pattern::never("sshd").is_in("sshd"));
}

#[test]
fn classes_hold_what_wazuh_says() {
    let size = |escape: u8| {
        let set = Set::escaped(escape).unwrap();
        (0..=u8::MAX).filter(|byte| set.holds(*byte)).count()
    };
    assert_eq!([b'd', b'w', b's', b'p', b't', b'.'].map(size), [10, 65, 1, 25, 1, 256]);
    assert_eq!([b'D', b'W', b'S'].map(size), [246, 191, 255]);
    assert_eq!([b'(', b')', b'\\', b'|', b'$', b'<'].map(size), [1; 6]);
    assert!([b'P', b'n', b'*', b'0'].iter().all(|byte| Set::escaped(*byte).is_none()));
}

#[test]
fn what_ossec_cannot_compile() {
    for (pattern, why) in [
        (r"\n", NotAPattern::Escape('n')),
        (r"a\", NotAPattern::Unfinished),
        ("(a", NotAPattern::Parentheses),
        ("a)", NotAPattern::Parentheses),
        ("((a))", NotAPattern::Parentheses),
        ("(a|b)", NotAPattern::Parentheses),
    ] {
        assert_eq!(Pattern::new(pattern), Err(why), "{pattern}");
    }
    assert_eq!(Pattern::new(&"x".repeat(20_481)), Err(NotAPattern::TooLong));
    assert!(Pattern::new(&"x".repeat(20_480)).is_ok());
}

#[test]
fn hostile_text_costs_one_pass() {
    // Each byte could belong to any of a thousand repeated atoms: a search
    // that goes back would never end.
    let pattern = Pattern::new(&(r"\w*".repeat(600) + "!")).unwrap();
    assert!(!pattern.is_in(&"a".repeat(2_000)));
    assert!(pattern.is_in(&("a".repeat(2_000) + "!")));
}

/// What the words above say, without a thought for time.
fn naive(atoms: &[Atom], text: &[u8], ends: bool) -> bool {
    let Some((atom, rest)) = atoms.split_first() else { return !ends || text.is_empty() };
    let holds = |n: usize| text.len() >= n && text[..n].iter().all(|byte| atom.set.holds(*byte));
    let range = match atom.times {
        Times::Once => 1..=1,
        Times::AtLeastOnce => 1..=text.len(),
        Times::AnyNumber => 0..=text.len(),
    };
    range.into_iter().any(|n| holds(n) && naive(rest, &text[n..], ends))
}

fn naively_in(pattern: &Pattern, text: &[u8]) -> bool {
    pattern.alternatives.iter().any(|alternative| {
        let atoms = match &alternative.body {
            Body::Literal(literal) => {
                literal.iter().map(|byte| Atom { set: Set::One(*byte), times: Times::Once }).collect()
            }
            Body::Atoms(atoms) => atoms.clone(),
        };
        let starts = if alternative.begins { 0..=0 } else { 0..=text.len() };
        !atoms.is_empty() && starts.into_iter().any(|at| naive(&atoms, &text[at..], alternative.ends))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn it_finds_what_a_plain_reading_finds(
        pattern in r"\^?(a|b|,|1| |\\d|\\w|\\D|\\p|\\\.|\\d\+|\\w\*|\\\.\*|\\W\+|\+|\*|\||\$){0,7}\$?",
        text in "[ab,1 ]{0,8}",
    ) {
        let Ok(pattern) = Pattern::new(&pattern) else { return Ok(()) };
        prop_assert_eq!(pattern.is_in(&text), naively_in(&pattern, text.as_bytes()));
    }

    #[test]
    fn reading_a_pattern_never_panics(pattern in ".{0,40}|[()|\\\\dw+*^$]{0,20}", text in ".{0,20}") {
        if let Ok(pattern) = Pattern::new(&pattern) {
            let _ = pattern.is_in(&text);
        }
    }
}
