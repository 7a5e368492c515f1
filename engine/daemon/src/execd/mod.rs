//! `riposte execd`: in place of `wazuh-execd`, on an agent or on a manager's
//! own host.
//!
//! What reaches `queue/alerts/execq` is answered as Wazuh answers it, in its
//! words and in its order; how many at a time, how long anybody waits, and
//! what outlives the process are ours.
//!
//! # Layout
//!
//! * [`execd`]: start, serve, stop; [`args`]: its command line.
//! * [`intake`]: a datagram to an order; [`wire`]: which command a name means.
//! * [`local`]: what the local `ossec.conf` says to `wazuh-execd`; `blocks`:
//!   where it says so.
//! * [`links`]: programs that are links to the engine, and stay so.
//! * [`install`]: switching the stock part off and this one on, and back.

pub mod args;
mod blocks;
pub mod install;
pub mod intake;
pub mod links;
pub mod local;
pub mod wire;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use riposte_ledger::clock::{Clock, SystemClock};
use riposte_policy::config::{OnStop, Role};
use riposte_policy::{Diagnostic, Severity};
use riposte_transport::route::Identity;
use riposte_transport::wazuh::execq::{self, Execq, Standing};
use riposte_transport::wazuh::ossec_log::{Line, OssecLog, text};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::args::{Execd, ExecdAct};
use self::intake::Intake;
use self::local::Local;
use crate::commands::ask;
use crate::engine::{self, Engine};
use crate::exit::Exit;
use crate::files::{self, File};
use crate::host;
use crate::places::Places;
use crate::service::{self, Plan, Service, Serving, Signal, Stop};

/// How long a stop waits for the message that is being read.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often the socket and the links are looked at.
const WATCH: Duration = Duration::from_secs(1);

/// Stands in for `wazuh-execd` until it is told to stop, or installs that.
pub fn execd(args: &Execd) -> Exit {
    let done = match &args.act {
        None => {
            service::trace(&args.log);
            start(args)
        }
        Some(ExecdAct::Install { root, link }) => install::install(&root.root, link).map(|text| said(&text)),
        Some(ExecdAct::Uninstall { root }) => install::uninstall(&root.root).map(|text| said(&text)),
    };
    done.unwrap_or_else(|error| {
        ask::tell(&error);
        Exit::Failed
    })
}

fn said(text: &str) -> Exit {
    ask::say_text(text.trim_end());
    Exit::Done
}

fn start(args: &Execd) -> Result<Exit, String> {
    let root = wazuh_home(&args.root.root)?;
    let configs = configs(&root, &args.config);
    let places = Places::new(args.at.home.as_deref(), Some(&root), &configs);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let debug = matches!(args.log.as_str(), "debug" | "trace");
    let log = OssecLog::open(root.join("logs/ossec.log"), debug).map_err(|error| error.to_string())?;
    let say = |line: &Line| {
        log.write(clock.now().wall_ms, line).unwrap_or_else(|error| tracing::error!("{error}"));
    };
    let files = files::read(&configs).map_err(|error| error.to_string())?;
    let local = match of_wazuhs(&files) {
        Ok(local) => local,
        Err(lines) => {
            lines.iter().for_each(say);
            let lines: Vec<_> = lines.into_iter().map(|line| line.text).collect();
            return Err(lines.join(" "));
        }
    };
    let config = files::config(&files, Role::Execd);
    if local.disabled && config.settings.execd != Some(true) {
        say(&text::disabled());
        tracing::info!("switched off by <disabled>yes</disabled>; riposte execd install switches it on");
        return Ok(Exit::Done);
    }
    let broken = |found: &&Diagnostic| found.severity == Severity::Error && found.code.starts_with("xml-");
    if let Some(found) = config.diagnostics.iter().find(broken) {
        say(&text::configuration(local::PATH));
        return Err(format!("{found}"));
    }
    local.lines.iter().for_each(say);
    let threads = service::threads()?;
    let (shadow, strict) = (args.shadow, args.strict);
    let plan = Plan {
        files,
        configs,
        places,
        identity: Identity::new(&[], true),
        alerts: root.join(execq::PATH).display().to_string(),
        settings: engine::Settings { shadow, strict, role: Role::Execd, ..engine::Settings::default() },
        clock: Arc::clone(&clock),
    };
    let report = |report: crate::report::Report| report.with_ossec_log(log);
    let service = Service::open(plan, report, |claims, guard, places, wanted| {
        host::backends(claims, guard, places, shadow, wanted)
    })?;
    let exit = threads.block_on(async { serve(service.begin().await?, local.offenders.into()).await });
    // What is still running has been waited for; its programs end with it.
    threads.shutdown_timeout(Duration::from_secs(2));
    exit
}

/// Wazuh's home, absolute; anything else is refused before it is touched.
fn wazuh_home(root: &Path) -> Result<PathBuf, String> {
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let missing = ["etc", "active-response/bin", "queue/alerts", "logs"]
        .into_iter()
        .find(|folder| !root.join(folder).is_dir());
    match missing {
        None => Ok(root),
        Some(folder) => Err(format!(
            "{} is no home of Wazuh's: there is no {folder} in it; name the home of its agent or manager with --root DIR",
            root.display()
        )),
    }
}

