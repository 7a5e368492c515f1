//! What a response can do to this host, and nothing else.
//!
//! Every effect goes one way: the argument is parsed, the grant and the guard
//! are asked, the claim is recorded, and only then does a backend act. The
//! backend never asks "what was I told?" but "who still holds this?", so that
//! two responses, a retry and a crash all end in the same state.
//!
//! # Layout
//!
//! * [`witness`]: who is told what was refused.
//! * [`session`]: one run as capabilities see it: phase, mode, grants.
//! * [`refusal`]: why something was not done, in the words of the WIT.
//! * [`claim`]: who holds what; implemented over the ledger.
//! * [`confirm`]: what must still answer after an effect that can lock people out.
//! * [`guard`]: what is never acted against, whoever asks.
//! * [`rehearsal`]: a host that is only played, for whoever writes a response.
//! * [`backends`]: what does it on this host, one field for each interface.
//! * [`mark`]: what the host shows as the engine's own.
//! * [`repair`]: making the host agree with the claims, at start and all the time.
//! * [`watch`]: when somebody else touches what the engine has made.
//! * `removal`: taking a mark away that nobody claims any more.
//! * [`held`]: effects that replace a state and give it back, for all of
//!   [`routes`], [`accounts`], [`lines`], [`quarantine`], [`isolation`].
//! * [`firewall`]: blocking addresses: the calls, the nftables backend, a fake.
//! * [`services`], [`processes`], [`exec`], [`state`], [`secret`], [`mail`]:
//!   calls that act at once, or only tell.
//! * [`http`]: requests of `wasi:http`, which the runtime brings here.
//! * [`process`]: starting programs.
//! * `bus`: the system's message bus, for what asks systemd or logind.
//! * [`folders`]: which folders a component sees, opened for WASI.
//! * `netlink`: the kernel's message format, for the firewall and the guard.
//! * `path`, `place`: paths that responses name, and the folders they lead to.

#![forbid(unsafe_code)]

pub mod accounts;
pub mod backends;
#[cfg(target_os = "linux")]
pub mod bus;
pub mod claim;
pub mod confirm;
pub mod exec;
pub mod firewall;
#[cfg(target_os = "linux")]
pub mod folders;
pub mod guard;
pub mod held;
pub mod http;
pub mod isolation;
pub mod lines;
pub mod mail;
pub mod mark;
#[cfg(all(test, target_os = "linux"))]
mod namespace;
#[cfg(target_os = "linux")]
mod netlink;
mod path;
#[cfg(target_os = "linux")]
mod place;
pub mod process;
pub mod processes;
pub mod quarantine;
pub mod refusal;
pub mod rehearsal;
mod removal;
pub mod repair;
pub mod routes;
pub mod secret;
pub mod services;
pub mod session;
pub mod state;
#[cfg(target_os = "linux")]
pub mod watch;
pub mod witness;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use riposte_policy::order::EntryId;

pub use backends::Backends;
pub use claim::{Claims, Effect, Standing};
pub use guard::{Guard, Verdict};
pub use mark::Mark;
pub use refusal::Refusal;
pub use repair::{Mended, Repaired, Touched};
pub use session::{Phase, Recorder, Session, WouldBe};
pub use witness::Witness;

use accounts::Accounts;
use confirm::{Confirmation, Probe};
use exec::Exec;
use firewall::{Firewall, Target};
use held::{Holding, Turns};
use http::Http;
use isolation::Isolation;
use lines::Lines;
use mail::Mail;
use processes::Processes;
use quarantine::Quarantine;
use rehearsal::Rehearsal;
use routes::Routes;
use secret::Secrets;
use services::Services;
use state::State;

/// All that can be done to this host. One for all runs; a run brings its
/// [`Session`] to each call.
pub struct Capabilities {
    claims: Arc<dyn Claims>,
    backends: Backends,
    guard: Arc<Guard>,
    turns: Turns,
    /// Held from the guard's word on an account until its lock is made.
    locking: tokio::sync::Mutex<()>,
    /// What the host shows with the engine's mark and the ledger never heard of.
    orphans: Mutex<BTreeMap<String, Mark>>,
    /// How often each leftover was taken away.
    taken: Mutex<BTreeMap<String, u8>>,
    /// Whether the firewall was never compared with all claims: its backend
    /// knows nothing yet of what earlier engines have made.
    owes_blocks: AtomicBool,
    witness: Arc<dyn Witness>,
    probe: Arc<dyn Probe>,
    /// In front of everything, when there is one.
    rehearsal: Option<Arc<Rehearsal>>,
}

/// How many denials of one run are reported.
const DENIALS: u32 = 16;

/// Every interface of which effects are recorded.
const INTERFACES: [&str; 6] = [
    firewall::INTERFACE,
    routes::INTERFACE,
    accounts::INTERFACE,
    lines::INTERFACE,
    quarantine::INTERFACE,
    isolation::INTERFACE,
];

