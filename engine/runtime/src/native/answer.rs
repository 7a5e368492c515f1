//! What a program answers to `add`.

use serde_json::Value;

/// The keys in a `check_keys` line, or `None` when it is not one.
///
/// Valid is what Wazuh takes: `version` a number, `origin` an object,
/// `command` exactly `check_keys`, `parameters.keys` an array. What is not a
/// string in the array is skipped, so the list may be empty.
#[must_use]
pub fn keys_in(line: &[u8]) -> Option<Vec<String>> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let valid = line.get("version")?.is_number()
        && line.get("origin")?.is_object()
        && line.get("command")?.as_str()? == "check_keys";
    let keys = line.get("parameters")?.get("keys")?.as_array()?;
    let strings = keys.iter().filter_map(|key| key.as_str().map(str::to_owned));
    valid.then(|| strings.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_keys_message_gives_its_strings() {
        let line = br#"{"version":1,"origin":{"name":"x","module":"active-response"},"command":"check_keys","parameters":{"keys":["192.0.2.7","root",7]}}"#;
        assert_eq!(keys_in(line), Some(vec!["192.0.2.7".to_owned(), "root".to_owned()]));
    }

    #[test]
    fn fields_may_stand_in_any_order_and_with_blanks() {
        let line =
            br#" { "parameters" : {"keys":[]}, "command":"check\u005fkeys", "version":1.5, "origin":{} } "#;
        assert_eq!(keys_in(line), Some(vec![]));
    }

    #[test]
    fn anything_else_is_no_check_keys_message() {
        for line in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"version":"1","origin":{},"command":"check_keys","parameters":{"keys":["k"]}}"#,
            r#"{"version":1,"origin":[],"command":"check_keys","parameters":{"keys":["k"]}}"#,
            r#"{"version":1,"origin":{},"command":"checkkeys","parameters":{"keys":["k"]}}"#,
            r#"{"version":1,"origin":{},"command":"check_keys","parameters":{"keys":"k"}}"#,
            r#"{"version":1,"origin":{},"command":"check_keys","parameters":[["k"]]}"#,
            r#"{"version":1,"origin":{},"command":"check_keys"}"#,
            r#"{"origin":{},"command":"check_keys","parameters":{"keys":["k"]}}"#,
            r#"{"version":1,"origin":{},"command":"check_keys","parameters":{"keys":["k"]}"#,
        ] {
            assert_eq!(keys_in(line.as_bytes()), None, "{line}");
        }
        assert_eq!(keys_in(b"\xff\xfe"), None);
    }
}
