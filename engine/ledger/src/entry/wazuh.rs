//! Wazuh's way: what is the same as another, and when it ends.

/// Most bytes of a key, and of the part that its keys make: buffers of 4,096
/// with their final NUL (`os_execd/execd.c`, `get_keys_from_json`).
const LONGEST_KEY: usize = 4_095;

/// What makes an entry the same as another: the program's base name, and every
/// key behind a hyphen. Where a key begins or ends, and all else, is not in it.
///
/// A key that makes the keys too long ends them; a program's name that makes
/// the whole too long costs its end, at the boundary of a character here
/// (`os_execd/execd.c`, `ExecdRun`).
pub(crate) fn key(program: &str, keys: &[String]) -> String {
    let mut joined = String::new();
    for key in keys {
        if joined.len().saturating_add(key.len()).saturating_add(1) > LONGEST_KEY {
            break;
        }
        joined.push('-');
        joined.push_str(key);
    }
    let mut whole = format!("{program}{joined}");
    whole.truncate(whole.floor_char_boundary(LONGEST_KEY));
    whole
}

/// How many milliseconds after its order something ends that is to last
/// `length_ms`. Wazuh reads the clock in whole seconds, and undoes at the first
/// at which more than the timeout has passed (`ExecdTimeoutRun`).
pub(crate) fn lasts_ms(added_wall_ms: i64, length_ms: i64) -> i64 {
    whole_seconds_ms(length_ms).saturating_add(1_000).saturating_sub(added_wall_ms.rem_euclid(1_000))
}

/// The whole seconds in a length of time, in milliseconds.
pub(crate) fn whole_seconds_ms(length_ms: i64) -> i64 {
    length_ms.saturating_sub(length_ms.rem_euclid(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn a_key_is_the_program_and_its_keys() {
        assert_eq!(key("custom-multi", &keys(&["10.0.0.1", "root"])), "custom-multi-10.0.0.1-root");
        assert_eq!(key("custom-multi", &[]), "custom-multi");
        assert_eq!(key("x", &keys(&["a-b"])), key("x", &keys(&["a", "b"])));
        assert_eq!(key("x", &keys(&[""])), "x-");
    }

    #[test]
    fn a_key_is_cut_where_it_is_too_long() {
        let long = "k".repeat(4_094);
        assert_eq!(key("", &keys(&[&long])).len(), 4_095, "just fits");
        assert_eq!(key("p", &keys(&[&long])).len(), 4_095, "cut");
        let too_long = "k".repeat(4_095);
        assert_eq!(key("p", &keys(&["a", &too_long, "b"])), "p-a", "the keys end before it");
        let wide = "é".repeat(2_047);
        assert_eq!(key("", &keys(&[&wide])).len(), 4_095, "just fits");
        assert_eq!(key("p", &keys(&[&wide])).len(), 4_094, "ends with a whole character");
        assert_eq!(key("pp", &keys(&[&wide])).len(), 4_095);
    }

    #[test]
    fn it_ends_at_the_first_whole_second_past_its_time() {
        assert_eq!(lasts_ms(7_000, 5_000), 6_000);
        assert_eq!(lasts_ms(7_001, 5_000), 5_999);
        assert_eq!(lasts_ms(7_999, 5_000), 5_001);
        assert_eq!(lasts_ms(7_000, 5_999), 6_000, "parts of a second do not count");
        assert_eq!(lasts_ms(-1, 0), 1, "a clock before its time");
    }
}
