//! What the daemon does between its parts: it admits, adds, undoes, takes up
//! and repairs, in the order of `engine/daemon/src/{respond,undo,recover}`,
//! whose decisions are the ledger's and therefore the same. What a component
//! would do is in [`Part`]s.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use riposte_capability::claim::{Claims, Effect, NotRecorded, Standing};
use riposte_capability::{Backends, Capabilities, Guard, Phase, Recorder, Refusal, Session};
use riposte_ledger::entry::{AfterFailedDelete, Begun, Kind, Recovery};
use riposte_ledger::ledger::Pending;
use riposte_ledger::scheduler::Event;
use riposte_ledger::{Admitted, Cause, Entry, Ledger, LedgerError, NewEntry, Settled, Undo, Wait};
use riposte_policy::config::{Mode, Way};
use riposte_policy::grant::{FirewallGrant, Grants, LinesGrant, Pattern, RouteGrant};
use riposte_policy::order::{Actor, EntryId, Source};

use crate::host::{SimFirewall, SimHeld, program};
use crate::run::Mutant;
use crate::world::World;

/// A command of the simulated configuration.
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Whose it is.
    pub tenant: &'static str,
    /// What runs it.
    pub kind: Kind,
    /// How long it lasts, in seconds; `None`: for good.
    pub timeout: Option<u64>,
    /// The same from the second offence on.
    pub offenders: &'static [u64],
    /// What it does, in order.
    pub parts: &'static [Part],
}

/// One thing that a command does to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Blocks the address.
    Block,
    /// Sends what goes to the address nowhere.
    Route,
    /// Keeps a line about it in a file.
    Line,
    /// Leaves something there that no capability call sees.
    Program,
    /// Happens once.
    Once,
}

/// Every command: they overlap in what they do to one address.
pub const SPECS: [Spec; 9] = [
    spec("drop", "default", Kind::Reversible, Some(60), &[], &[Part::Block]),
    spec("drop-long", "default", Kind::Reversible, Some(200), &[400, 900], &[Part::Block]),
    spec("drop-elsewhere", "other", Kind::Reversible, Some(120), &[], &[Part::Block, Part::Route]),
    spec("everything", "default", Kind::Reversible, Some(90), &[], &[Part::Line, Part::Block, Part::Route]),
    spec("line", "default", Kind::Reversible, Some(30), &[300], &[Part::Line]),
    spec("ban", "default", Kind::Reversible, None, &[], &[Part::Block]),
    spec("line-for-good", "other", Kind::Reversible, None, &[], &[Part::Line, Part::Route]),
    spec("program", "default", Kind::Native, Some(45), &[], &[Part::Program]),
    spec("once", "default", Kind::Oneshot, None, &[], &[Part::Once]),
];

const fn spec(
    name: &'static str,
    tenant: &'static str,
    kind: Kind,
    timeout: Option<u64>,
    offenders: &'static [u64],
    parts: &'static [Part],
) -> Spec {
    Spec { name, tenant, kind, timeout, offenders, parts }
}

/// An alert and the command that it fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where its alert stands in the file of alerts.
    pub number: usize,
    /// Which of [`SPECS`].
    pub spec: usize,
    /// What it acts on.
    pub address: String,
}

type Work = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// A running engine.
pub struct Engine {
    world: Arc<World>,
    ledger: Ledger,
    capabilities: Capabilities,
    input: i64,
    /// For the scheduler.
    pub events: RefCell<VecDeque<Event>>,
    /// For the executor.
    pub spawned: RefCell<Vec<Work>>,
    /// Which orders are decided.
    decided: Rc<RefCell<Vec<bool>>>,
    /// Takes no notice of time while it starts.
    pub recovered: Cell<bool>,
    mutant: Option<Mutant>,
}

/// What an undo came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undone {
    Closed,
    Nothing,
    Failed,
}

