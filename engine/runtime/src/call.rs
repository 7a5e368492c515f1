//! One call of a plugin: a fresh store, three budgets, one [`Outcome`].
//!
//! The store is dropped with the call, whatever its end. Memory, handles and
//! globals never reach a second call.

use std::sync::Arc;

use riposte_capability::{Capabilities, Phase, Recorder, Session};
use riposte_policy::Keys;
use riposte_policy::keys::NotKeys;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;

use crate::bindings::types;
use crate::components::{Exports, Plugin};
use crate::invocation::Invocation;
use crate::meter::Meter;
use crate::outcome::{Failure, Outcome};
use crate::state::State;

/// Longest receipt, in bytes.
pub const RECEIPT: usize = 64 << 10;
/// Longest alert, in bytes.
pub const ALERT: usize = 1 << 20;
/// Most bytes of an error's message that are kept. A component may quote an
/// alert in it, and logs, audit and ledger keep it.
const MESSAGE: usize = 4 << 10;
/// Most bytes of an error's kind.
const KIND: usize = 64;
/// Most bytes that a component hands to the host in one call of the host.
const TRANSFER: usize = 1 << 20;

impl Plugin {
    /// Asks what the response would act on; every effect is refused. `None`:
    /// the alert is not for this plugin. A `oneshot` has no keys and is not
    /// asked.
    pub async fn keys(&self, invocation: &Invocation) -> Outcome<Option<Keys>> {
        let Exports::Reversible(exports) = &self.exports else { return self.uncalled("keys") };
        let outcome = self
            .call(invocation, Phase::Keys, async |store| {
                let instance = exports.instantiate_async(&mut *store).await?;
                let alert = &*invocation.alert;
                instance.active_response_plugin_reversible().call_keys(store, alert).await
            })
            .await;
        outcome.check(|keys| match Keys::new(&keys) {
            Ok(keys) => Ok(Some(keys)),
            Err(NotKeys::None) => Ok(None),
            Err(wrong @ NotKeys::TooMany(_)) => Err(Failure::Unfit { what: wrong.to_string() }),
            // Long names and names with control characters come from alerts: who
            // makes them up must not get the plugin suspended for its faults.
            Err(wrong) => Err(Failure::Said {
                kind: "invalid-input".to_owned(),
                message: format!("the alert's target is none: {wrong}"),
                retry: false,
            }),
        })
    }

    /// Makes the effect and returns the receipt. After any failure the effect
    /// may be there, and [`Plugin::delete`] is to follow.
    pub async fn add(&self, invocation: &Invocation) -> Outcome<Vec<u8>> {
        let Exports::Reversible(exports) = &self.exports else { return self.uncalled("add") };
        let outcome = self
            .call(invocation, Phase::Effects, async |store| {
                let instance = exports.instantiate_async(&mut *store).await?;
                let alert = &*invocation.alert;
                instance.active_response_plugin_reversible().call_add(store, alert).await
            })
            .await;
        outcome.check(|receipt| match receipt.len() {
            0..=RECEIPT => Ok(receipt),
            long => {
                Err(Failure::Unfit { what: format!("a receipt of {long} bytes; at most {RECEIPT} are kept") })
            }
        })
    }

    /// Undoes the effect. `receipt` is what [`Plugin::add`] returned, when it
    /// is known.
    pub async fn delete(&self, invocation: &Invocation, receipt: Option<Vec<u8>>) -> Outcome<()> {
        let Exports::Reversible(exports) = &self.exports else { return self.uncalled("delete") };
        self.call(invocation, Phase::Effects, async |store| {
            let instance = exports.instantiate_async(&mut *store).await?;
            let alert = &*invocation.alert;
            instance.active_response_plugin_reversible().call_delete(store, alert, receipt.as_ref()).await
        })
        .await
    }

    /// Makes the effect of a `oneshot`.
    pub async fn run(&self, invocation: &Invocation) -> Outcome<()> {
        let Exports::Oneshot(exports) = &self.exports else { return self.uncalled("run") };
        self.call(invocation, Phase::Effects, async |store| {
            let instance = exports.instantiate_async(&mut *store).await?;
            let alert = &*invocation.alert;
            instance.active_response_plugin_oneshot().call_run(store, alert).await
        })
        .await
    }

