//! An admitted order is done, and what came of it is recorded.

use std::sync::Arc;
use std::time::Duration;

use riposte_capability::{Effect, WouldBe};
use riposte_ledger::{LedgerError, Rekeyed, Settled};
use riposte_policy::config::{Mode, Way};
use riposte_policy::keys::NotKeys;
use riposte_policy::{Keys, Order};
use riposte_runtime::native::{Decision, Message, NativeProgram};
use riposte_runtime::outcome::texts;
use riposte_runtime::{Kind, Plugin};

use super::admit::{By, UNDO_PATIENCE, guarded, spared, typed, unbroken};
use super::{Instead, Intended, Turn, recorded};
use crate::arm::Runner;
use crate::engine::Engine;
use crate::outcome::{Outcome, Refused};
use crate::undo;

/// How long a program takes room from those of other commands while it has not
/// ended.
const QUICK: Duration = Duration::from_secs(1);

impl Intended {
    /// Runs the component or the program.
    pub(super) async fn run(&mut self, engine: &Arc<Engine>, order: &Order) -> Result<Made, String> {
        let shadow = self.invocation.mode == Mode::Shadow;
        let ready = Arc::clone(&self.ready);
        match &ready.runner {
            Runner::Component(plugin) => {
                let _permits = engine.component_permits(&ready).await;
                // Those before it may have failed too often meanwhile.
                if let Err(refused) = unbroken(engine.now().boot_ms, &ready) {
                    return Ok(Made::Aborted(self.ended(engine, refused).await));
                }
                if plugin.kind() == Kind::Oneshot && !shadow {
                    self.begin(engine).await?;
                }
                self.component(engine, order, plugin).await
            }
            Runner::Native(_) if shadow => {
                Ok(Made::Shadow(Vec::new(), vec![format!("start of {}", self.ready.command.executable)]))
            }
            Runner::Native(program) => self.program(engine, order, program).await,
            Runner::Unsupported(why) => Err(why.clone()),
        }
    }

    /// Records that something begins that must not be repeated.
    async fn begin(&self, engine: &Engine) -> Result<(), String> {
        engine.ledger.attempt(self.id).await.map(drop).map_err(|error| error.to_string())
    }

    async fn program(
        &mut self,
        engine: &Arc<Engine>,
        order: &Order,
        program: &NativeProgram,
    ) -> Result<Made, String> {
        let turn = match self.turn.take() {
            Some(turn) => turn,
            None => engine.turns.next(engine, Some(&self.ready), &self.ready.command.name).await,
        };
        let Turn { own, all, alone } = turn;
        if !self.timed {
            self.begin(engine).await?;
        }
        // First this, then the look: an undo first changes the entry, then looks
        // for this. So either it waits for the program, or there is none.
        let mut starting = engine.programs.starting(self.id);
        if !engine.ledger.is_intended(self.id) {
            let error = "it was undone before its program was started".to_owned();
            return Ok(Made::Aborted(Outcome::Failed { id: Some(self.id), error }));
        }
        let message = Message::new(order, program.name());
        let mut instead = None;
        let decide = async |keys: Vec<String>| {
            instead = self.rekey(engine, order, keys).await.err();
            if instead.is_some() { Decision::Abort } else { Decision::Continue }
        };
        let added = {
            let mut adding =
                std::pin::pin!(program.add_until(&message, order.key, decide, starting.stopped()));
            // One that does not answer costs nothing but time, which is its own
            // command's: other programs are started meanwhile.
            tokio::select! {
                biased;
                added = &mut adding => added,
                () = tokio::time::sleep(QUICK) => {
                    drop(all);
                    adding.await
                }
            }
        };
        let added = match added {
            Ok(added) => added,
            // It never ran, so there is nothing to undo.
            Err(error) => {
                self.ready.breaker.failed(engine.now().boot_ms);
                let failed = Outcome::Failed { id: Some(self.id), error: error.to_string() };
                return Ok(Made::Aborted(self.ended(engine, failed).await));
            }
        };
        drop(own);
        engine.report.program(order, &added);
        if order.key == Way::Wazuh && added.refused_its_input() {
            // Wazuh keeps no entry of it, so there must be no delete either.
            let error = "it ended with status 255 and without a word, as Wazuh's programs do with an alert that they cannot use";
            let failed = Outcome::Failed { id: Some(self.id), error: error.to_owned() };
            return Ok(Made::Aborted(self.ended(engine, failed).await));
        }
        if let Some(running) = added.running {
            engine.programs.supervise(self.id, running, alone);
        }
        Ok(instead.map_or(Made::Added(None), Made::Aborted))
    }