impl Engine {
    /// Puts it together.
    #[must_use]
    pub fn new(
        world: &Arc<World>,
        ledger: Ledger,
        input: i64,
        decided: &Rc<RefCell<Vec<bool>>>,
        mutant: Option<Mutant>,
    ) -> Rc<Self> {
        let claims: Arc<dyn Claims> = Arc::new(InLedger {
            ledger: ledger.clone(),
            world: Arc::clone(world),
            mutant,
            early: Mutex::default(),
        });
        let held = |interface| Arc::new(SimHeld { world: Arc::clone(world), interface });
        let backends = Backends {
            firewall: Arc::new(SimFirewall { world: Arc::clone(world), claims: Arc::clone(&claims) }),
            routes: held(riposte_capability::routes::INTERFACE),
            lines: held(riposte_capability::lines::INTERFACE),
            ..Backends::unavailable(&Refusal::unsupported("not simulated"))
        };
        let guard = Arc::new(Guard::with_root("/nonexistent"));
        Rc::new(Self {
            world: Arc::clone(world),
            ledger,
            capabilities: Capabilities::new(claims, backends, guard),
            input,
            events: RefCell::default(),
            spawned: RefCell::default(),
            decided: Rc::clone(decided),
            recovered: Cell::new(false),
            mutant,
        })
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Responds to an order, however long that takes.
    pub fn respond(self: &Rc<Self>, order: Order) {
        let engine = Rc::clone(self);
        self.spawn(async move { engine.respond_to(&order).await });
    }

    /// Undoes an entry whose time is up.
    pub fn undo_due(self: &Rc<Self>, id: EntryId) {
        let engine = Rc::clone(self);
        self.spawn(async move {
            engine.undo(id, Cause::Due).await;
        });
    }

    /// Undoes an entry because somebody asks for it.
    pub fn undo_by_hand(self: &Rc<Self>, id: EntryId) {
        let engine = Rc::clone(self);
        self.spawn(async move {
            let cause = Cause::Asked { actor: Actor::User(0), reason: None };
            engine.undo(id, cause).await;
        });
    }

    /// Makes the host agree with the ledger.
    pub fn look_after(self: &Rc<Self>) {
        let engine = Rc::clone(self);
        self.spawn(async move { engine.repair().await });
    }

    /// Forgets what is long over.
    pub fn prune(self: &Rc<Self>) {
        let engine = Rc::clone(self);
        self.spawn(async move { drop(engine.ledger.prune(Duration::from_secs(3_600), 5).await) });
    }

    /// Takes up what the last process left.
    pub fn recover(self: &Rc<Self>, found: Vec<Entry>, pending: Vec<Pending>) {
        let engine = Rc::clone(self);
        self.spawn(async move {
            let mut intended = Vec::new();
            for entry in found {
                let cause = match entry.recovery() {
                    Recovery::UndoAgain => Cause::Recovery,
                    Recovery::Overdue => Cause::Due,
                    _ => {
                        intended.push(entry);
                        continue;
                    }
                };
                let undoing = Rc::clone(&engine);
                engine.spawn(async move {
                    undoing.undo(entry.id, cause).await;
                });
            }
            engine.repair().await;
            for Pending { id, due_boot_ms } in pending {
                engine.tell(Event::InForce { id, due_boot_ms });
            }
            for entry in intended {
                let taking = Rc::clone(&engine);
                engine.spawn(async move { taking.take_up(entry).await });
            }
            engine.recovered.set(true);
        });
    }

    /// Nothing that was begun goes on, as at the end of a process: what waits to
    /// be taken up keeps the engine that it is of.
    pub fn clear(&self) {
        self.spawned.take();
    }

    fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        self.spawned.borrow_mut().push(Box::pin(work));
    }

    fn tell(&self, event: Event) {
        self.events.borrow_mut().push_back(event);
    }

    async fn respond_to(self: &Rc<Self>, order: &Order) {
        let spec = &SPECS[order.spec];
        // A few are signed when they are admitted, when many are under way.
        let early = self.world.with(|parts| parts.random.percent(10));
        while let Some((id, timed)) = self.admitted(order).await {
            // Signed, it must be there after any crash.
            if spec.kind == Kind::Native || early && matches!(self.ledger.entry(id).await, Ok(Some(_))) {
                self.sign(order);
            }
            let made = self.run(id, spec, &order.address, timed).await;
            let failed = !self.settle(id, spec, &order.address, made).await;
            if !failed || self.is_there(id).await {
                break;
            }
            self.world.note(|| format!("entry {id} was never there; order {} begins anew", order.number));
            self.world.sleep(1_000).await;
        }
        self.sign(order);
    }

    /// Whether the ledger has an entry, however long it takes to be read.
    async fn is_there(&self, id: EntryId) -> bool {
        loop {
            match self.ledger.entry(id).await {
                Ok(found) => return found.is_some(),
                Err(_) => self.world.sleep(1_000).await,
            }
        }
    }