impl Capabilities {
    /// Puts the parts together. The backends must ask the same `claims`.
    #[must_use]
    pub fn new(claims: Arc<dyn Claims>, backends: Backends, guard: Arc<Guard>) -> Self {
        Self {
            claims,
            backends,
            guard,
            turns: Turns::default(),
            locking: tokio::sync::Mutex::default(),
            orphans: Mutex::default(),
            taken: Mutex::default(),
            owes_blocks: AtomicBool::new(false),
            witness: Arc::new(witness::Nobody),
            probe: Arc::new(confirm::Unasked),
            rehearsal: None,
        }
    }

    /// The same, which asks `probe` after what can lock people out. Without it
    /// nobody is asked.
    #[must_use]
    pub fn with_probe(self, probe: Arc<dyn Probe>) -> Self {
        Self { probe, ..self }
    }

    /// A host that is only played, and does nothing.
    #[must_use]
    pub fn rehearsed(rehearsal: Arc<Rehearsal>) -> Self {
        let backends = Backends::unavailable(&Refusal::unsupported("this host is only played"));
        let claims = Arc::new(claim::Memory::default());
        Self { rehearsal: Some(rehearsal), ..Self::new(claims, backends, Arc::new(Guard::default())) }
    }

    /// Who is to be asked instead of this host, whatever the call.
    #[must_use]
    pub fn rehearsal(&self) -> Option<&Rehearsal> {
        self.rehearsal.as_deref()
    }

    /// The same, which tells `witness` what is refused.
    #[must_use]
    pub fn with_witness(self, witness: Arc<dyn Witness>) -> Self {
        self.guard.tell(Arc::clone(&witness));
        Self { witness, ..self }
    }

    /// Tells the witness when a call was denied. `call` is `firewall.block`,
    /// `target` what the component asked it for. For whoever hands the answer
    /// to a component; the one place where refusals become events.
    pub fn hear<T>(
        &self,
        session: &Session,
        call: &str,
        target: &str,
        answer: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if let Err(why) = &answer
            && why.kind == "denied"
        {
            match session.record.denied() {
                0..DENIALS => witness::tell(self.witness.as_ref(), session, call, target, why),
                // A component that asks in a loop must not fill the disk.
                DENIALS => {
                    let message =
                        format!("this run was denied more than {DENIALS} calls; the rest is not reported");
                    let why = Refusal::denied(message);
                    witness::tell(self.witness.as_ref(), session, call, target, &why);
                }
                _ => {}
            }
        }
        answer
    }

