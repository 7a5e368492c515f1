//! `did you mean`.

/// Longest word that is compared: longer ones are no typing errors.
const LONGEST: usize = 64;
/// Most candidates looked at.
const MOST: usize = 2_000;

/// The candidate that is most likely meant by `word`, if any is near: a few
/// letters away, or else one that begins alike (`firewall-block` for
/// `firewall-drop`, as OSSEC's own guide has it).
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = folded(word)?;
    let allowed = (word.len() / 3).clamp(1, 3);
    let candidates: Vec<_> = candidates
        .into_iter()
        .take(MOST)
        .filter_map(|candidate| Some((folded(candidate)?, candidate)))
        .collect();
    let mistyped = candidates
        .iter()
        .filter(|(folded, _)| folded.len().abs_diff(word.len()) <= allowed)
        .map(|(folded, candidate)| (distance(&word, folded), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance);
    let alike = || {
        candidates.iter().filter(|(folded, _)| begins_alike(&word, folded)).map(|(_, candidate)| candidate)
    };
    mistyped.map(|(_, candidate)| candidate).or_else(|| alike().next()).copied()
}

/// Whether two words share more than half of the longer one's letters, from
/// the first on.
fn begins_alike(a: &[char], b: &[char]) -> bool {
    let shared = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    shared >= 4 && shared * 2 > a.len().max(b.len())
}

/// `did you mean <candidate>?`, or `otherwise` when nothing is near.
pub(super) fn did_you_mean<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    match nearest(word, candidates) {
        Some(candidate) => format!("did you mean {candidate}?"),
        None => otherwise(),
    }
}

/// `-` for each of the dashes and minus signs that word processors put in its
/// place.
pub(super) fn plain_hyphens(text: &str) -> String {
    text.replace(is_typographic_hyphen, "-")
}

/// Hyphen, non-breaking hyphen, figure dash, en dash, em dash, minus sign.
pub(super) fn is_typographic_hyphen(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2014}' | '\u{2212}')
}

/// Case, and what is easily taken for another, do not count as an error.
fn folded(word: &str) -> Option<Vec<char>> {
    let folded = |c: char| if c == '_' || is_typographic_hyphen(c) { '-' } else { c.to_ascii_lowercase() };
    (word.len() <= LONGEST * 4)
        .then(|| word.chars().map(folded).collect())
        .filter(|word: &Vec<char>| word.len() <= LONGEST)
}

/// How many letters must be added, removed, replaced or swapped with their
/// neighbour (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut best =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near() {
        let known = ["rules_id", "rules_group", "level", "timeout", "command"];
        for (word, meant) in [
            ("rule_id", "rules_id"),
            ("Rules_Id", "rules_id"),
            ("time_out", "timeout"),
            ("lvel", "level"),
            ("levle", "level"),
            ("rules‐id", "rules_id"),
            ("comand", "command"),
        ] {
            assert_eq!(nearest(word, known), Some(meant), "{word}");
        }
        for word in ["", "frequency", "x", "options"] {
            assert_eq!(nearest(word, known), None, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
    }

    #[test]
    fn distances() {
        let distance =
            |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