    /// Enters an order, however long the ledger cannot be written. `None`:
    /// there is nothing to do.
    async fn admitted(self: &Rc<Self>, order: &Order) -> Option<(EntryId, bool)> {
        let spec = &SPECS[order.spec];
        let wait = if spec.kind == Kind::Native { Wait::Durable } else { Wait::Applied };
        let mut patience = 10;
        loop {
            let admitted = self.ledger.admit(new_entry(order, self.input), wait).await;
            self.world
                .note(|| format!("order {} ({} {}): {admitted:?}", order.number, spec.name, order.address));
            match admitted {
                Ok(Admitted::New { id, timeout, .. }) => {
                    let wrong = self.world.with(|parts| {
                        let mut wrong = parts.oracle.told(id.0, order.number);
                        if !parts.failed_commit {
                            wrong.extend(parts.oracle.entered(id.0, order.number, timeout));
                        }
                        wrong
                    });
                    self.world.fail_all(wrong);
                    return Some((id, timeout.is_some()));
                }
                Ok(Admitted::InForce { id, due, extended }) => {
                    let boot_ms = self.world.clocks.boot_ms();
                    let wrong = self.world.with(|parts| {
                        parts.oracle.merged(order.number);
                        parts.host.unsettle(parts.oracle.effects(id.0));
                        parts.oracle.extended(id.0, due.boot_ms, boot_ms)
                    });
                    self.world.fail_all(wrong);
                    self.world.point("extended").await;
                    if extended {
                        self.tell(Event::Extended { id, due_boot_ms: due.boot_ms });
                        self.settle_effects(id).await;
                    }
                    return None;
                }
                Ok(Admitted::Undoing { .. }) if patience > 0 => {
                    patience -= 1;
                    self.world.sleep(1_000).await;
                }
                Ok(Admitted::Handled) => return None,
                Ok(Admitted::UnderWay { id, extended: true }) => {
                    self.world.with(|parts| {
                        parts.oracle.merged(order.number);
                        parts.host.unsettle(parts.oracle.effects(id.0));
                    });
                    self.settle_effects(id).await;
                    return None;
                }
                Ok(Admitted::UnderWay { .. } | Admitted::Undoing { .. } | Admitted::Full { .. }) => {
                    self.world.with(|parts| parts.oracle.merged(order.number));
                    return None;
                }
                Err(_) => self.world.sleep(1_000).await,
            }
        }
    }

    /// Its alert is handled; so are all before the first that is not.
    fn sign(&self, order: &Order) {
        let mut decided = self.decided.borrow_mut();
        if let Some(decided) = decided.get_mut(order.number) {
            *decided = true;
        }
        let position = decided.iter().position(|decided| !decided).unwrap_or(decided.len());
        drop(decided);
        self.ledger.mark(self.input, u64::try_from(position).unwrap_or(0));
    }

    /// What a component or a program does when it adds.
    async fn run(&self, id: EntryId, spec: &Spec, address: &str, timed: bool) -> Result<(), String> {
        self.world.point("before it runs").await;
        if spec.kind.is_once(timed) {
            self.ledger.attempt(id).await.map_err(|error| error.to_string())?;
        }
        for part in spec.parts {
            self.part(id, spec, *part, address, true).await.map_err(|refusal| refusal.to_string())?;
            self.world.point("between its parts").await;
            // A component fails for its own reasons, too.
            let fails = self.world.with(|parts| parts.host.trouble > 0 && parts.random.once_in(40));
            if fails {
                return Err("the component says so".to_owned());
            }
        }
        Ok(())
    }

    async fn part(
        &self,
        id: EntryId,
        spec: &Spec,
        part: Part,
        address: &str,
        adds: bool,
    ) -> Result<(), Refusal> {
        let session = session(spec, id);
        let line = format!("deny {address}");
        match (part, adds) {
            (Part::Block, true) => self.capabilities.firewall().block(&session, address).await.map(drop),
            (Part::Block, false) => self.capabilities.firewall().unblock(&session, address).await.map(drop),
            (Part::Route, true) => self.capabilities.routes().blackhole(&session, address).await.map(drop),
            (Part::Route, false) => self.capabilities.routes().restore(&session, address).await.map(drop),
            (Part::Line, true) => self.capabilities.lines().ensure(&session, FILE, &line).await.map(drop),
            (Part::Line, false) => self.capabilities.lines().remove(&session, FILE, &line).await.map(drop),
            (Part::Program, adds) => program(&self.world, &format!("program {address}"), id.0, adds).await,
            (Part::Once, true) => {
                let times = self.world.with(|parts| parts.host.happen(id.0));
                if times > 1 {
                    self.world.fail(format!("entry {id} happened {times} times"));
                }
                Ok(())
            }
            (Part::Once, false) => Ok(()),
        }
    }