    async fn component(&self, engine: &Engine, order: &Order, plugin: &Plugin) -> Result<Made, String> {
        let shadow = self.invocation.mode == Mode::Shadow;
        let (receipt, would, said) = match plugin.kind() {
            Kind::Reversible => {
                let answer = plugin.add(&self.invocation).await;
                (answer.result.map(Some), answer.would_be, texts(answer.log))
            }
            Kind::Oneshot => {
                let answer = plugin.run(&self.invocation).await;
                (answer.result.map(|()| None), answer.would_be, texts(answer.log))
            }
        };
        match &receipt {
            // What a component says in shadow has not happened.
            _ if shadow => {}
            Ok(_) => engine.report.added(order, &self.keys, &said),
            Err(failure) => engine.report.not_added(order, &said, &failure.to_string()),
        }
        match receipt {
            Err(failure) => {
                if failure.is_fault() {
                    self.ready.breaker.failed(engine.now().boot_ms);
                }
                Err(failure.to_string())
            }
            Ok(_) if shadow => {
                let words = would.iter().map(would_be).collect();
                let made = would.into_iter().filter_map(|change| match change {
                    WouldBe::Made(effect) => Some(effect),
                    WouldBe::Undone(_) | WouldBe::Done(_) => None,
                });
                Ok(Made::Shadow(made.collect(), words))
            }
            Ok(receipt) => Ok(Made::Added(receipt)),
        }
    }

    /// A native program named its keys: they replace those of the definition.
    /// When it must not go on, the entry ends here.
    async fn rekey(&self, engine: &Engine, order: &Order, keys: Vec<String>) -> Result<(), Instead> {
        let keys = match Keys::new(&keys) {
            Ok(keys) => keys.as_slice().to_vec(),
            // Wazuh's key is the program's name alone then.
            Err(NotKeys::None) if order.key == Way::Wazuh => Vec::new(),
            Err(wrong) => {
                let refused = Outcome::Refused(Refused::Untyped(format!("the program's keys: {wrong}")));
                return Err(self.ended(engine, refused).await);
            }
        };
        let guard = engine.capabilities.guard();
        let passed = typed(order, &keys)
            .and_then(|()| spared(&engine.armed().config, guard, &keys))
            .and_then(|()| guarded(guard, order, &keys, By::Program));
        if let Err(refused) = passed {
            return Err(self.ended(engine, refused).await);
        }
        // Any undo wakes it, and none of another target makes it wait longer.
        let mut patience = std::pin::pin!(tokio::time::sleep(UNDO_PATIENCE));
        loop {
            let over = engine.undone.notified();
            match engine.ledger.rekey(self.id, keys.clone()).await {
                Ok(Rekeyed::Continue { .. }) => return Ok(()),
                Ok(Rekeyed::Undoing { existing }) => {
                    tokio::select! {
                        () = over => {}
                        () = &mut patience => {
                            let refused = Outcome::Refused(Refused::Undoing(existing));
                            return Err(self.ended(engine, refused).await);
                        }
                    }
                }
                Ok(Rekeyed::InForce { existing, due }) => {
                    if let Some(due) = due {
                        engine.timekeeper.extended(existing, due.boot_ms);
                    }
                    // Under Wazuh's key it may be a component's.
                    engine.settle_effects(existing).await;
                    return Err(Outcome::Already { id: existing, until_ms: None });
                }
                Err(error) => {
                    let failed = Outcome::Failed { id: Some(self.id), error: error.to_string() };
                    return Err(self.ended(engine, failed).await);
                }
            }
        }
    }