    /// The calls of the WIT interface `firewall`.
    #[must_use]
    pub fn firewall(&self) -> Firewall<'_> {
        let backend = self.backends.firewall.as_ref();
        Firewall::new(self.claims.as_ref(), backend, &self.guard, self.confirmation())
    }

    /// The calls of the WIT interface `routes`.
    #[must_use]
    pub fn routes(&self) -> Routes<'_> {
        let holding = self.holding(routes::INTERFACE, self.backends.routes.as_ref());
        Routes::new(holding, &self.guard, self.confirmation())
    }

    /// The calls of the WIT interface `accounts`.
    #[must_use]
    pub fn accounts(&self) -> Accounts<'_> {
        let holding = self.holding(accounts::INTERFACE, self.backends.accounts.as_ref());
        Accounts::new(holding, self.backends.sessions.as_ref(), &self.guard, &self.locking)
    }

    /// The calls of the WIT interface `lines`.
    #[must_use]
    pub fn lines(&self) -> Lines<'_> {
        Lines::new(self.holding(lines::INTERFACE, self.backends.lines.as_ref()), &self.guard)
    }

    /// The calls of the WIT interface `quarantine`.
    #[must_use]
    pub fn quarantine(&self) -> Quarantine<'_> {
        Quarantine::new(self.holding(quarantine::INTERFACE, self.backends.quarantine.as_ref()))
    }

    /// The calls of the WIT interface `isolation`.
    #[must_use]
    pub fn isolation(&self) -> Isolation<'_> {
        let holding = self.holding(isolation::INTERFACE, self.backends.isolation.as_ref());
        Isolation::new(holding, &self.guard, self.confirmation())
    }

    /// The calls of the WIT interface `services`.
    #[must_use]
    pub fn services(&self) -> Services<'_> {
        Services::new(self.backends.services.as_ref(), &self.guard)
    }

    /// The calls of the WIT interface `processes`.
    #[must_use]
    pub fn processes(&self) -> Processes<'_> {
        Processes::new(self.backends.processes.as_ref(), &self.guard)
    }

    /// The calls of the WIT interface `exec`.
    #[must_use]
    pub fn exec(&self) -> Exec<'_> {
        Exec::new(self.backends.exec.as_ref())
    }

    /// The calls of the WIT interface `state`.
    #[must_use]
    pub fn state(&self) -> State<'_> {
        State::new(self.backends.state.as_ref())
    }

    /// The calls of the WIT interface `secret`.
    #[must_use]
    pub fn secrets(&self) -> Secrets<'_> {
        Secrets::new(self.backends.secrets.as_ref())
    }

    /// The calls of the WIT interface `mail`.
    #[must_use]
    pub fn mail(&self) -> Mail<'_> {
        Mail::new(self.backends.mail.as_ref(), self.secrets())
    }

    /// The requests of `wasi:http` of one run.
    #[must_use]
    pub fn http(&self, session: Session) -> Http {
        let http = Http::new(session, Arc::clone(&self.backends.http), Arc::clone(&self.witness));
        http.rehearsed(self.rehearsal.clone())
    }

    /// The folders that a component sees in this run.
    ///
    /// # Errors
    ///
    /// As for [`folders::open`].
    #[cfg(target_os = "linux")]
    pub fn folders(&self, session: &Session) -> Result<Vec<folders::Folder>, Refusal> {
        match &self.rehearsal {
            None => folders::open(session),
            Some(rehearsal) => folders::played(session, rehearsal.folders()),
        }
    }

    /// What is never acted against.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// An effect as the ledger recorded it; `None` when this engine does not
    /// know the interface.
    #[must_use]
    pub fn recorded(interface: &str, target: &str) -> Option<Effect> {
        let interface = INTERFACES.into_iter().find(|known| *known == interface)?;
        Some(Effect { interface, target: target.to_owned() })
    }

    /// Every interface of which effects are recorded.
    #[must_use]
    pub fn interfaces() -> &'static [&'static str] {
        &INTERFACES
    }

    /// The engine itself takes back what `entry` did, without its component:
    /// the component is gone, revoked, or its `delete` keeps failing. Nothing
    /// is asked of grants or guard, since undoing restores the host.
    /// `false`: nobody held the effect.
    ///
    /// # Errors
    ///
    /// When the effect is of an interface that this engine does not know, when
    /// the release could not be recorded, or when the backend failed.
    pub async fn reverse(&self, entry: EntryId, effect: &Effect) -> Result<bool, Refusal> {
        if let Some(holding) = self.held(effect.interface) {
            return holding.release(entry, effect).await;
        }
        let target = target_of(effect)?;
        firewall::release(self.claims.as_ref(), self.backends.firewall.as_ref(), entry, target).await
    }

    /// The interface, when its effects are [`held`].
    fn held(&self, interface: &str) -> Option<Holding<'_>> {
        let (interface, backend) = match interface {
            routes::INTERFACE => (routes::INTERFACE, &self.backends.routes),
            accounts::INTERFACE => (accounts::INTERFACE, &self.backends.accounts),
            lines::INTERFACE => (lines::INTERFACE, &self.backends.lines),
            quarantine::INTERFACE => (quarantine::INTERFACE, &self.backends.quarantine),
            isolation::INTERFACE => (isolation::INTERFACE, &self.backends.isolation),
            _ => return None,
        };
        Some(self.holding(interface, backend.as_ref()))
    }

    fn confirmation(&self) -> Confirmation<'_> {
        Confirmation { probe: self.probe.as_ref(), witness: self.witness.as_ref() }
    }

    fn holding<'a>(&'a self, interface: &'static str, backend: &'a dyn held::Backend) -> Holding<'a> {
        Holding { interface, claims: self.claims.as_ref(), backend, turns: &self.turns }
    }

    /// Makes the host agree with the claims on these effects: after a due time
    /// has moved, so that the kernel's own timeout moves with it. Effects of
    /// unknown interfaces are logged and left alone.
    ///
    /// # Errors
    ///
    /// The first failure of a backend; the other effects were settled.
    pub async fn settle(&self, effects: &[Effect]) -> Result<(), Refusal> {
        let mut outcome = self.backends.firewall.sync(targets_of(effects)).await;
        if outcome.is_err() {
            // It is there, and ends too early: nobody else would notice.
            self.owe_blocks();
        }
        for effect in effects {
            if let Some(holding) = self.held(effect.interface) {
                outcome = outcome.and(holding.backend.settle(&effect.target).await);
            }
        }
        outcome
    }
}

/// The targets of those effects that are the firewall's.
fn targets_of(effects: &[Effect]) -> Vec<Target> {
    let effects = effects.iter().filter(|effect| effect.interface == firewall::INTERFACE);
    let known = |effect: &Effect| {
        target_of(effect).inspect_err(|refusal| tracing::error!(%effect, %refusal, "effect left alone")).ok()
    };
    effects.filter_map(known).collect()
}

fn target_of(effect: &Effect) -> Result<Target, Refusal> {
    Target::try_from(effect).map_err(|e| {
        Refusal::unsupported(format!("{e}; it was recorded by another version of Riposte: undo it by hand"))
    })
}

#[cfg(test)]
mod tests;
