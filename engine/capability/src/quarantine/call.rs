//! The calls of the WIT interface `quarantine`.

use std::path::Path;

use crate::held::Holding;
use crate::path::HostPath;
use crate::refusal::Refusal;
use crate::session::Session;

/// The calls of the WIT interface `quarantine`.
#[derive(Clone, Copy)]
pub struct Quarantine<'a> {
    holding: Holding<'a>,
}

impl<'a> Quarantine<'a> {
    pub(crate) fn new(holding: Holding<'a>) -> Self {
        Self { holding }
    }

    /// Moves the file into the quarantine, for as long as the session's entry
    /// holds it there. `false`: a response holds it.
    ///
    /// # Errors
    ///
    /// `invalid-input` for what is no path; `denied` by phase or grant, for a
    /// path with a link in it, and for what the engine or the host needs to
    /// run; `failed` when there is no such file or it cannot be moved.
    pub async fn put(&self, session: &Session, path: &str) -> Result<bool, Refusal> {
        let path = granted(session, "quarantine.put", path)?;
        self.holding.hold(session, path.as_str().to_owned()).await
    }

    /// Puts the file back with its owner, mode and times. `false`: nobody held
    /// it.
    ///
    /// # Errors
    ///
    /// As for [`Quarantine::put`]. When something has taken its place or its
    /// folder is gone, the file stays in the quarantine, and the text says
    /// where.
    pub async fn restore(&self, session: &Session, path: &str) -> Result<bool, Refusal> {
        let path = granted(session, "quarantine.restore", path)?;
        self.holding.let_go(session, path.as_str().to_owned()).await
    }

    /// Whether a response holds the file of this path in quarantine.
    ///
    /// # Errors
    ///
    /// As for [`Quarantine::put`].
    #[allow(clippy::unused_async, reason = "asked like the calls of all interfaces")]
    pub async fn holds(&self, session: &Session, path: &str) -> Result<bool, Refusal> {
        let path = granted(session, "quarantine.holds", path)?;
        Ok(self.holding.holds(session, path.as_str().to_owned()))
    }
}

/// Phase, type and grant, in this order.
fn granted(session: &Session, call: &str, path: &str) -> Result<HostPath, Refusal> {
    session.effects_allowed(call)?;
    let path = HostPath::parse(path)?;
    let Some(grant) = &session.grants.quarantine else {
        return Err(Refusal::denied(
            "the command has no <quarantine/> grant: add <quarantine folders=\"/PATH\"/> to its <capabilities> to allow it",
        ));
    };
    if grant.folders.iter().any(|folder| folder == Path::new("/")) {
        return Err(Refusal::denied(
            "the command's <quarantine folders=\"/\"/> would give it every file of this host: name the folders that it needs",
        ));
    }
    if !grant.folders.iter().any(|folder| path.is_below(folder)) {
        return Err(Refusal::denied(format!(
            "{path} is in no folder of the command's <quarantine folders=\"...\"/> grant: add one that holds it, if that is meant"
        )));
    }
    Ok(path)
}
