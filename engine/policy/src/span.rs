//! Lengths of time as configurations write them.
//!
//! Wazuh writes bare numbers: seconds in `timeout`, minutes in
//! `repeated_offenders`. Riposte also takes a unit: `90s`, `30m`, `1h`, `7d`.

use std::fmt;
use std::time::Duration;

/// Longest length of time accepted anywhere: 100 years, so that sums with the
/// current time never overflow.
pub const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// What a bare number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// Seconds, as in `timeout`.
    Seconds,
    /// Minutes, as in `repeated_offenders`.
    Minutes,
    /// A unit must be written, as in our own attributes.
    Refused,
}

/// Reads `600`, `90s`, `30m`, `1h`, `7d`; with [`Bare::Refused`] also `500ms`.
///
/// # Errors
///
/// When the text is no such length or longer than [`LONGEST`].
pub fn parse(text: &str, bare: Bare) -> Result<Duration, NotASpan> {
    let wrong = || NotASpan { text: crate::diagnostic::shown(text), bare };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs).ok_or_else(wrong);
    let span = match (unit, bare) {
        ("", Bare::Seconds) | ("s", _) => seconds(1)?,
        ("", Bare::Minutes) | ("m", _) => seconds(60)?,
        ("h", _) => seconds(3_600)?,
        ("d", _) => seconds(86_400)?,
        ("ms", Bare::Refused) => Duration::from_millis(number),
        _ => return Err(wrong()),
    };
    if span > LONGEST { Err(wrong()) } else { Ok(span) }
}

/// Writes a length of time with the largest unit that fits: `10m`, `90s`.
#[must_use]
pub fn shown(span: Duration) -> String {
    let seconds = span.as_secs();
    if span.subsec_nanos() != 0 {
        return format!("{}ms", span.as_millis());
    }
    for (unit, each) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds != 0 && seconds.is_multiple_of(each) {
            return format!("{}{unit}", seconds / each);
        }
    }
    format!("{seconds}s")
}

/// The text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotASpan {
    text: String,
    bare: Bare,
}

impl fmt::Display for NotASpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = match self.bare {
            Bare::Seconds => "a number of seconds, or 90s, 30m, 1h, 7d",
            Bare::Minutes => "a number of minutes, or 90s, 30m, 1h, 7d",
            Bare::Refused => "a number with a unit: 500ms, 90s, 30m, 1h, 7d",
        };
        write!(f, "{} is not {expected}", self.text)
    }
}

impl std::error::Error for NotASpan {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn units_and_bare_numbers() {
        let seconds = |text, bare| parse(text, bare).map(|s| s.as_secs());
        assert_eq!(seconds("600", Bare::Seconds), Ok(600));
        assert_eq!(seconds("30", Bare::Minutes), Ok(1800));
        assert_eq!(seconds("90s", Bare::Minutes), Ok(90));
        assert_eq!(seconds("7d", Bare::Seconds), Ok(604_800));
        assert_eq!(parse("500ms", Bare::Refused), Ok(Duration::from_millis(500)));
        for text in ["", "s", "-5", "abc", "1w", "1 h", "1.5h", "99999999999999999999", "1000000d", "٣"] {
            assert!(parse(text, Bare::Seconds).is_err(), "{text}");
        }
        assert!(parse("5", Bare::Refused).is_err());
    }

    #[test]
    fn shown_reads_back() {
        for seconds in [0, 1, 59, 60, 90, 3_600, 86_400, 100_000] {
            let span = Duration::from_secs(seconds);
            assert_eq!(parse(&shown(span), Bare::Refused).unwrap(), span);
        }
    }
}
