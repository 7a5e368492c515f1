//! `riposte run`: alerts in, until the input ends or the engine is told to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use riposte_ledger::clock::SystemClock;
use riposte_policy::config::Role;
use riposte_policy::{Diagnostic, Severity};
use riposte_transport::route::Identity;
use tokio::sync::oneshot::{self, Receiver};

use crate::cli::{self, From};
use crate::commands::{ask, locate};
use crate::engine::{self, Engine};
use crate::exit::Exit;
use crate::files::{self, File};
use crate::host;
use crate::intake::{Input, Intake, IntakeError};
use crate::manager::Station;
use crate::places::Places;
use crate::service::{self, Plan, Service, Serving, Stop};
use crate::stderr;

/// Runs the engine until its input ends (`--once`) or it is told to stop.
pub fn run(args: &cli::Run) -> Exit {
    run_as(args, None)
}

/// The same, reaching a manager's agents through `station`.
pub fn run_as(args: &cli::Run, station: Option<Station>) -> Exit {
    service::trace(&args.log);
    match start(args, station) {
        Ok(exit) => exit,
        Err(error) => {
            ask::tell(&error);
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
    let (shadow, strict) = (args.shadow, args.sources.strict);
    let threads = service::threads()?;
    let identity = Identity::new(&args.agent_id, args.all_local);
    let plan = Plan {
        files,
        configs,
        places,
        identity: identity.clone(),
        alerts: intake.input.to_string(),
        settings: engine::Settings { shadow, strict, once: args.once, role, max_age: args.max_age },
        clock: Arc::new(SystemClock::new()),
    };
    let service = Service::open(
        plan,
        |report| report,
        |claims, guard, places, wanted| host::backends(claims, guard, places, shadow, wanted),
    )?;
    let exit = threads.block_on(async {
        let serving = service.begin().await?;
        if let Some(station) = station {
            station.connect(&serving.engine, identity);
        }
        follow(serving, intake).await
    });
    // What is still running has been waited for; its programs end with it.
    threads.shutdown_timeout(std::time::Duration::from_secs(2));
    exit
}

/// Refuses a configuration that is wrong in itself, before anything is made.
fn well_formed(files: &[File], strict: bool, role: Role) -> Result<(), String> {
    let found = files::config(files, role).diagnostics;
    let bad = |found: &&Diagnostic| {
        found.severity == Severity::Error || strict && found.severity == Severity::Warning
    };
    match found.iter().filter(bad).count() {
        0 => Ok(()),
        wrong => {
            found.iter().filter(bad).for_each(stderr::line);
            Err(format!("errors in the configuration: {wrong}; nothing was started"))
        }
    }
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

/// Responds to what is read until the end.
async fn follow(mut serving: Serving, intake: Intake) -> Result<Exit, String> {
    let engine = Arc::clone(&serving.engine);
    let (once, input) = (intake.once, intake.input.clone());
    let (positioned, reading) = read(&engine, intake);
    let work = async {
        // What is written from now on is read. It fails when reading did, which is told below.
        if positioned.await.is_ok() {
            tracing::info!(socket = %engine.places.socket().display(), "ready");
        }
        // The reading thread answers, unless it panicked.
        let end = reading.await.unwrap_or(Err(IntakeError::Lost));
        if !once && end.is_ok() {
            if input == Input::Standard {
                tracing::info!("standard input has ended; what is in force is still undone on time");
            }
            std::future::pending::<()>().await;
        }
        end
    };
    let read = match serving.until(work).await {
        Stop::Worked(read) => read,
        Stop::Told(_) => {
            serving.stop().await;
            return serving.close().await.map(|()| Exit::Done);
        }
        Stop::Broken(fault) => {
            return Err(service::with_fault(fault, serving.close().await));
        }
    };
    if once {
        serving.finish().await;
    } else {
        serving.stop().await;
    }
    let flushed = serving.close().await;
    if let Err(error) = read {
        return Err(error.to_string());
    }
    flushed?;
    if once && let Some(idle) = engine.counters.idle(&input) {
        ask::tell(&idle);
    }
    let failed = engine.counters.failed.load(Ordering::Relaxed);
    if once && failed > 0 {
        return Err(format!("{failed} responses failed; {} says why", engine.places.audit().display()));
    }
    let off = engine.counters.off.load(Ordering::Relaxed);
    if once && off > 0 {
        return Err(format!(
            "{off} responses were not made, since their command is off; riposte check says why"
        ));
    }
    Ok(Exit::Done)
}

/// Reads the alerts on a thread of its own.
fn read(engine: &Arc<Engine>, intake: Intake) -> (Receiver<()>, Receiver<Result<(), IntakeError>>) {
    let (begun, positioned) = oneshot::channel();
    let (done, ended) = oneshot::channel();
    let engine = Arc::clone(engine);
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new().name("intake".to_owned());
    let reading = thread.spawn(move || {
        // Nobody waits any more when the engine is stopping.
        let read = intake.read(&engine, &runtime, || {
            let _ = begun.send(());
        });
        let _ = done.send(read);
    });
    if let Err(error) = reading {
        tracing::error!(%error, "cannot start reading");
    }
    (positioned, ended)
}
