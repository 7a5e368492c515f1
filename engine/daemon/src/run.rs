//! `riposte run`: start, serve, stop.
//!
//! Everything that can be wrong is looked at before anything is touched: the
//! configuration, the alerts, the folders, the ledger. Then what the last
//! engine left is taken up, and only then new alerts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use riposte_capability::firewall::nftables::Nftables;
use riposte_capability::firewall::{Backend, Unavailable};
use riposte_capability::{Capabilities, Claims, Guard, Refusal};
use riposte_ledger::clock::{Clock, SystemClock};
use riposte_ledger::entry::Filter;
use riposte_ledger::ledger::Pending;
use riposte_ledger::{Entry, Ledger};
use riposte_policy::config::Role;
use riposte_policy::{Config, Diagnostic, Severity};
use riposte_runtime::{Components, Settings};
use riposte_transport::local::{Delivered, Local};
use riposte_transport::route::Identity;
use riposte_transport::{Receipt, Sign};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::arm::{self, Armed};
use crate::claims::InLedger;
use crate::cli::{self, From};
use crate::commands::locate;
use crate::control::server::Socket;
use crate::engine::{self, COMPONENTS, Engine, Parts};
use crate::exit::Exit;
use crate::files::{self, File};
use crate::intake::{Input, Intake, IntakeError};
use crate::manager::{self, Station};
use crate::places::Places;
use crate::report::Report;
use crate::timekeeper::{self, Timekeeper};
use crate::{recover, respond};

/// Orders on their way to be decided. Each holds its alert in memory.
const UNDECIDED: usize = 4096;
/// How long a stop waits for what is under way.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long the ledger remembers what is over.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
/// How often expired allows and pauses end, and the guard looks around.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// Runs the engine until its input ends (`--once`) or it is told to stop.
pub fn run(args: &cli::Run) -> Exit {
    run_as(args, None)
}

/// The same, reaching a manager's agents through `station`.
pub fn run_as(args: &cli::Run, station: Option<Station>) -> Exit {
    trace(&args.log);
    match start(args, station) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("riposte: {error}");
            Exit::Failed
        }
    }
}

fn start(args: &cli::Run, station: Option<Station>) -> Result<Exit, String> {
    let role = if station.is_some() { Role::Manager } else { Role::Standalone };
    let (places, configs) = locate(&args.sources);
    let files = files::read(&configs).map_err(|error| error.to_string())?;
    well_formed(&files, args.sources.strict, role)?;
    let intake = intake(args, &places)?;
    places.create().map_err(|error| error.to_string())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let opened = Ledger::open(&places.ledger(), Arc::clone(&clock)).map_err(|error| error.to_string())?;
    let report = Report::open(&places, Arc::clone(&clock))?;
    // One core is left to the ledger, the firewall, the intake and the logs. With
    // a worker on each core a burst on two cores takes a tenth longer.
    let threads =
        std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let claims: Arc<dyn Claims> = Arc::new(InLedger(opened.ledger.clone()));
    let firewall = firewall(&claims, args.shadow);
    let guard = Arc::new(Guard::new());
    guard.refresh();
    let capabilities = Arc::new(Capabilities::new(claims, Arc::clone(&firewall), guard));
    let settings = Settings { cache: Some(places.compiled()), concurrency: COMPONENTS };
    let components =
        Components::new(&settings, Arc::clone(&capabilities)).map_err(|error| error.to_string())?;
    let armed = Armed::new_as(&files, &places, &components, role);
    say(&armed, args.sources.strict)?;
    let identity = Identity::new(&args.agent_id, args.all_local);
    let (transport, arriving) = Local::new(identity.clone(), 1024);
    let (timekeeper, events) = Timekeeper::new();
    let engine = Engine::new(Parts {
        ledger: opened.ledger,
        capabilities,
        firewall,
        components,
        report,
        places,
        timekeeper,
        armed,
        transport,
        clock,
        alerts: intake.input.to_string(),
        configs,
        settings: engine::Settings { shadow: args.shadow, strict: args.sources.strict, once: args.once, role },
    });
    let exit = runtime.block_on(async {
        tokio::spawn(timekeeper::keep(Arc::downgrade(&engine), events));
        if let Some(station) = station {
            let (there, leaving) = Local::new(Identity::new(&[], true), 1024);
            engine.reach(identity, there);
            manager::connect(&engine, station, leaving);
        }
        serve(&engine, intake, arriving, opened.recovery, opened.pending).await
    });
    // What is still running has been waited for; its programs end with it.
    runtime.shutdown_timeout(Duration::from_secs(2));
    exit
}

