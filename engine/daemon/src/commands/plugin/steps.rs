//! The steps of a build end with the command that runs them. They are in its
//! process group, so that they may ask at its terminal: Ctrl-C reaches them, but
//! a signal to the command alone does not.

use std::sync::{Mutex, Once};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use tokio::signal::unix::{SignalKind, signal};

/// What ends a command.
const SIGNALS: [SignalKind; 2] = [SignalKind::interrupt(), SignalKind::terminate()];
/// How often it is looked whether they have ended, before they are killed.
const PATIENCE: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// Held from the signal to the end, so that nobody takes a step that was ended
/// for one that failed.
static ENDING: Mutex<()> = Mutex::new(());

/// Runs steps; from now on a signal that ends this process ends what it started,
/// first.
pub(super) fn run<T>(steps: impl FnOnce() -> T) -> T {
    static WATCHED: Once = Once::new();
    // Without it, a signal ends this process alone, as it would anyway.
    WATCHED.call_once(|| drop(watch()));
    let ran = steps();
    drop(ENDING.lock());
    ran
}

fn watch() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let entered = runtime.enter();
    let mut signals = SIGNALS.iter().map(|kind| signal(*kind)).collect::<std::io::Result<Vec<_>>>()?;
    drop(entered);
    // What a step leaves when it ends becomes our own.
    let _ = set_child_subreaper(Some(getpid()));
    let received = std::future::poll_fn(move |context| {
        let at = signals.iter_mut().position(|signal| signal.poll_recv(context).is_ready());
        at.and_then(|at| SIGNALS.get(at))
            .map_or(std::task::Poll::Pending, |kind| std::task::Poll::Ready(*kind))
    });
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let ended = move || {
        let kind = runtime.block_on(received);
        let _ending = ENDING.lock();
        end_all();
        #[expect(clippy::disallowed_methods, reason = "as the signal would have, had nobody waited for it")]
        std::process::exit(128 + kind.as_raw_value());
    };
    thread.spawn(ended).map(drop)
}

/// Ends all that this process started, and what that started: asked at first.
fn end_all() {
    // What runs on then may not be ended by this user.
    for n in 0..2 * PATIENCE {
        let left = descendants();
        if left.is_empty() {
            return;
        }
        let signal = match n {
            0 => Some(Signal::TERM),
            1..PATIENCE => None,
            _ => Some(Signal::KILL),
        };
        if let Some(signal) = signal {
            for pid in left {
                // It fails only where one has ended.
                let _ = kill_process(pid, signal);
            }
        }
        std::thread::sleep(PAUSE);
    }
}

/// Every living process below this one.
fn descendants() -> Vec<Pid> {
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let all: Vec<(i32, i32)> = numbers.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![getpid().as_raw_nonzero().get()];
    let mut at = 0;
    while let Some(above) = found.get(at).copied() {
        found.extend(all.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        at += 1;
    }
    found.into_iter().skip(1).filter_map(Pid::from_raw).collect()
}

/// The parent of a process; `None` when it has ended.
fn parent(pid: i32) -> Option<i32> {
    let stat = crate::files::read_at_most(std::path::Path::new(&format!("/proc/{pid}/stat")), 4096).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // Its name stands in parentheses, and may hold any.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    fields.next().filter(|_| !matches!(state, "Z" | "X"))?.parse().ok()
}