    /// Records what came of it; `false`: it failed, and was undone or is to be.
    async fn settle(
        self: &Rc<Self>,
        id: EntryId,
        spec: &Spec,
        address: &str,
        made: Result<(), String>,
    ) -> bool {
        self.world.point("before it is recorded").await;
        let error = match made {
            Err(error) => error,
            Ok(()) => {
                self.world.with(|parts| parts.oracle.may_end(id.0, true));
                let settled = loop {
                    match self.ledger.added(id, Some(vec![7])).await {
                        Err(error) if error.is_storage() => self.world.sleep(1_000).await,
                        settled => break settled,
                    }
                };
                self.world.with(|parts| parts.oracle.may_end(id.0, false));
                self.world.note(|| format!("entry {id}: {settled:?}"));
                match settled {
                    Ok(settled) => {
                        self.world.with(|parts| {
                            if !parts.failed_commit {
                                parts.oracle.settled(id.0, settled);
                            }
                        });
                        if let Settled::InForce { due } = settled {
                            self.tell(Event::InForce { id, due_boot_ms: due.boot_ms });
                        }
                        return true;
                    }
                    // Undone while its program was making it: told once more, as
                    // often as it takes (the daemon tells it once).
                    Err(LedgerError::Illegal { .. } | LedgerError::NoSuchEntry(_))
                        if spec.kind == Kind::Native =>
                    {
                        while self.part(id, spec, Part::Program, address, false).await.is_err() {
                            self.world.sleep(1_000).await;
                        }
                        return false;
                    }
                    Err(error) => error.to_string(),
                }
            }
        };
        self.world.note(|| format!("entry {id} failed: {error}"));
        self.undo(id, Cause::Failed).await;
        false
    }

    async fn take_up(self: &Rc<Self>, found: Entry) {
        let id = found.id;
        if found.recovery() == Recovery::Unknown {
            self.world.with(|parts| parts.oracle.may_end(id.0, true));
            while self.ledger.unknown(id).await.is_err_and(|error| error.is_storage()) {
                self.world.sleep(1_000).await;
            }
            self.world.note(|| format!("entry {id} is unknown"));
            return;
        }
        // With its alert, which says what it acts on.
        let entry = loop {
            match self.ledger.entry(id).await {
                Ok(Some(entry)) => break entry,
                Ok(None) => return,
                Err(_) => self.world.sleep(1_000).await,
            }
        };
        let Some(spec) = SPECS.iter().find(|spec| spec.name == entry.command) else { return };
        let address = entry.keys.first().cloned().unwrap_or_default();
        let recovery = entry.recovery();
        if recovery == Recovery::DeleteThenAdd {
            for part in spec.parts {
                drop(self.part(id, spec, *part, &address, false).await);
            }
        }
        loop {
            // What happens once counts its beginning itself.
            if recovery == Recovery::Begin {
                break;
            }
            match self.ledger.attempt(id).await {
                Ok(_) => break,
                Err(error) if error.is_storage() => self.world.sleep(1_000).await,
                // Somebody undid it meanwhile.
                Err(_) => return,
            }
        }
        let made = self.run(id, spec, &address, entry.timeout_ms.is_some()).await;
        self.settle(id, spec, &address, made).await;
    }

