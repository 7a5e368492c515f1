//! Starting, serving and stopping an engine, wherever its orders come from.
//!
//! Everything that can be wrong is looked at before anything is touched. Then
//! what the last engine left is taken up, and only then new work.

mod house;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use riposte_capability::confirm::Network;
use riposte_capability::{Backends, Capabilities, Claims, Guard};
use riposte_ledger::clock::Clock;
use riposte_ledger::entry::Filter;
use riposte_ledger::ledger::Pending;
use riposte_ledger::salvage::Salvaged;
use riposte_ledger::{Cause, Entry, Ledger};
use riposte_policy::Severity;
use riposte_policy::config::{self, Auditing, OnStop};
use riposte_policy::grant::FirewallBackend;
use riposte_policy::order::{Actor, EntryId};
use riposte_runtime::{Components, Settings};
use riposte_transport::local::{Delivered, Local};
use riposte_transport::route::Identity;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

use crate::ahead;
use crate::arm::{self, Armed};
use crate::claims::InLedger;
use crate::control::server::Socket;
use crate::engine::{self, COMPONENTS, Engine, Parts};
use crate::files::{self, File};
use crate::notify::Notify;
use crate::places::Places;
use crate::remembered::Remembered;
use crate::report::Report;
use crate::respond::same;
use crate::timekeeper::{self, Mailbox, Timekeeper};
use crate::undo::{self, Undone};
use crate::{host, keeper, recover, respond, standby, stderr};

/// How long a stop waits for what is under way, and for each undo.
const FAREWELL: Duration = Duration::from_secs(10);
/// Targets that a stop which undoes all looks after at a time: as many as
/// components and programs may undo at once.
const AT_ONCE: usize = 16;

/// What an engine is started with.
pub struct Plan {
    /// The configuration files, read.
    pub files: Vec<File>,
    /// The same by path, for a reload.
    pub configs: Vec<PathBuf>,
    /// Where everything lies.
    pub places: Places,
    /// Which agents this machine stands for.
    pub identity: Identity,
    /// Where the orders come from, for people.
    pub alerts: String,
    /// What the command line settles.
    pub settings: engine::Settings,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// An engine that holds its ledger and has done nothing yet.
pub struct Service {
    /// The engine.
    pub engine: Arc<Engine>,
    arriving: Receiver<Delivered>,
    events: Arc<Mailbox>,
    left: Vec<Entry>,
    pending: Vec<Pending>,
    salvaged: Option<Salvaged>,
}

/// The threads of an engine. One core is left to the ledger, the firewall, the
/// intake and the logs: with a worker on each core a burst on two cores takes a
/// tenth longer.
///
/// # Errors
///
/// When the system gives no threads.
pub fn threads() -> Result<tokio::runtime::Runtime, String> {
    let threads =
        std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    runtime.map_err(|error| format!("cannot start: {error}"))
}

impl Service {
    /// Opens the ledger and the logs and makes every command ready to run.
    /// `report` may add to the usual one; `host` is what can be done to the
    /// host, [`crate::host::backends`] but in tests.
    ///
    /// # Errors
    ///
    /// What is wrong, and what to do about it.
    pub fn open(
        plan: Plan,
        report: impl FnOnce(Report) -> Report,
        host: impl FnOnce(&Arc<dyn Claims>, &Arc<Guard>, &Places, Option<FirewallBackend>) -> Backends,
    ) -> Result<Self, String> {
        let strict = plan.settings.strict;
        // Before the commands are made ready: they need the capabilities, which
        // need this.
        let given = files::config(&plan.files, plan.settings.role).settings;
        if !plan.settings.shadow {
            standby::until_writable(&plan.places, &plan.clock, given.firewall, plan.settings.once)?;
        }
        let service = Self::put_together(plan, &given, report, host)?;
        say(&service.engine.armed(), strict)?;
        Ok(service)
    }

    /// An engine that only undoes: it has no configuration, and needs none.
    /// What is open keeps the definition it was made with. `audit` is how the
    /// audit is kept.
    ///
    /// # Errors
    ///
    /// When another engine runs, or the ledger cannot be opened.
    pub fn open_to_undo(places: Places, clock: Arc<dyn Clock>, audit: Auditing) -> Result<Self, String> {
        let plan = Plan {
            files: Vec::new(),
            configs: Vec::new(),
            places,
            identity: Identity::new(&[], false),
            alerts: "none".to_owned(),
            settings: engine::Settings { once: true, ..engine::Settings::default() },
            clock,
        };
        let host =
            |claims: &_, guard: &_, places: &_, wanted| host::backends(claims, guard, places, false, wanted);
        let given = config::Settings { audit, ..config::Settings::default() };
        Self::put_together(plan, &given, |report| report, host)
    }

