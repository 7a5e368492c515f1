//! Everything one running engine holds, wired together.

mod configure;
pub mod repair;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use riposte_capability::firewall::{Backend, PassedOver};
use riposte_capability::process::Program;
use riposte_capability::{Capabilities, Refusal};
use riposte_ledger::clock::{Clock, Now};
use riposte_ledger::{Health, Ledger, LedgerError};
use riposte_policy::config::{Command, Mode, Role};
use riposte_policy::grant::{Digest, FirewallBackend};
use riposte_policy::{Order, Prefix};
use riposte_runtime::native::NativeProgram;
use riposte_runtime::{Components, Plugin};
use riposte_transport::local::Local;
use riposte_transport::route::Identity;
use riposte_transport::routed::Routed;
use riposte_transport::{Receipt, Transport, Undeliverable};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use self::repair::Repairs;
use crate::ahead::TakenBack;
use crate::arm::{Armed, Ready};
use crate::files;
use crate::intake::Counters;
use crate::outcome::{Outcome, Refused};
use crate::places::Places;
use crate::programs::Programs;
use crate::remembered::Remembered;
use crate::report::Report;
use crate::respond::same::{self, Repeats};
use crate::respond::{self, Scales, Turns};
use crate::room::{Placed, Room, Stalled};
use crate::switches::Switches;
use crate::tally::Tally;
use crate::timekeeper::Timekeeper;

/// Components running at a time.
pub const COMPONENTS: u32 = 64;
/// Of those, how many are kept for undos: no flood of adds delays one.
const COMPONENT_DELETES: u32 = 16;
/// Native programs started and not yet answered at a time.
const PROGRAMS: usize = 4;
/// Native programs undoing at a time. Apart from the above, so that no flood of
/// adds delays an undo.
const DELETES: usize = 4;

/// Orders that wait for an undo of the same target, at a time.
const WAITING: usize = 64;

/// One running engine.
pub struct Engine {
    /// What is in force.
    pub ledger: Ledger,
    /// The same, for the day the ledger cannot be read.
    pub remembered: Arc<Remembered>,
    /// What can be done to this host.
    pub capabilities: Arc<Capabilities>,
    /// What blocks, for its own state.
    firewall: Arc<dyn Backend>,
    /// The sandbox.
    pub components: Components,
    /// What is said about it.
    pub report: Report,
    /// What was read.
    pub counters: Counters,
    /// Where everything lies.
    pub places: Places,
    /// What an operator switched.
    pub switches: Switches,
    /// What is due.
    pub timekeeper: Timekeeper,
    /// Of what is due, what was taken back before its turn.
    pub taken_back: TakenBack,
    /// Programs still running.
    pub programs: Programs,
    /// Told whenever an entry was undone.
    pub undone: Notify,
    /// When it started, in Unix milliseconds.
    pub started_ms: i64,
    /// Where the alerts come from, for people.
    pub alerts: String,
    armed: RwLock<Arc<Armed>>,
    transport: Arc<Local>,
    /// For an engine that reaches other machines.
    routed: OnceLock<Routed<Arc<Local>, Local>>,
    /// Another dispatcher carries out the same: nothing is done until it stops.
    pub yields: AtomicBool,
    /// Held while what is armed changes.
    arming: Mutex<()>,
    clock: Arc<dyn Clock>,
    configs: Vec<PathBuf>,
    settings: Settings,
    stopping: AtomicBool,
    /// Responses that have begun and not ended.
    under_way: watch::Sender<usize>,
    /// How often the firewall had been rebuilt when last looked at.
    rebuilt: AtomicU64,
    /// What was repaired.
    pub repairs: Repairs,
    /// Who an isolated host must reach, as last told to its isolation.
    superiors: Mutex<Vec<Prefix>>,
    component_permits: Arc<Semaphore>,
    program_permits: Arc<Semaphore>,
    delete_permits: Arc<Semaphore>,
    component_delete_permits: Arc<Semaphore>,
    /// Orders waiting for an undo of the same target.
    pub waiting: Semaphore,
    /// Room for orders that are not decided.
    room: Room,
    /// Programs that wait for their turn.
    pub turns: Turns,
    /// What is asked for again while it is in force.
    pub repeats: Repeats,
    /// What became of every order.
    pub tally: Tally,
    /// When it was last said that the ledger is waited for.
    complained_ms: AtomicI64,
}