    async fn undo(self: &Rc<Self>, id: EntryId, cause: Cause) -> Undone {
        let begun = loop {
            if matches!(cause, Cause::Failed | Cause::Asked { .. }) {
                self.world.with(|parts| parts.oracle.asked(id.0));
            }
            self.world.with(|parts| parts.oracle.may_end(id.0, true));
            match Begun::of(self.ledger.begin_undo(id, cause.clone()).await) {
                // Its time is not up, so time does not ask for it again.
                Begun::Failed(_) if matches!(cause, Cause::Asked { .. }) => self.world.sleep(1_000).await,
                begun => break begun,
            }
        };
        self.world.note(|| match &begun {
            Begun::Undo(undo) => format!("undo entry {id}, {cause:?}: {} effects", undo.effects.len()),
            other => format!("undo entry {id}, {cause:?}: {other:?}"),
        });
        let undo = match begun {
            Begun::Undo(undo) => undo,
            Begun::NotDue { due_boot_ms } => {
                self.world.with(|parts| parts.oracle.may_end(id.0, false));
                self.tell(Event::Extended { id, due_boot_ms });
                return Undone::Nothing;
            }
            Begun::Gone => {
                self.world.with(|parts| parts.oracle.gone(id.0));
                self.tell(Event::Gone { id });
                return Undone::Nothing;
            }
            Begun::Failed(error) => return self.retry_later(id, &error.to_string()).await,
        };
        let boot_ms = self.world.clocks.boot_ms();
        let wrong = self.world.with(|parts| parts.oracle.undo_begun(id.0, &cause, boot_ms));
        self.world.fail_all(wrong);
        self.world.point("undo begun").await;
        let made_away = self.reverse(&undo).await;
        if self.mutant == Some(Mutant::IgnoresFailedUndos) {
            self.tell(Event::Undone { id });
            drop(self.ledger.undone(id).await);
            return Undone::Closed;
        }
        if let Err(error) = made_away {
            match undo.after_failed_delete() {
                AfterFailedDelete::AskAgain => return self.retry_later(id, &error).await,
                AfterFailedDelete::ReverseRecorded => {}
            }
        }
        for row in &undo.effects {
            let Some(effect) = Capabilities::recorded(&row.interface, &row.target) else { continue };
            if let Err(refusal) = self.capabilities.reverse(id, &effect).await {
                return self.retry_later(id, &refusal.to_string()).await;
            }
        }
        self.world.point("before it is closed").await;
        match self.ledger.undone(id).await {
            Ok(()) => {
                self.world.note(|| format!("entry {id} is over"));
                self.world.with(|parts| parts.oracle.over(id.0));
                self.tell(Event::Undone { id });
                Undone::Closed
            }
            Err(error) => self.retry_later(id, &error.to_string()).await,
        }
    }

    /// The delete of whatever made it.
    async fn reverse(&self, undo: &Undo) -> Result<(), String> {
        if !undo.asks_its_maker() {
            return Ok(());
        }
        let entry = &undo.entry;
        let spec = SPECS.iter().find(|spec| spec.name == entry.command).ok_or("no such command")?;
        // A component that is gone is not asked: the engine reverses what is recorded.
        if spec.kind == Kind::Reversible && self.world.with(|parts| parts.random.percent(10)) {
            return Ok(());
        }
        let address = entry.keys.first().cloned().unwrap_or_default();
        for part in spec.parts.iter().rev() {
            self.part(entry.id, spec, *part, &address, false).await.map_err(|refusal| refusal.to_string())?;
            self.world.point("between the parts of an undo").await;
        }
        Ok(())
    }

    async fn retry_later(&self, id: EntryId, error: &str) -> Undone {
        self.world.note(|| format!("entry {id} is not undone: {error}"));
        let attempts = Undo::attempts(&self.ledger.undo_failed(id, error).await);
        self.tell(Event::UndoFailed { id, attempts });
        Undone::Failed
    }

    async fn repair(&self) {
        let mut effects = Vec::new();
        for interface in Capabilities::interfaces() {
            match self.ledger.held(interface).await {
                Ok(held) => {
                    effects.extend(held.into_iter().map(|held| Effect { interface, target: held.target }));
                }
                Err(_) => return,
            }
        }
        let repaired = self.capabilities.repair(&effects).await;
        self.world.note(|| format!("repaired: {repaired:?}"));
    }

    async fn settle_effects(&self, id: EntryId) {
        let Ok(rows) = self.ledger.effects(id).await else { return };
        let effects = rows.iter().filter_map(|row| Capabilities::recorded(&row.interface, &row.target));
        drop(self.capabilities.settle(&effects.collect::<Vec<_>>()).await);
    }
}

/// The file in which lines are kept.
const FILE: &str = "/etc/simulated.deny";

fn session(spec: &Spec, id: EntryId) -> Session {
    let grants = Grants {
        firewall: Some(FirewallGrant::default()),
        routes: Some(RouteGrant::default()),
        lines: vec![LinesGrant { file: FILE.into(), lines: vec![Pattern::new("*")] }],
        ..Grants::default()
    };
    Session {
        offence: 1,
        command: spec.name.into(),
        tenant: spec.tenant.into(),
        entry: Some(id),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(grants),
        record: Recorder::default(),
    }
}