    fn put_together(
        plan: Plan,
        given: &config::Settings,
        report: impl FnOnce(Report) -> Report,
        host: impl FnOnce(&Arc<dyn Claims>, &Arc<Guard>, &Places, Option<FirewallBackend>) -> Backends,
    ) -> Result<Self, String> {
        let Plan { files, configs, places, identity, alerts, settings, clock } = plan;
        places.create().map_err(|error| error.to_string())?;
        let opened = Ledger::open(&places.ledger(), Arc::clone(&clock)).map_err(|error| error.to_string())?;
        let heads = opened.ledger.heads();
        let report = report(Report::open(&places, Arc::clone(&clock), heads, &given.audit)?);
        report.add_left_out(&places);
        let remembered = Arc::new(Remembered::default());
        let claims: Arc<dyn Claims> = Arc::new(InLedger(opened.ledger.clone(), Arc::clone(&remembered)));
        let guard = Arc::new(Guard::new());
        guard.refresh();
        let backends = host(&claims, &guard, &places, given.firewall);
        let firewall = Arc::clone(&backends.firewall);
        let capabilities = Capabilities::new(claims, backends, Arc::clone(&guard))
            .with_witness(report.witness())
            .with_probe(Arc::new(Network::new(guard)));
        let capabilities = Arc::new(capabilities);
        let sandbox = Settings { cache: Some(places.compiled()), concurrency: COMPONENTS };
        let components =
            Components::new(&sandbox, Arc::clone(&capabilities)).map_err(|error| error.to_string())?;
        if !settings.shadow {
            let compiles = || arm::to_compile(&files, &places, &components, settings.role).next().is_some();
            ahead::of_arming(&opened.recovery, compiles, &components, &opened.ledger, &capabilities, &report);
        }
        let armed = Armed::new_as(&files, &places, &components, settings.role);
        let (transport, arriving) = Local::new(identity, 1024);
        let (timekeeper, events) = Timekeeper::new();
        let engine = Engine::new(Parts {
            ledger: opened.ledger,
            remembered,
            capabilities,
            firewall,
            components,
            report,
            places,
            timekeeper,
            armed,
            transport,
            clock,
            alerts,
            configs,
            settings,
        });
        let salvaged = opened.salvaged;
        Ok(Self { engine, arriving, events, left: opened.recovery, pending: opened.pending, salvaged })
    }

    /// Takes up what was left; from then on orders are responded to.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read or the control socket not be made.
    pub async fn begin(self) -> Result<Serving, String> {
        let Self { engine, arriving, events, left, pending, salvaged } = self;
        let mut beside = JoinSet::new();
        beside.spawn(timekeeper::keep(Arc::downgrade(&engine), events));
        engine.read_switches().await.map_err(|error| error.to_string())?;
        engine.configure_ledger().await.map_err(|error| error.to_string())?;
        let socket = Socket::bind(&engine.places.socket()).map_err(|error| error.to_string())?;
        prune(&engine).await;
        recover::recover(&engine, left, pending).await;
        if let Some(salvaged) = &salvaged {
            keeper::salvaged(&engine, salvaged).await;
        }
        beside.spawn(respond_to(Arc::clone(&engine), arriving));
        let notify = Notify::from_environment();
        beside.spawn(house::watch(Arc::clone(&engine)));
        beside.spawn(house::keep(Arc::clone(&engine), notify.clone()));
        // Not ended with the others: it may have receipts in hand that it signs
        // when they are written.
        tokio::spawn(same::keep(Arc::downgrade(&engine)));
        beside.spawn(engine::repair::keep(Arc::clone(&engine)));
        beside.spawn(keeper::mind(Arc::clone(&engine), notify.clone()));
        beside.spawn(house::tell(Arc::clone(&engine)));
        let on = |kind| signal(kind).map_err(|error| error.to_string());
        let told = Told {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            quit: on(SignalKind::quit())?,
        };
        let hangup = on(SignalKind::hangup())?;
        Ok(Serving { engine, socket, told, hangup, notify, beside })
    }
}

/// Tells what arming found; what is fatal ends the start.
fn say(armed: &Armed, strict: bool) -> Result<(), String> {
    let fatal = armed.fatal(strict).count();
    for found in &armed.config.diagnostics {
        match found.severity {
            Severity::Note => tracing::debug!(place = %found.place, code = found.code, "{}", found.message),
            _ => stderr::line(found),
        }
    }
    if fatal == 0 {
        return Ok(());
    }
    Err(format!("errors in the configuration: {fatal}; nothing was started"))
}

/// An engine at work.
pub struct Serving {
    /// The engine.
    pub engine: Arc<Engine>,
    socket: Socket,
    told: Told,
    hangup: Signals,
    notify: Notify,
    /// What goes on beside, and ends with it.
    beside: JoinSet<()>,
}

/// The signals that end an engine.
struct Told {
    terminate: Signals,
    interrupt: Signals,
    quit: Signals,
}

impl Told {
    async fn stop(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal { number: 15, name: "Terminated" },
            _ = self.interrupt.recv() => Signal { number: 2, name: "Interrupt" },
            _ = self.quit.recv() => Signal { number: 3, name: "Quit" },
        }
    }
}

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its number.
    pub number: i32,
    /// What the C library calls it.
    pub name: &'static str,
}

