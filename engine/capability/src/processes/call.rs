//! The calls of the WIT interface `processes`.

use riposte_policy::config::Mode;
use riposte_policy::grant::{Pattern, ProcessGrant};

use super::{Backend, INTERFACE, ProgramName};
use crate::claim::Effect;
use crate::guard::{Guard, Verdict};
use crate::refusal::Refusal;
use crate::session::{Session, WouldBe};

/// The calls of the WIT interface `processes`. Made by
/// [`crate::Capabilities::processes`] for one call each.
#[derive(Clone, Copy)]
pub struct Processes<'a> {
    backend: &'a dyn Backend,
    guard: &'a Guard,
}

impl<'a> Processes<'a> {
    pub(crate) fn new(backend: &'a dyn Backend, guard: &'a Guard) -> Self {
        Self { backend, guard }
    }

    /// The processes that run this program. Looks in shadow too.
    ///
    /// # Errors
    ///
    /// `invalid-input` for what is no name of a program file, `denied` by phase
    /// or grant, or when the processes cannot be read.
    pub async fn running(&self, session: &Session, name: &str) -> Result<Vec<u32>, Refusal> {
        session.effects_allowed("processes.running")?;
        let name = allowed(session, name)?;
        session.seen(self.backend.running(&name).await, Vec::new())
    }

    /// Ends a process at once, if it runs the program of this name. `false`:
    /// there is no such process, or it runs something else.
    ///
    /// # Errors
    ///
    /// As for [`Processes::running`]; also `denied` for process 1, the engine,
    /// what started it, and the kernel's threads, and `timeout` when the
    /// process did not end although it was told to.
    pub async fn kill(&self, session: &Session, process: u32, name: &str) -> Result<bool, Refusal> {
        session.effects_allowed("processes.kill")?;
        let name = allowed(session, name)?;
        if let Verdict::Never { rule, detail } = self.guard.judge_process(process) {
            return Err(Refusal::denied(format!("{detail}: it is never ended (guard: {rule})")));
        }
        if session.mode == Mode::Shadow {
            let effect = Effect { interface: INTERFACE, target: format!("kill {process} {name}") };
            session.record.note(WouldBe::Done(effect));
            return session.seen(self.backend.running(&name).await.map(|all| all.contains(&process)), true);
        }
        self.backend.kill(process, &name).await
    }
}

/// The name, when the grant allows it.
fn allowed(session: &Session, name: &str) -> Result<ProgramName, Refusal> {
    let grant = session.grants.processes.as_ref().ok_or_else(|| {
        Refusal::denied(
            "the command has no <process/> grant: add <process names=\"...\"/> to its <capabilities> to allow \
             ending processes",
        )
    })?;
    let name: ProgramName = name.parse().map_err(|e| Refusal::invalid_input(format!("{e}")))?;
    within(grant, &name)?;
    Ok(name)
}

fn within(grant: &ProcessGrant, name: &ProgramName) -> Result<(), Refusal> {
    let fits = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name.as_str()));
    if fits(&grant.except) {
        return Err(Refusal::denied(format!("the command's <process/> grant excepts {name}")));
    }
    if fits(&grant.names) {
        return Ok(());
    }
    Err(Refusal::denied(format!(
        "the command's <process/> grant does not name {name}: add it to its names=\"\" to allow it"
    )))
}
