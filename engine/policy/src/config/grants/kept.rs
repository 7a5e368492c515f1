//! `<state>`, `<config>` and `<secret>`.

use super::attributes::{Attributes, Wrong};
use super::values;
use crate::diagnostic::shown;
use crate::grant::{ConfigValue, SecretGrant, SecretSource, StateGrant};

/// Longest value of a `<config>` in bytes.
const LONGEST_VALUE: usize = 64 << 10;

pub(super) fn state(read: &mut Attributes<'_, '_, '_>) -> Option<StateGrant> {
    let usual = StateGrant::default();
    Some(StateGrant { size: read.read("size", values::amount).unwrap_or(usual.size) })
}

pub(super) fn config(read: &mut Attributes<'_, '_, '_>) -> Option<ConfigValue> {
    let name = read.read("name", values::name);
    // As it is written: a value may begin or end with a blank.
    let value = read.raw("value");
    if let Some(value) = value {
        let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
        if value.len() > LONGEST_VALUE {
            read.refuse("value", Wrong::new("it has more than 64 KiB", ""));
        } else if value.contains(odd) {
            read.refuse("value", Wrong::new(format!("{} holds control characters", shown(value)), ""));
        }
    }
    Some(ConfigValue { name: name?, value: value?.to_owned() })
}

pub(super) fn secret(read: &mut Attributes<'_, '_, '_>) -> Option<SecretGrant> {
    let name = read.read("name", values::name);
    let (file, credential) = (read.raw("file"), read.raw("credential"));
    let source = match (file, credential) {
        (Some(_), None) => read.read("file", values::file).map(SecretSource::File),
        (None, Some(_)) => read.read("credential", values::name).map(SecretSource::Credential),
        (Some(_), Some(_)) => {
            read.refuse("credential", Wrong::new("there is a file= too", "keep one of the two."));
            None
        }
        (None, None) => {
            let help = "add file=\"/PATH\", or credential=\"NAME\" for one of the service manager's.";
            read.refuse("file", Wrong::new("nothing says where the secret stands", help));
            None
        }
    };
    Some(SecretGrant { name: name?, source: source? })
}