/// Why serving ended.
#[derive(Debug)]
#[must_use]
pub enum Stop<T> {
    /// The work has ended.
    Worked(T),
    /// The engine was told to stop.
    Told(Signal),
    /// A part of the engine ended by a fault of ours; what it was.
    Broken(String),
}

impl Serving {
    /// Answers operators and does `work` until it ends, the engine is told to
    /// stop, or a part of it is broken. SIGHUP reads the configuration again.
    pub async fn until<T>(&mut self, work: impl Future<Output = T>) -> Stop<T> {
        let mut work = std::pin::pin!(work);
        self.notify.ready();
        loop {
            tokio::select! {
                () = self.socket.serve(&self.engine) => {}
                done = &mut work => return Stop::Worked(done),
                signal = self.told.stop() => return Stop::Told(signal),
                fault = fault(&mut self.beside) => return Stop::Broken(fault),
                _ = self.hangup.recv() => {
                    self.notify.reloading();
                    reload(&self.engine).await;
                    self.notify.ready();
                }
            }
        }
    }

    /// Waits for all that is under way, however long it takes; a signal ends
    /// the waiting.
    pub async fn finish(&mut self) {
        tokio::select! {
            () = self.engine.settled() => {}
            _ = self.told.stop() => {}
        }
    }

    /// Takes no new orders, waits a while for those under way, and does with
    /// what is in force what the configuration says.
    pub async fn stop(&mut self) {
        let reverts = self.engine.armed().config.settings.on_stop == OnStop::Revert;
        self.engine.stop();
        self.notify.stopping();
        if reverts {
            tracing::info!("stopping; what is in force is undone");
        } else {
            tracing::info!("stopping; what is in force stays, and is undone on time after the next start");
        }
        if tokio::time::timeout(FAREWELL, self.engine.settled()).await.is_err() {
            tracing::warn!("responses still running were left; they are taken up at the next start");
        }
        if reverts {
            revert(&self.engine).await;
        }
    }

    /// Ends it: the ledger is on the disk.
    ///
    /// # Errors
    ///
    /// When the ledger could not be written.
    pub async fn close(mut self) -> Result<(), String> {
        self.engine.stop();
        self.beside.abort_all();
        same::write(&self.engine).await;
        // The audit first: the ledger's last commit has its head.
        let engine = Arc::clone(&self.engine);
        // Fails only when that panicked, and then nothing was noted.
        let _ = tokio::task::spawn_blocking(move || engine.report.settle()).await;
        self.engine.ledger.flush().await.map_err(|error| error.to_string())
    }
}