/// What the command line settles for good.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Change nothing on this host.
    pub shadow: bool,
    /// Treat warnings as errors.
    pub strict: bool,
    /// End with the input.
    pub once: bool,
    /// Drop alerts older than this.
    pub max_age: Option<Duration>,
    /// Which part of Wazuh the engine stands in for.
    pub role: Role,
}

/// What an engine is made of.
pub struct Parts {
    /// The ledger, open.
    pub ledger: Ledger,
    /// The effects in force, for the day it cannot be read.
    pub remembered: Arc<Remembered>,
    /// What can be done to this host.
    pub capabilities: Arc<Capabilities>,
    /// What blocks.
    pub firewall: Arc<dyn Backend>,
    /// The sandbox.
    pub components: Components,
    /// What is said about it.
    pub report: Report,
    /// Where everything lies.
    pub places: Places,
    /// What is due.
    pub timekeeper: Timekeeper,
    /// The first configuration.
    pub armed: Armed,
    /// Carries orders.
    pub transport: Local,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where the alerts come from, for people.
    pub alerts: String,
    /// Files and folders of the configuration.
    pub configs: Vec<PathBuf>,
    /// What the command line settles.
    pub settings: Settings,
}

/// What blocks addresses on this host.
pub struct Firewall {
    /// What does where a grant names nothing.
    pub backend: FirewallBackend,
    /// Why it does not work now.
    pub trouble: Option<Refusal>,
    /// What else there may be, and why it does not block.
    pub passed_over: Vec<PassedOver>,
}

