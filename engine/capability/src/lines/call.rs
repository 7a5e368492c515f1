//! The calls of the WIT interface `lines`.

use riposte_policy::config::Mode;
use riposte_policy::diagnostic::shown;

use super::{INTERFACE, Line, Presence, Prior, target, wrappers};
use crate::claim::Effect;
use crate::guard::Guard;
use crate::held::Holding;
use crate::path::HostPath;
use crate::refusal::Refusal;
use crate::session::Session;

/// The calls of the WIT interface `lines`.
#[derive(Clone, Copy)]
pub struct Lines<'a> {
    holding: Holding<'a>,
    guard: &'a Guard,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(holding: Holding<'a>, guard: &'a Guard) -> Self {
        Self { holding, guard }
    }

    /// Sees to it that the file holds this line, for as long as the session's
    /// entry holds it. `false`: it was there.
    ///
    /// # Errors
    ///
    /// `invalid-input` for what is no path or no line; `denied` by phase or
    /// grant, by the guard for the files of the TCP wrappers, or for a file
    /// behind somebody's link; else what kept the file from being written.
    pub async fn ensure(&self, session: &Session, file: &str, line: &str) -> Result<bool, Refusal> {
        let (file, line) = granted(session, "lines.ensure", file, line)?;
        wrappers::judge(self.guard, file.name(), line.as_str())?;
        self.holding.hold(session, target(file.as_str(), &line)).await
    }

    /// Ends what [`Lines::ensure`] began; a line that was there before stays.
    /// `false`: nobody held it.
    ///
    /// # Errors
    ///
    /// As for [`Lines::ensure`], but for the guard.
    pub async fn remove(&self, session: &Session, file: &str, line: &str) -> Result<bool, Refusal> {
        let (file, line) = granted(session, "lines.remove", file, line)?;
        self.holding.let_go(session, target(file.as_str(), &line)).await
    }

    /// Whether the file holds this line now, whoever wrote it.
    ///
    /// # Errors
    ///
    /// As for [`Lines::remove`].
    pub async fn contains(&self, session: &Session, file: &str, line: &str) -> Result<bool, Refusal> {
        let (file, line) = granted(session, "lines.contains", file, line)?;
        let effect = Effect { interface: INTERFACE, target: target(file.as_str(), &line) };
        if session.mode == Mode::Shadow
            && let Some(believed) = session.record.believes(&effect)
        {
            return Ok(believed);
        }
        let now = Prior::read(&self.holding.backend.prior(&effect.target).await?)?;
        Ok(now.line == Presence::Present)
    }
}

/// Phase, types and grant, in this order.
fn granted(session: &Session, call: &str, file: &str, line: &str) -> Result<(HostPath, Line), Refusal> {
    session.effects_allowed(call)?;
    let file = HostPath::parse(file)?;
    let line = Line::parse(line)?;
    let mut grants = session.grants.lines.iter().filter(|grant| grant.is_for(file.as_path())).peekable();
    if grants.peek().is_none() {
        let file = file.as_str().replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        return Err(Refusal::denied(format!(
            "the command may not keep lines in this file: add <lines file=\"{file}\"/> to its <capabilities> to allow it"
        )));
    }
    if !grants.any(|grant| grant.lines.iter().any(|pattern| pattern.matches(line.as_str()))) {
        return Err(Refusal::denied(format!(
            "{} fits no `match` of the command's <lines file=\"{file}\"/> grant",
            shown(line.as_str())
        )));
    }
    Ok((file, line))
}