/// Refuses a configuration that is wrong in itself, before anything is made.
fn well_formed(files: &[File], strict: bool, role: Role) -> Result<(), String> {
    let names: Vec<_> = files.iter().map(|file| file.path.display().to_string()).collect();
    let sources: Vec<_> = names
        .iter()
        .zip(files)
        .map(|(file, read)| riposte_policy::config::Source { file, bytes: &read.bytes })
        .collect();
    let found = Config::read_as(&sources, role).diagnostics;
    let bad = |found: &&Diagnostic| {
        found.severity == Severity::Error || strict && found.severity == Severity::Warning
    };
    match found.iter().filter(bad).count() {
        0 => Ok(()),
        wrong => {
            found.iter().filter(bad).for_each(|found| eprintln!("{found}"));
            Err(format!("errors in the configuration: {wrong}; nothing was started"))
        }
    }
}

/// Tells what arming found; what is fatal ends the start.
fn say(armed: &Armed, strict: bool) -> Result<(), String> {
    let fatal: Vec<_> = armed.fatal(strict).collect();
    for found in &armed.config.diagnostics {
        match found.severity {
            Severity::Note => tracing::debug!(place = %found.place, code = found.code, "{}", found.message),
            _ => eprintln!("{found}"),
        }
    }
    if fatal.is_empty() {
        return Ok(());
    }
    Err(format!("errors in the configuration: {}; nothing was started", fatal.len()))
}

/// What to read; a file must be readable now.
fn intake(args: &cli::Run, places: &Places) -> Result<Intake, String> {
    let input = match &args.alerts {
        Some(path) if path == Path::new("-") => Input::Standard,
        Some(path) => Input::File(path.clone()),
        None => Input::File(places.alerts()),
    };
    if let Input::File(path) = &input {
        readable(path)
            .map_err(|source| IntakeError::Unreadable { path: path.clone(), source }.to_string())?;
    }
    let from = args.from.unwrap_or(if args.alerts.is_some() { From::Start } else { From::End });
    let longest = usize::try_from(args.max_line).unwrap_or(usize::MAX);
    Ok(Intake { input, once: args.once, from, max_age: args.max_age, longest })
}

fn readable(path: &PathBuf) -> std::io::Result<()> {
    let found = std::fs::metadata(path)?;
    if found.is_dir() {
        return Err(std::io::Error::other("it is a folder"));
    }
    if !found.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    rustix::fs::access(path, rustix::fs::Access::READ_OK)?;
    Ok(())
}

/// What can be done to this host. One that cannot block still runs everything
/// else, and says so; in shadow the host is not even opened.
fn firewall(claims: &Arc<dyn Claims>, shadow: bool) -> Arc<dyn Backend> {
    if shadow {
        return Arc::new(Unavailable(Refusal::unavailable("the engine runs in shadow")));
    }
    match Nftables::open(Arc::clone(claims)) {
        Ok(nftables) => Arc::new(nftables),
        Err(refusal) => {
            tracing::error!("nothing can be blocked on this host: {refusal}");
            Arc::new(Unavailable(refusal))
        }
    }
}

