//! What of an alert is not kept when its entry is over.

use riposte_policy::keys::Pointer;
use riposte_policy::order::EntryId;
use rusqlite::OptionalExtension;
use serde_json::Value;

use super::Books;
use crate::error::LedgerError;

impl Books {
    /// Takes what is not to be kept out of the alert of an entry that is over,
    /// and out of the message that brought it.
    pub(super) fn redact_body(&self, id: EntryId) -> Result<(), LedgerError> {
        if self.redact.is_empty() {
            return Ok(());
        }
        let body: Option<(String, Option<String>)> = self
            .statement("SELECT alert, message FROM body WHERE entry = ?1")?
            .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(|error| self.failed(&error))?;
        let Some((alert, message)) = body else { return Ok(()) };
        let alert = without(&alert, &self.redact, &[]);
        let message = message.map(|message| without(&message, &self.redact, &["parameters", "alert"]));
        self.execute("UPDATE body SET alert = ?2, message = ?3 WHERE entry = ?1", (id.0, alert, message))?;
        Ok(())
    }
}

/// A text of JSON without what stands at the pointers below `at`. What is no
/// JSON cannot be looked into: nothing of it stays.
#[must_use]
pub(crate) fn without(text: &str, pointers: &[Pointer], at: &[&str]) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return "{}".to_owned() };
    for pointer in pointers {
        let names: Vec<&str> = at.iter().copied().chain(pointer.tokens()).collect();
        let Some((last, way)) = names.split_last() else { continue };
        let mut here = Some(&mut value);
        for name in way {
            here = here.and_then(|value| within(value, name));
        }
        match here {
            Some(Value::Object(object)) => drop(object.remove(*last)),
            // The others keep their places.
            Some(list) => {
                if let Some(found) = within(list, last) {
                    *found = Value::Null;
                }
            }
            None => {}
        }
    }
    value.to_string()
}

/// What stands under a name, or a number in a list.
fn within<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    match value {
        Value::Array(list) => list.get_mut(name.parse::<usize>().ok()?),
        value => value.get_mut(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_pointers_name_is_gone() {
        let pointers: Vec<Pointer> =
            ["/full_log", "/data/dstuser", "/data/none/x"].map(|p| p.parse().unwrap()).into();
        let alert = r#"{"data":{"dstuser":"alice","srcip":"192.0.2.7"},"full_log":"secret"}"#;
        assert_eq!(without(alert, &pointers, &[]), r#"{"data":{"srcip":"192.0.2.7"}}"#);
        let message = format!(r#"{{"parameters":{{"alert":{alert}}}}}"#);
        let kept = without(&message, &pointers, &["parameters", "alert"]);
        assert_eq!(kept, r#"{"parameters":{"alert":{"data":{"srcip":"192.0.2.7"}}}}"#);
        assert_eq!(without("secret", &pointers, &[]), "{}");
        let lists: Vec<Pointer> = ["/data/0/user", "/names/1", "/names/x"].map(|p| p.parse().unwrap()).into();
        let alert = r#"{"data":[{"ip":"192.0.2.7","user":"alice"}],"names":["a","bob"]}"#;
        assert_eq!(without(alert, &lists, &[]), r#"{"data":[{"ip":"192.0.2.7"}],"names":["a",null]}"#);
    }
}
