//! The calls of the WIT interface `services`.

use riposte_policy::config::Mode;
use riposte_policy::grant::ServiceAction;
use riposte_policy::unit::UnitName;

use super::{Backend, INTERFACE};
use crate::claim::Effect;
use crate::guard::{Guard, Verdict};
use crate::refusal::Refusal;
use crate::session::{Session, WouldBe};

/// The calls of the WIT interface `services`. Made by
/// [`crate::Capabilities::services`] for one call each.
#[derive(Clone, Copy)]
pub struct Services<'a> {
    backend: &'a dyn Backend,
    guard: &'a Guard,
}

impl<'a> Services<'a> {
    pub(crate) fn new(backend: &'a dyn Backend, guard: &'a Guard) -> Self {
        Self { backend, guard }
    }

    /// Stops the unit and starts it again; starts one that was stopped.
    ///
    /// # Errors
    ///
    /// `invalid-input` for what is no unit name, `denied` by phase, grant or
    /// guard, or why it was not done.
    pub async fn restart(&self, session: &Session, unit: &str) -> Result<(), Refusal> {
        self.act(session, unit, ServiceAction::Restart).await.map(drop)
    }

    /// Lets the unit read its configuration again; restarts one that cannot.
    ///
    /// # Errors
    ///
    /// As for [`Services::restart`].
    pub async fn reload(&self, session: &Session, unit: &str) -> Result<(), Refusal> {
        self.act(session, unit, ServiceAction::Reload).await.map(drop)
    }

    /// Starts the unit. `false`: it was running.
    ///
    /// # Errors
    ///
    /// As for [`Services::restart`].
    pub async fn start(&self, session: &Session, unit: &str) -> Result<bool, Refusal> {
        self.act(session, unit, ServiceAction::Start).await
    }

    /// Stops the unit. `false`: it was not running.
    ///
    /// # Errors
    ///
    /// As for [`Services::restart`]; also `denied` for a unit that the engine
    /// itself ends with, since nobody would be left to undo anything.
    pub async fn stop(&self, session: &Session, unit: &str) -> Result<bool, Refusal> {
        self.act(session, unit, ServiceAction::Stop).await
    }

    /// Whether the unit runs. Any grant for the unit allows the question, which
    /// shadow asks too.
    ///
    /// # Errors
    ///
    /// As for [`Services::restart`].
    pub async fn active(&self, session: &Session, unit: &str) -> Result<bool, Refusal> {
        session.effects_allowed("services.active")?;
        let unit = parsed(unit)?;
        if !session.grants.services.iter().any(|grant| grant.unit == unit.as_str()) {
            return Err(ungranted(&unit, ServiceAction::Restart));
        }
        session.seen(self.backend.active(&unit).await, false)
    }

    async fn act(&self, session: &Session, unit: &str, action: ServiceAction) -> Result<bool, Refusal> {
        session.effects_allowed(&format!("services.{}", action.as_str()))?;
        let unit = parsed(unit)?;
        let mut granted = session.grants.services.iter().filter(|grant| grant.unit == unit.as_str());
        if !granted.any(|grant| grant.actions.contains(&action)) {
            return Err(ungranted(&unit, action));
        }
        if let Verdict::Never { rule, detail } = self.guard.judge_unit(unit.as_str()) {
            return Err(Refusal::denied(format!("{unit} is never acted on: {detail} (guard: {rule})")));
        }
        if action == ServiceAction::Stop && session.seen(self.backend.carries_us(&unit).await, false)? {
            return Err(Refusal::denied(format!(
                "{unit} is never stopped: the engine ends with it, and nobody would undo what is in force"
            )));
        }
        if session.mode == Mode::Shadow {
            let effect = Effect { interface: INTERFACE, target: format!("{} {unit}", action.as_str()) };
            session.record.note(WouldBe::Done(effect));
            return Ok(match action {
                ServiceAction::Restart | ServiceAction::Reload => true,
                ServiceAction::Start => !session.seen(self.backend.active(&unit).await, false)?,
                ServiceAction::Stop => session.seen(self.backend.active(&unit).await, true)?,
            });
        }
        self.backend.act(&unit, action).await
    }
}

fn parsed(unit: &str) -> Result<UnitName, Refusal> {
    unit.parse().map_err(|e| Refusal::invalid_input(format!("{e}")))
}

fn ungranted(unit: &UnitName, action: ServiceAction) -> Refusal {
    let action = action.as_str();
    Refusal::denied(format!(
        "the command has no grant to {action} {unit}: add <service unit=\"{unit}\" actions=\"{action}\"/> to its \
         <capabilities> to allow it"
    ))
}