/// This host's own files: Wazuh's, ours beside it, and what the command line adds.
fn configs(root: &Path, more: &[PathBuf]) -> Vec<PathBuf> {
    let ours = root.join(install::OURS);
    let ours = ours.exists().then_some(ours);
    [root.join(local::PATH)].into_iter().chain(ours).chain(more.iter().cloned()).collect()
}

/// What the first file, Wazuh's own, says to `wazuh-execd`.
fn of_wazuhs(files: &[File]) -> Result<Local, Vec<Line>> {
    let text = files.first().map(|file| String::from_utf8_lossy(&file.bytes)).unwrap_or_default();
    Local::read(&text)
}

/// Answers messages until told to stop.
async fn serve(mut serving: Serving, offenders: Arc<[Duration]>) -> Result<Exit, String> {
    let engine = Arc::clone(&serving.engine);
    let path = engine.places.root.join(execq::PATH);
    engine.report.wazuh(&text::started(std::process::id()));
    if Execq::is_taken(&path) {
        let line = format!(
            "Queue '{}' was bound by another process, most likely wazuh-execd. It is ours now.",
            execq::PATH
        );
        engine.report.wazuh(&Line::warning(line));
    }
    let queue = match Execq::bind(&path) {
        Ok(queue) => queue,
        Err(error) => {
            let line = text::queue(execq::PATH, &error);
            engine.report.wazuh(&line);
            serving.close().await?;
            return Err(line.text);
        }
    };
    let intake = Intake::new(Arc::clone(&engine), offenders);
    tracing::info!(socket = %path.display(), "ready");
    // A task of its own, so that a stop comes between two messages, not into one.
    let (stop, stopped) = oneshot::channel();
    let mut answering = tokio::spawn(answer(Arc::clone(&engine), queue, intake, stopped));
    match serving.until(&mut answering).await {
        Stop::Told(signal) => {
            drop(stop);
            end(serving, signal, answering).await
        }
        Stop::Broken(fault) => Err(service::with_fault(fault, serving.close().await)),
        Stop::Worked(ended) => {
            serving.close().await?;
            // It ends before it is told to only by a fault of ours.
            Err(ended
                .err()
                .map_or_else(|| "no message is answered any more".to_owned(), |error| error.to_string()))
        }
    }
}

/// Ends as Wazuh does: what is in force is undone, in its words.
async fn end(mut serving: Serving, signal: Signal, answering: JoinHandle<()>) -> Result<Exit, String> {
    let engine = Arc::clone(&serving.engine);
    if tokio::time::timeout(FAREWELL, answering).await.is_err() {
        tracing::warn!("a message that was being read was left");
    }
    let reverts = engine.armed().config.settings.on_stop == OnStop::Revert;
    if reverts {
        engine.report.wazuh(&text::shutdown());
    }
    serving.stop().await;
    engine.report.wazuh(&text::signal(signal.number, signal.name));
    serving.close().await?;
    // As wazuh-execd ends, whatever asked it to.
    Ok(if reverts { Exit::Failed } else { Exit::Done })
}

/// What could not be put right when it was last looked at, so that it is said
/// once and not every second.
#[derive(Default)]
struct Known {
    queue: Option<Line>,
    links: Vec<Line>,
}

/// Takes messages until told to stop, and looks around once a second.
async fn answer(engine: Arc<Engine>, mut queue: Execq, mut intake: Intake, mut stop: oneshot::Receiver<()>) {
    let mut known = Known::default();
    let mut watch = tokio::time::interval(WATCH);
    watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = &mut stop => break,
            // Before the messages: a flood of them must not keep it from its turn.
            _ = watch.tick() => {
                look_after(&engine, &mut queue, &mut intake, &mut known).await;
                links::look_after(&engine, &mut known.links);
                intake.follow();
            }
            received = queue.receive() => match received {
                Ok(datagram) => intake.take(datagram).await,
                Err(error) => {
                    engine.report.wazuh(&text::queue(execq::PATH, &error));
                    // An error that stays must not take a core.
                    tokio::time::sleep(WATCH).await;
                }
            },
        }
    }
    // What was sent before senders could know is not lost without a word.
    while let Ok(datagram) = queue.left() {
        intake.refuse_late(&datagram);
    }
}

/// The socket is bound anew when senders no longer find it. What was sent to
/// it before is still answered.
async fn look_after(engine: &Engine, queue: &mut Execq, intake: &mut Intake, known: &mut Known) {
    let what = match queue.watch() {
        Standing::Ours => {
            known.queue = None;
            return;
        }
        Standing::Stolen => "was bound by another process, most likely wazuh-execd",
        Standing::Removed => "was removed",
    };
    match Execq::bind(&engine.places.root.join(execq::PATH)) {
        Ok(bound) => {
            let old = std::mem::replace(queue, bound);
            while let Ok(datagram) = old.left() {
                intake.take(datagram).await;
            }
            let line = Line::warning(format!("Queue '{}' {what}. It is ours again.", execq::PATH));
            engine.report.wazuh(&line);
            engine.report.not_ordered("queue-taken-back", &line.text);
        }
        Err(error) => {
            let line = text::queue(execq::PATH, &error);
            if known.queue.as_ref() != Some(&line) {
                engine.report.wazuh(&line);
                known.queue = Some(line);
            }
        }
    }
}