impl Engine {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        parts.capabilities.guard().set_white_list(parts.armed.config.white_list.clone());
        parts.capabilities.guard().set(parts.armed.config.settings.guard.clone());
        parts.report.arm(&parts.armed);
        Arc::new(Self {
            ledger: parts.ledger,
            remembered: parts.remembered,
            capabilities: parts.capabilities,
            firewall: parts.firewall,
            components: parts.components,
            report: parts.report,
            counters: Counters::default(),
            places: parts.places,
            switches: Switches::default(),
            timekeeper: parts.timekeeper,
            taken_back: TakenBack::default(),
            programs: Programs::default(),
            undone: Notify::new(),
            started_ms: parts.clock.now().wall_ms,
            alerts: parts.alerts,
            armed: RwLock::new(Arc::new(parts.armed)),
            transport: Arc::new(parts.transport),
            routed: OnceLock::new(),
            yields: AtomicBool::new(false),
            arming: Mutex::new(()),
            clock: parts.clock,
            configs: parts.configs,
            settings: parts.settings,
            stopping: AtomicBool::new(false),
            under_way: watch::channel(0).0,
            rebuilt: AtomicU64::new(0),
            repairs: Repairs::default(),
            superiors: Mutex::default(),
            component_permits: Arc::new(Semaphore::new((COMPONENTS - COMPONENT_DELETES) as usize)),
            program_permits: Arc::new(Semaphore::new(PROGRAMS)),
            delete_permits: Arc::new(Semaphore::new(DELETES)),
            component_delete_permits: Arc::new(Semaphore::new(COMPONENT_DELETES as usize)),
            waiting: Semaphore::new(WAITING),
            room: Room::default(),
            turns: Turns::default(),
            repeats: Repeats::default(),
            tally: Tally::default(),
            complained_ms: AtomicI64::new(i64::MIN),
        })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The configuration in use.
    #[must_use]
    pub fn armed(&self) -> Arc<Armed> {
        Arc::clone(&self.armed.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Files and folders of the configuration.
    #[must_use]
    pub fn configs(&self) -> &[PathBuf] {
        &self.configs
    }

    /// A response begins; [`Engine::responded`] says that it has ended.
    pub fn begin(&self) {
        self.under_way.send_modify(|under_way| *under_way += 1);
    }

    /// A response has ended.
    pub fn responded(&self) {
        self.under_way.send_modify(|under_way| *under_way = under_way.saturating_sub(1));
    }

    /// Resolves when no response is under way.
    pub fn settled(&self) -> impl Future<Output = ()> + use<> {
        let mut under_way = self.under_way.subscribe();
        async move {
            // Fails only when the engine is gone, and nothing is under way then.
            let _ = under_way.wait_for(|under_way| *under_way == 0).await;
        }
    }

    /// Sends an order on its way once there is room for it, and reports it when
    /// nobody is there for it.
    pub async fn dispatch(&self, order: Order, receipt: Receipt) {
        self.tally.given(&order.command.name, 1);
        let Err(receipt) = same::again(self, &order, receipt) else { return };
        let bytes = order.alert.len().saturating_add(order.message.as_deref().map_or(0, str::len));
        // A ledger that cannot be written holds up everybody: alerts wait, and none
        // is lost.
        let is_degraded = || self.ledger.health() != Health::Ok;
        let place =
            match self.room.enter(&order.command.name, bytes, || is_degraded() && !self.gives_up()).await {
                Ok(place) => place,
                // Unsigned, the receipt says that the alert is to be handled again.
                Err(Stalled { .. }) if is_degraded() => {
                    return respond::settled(self, &order, &[], &Outcome::Undecided(LedgerError::Stopped));
                }
                Err(Stalled { undecided }) => {
                    receipt.decided();
                    return respond::settled(self, &order, &[], &Outcome::Refused(Refused::Busy(undecided)));
                }
            };
        let receipt = Box::new(Placed { receipt, place });
        let kept = order.clone();
        self.begin();
        let sent = match self.routed.get() {
            Some(routed) => routed.send(order, receipt).await,
            None => self.transport.send(order, receipt).await,
        };
        if let Err(undeliverable) = sent {
            self.undeliverable(&kept, &undeliverable);
            self.responded();
        }
    }

    /// Counts and reports an order that nobody can be given.
    pub fn undeliverable(&self, order: &Order, why: &Undeliverable) {
        self.tally.undeliverable(&order.command.name);
        self.report.undeliverable(order, why);
    }

    /// Sends orders for other machines than `identity` to `there`. Once, before
    /// the first order.
    pub fn reach(&self, identity: Identity, there: Local) {
        // Refused when it was done before: the first carrier stays.
        let _ = self.routed.set(Routed::new(identity, Arc::clone(&self.transport), there));
    }

    /// What the command line settled.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Whether nothing on this host is changed, and nothing is sent.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.settings.shadow || self.yields.load(Ordering::Acquire)
    }

    /// Whether a response acts: the command line, then an operator's switch,
    /// then the file.
    #[must_use]
    pub fn mode_of(&self, command: &str, file: Mode) -> Mode {
        if self.is_shadow() {
            return Mode::Shadow;
        }
        self.switches.mode(command).unwrap_or(file)
    }

    /// What an order is weighed against now, with this configuration.
    #[must_use]
    pub fn scales<'a>(&'a self, armed: &'a Armed) -> Scales<'a> {
        Scales {
            armed,
            switches: &self.switches,
            guard: self.capabilities.guard(),
            ledger: Some(&self.ledger),
            now: self.now(),
            shadow: self.is_shadow(),
        }
    }

    /// Whether orders for this agent come here.
    #[must_use]
    pub fn stands_for(&self, agent: &str) -> bool {
        self.transport.stands_for(agent)
    }

    /// Whether orders for this agent come here, or go on to it.
    #[must_use]
    pub fn reaches(&self, agent: &str) -> bool {
        self.stands_for(agent) || self.routed.get().is_some()
    }

    /// Alerts older than this are dropped.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.settings.max_age
    }