    /// Ends an entry that did nothing.
    async fn ended(&self, engine: &Engine, outcome: Outcome) -> Outcome {
        let why = outcome.to_string();
        match recorded(engine, || engine.ledger.fail(self.id, &why)).await {
            Ok(()) => outcome,
            Err(error) => Outcome::Failed { id: Some(self.id), error: format!("{outcome}; {error}") },
        }
    }

    /// Records what came of it; a failed add is undone at once.
    pub(super) async fn settle(
        &self,
        engine: &Arc<Engine>,
        order: &Order,
        made: Result<Made, String>,
    ) -> Outcome {
        let id = self.id;
        match made {
            Ok(Made::Added(receipt)) => {
                self.ready.breaker.worked();
                // What is done stands, and ends on time, however long that cannot be written.
                match recorded(engine, || engine.ledger.added(id, receipt.clone())).await {
                    Ok(settled) => self.settled(engine, settled),
                    // Somebody undoes it, and deletes now that the program is over. (A
                    // component's claims went with the entry.)
                    Err(error @ (LedgerError::Illegal { .. } | LedgerError::NoSuchEntry(_)))
                        if matches!(self.ready.runner, Runner::Native(_)) =>
                    {
                        Outcome::Failed { id: Some(id), error: error.to_string() }
                    }
                    Err(error) => self.failed(engine, order, error.to_string()).await,
                }
            }
            Ok(Made::Shadow(effects, would)) => match self.shadowed(engine, &effects).await {
                Ok(()) => Outcome::Shadow { id, would },
                Err(error) => Outcome::Failed { id: Some(id), error: error.to_string() },
            },
            Ok(Made::Aborted(instead)) => instead,
            Err(error) => self.failed(engine, order, error).await,
        }
    }

    /// A shadow's effects are written down to be shown; nobody holds them.
    async fn shadowed(&self, engine: &Engine, effects: &[Effect]) -> Result<(), LedgerError> {
        for effect in effects {
            // Who holds it besides is of no interest to a shadow.
            let claim = || engine.ledger.claim(self.id, effect.interface, &effect.target, None);
            let _ = recorded(engine, claim).await?;
        }
        recorded(engine, || engine.ledger.added(self.id, None)).await.map(drop)
    }

    fn settled(&self, engine: &Engine, settled: Settled) -> Outcome {
        let id = self.id;
        match settled {
            Settled::InForce { due } => {
                engine.timekeeper.in_force(id, due.boot_ms);
                Outcome::InForce { id, until_ms: Some(due.wall_ms) }
            }
            Settled::Permanent => Outcome::InForce { id, until_ms: None },
            Settled::Done => Outcome::Done(id),
        }
    }

    async fn failed(&self, engine: &Arc<Engine>, order: &Order, error: String) -> Outcome {
        undo::after_failure(engine, self.id, Some(&order.alert), &error).await;
        Outcome::Failed { id: Some(self.id), error }
    }
}

/// What running did.
pub(super) enum Made {
    /// It acted; what a component wants back for its delete.
    Added(Option<Vec<u8>>),
    /// It would have acted like this: the effects, and all of it in words.
    Shadow(Vec<Effect>, Vec<String>),
    /// The program was told to abort, and this is why.
    Aborted(Outcome),
}

pub(super) fn would_be(change: &WouldBe) -> String {
    match change {
        WouldBe::Made(effect) | WouldBe::Done(effect) => effect.to_string(),
        WouldBe::Undone(effect) => format!("undo {effect}"),
    }
}
