//! What the daemon does between its parts: it admits, adds, undoes, takes up
//! and repairs, in the order of `engine/daemon/src/{respond,undo,recover}`,
//! whose decisions are the ledger's and therefore the same. What a component
//! would do is in [`Part`]s.

mod repair;
mod same;
mod undo;
mod watched;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use riposte_capability::claim::Claims;
use riposte_capability::{Backends, Capabilities, Guard, Refusal};
use riposte_ledger::entry::{Kind, Recovery};
use riposte_ledger::ledger::Pending;
use riposte_ledger::scheduler::Event;
use riposte_ledger::{Admitted, Cause, Entry, Ledger, LedgerError, Settled, Wait};
use riposte_policy::order::{Actor, EntryId};

use self::watched::Watched;
use crate::claims::InLedger;
use crate::commands::{FILE, Order, Part, SPECS, Spec, new_entry, session};
use crate::host::{SimFirewall, SimHeld, program};
use crate::remembered::Remembered;
use crate::run::Mutant;
use crate::world::World;

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
    /// What is in force, for when the ledger cannot be read.
    remembered: Arc<Remembered>,
    /// Orders that moved an end which is not written yet.
    later: RefCell<Vec<Order>>,
    mutant: Option<Mutant>,
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
        let remembered = Arc::new(Remembered::default());
        let claims: Arc<dyn Claims> = Arc::new(Watched {
            inner: Arc::new(InLedger(ledger.clone(), Arc::clone(&remembered))),
            world: Arc::clone(world),
            mutant,
            early: Mutex::default(),
        });
        let held = |interface| Arc::new(SimHeld { world: Arc::clone(world), interface });
        let backends = Backends {
            firewall: Arc::new(SimFirewall::new(world, &claims)),
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
            remembered,
            later: RefCell::default(),
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

    /// The same while it runs, from what it knows to have made.
    pub fn compare_host(self: &Rc<Self>) {
        let engine = Rc::clone(self);
        self.spawn(async move { engine.compare().await });
    }

    /// Forgets what is long over.
    pub fn prune(self: &Rc<Self>) {
        let engine = Rc::clone(self);
        self.world.with(|parts| parts.oracle.pruned());
        self.spawn(async move { drop(engine.ledger.prune(Duration::from_secs(3_600), 5).await) });
    }

    /// Takes up what the last process left.
    pub fn recover(self: &Rc<Self>, found: Vec<Entry>, pending: Vec<Pending>) {
        let engine = Rc::clone(self);
        self.spawn(async move {
            // For the day the ledger cannot be read: what was there before, too.
            for (id, row) in engine.ledger.open_effects(u32::MAX).await.unwrap_or_default() {
                if let Some(effect) = Capabilities::recorded(&row.interface, &row.target) {
                    engine.remembered.claimed(id, &effect, row.prior);
                }
            }
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
        // Most of a flood; and the long way has to be gone too.
        if self.world.with(|parts| parts.random.percent(60)) && self.again(order).await {
            return;
        }
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
                self.world.with(|parts| parts.oracle.settling(id.0, true));
                let settled = loop {
                    match self.ledger.added(id, Some(vec![7])).await {
                        Err(error) if error.is_storage() => self.world.sleep(1_000).await,
                        settled => break settled,
                    }
                };
                self.world.with(|parts| parts.oracle.settling(id.0, false));
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
            self.world.with(|parts| parts.oracle.settling(id.0, true));
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
}
