//! The calls of the WIT interface `state`.

use std::collections::BTreeSet;

use riposte_policy::config::Mode;
use riposte_policy::grant::StateGrant;

use super::{Backend, Key, Owner, too_much};
use crate::refusal::Refusal;
use crate::session::Session;

/// The calls of the WIT interface `state`.
#[derive(Clone, Copy)]
pub struct State<'a> {
    backend: &'a dyn Backend,
}

impl<'a> State<'a> {
    pub(crate) fn new(backend: &'a dyn Backend) -> Self {
        Self { backend }
    }

    /// The value of a key, if there is one. Allowed while keys are asked for.
    ///
    /// # Errors
    ///
    /// `invalid-input` for what is no key, `denied` by grant, else when it
    /// cannot be read.
    pub async fn get(&self, session: &Session, key: &str) -> Result<Option<Vec<u8>>, Refusal> {
        granted(session)?;
        let key = Key::parse(key)?;
        match session.record.value(key.as_str()) {
            Some(shadow) => Ok(shadow),
            None => self.backend.get(&owner(session), &key).await,
        }
    }

    /// Sets a value; once this has returned, it outlives a crash. In shadow
    /// only this run sees it.
    ///
    /// # Errors
    ///
    /// As for [`State::get`], `denied` by phase, and when it would be more
    /// than is granted.
    pub async fn set(&self, session: &Session, key: &str, value: Vec<u8>) -> Result<(), Refusal> {
        session.effects_allowed("state.set")?;
        let grant = granted(session)?;
        let key = Key::parse(key)?;
        if session.mode == Mode::Shadow {
            // Together with what the run set before: it is all kept in memory.
            let taken = session.record.bytes_besides(key.as_str());
            let wanted = taken.saturating_add(key.as_str().len()).saturating_add(value.len());
            if wanted as u64 > grant.size {
                return Err(too_much(&owner(session), grant.size));
            }
            session.record.set_value(key.as_str(), Some(value));
            return Ok(());
        }
        self.backend.set(&owner(session), &key, value, grant.size).await
    }

    /// Removes a value. `false`: there was none.
    ///
    /// # Errors
    ///
    /// As for [`State::set`].
    pub async fn remove(&self, session: &Session, key: &str) -> Result<bool, Refusal> {
        session.effects_allowed("state.remove")?;
        granted(session)?;
        if session.mode == Mode::Shadow {
            let was = self.get(session, key).await?.is_some();
            session.record.set_value(key, None);
            return Ok(was);
        }
        self.backend.remove(&owner(session), &Key::parse(key)?).await
    }

    /// All keys that begin with `prefix`, in order. Allowed while keys are
    /// asked for.
    ///
    /// # Errors
    ///
    /// As for [`State::get`].
    pub async fn keys(&self, session: &Session, prefix: &str) -> Result<Vec<String>, Refusal> {
        granted(session)?;
        let mut keys: BTreeSet<_> = self.backend.keys(&owner(session)).await?.into_iter().collect();
        for (key, set) in session.record.values() {
            if set {
                keys.insert(key)
            } else {
                keys.remove(&key)
            };
        }
        Ok(keys.into_iter().filter(|key| key.starts_with(prefix)).collect())
    }
}

fn granted(session: &Session) -> Result<&StateGrant, Refusal> {
    session.grants.state.as_ref().ok_or_else(|| {
        Refusal::denied("the command has no <state/> grant: add <state/> to its <capabilities> to allow it")
    })
}

fn owner(session: &Session) -> Owner {
    Owner { tenant: (*session.tenant).to_owned(), command: (*session.command).to_owned() }
}