fn new_entry(order: &Order, input: i64) -> NewEntry {
    let spec = &SPECS[order.spec];
    NewEntry {
        tenant: spec.tenant.into(),
        command: spec.name.into(),
        response: Some(format!("{}#1", spec.name).into()),
        location: "local",
        agent: "000".into(),
        keys: vec![order.address.clone()],
        kind: spec.kind,
        timeout: spec.timeout.map(Duration::from_secs),
        offenders: spec.offenders.iter().map(|seconds| Duration::from_secs(*seconds)).collect(),
        alert: "{}".into(),
        alert_id: order.number.to_string().into(),
        rule_id: "5712".into(),
        definition: spec.name.into(),
        digest: None,
        mode: Mode::Enforce,
        actor: Actor::Alert,
        reason: None,
        source: Some(Source { input, offset: u64::try_from(order.number).unwrap_or(0), ordinal: 0 }),
        message: None,
        program: spec.name.into(),
        key: Way::Riposte,
        offences: Way::Riposte,
    }
}

/// The ledger as capabilities see it, and the oracle beside it.
struct InLedger {
    ledger: Ledger,
    world: Arc<World>,
    mutant: Option<Mutant>,
    /// Claims that were not waited for.
    early: Mutex<Vec<EarlyClaim>>,
}

type EarlyClaim = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl InLedger {
    async fn recorded(
        ledger: Ledger,
        entry: EntryId,
        effect: Effect,
        prior: Option<String>,
    ) -> Result<riposte_ledger::Standing, LedgerError> {
        ledger.claim(entry, effect.interface, &effect.target, prior.as_deref()).await
    }
}

#[async_trait]
impl Claims for InLedger {
    async fn claim(
        &self,
        entry: EntryId,
        effect: &Effect,
        prior: Option<&str>,
    ) -> Result<Standing, NotRecorded> {
        self.world.point("before a claim").await;
        let claim = Self::recorded(self.ledger.clone(), entry, effect.clone(), prior.map(str::to_owned));
        if self.mutant == Some(Mutant::EffectBeforeIntent) {
            let mut claim: EarlyClaim = Box::pin(async move { drop(claim.await) });
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            if claim.as_mut().poll(&mut context).is_pending() {
                self.early.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
            }
            return Ok(Standing::Free);
        }
        let claimed = claim.await;
        self.world.note(|| format!("entry {entry} claims {effect}, before which {prior:?}: {claimed:?}"));
        let before = claimed.map(standing).map_err(|error| NotRecorded(error.to_string()))?;
        // What is for good twice under one key is claimed once.
        let claims =
            "SELECT 1 FROM effect WHERE entry = ?1 AND interface = ?2 AND target = ?3 AND NOT released";
        let recorded = before != Standing::Permanent
            || self.world.is_durable(claims, (entry.0, effect.interface, &effect.target));
        if recorded {
            self.world.with(|parts| parts.oracle.claimed(entry.0, &effect.to_string()));
        }
        self.world.point("between claim and effect").await;
        Ok(before)
    }

    async fn release(&self, entry: EntryId, effect: &Effect) -> Result<Standing, NotRecorded> {
        self.world.point("before a release").await;
        let released = self.ledger.release(entry, effect.interface, &effect.target).await;
        self.world.note(|| format!("entry {entry} lets go of {effect}: {released:?}"));
        let after = released.map(standing).map_err(|error| NotRecorded(error.to_string()))?;
        let wrong = self.world.with(|parts| match parts.failed_commit {
            true => Vec::new(),
            false => parts.oracle.released(entry.0, &effect.to_string()),
        });
        self.world.fail_all(wrong);
        self.world.point("between release and restore").await;
        Ok(after)
    }

    async fn prior(&self, entry: EntryId, effect: &Effect) -> Result<Option<String>, NotRecorded> {
        let prior = self.ledger.prior(entry, effect.interface, &effect.target).await;
        prior.map_err(|error| NotRecorded(error.to_string()))
    }

    fn standing(&self, effect: &Effect) -> Standing {
        standing(self.ledger.standing(effect.interface, &effect.target))
    }

    fn others(&self, entry: EntryId, effect: &Effect) -> Standing {
        standing(self.ledger.others(entry, effect.interface, &effect.target))
    }
}

fn standing(standing: riposte_ledger::Standing) -> Standing {
    match standing {
        riposte_ledger::Standing::Free => Standing::Free,
        riposte_ledger::Standing::For(left) => Standing::For(left),
        riposte_ledger::Standing::Permanent => Standing::Permanent,
    }
}