    /// What blocks, whether it works now, and why the others do not block.
    pub async fn firewall(&self) -> Firewall {
        let backend = self.firewall.chosen();
        let trouble = self.firewall.probe().await.err();
        Firewall { backend, trouble, passed_over: self.firewall.passed_over() }
    }

    /// The program of a command, as it is now.
    ///
    /// # Errors
    ///
    /// When it cannot be run.
    pub fn program(&self, command: &Command) -> Result<NativeProgram, String> {
        use crate::arm::executable::{Executable, find};
        let native = Some(riposte_policy::config::Runtime::Native);
        let name = match find(&command.executable, native, &self.places) {
            Ok(Executable::Native(name)) => name,
            Ok(_) => return Err("its program is no longer a native one".to_owned()),
            Err(error) => return Err(error.to_string()),
        };
        let program = Program::resolve(&self.places.programs(), &name).map_err(|error| error.to_string())?;
        Ok(NativeProgram::new(program, self.places.root.clone(), command))
    }

    /// The very version of a component that an entry was made with.
    ///
    /// # Errors
    ///
    /// When its bytes are gone or cannot be loaded.
    pub fn version(&self, command: &Command, digest: Digest) -> Result<Arc<Plugin>, String> {
        let path = self.places.versions().join(format!("{digest}.wasm"));
        let bytes = files::read_at_most(&path, crate::installed::LARGEST)
            .map_err(|error| format!("the component that made it is gone: {}: {error}", path.display()))?;
        let grants = Arc::new(command.capabilities.clone().unwrap_or_default());
        let plugin = self.components.load(&command.executable, &bytes, &grants, &command.limits, false);
        let plugin = plugin.map_err(|error| error.to_string())?;
        if plugin.digest() == digest { Ok(plugin) } else { Err(format!("{} was changed", path.display())) }
    }

    /// Room for one run of a component.
    pub async fn component_permits(&self, ready: &Ready) -> [Option<OwnedSemaphorePermit>; 2] {
        // The command's own limit first, so that those that wait for it hold
        // nothing that others could use. Never closed, so never refused.
        let own = Arc::clone(&ready.permits).acquire_owned().await.ok();
        [own, Arc::clone(&self.component_permits).acquire_owned().await.ok()]
    }

    /// Room for starts of native programs; each command has a
    /// [line](Turns) of its own.
    pub fn program_room(&self) -> Arc<Semaphore> {
        Arc::clone(&self.program_permits)
    }

    /// Room for one undo by a component.
    pub async fn component_delete_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.component_delete_permits).acquire_owned().await.ok()
    }

    /// Room for one undo by a native program.
    pub async fn program_delete_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.delete_permits).acquire_owned().await.ok()
    }

    /// The engine takes no new orders.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for _ in 0..self.turns.abandon() {
            self.responded();
        }
    }

    /// Whether it is stopping.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Whether to say that the ledger is waited for: once a second, however many
    /// orders do.
    #[must_use]
    pub fn complains(&self) -> bool {
        let (now, last) = (self.now().boot_ms, self.complained_ms.load(Ordering::Relaxed));
        let due = now.saturating_sub(last) >= 1000;
        due && self.complained_ms.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether to give up on a ledger that cannot be written: a run that is to
    /// end must end, and leaves the alert unhandled.
    #[must_use]
    pub fn gives_up(&self) -> bool {
        self.settings.once || self.is_stopping()
    }
}

/// The word for a location, as the ledger kept it.
#[must_use]
pub fn location(word: &str) -> &'static str {
    ["local", "server", "defined-agent", "all"].into_iter().find(|known| *known == word).unwrap_or("local")
}

#[cfg(test)]
mod tests;