/// Undoes all that is in force for a time: what is on the same target in the
/// order in which it was added, and [`AT_ONCE`] targets at a time. What takes
/// long is left to go on, and what is not done when the process ends is undone
/// at the next start.
pub async fn revert(engine: &Arc<Engine>) {
    let open = Filter { open_only: true, ..Filter::default() };
    let mut open = match engine.ledger.entries(open).await {
        Ok(open) => open,
        Err(error) => return tracing::error!(%error, "what is in force cannot be read, so it stays"),
    };
    open.retain(|entry| entry.timeout_ms.is_some());
    open.sort_by_key(|entry| entry.id);
    let mut targets: BTreeMap<Vec<String>, Vec<EntryId>> = BTreeMap::new();
    for entry in open {
        targets.entry(entry.keys).or_default().push(entry.id);
    }
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut reverting = JoinSet::new();
    for entries in targets.into_values() {
        // Never closed, so never refused.
        let place = Arc::clone(&room).acquire_owned().await.ok();
        let engine = Arc::clone(engine);
        reverting.spawn(async move {
            for entry in entries {
                revert_one(&engine, entry).await;
            }
            drop(place);
        });
        while reverting.try_join_next().is_some() {}
    }
    while reverting.join_next().await.is_some() {}
}

async fn revert_one(engine: &Arc<Engine>, entry: EntryId) {
    let cause = Cause::Asked { actor: Actor::Engine, reason: Some("the engine stops".into()) };
    let engine = Arc::clone(engine);
    let undoing = tokio::spawn(async move { undo::undo(&engine, entry, cause).await });
    match tokio::time::timeout(FAREWELL, undoing).await {
        Ok(Ok(Undone::Closed | Undone::Nothing)) => {}
        Ok(Ok(Undone::Failed { error, .. } | Undone::Unknown { error })) => {
            tracing::error!(%entry, "not undone; tried again at the next start: {error}");
        }
        Ok(Err(error)) => tracing::error!(%entry, %error, "its undo ended unexpectedly"),
        Err(_) => {
            tracing::warn!(%entry, "its undo takes long; the next one is not kept waiting");
        }
    }
}

/// Waits until a task has panicked. Without it the engine would live and not do
/// its work: the service manager is to start it again. One that just ends had
/// nothing more to do.
async fn fault(tasks: &mut JoinSet<()>) -> String {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            return format!("a part of the engine ended unexpectedly ({error}); please report this fault");
        }
    }
    std::future::pending().await
}

/// What a fault of ours is told with: that the engine could not be closed either
/// does not hide it.
pub fn with_fault(fault: String, closed: Result<(), String>) -> String {
    match closed {
        Ok(()) => fault,
        Err(error) => format!("{fault}; and {error}"),
    }
}

/// Responds to orders as they arrive. Each is a task; how many there are is
/// bounded by the [room](crate::room) that each had to find.
async fn respond_to(engine: Arc<Engine>, mut arriving: Receiver<Delivered>) {
    while let Some(Delivered { order, receipt }) = arriving.recv().await {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            drop(respond::respond(&engine, order, receipt).await);
            engine.responded();
        });
    }
}

async fn reload(engine: &Arc<Engine>) {
    let reloading = Arc::clone(engine);
    match tokio::task::spawn_blocking(move || reloading.reload()).await {
        Ok(Ok(_)) => tracing::info!("the new configuration is in use"),
        Ok(Err((error, _))) => tracing::error!("{error}"),
        Err(error) => tracing::error!(%error, "the reload ended unexpectedly"),
    }
}

/// Forgets versions of components that nothing needs any more.
async fn prune(engine: &Engine) {
    let open = Filter { open_only: true, ..Filter::default() };
    // What cannot be read is not forgotten.
    let Ok(open) = engine.ledger.entries(open).await else { return };
    let armed = engine.armed();
    let current = armed.all().filter_map(|ready| ready.runner.digest()).map(|digest| digest.to_string());
    let used = current.chain(open.into_iter().filter_map(|entry| entry.digest)).collect();
    arm::versions::prune(&engine.places, &used);
    arm::versions::prune_code(&engine.places, &used);
}

/// What the engine says on standard error.
pub fn trace(level: &str) {
    // What components log goes to the response log; here only with `debug`.
    let components = if matches!(level, "debug" | "trace") { level } else { "warn" };
    let filter = format!("warn,riposte={level},riposte_runtime={components}");
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second subscriber is refused, which only a test could try.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| stderr::Quiet)
        .with_ansi(terminal)
        .log_internal_errors(false)
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_a_fault_and_one_that_ends_is_none() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        tasks.spawn(std::future::pending());
        tasks.spawn(async {
            tokio::task::yield_now().await;
            panic!("of a test");
        });
        let fault = fault(&mut tasks).await;
        assert!(fault.starts_with("a part of the engine ended unexpectedly"), "{fault}");
        assert_eq!(tasks.len(), 1);
    }
}