    /// Runs `body` in a store of its own, within the limits.
    async fn call<T>(
        &self,
        invocation: &Invocation,
        phase: Phase,
        body: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<Result<T, types::Error>>,
    ) -> Outcome<T> {
        let alert = invocation.alert.len();
        if alert > ALERT {
            let message = format!("the alert is {alert} bytes long; plugins get at most {ALERT}");
            return Outcome::uncalled(Failure::Said {
                kind: "invalid-input".to_owned(),
                message,
                retry: false,
            });
        }
        let Ok(Some(_slot)) = tokio::time::timeout(self.limits.wall, self.engine.slot()).await else {
            return Outcome::uncalled(Failure::Busy);
        };

        let session = self.session(invocation, phase);
        let state = match self.state(invocation, session).await {
            Ok(state) => state,
            Err(failure) => return Outcome::uncalled(failure),
        };
        let meter = Meter::new(self.limits.cpu);
        let mut store = self.store(state, &meter);
        let ended = tokio::time::timeout(self.limits.wall, meter.measure(body(&mut store))).await;

        let state = store.into_data();
        let result = match ended {
            // Its words go to logs and the ledger, where no secret may stand.
            Ok(Ok(answer)) => answer.map_err(|error| {
                let message = state.log.concealed(&error.message);
                Failure::from(types::Error { message, ..error })
            }),
            Ok(Err(error)) => Err(failure(&error, &state, &meter)),
            Err(_elapsed) => Err(Failure::WallLimit { limit: self.limits.wall }),
        };
        let would_be = state.session.record.recorded();
        let memory = state.memory.used();
        Outcome { result, log: state.log.into_lines(), would_be, cpu: meter.spent(), memory }
    }

    fn session(&self, invocation: &Invocation, phase: Phase) -> Session {
        Session {
            offence: invocation.offence,
            command: Arc::clone(&invocation.command),
            tenant: Arc::clone(&invocation.tenant),
            entry: invocation.entry,
            phase,
            mode: invocation.mode,
            grants: Arc::clone(&self.grants),
            record: if invocation.rehearsal { Recorder::rehearsal() } else { Recorder::default() },
        }
    }

    /// What the call owns, with the folders that it gets.
    async fn state(&self, invocation: &Invocation, session: Session) -> Result<State, Failure> {
        let wants_folders = self.inspection().wasi && !session.grants.folders.is_empty();
        let capabilities = Arc::clone(&self.capabilities);
        let asked = (Arc::clone(&self.capabilities), session.clone());
        let mut state = State::new(invocation.clone(), session, capabilities, self.limits.memory);
        if wants_folders {
            give_folders(&mut state, asked).await?;
        }
        Ok(state)
    }

    fn store(&self, state: State, meter: &Arc<Meter>) -> Store<State> {
        let mut store = Store::new(self.engine.wasmtime(), state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(TRANSFER);
        // At each tick the component gives way to others, or ends.
        let meter = Arc::clone(meter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            Ok(if meter.exhausted() { UpdateDeadline::Interrupt } else { UpdateDeadline::Yield(1) })
        });
        store
    }

    /// For a call that the plugin's kind does not have.
    fn uncalled<T>(&self, function: &str) -> Outcome<T> {
        let kind = self.kind().as_str();
        Outcome::uncalled(Failure::Host(format!("`{function}` of {}, which is a {kind} plugin", self.name)))
    }
}

/// Opens the folders on a thread that may wait for a disk.
#[cfg(target_os = "linux")]
async fn give_folders(
    state: &mut State,
    (capabilities, session): (Arc<Capabilities>, Session),
) -> Result<(), Failure> {
    let opened = tokio::task::spawn_blocking(move || capabilities.folders(&session)).await;
    let opened = opened.map_err(|error| Failure::Host(error.to_string()))?;
    let folders = opened.map_err(|refusal| Failure::from(types::Error::from(refusal)))?;
    state.give(&folders)
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unused_async, reason = "asked like the one for Linux")]
async fn give_folders(_: &mut State, _: (Arc<Capabilities>, Session)) -> Result<(), Failure> {
    let kind = "unsupported".to_owned();
    let message =
        "folders are not given to components on this system; remove the <folder/> grants".to_owned();
    Err(Failure::Said { kind, message, retry: false })
}

impl<T> Outcome<T> {
    fn uncalled(failure: Failure) -> Self {
        let (log, would_be, cpu) = (Vec::new(), Vec::new(), std::time::Duration::ZERO);
        Self { result: Err(failure), log, would_be, cpu, memory: 0 }
    }

    fn check<U>(self, check: impl FnOnce(T) -> Result<U, Failure>) -> Outcome<U> {
        let Self { result, log, would_be, cpu, memory } = self;
        Outcome { result: result.and_then(check), log, would_be, cpu, memory }
    }
}

impl From<types::Error> for Failure {
    fn from(types::Error { kind, message, retry }: types::Error) -> Self {
        Self::Said { kind: cut(kind, KIND), message: cut(message, MESSAGE), retry }
    }
}

/// The beginning of a text, as much as fits, and a sign that there was more.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

/// Why the call ended without an answer. Our own marks come first: wasmtime
/// reports the same trap for several of these.
fn failure(error: &wasmtime::Error, state: &State, meter: &Meter) -> Failure {
    if state.memory.exceeded() {
        return Failure::MemoryLimit { limit: state.memory.limit() };
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            Trap::Interrupt => Failure::CpuLimit { limit: meter.limit() },
            trap => Failure::Trap { what: trap.to_string() },
        };
    }
    if error.downcast_ref::<I32Exit>().is_some() {
        return Failure::Exit;
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Failure::Busy;
    }
    // No host function of ours fails this way: what is left is what a
    // component passed that is no text, too long, or no handle of its own.
    Failure::Trap { what: error.root_cause().to_string() }
}
