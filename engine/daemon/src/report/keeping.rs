//! How the audit is kept: what the settings say, as the audit takes it.

use std::sync::{Arc, PoisonError, RwLock};

use riposte_ledger::audit::signed::SigningKey;
use riposte_ledger::audit::{Copies, Event, Settings, Signing};
use riposte_ledger::clock::Clock;
use riposte_policy::alert;
use riposte_policy::config::Auditing;
use riposte_policy::keys::Pointer;

use super::syslog::Sending;
use crate::places::Places;

/// Shortest value that is taken out of a text: a shorter one would take parts
/// of other words with it.
const SHORTEST: usize = 3;

/// What the audit is told.
pub(super) struct Keeping {
    pub(super) settings: Settings,
    pub(super) copies: Option<Arc<dyn Copies>>,
}

impl Keeping {
    /// Reads keys and begins to send.
    ///
    /// # Errors
    ///
    /// When a key cannot be used, or nothing be sent.
    pub(super) fn of(settings: &Auditing, places: &Places, clock: &Arc<dyn Clock>) -> Result<Self, String> {
        let host = host_name();
        let signing = match &settings.sign {
            None => None,
            Some(sign) => Some(Signing {
                key: Arc::new(SigningKey::read(&sign.key).map_err(|error| error.to_string())?),
                file: places.audit_heads(),
                every: sign.every,
                host: host.clone(),
            }),
        };
        let sending = Sending::start(&settings.syslog, &host, clock)?;
        Ok(Self {
            settings: Settings {
                full_bytes: settings.full_bytes,
                full_age: settings.full_age,
                keep: settings.retention,
                ocsf: settings.ocsf.then(|| places.ocsf()),
                signing,
            },
            copies: sending.map(|sending| Arc::new(sending) as Arc<dyn Copies>),
        })
    }
}

/// What this machine is called.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What of alerts is not to be shown.
#[derive(Default)]
pub(super) struct Redacted(RwLock<Vec<Pointer>>);

impl Redacted {
    pub(super) fn set(&self, pointers: &[Pointer]) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = pointers.to_vec();
    }

    /// Takes the values that stand there in the alert out of an event's words.
    /// Its keys stay: they are what was acted on.
    pub(super) fn out_of(&self, mut event: Event, alert: &str) -> Event {
        let pointers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for pointer in pointers.iter() {
            let Some(value) = alert::text_or_number(alert, pointer) else { continue };
            if value.len() < SHORTEST || event.keys.iter().any(|key| *key == *value) {
                continue;
            }
            for text in [&mut event.detail, &mut event.reason].into_iter().flatten() {
                if text.contains(&*value) {
                    *text = text.replace(&*value, &format!("[{pointer}]"));
                }
            }
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_out_of_words_and_not_out_of_keys() {
        let redacted = Redacted::default();
        redacted.set(&[
            "/full_log".parse().unwrap(),
            "/data/dstuser".parse().unwrap(),
            "/data/n".parse().unwrap(),
        ]);
        let alert = r#"{"full_log":"secret words","data":{"dstuser":"alice","n":1}}"#;
        let event = |keys: &[&str]| Event {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            detail: Some("alice: secret words 1".into()),
            ..Event::default()
        };
        let out = redacted.out_of(event(&[]), alert);
        assert_eq!(out.detail.unwrap(), "[/data/dstuser]: [/full_log] 1");
        let out = redacted.out_of(event(&["alice"]), alert);
        assert_eq!(
            (out.keys, out.detail.unwrap()),
            (vec!["alice".to_owned()], "alice: [/full_log] 1".to_owned())
        );
    }
}