/// Takes up what was left, then responds until the end.
async fn serve(
    engine: &Arc<Engine>,
    intake: Intake,
    arriving: Receiver<Delivered>,
    left: Vec<Entry>,
    pending: Vec<Pending>,
) -> Result<Exit, String> {
    engine.read_switches().await.map_err(|error| error.to_string())?;
    let socket = Socket::bind(&engine.places.socket()).map_err(|error| error.to_string())?;
    prune(engine).await;
    recover::recover(engine, left, pending).await;
    let responding = tokio::spawn(respond_to(Arc::clone(engine), arriving));
    let keeping = tokio::spawn(keep_house(Arc::clone(engine)));
    let once = intake.once;
    let standard = intake.input == Input::Standard;
    let mut reading = read(engine, intake);
    tracing::info!(socket = %engine.places.socket().display(), "ready");
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| error.to_string())?;
    let mut ended: Option<Result<(), IntakeError>> = None;
    loop {
        tokio::select! {
            () = socket.serve(engine) => break,
            end = &mut reading, if ended.is_none() => {
                // The reading thread always answers; if it panicked it has read nothing more.
                let end = end.unwrap_or(Ok(()));
                let failed = end.is_err();
                ended = Some(end);
                if once || failed { break }
                if standard {
                    tracing::info!("standard input has ended; what is in force is still undone on time");
                }
            }
            _ = hangup.recv() => reload(engine).await,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let all_done = engine.settled();
    if once && ended.is_some() {
        // All that the input held, however long it takes; a signal ends it.
        tokio::select! {
            () = all_done => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    } else {
        engine.stop();
        tracing::info!("stopping; what is in force stays, and is undone on time after the next start");
        if tokio::time::timeout(FAREWELL, all_done).await.is_err() {
            tracing::warn!("responses still running were left; they are taken up at the next start");
        }
    }
    engine.stop();
    keeping.abort();
    responding.abort();
    let flushed = engine.ledger.flush().await.map_err(|error| error.to_string());
    if let Some(Err(error)) = ended {
        return Err(error.to_string());
    }
    flushed?;
    let failed = engine.counters.failed.load(Ordering::Relaxed);
    if once && failed > 0 {
        return Err(format!("{failed} responses failed; {} says why", engine.places.audit().display()));
    }
    Ok(Exit::Done)
}

/// Reads the alerts on a thread of its own.
fn read(engine: &Arc<Engine>, intake: Intake) -> tokio::sync::oneshot::Receiver<Result<(), IntakeError>> {
    let (done, ended) = tokio::sync::oneshot::channel();
    let engine = Arc::clone(engine);
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new().name("intake".to_owned());
    let reading = thread.spawn(move || {
        let read = intake.read(&engine, &runtime);
        // Nobody waits any more when the engine is stopping.
        let _ = done.send(read);
    });
    if let Err(error) = reading {
        tracing::error!(%error, "cannot start reading");
    }
    ended
}

/// Responds to orders as they arrive. Each is a task; at most [`UNDECIDED`] of
/// them are not yet decided, and the sender waits beyond that.
async fn respond_to(engine: Arc<Engine>, mut arriving: Receiver<Delivered>) {
    let window = Arc::new(Semaphore::new(UNDECIDED));
    while let Some(Delivered { order, receipt }) = arriving.recv().await {
        // Never closed, so never refused.
        let Ok(place) = Arc::clone(&window).acquire_owned().await else { return };
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            let receipt = Box::new(Windowed { receipt, _place: place });
            drop(respond::respond(&engine, order, receipt).await);
            engine.responded();
        });
    }
}

/// A receipt that gives its place in the window back.
struct Windowed {
    receipt: Receipt,
    _place: OwnedSemaphorePermit,
}

impl Sign for Windowed {
    fn decided(self: Box<Self>) {
        self.receipt.decided();
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

/// Ends what has expired, looks around, and mends what others broke.
async fn keep_house(engine: Arc<Engine>) {
    let mut clock = tokio::time::interval(HOUSEKEEPING);
    loop {
        clock.tick().await;
        if let Err(error) = engine.read_switches().await {
            tracing::warn!(%error, "cannot read the switches again");
        }
        let looking = Arc::clone(&engine);
        // A panic here would be a fault in the guard; the old view stays in use.
        let _ = tokio::task::spawn_blocking(move || looking.capabilities.guard().refresh()).await;
        engine.repair_if_rebuilt().await;
        if let Err(error) = engine.ledger.prune(REMEMBERED, 500).await {
            tracing::warn!(%error, "what is long over cannot be forgotten");
        }
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
    arm::prune(&engine.places, &used);
}

fn trace(level: &str) {
    // What components log goes to the response log; here only with `debug`.
    let components = if matches!(level, "debug" | "trace") { level } else { "warn" };
    let filter = format!("warn,riposte={level},riposte_runtime={components}");
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second subscriber is refused, which only a test could try.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal)
        .try_init();
}
