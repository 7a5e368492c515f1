//! `2024-05-11T12:29:29.123+0000`, as Wazuh dates its alerts.

/// The time in milliseconds since 1970-01-01 UTC. Any number of fractional
/// digits; the zone `Z`, `+00:00` or, as Wazuh writes it, `+0000`.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix(['T', ' '])?.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    // A leap second counts as the first second of the next minute.
    if hour > 23 || minute > 59 || second > 60 || day < 1 || day > days_in(year, month)? {
        return None;
    }
    let (millis, zone) = match rest.strip_prefix('.') {
        Some(rest) => fraction(rest)?,
        None => (0, rest),
    };
    let local = ((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some((local - offset(zone)?) * 1000 + millis)
}

/// Fields of fixed widths between separators.
fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut fields = text.split(separator);
    let mut out = [0; 3];
    for (number, width) in out.iter_mut().zip(widths) {
        let field = fields.next().filter(|field| field.len() == width)?;
        *number = digits(field)?;
    }
    fields.next().is_none().then_some(out)
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Milliseconds of a fraction, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, rest) = text.split_at_checked(end)?;
    if fraction.is_empty() {
        return None;
    }
    let millis =
        fraction.bytes().chain(*b"00").take(3).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((millis, rest))
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    let (sign, zone) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = zone.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    if minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60)
}

fn days_in(year: i64, month: i64) -> Option<i64> {
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => return None,
    })
}

/// Days from 1970-01-01 to this date of the Gregorian calendar. Years are
/// counted from March, so that the leap day ends one.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let years = if month <= 2 { year - 1 } else { year };
    let month = if month <= 2 { month + 9 } else { month - 3 };
    let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    years * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wazuh_and_iso_forms() {
        assert_eq!(parse("1970-01-01T00:00:00.000+0000"), Some(0));
        assert_eq!(parse("2024-05-11T12:29:29.123+0000"), Some(1_715_430_569_123));
        assert_eq!(parse("2024-05-11T14:29:29.123+0200"), Some(1_715_430_569_123));
        assert_eq!(parse("2024-05-11T12:29:29Z"), Some(1_715_430_569_000));
        assert_eq!(parse("2024-05-11 06:59:29.1239999-05:30"), Some(1_715_430_569_123));
        assert_eq!(parse("2000-02-29T23:59:59.9Z"), Some(951_868_799_900));
        assert_eq!(parse("1969-12-31T23:59:59.5Z"), Some(-500));
        assert_eq!(parse("2016-12-31T23:59:60Z"), parse("2017-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "redacted",
            "{timestamp}",
            "2024-05-11",
            "2024-05-11T12:29:29",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-05-11T24:00:00Z",
            "2024-05-11T12:29:29.+0000",
            "2024-05-11T12:29:29.1",
            "2024-05-11T12:29:29+00000",
            "2024-05-11T12:29:29+000",
            "2024-5-11T12:29:29.123Z",
            "+024-05-11T12:29:29Z",
            "é024-05-11T12:29:29Z",
            "2024-05-11T12:29:2é+0000",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
