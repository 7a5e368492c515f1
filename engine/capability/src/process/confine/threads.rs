//! The threads that confine themselves and start programs.
//!
//! The default level is set once: one thread carries its filter and starts all
//! programs that have no level of their own. `confined` and `isolated` take a
//! thread for each start.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use riposte_policy::grant::{Confinement, NewPrivileges};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

use super::files::{Files, Signals};
use super::filter::Filter;
use super::{Program, Strength, Unconfinable, isolate, privileges};

/// Where Wazuh reads what responses did, below its home: what is confined may
/// write it all the same.
const LOG: &str = "logs/active-responses.log";

/// Starts `command` from a thread that is confined like this. `root` is Wazuh's
/// home, where the log of responses lies. Must be called within a tokio runtime.
pub(in super::super) fn spawn(
    mut command: Command,
    confinement: &Confinement,
    root: &Path,
) -> Result<io::Result<Child>, Unconfinable> {
    let runtime = Handle::current();
    let mut start = move || {
        let _within = runtime.enter();
        command.spawn()
    };
    if *confinement == Confinement::Default {
        return by_default(start);
    }
    let (confinement, root) = (confinement.clone(), root.to_owned());
    on_its_own(move || confine(&confinement, &root).map(|_| start()))?
}

/// Whether a program could be started so. The thread that finds out starts
/// nothing.
pub(super) fn examine(
    confinement: &Confinement,
    program: &Program,
    root: &Path,
) -> Result<Strength, Unconfinable> {
    if let Confinement::Isolated { write } = confinement {
        isolate::Isolation { program, root, write }.words()?;
    }
    let (level, root) = (confinement.clone(), root.to_owned());
    match on_its_own(move || confine(&level, &root))? {
        Err(Unconfinable::NoFilter { .. }) if *confinement == Confinement::Default => Ok(Strength::None),
        found => found,
    }
}

/// Confines this thread for good.
fn confine(confinement: &Confinement, root: &Path) -> Result<Strength, Unconfinable> {
    match confinement {
        Confinement::Default => Filter::Program.apply().map(|()| Strength::Whole),
        Confinement::Confined { write, capabilities, new_privileges } => {
            let log = root.join(LOG);
            let signals =
                if capabilities.iter().any(|name| name == "kill") { Signals::All } else { Signals::Own };
            let files =
                Files { write: write.iter().map(PathBuf::as_path).collect(), log: Some(&log), signals };
            // Rules first, while there are privileges to set them without
            // `no_new_privs`; then the filter, which needs none.
            let strength = files.apply(*new_privileges)?;
            privileges::keep(capabilities, *new_privileges)?;
            match new_privileges {
                NewPrivileges::Refused => Filter::Program.apply()?,
                // The filter would bring `no_new_privs` with it.
                NewPrivileges::Allowed => {}
            }
            Ok(strength)
        }
        Confinement::Isolated { .. } => {
            let root = rustix::process::geteuid().is_root();
            let filter = if root { Filter::Isolation } else { Filter::OwnUsers };
            filter.apply().map(|()| Strength::Whole)
        }
    }
}

/// Runs `work` on a thread of its own, which ends with it.
fn on_its_own<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Unconfinable> {
    let no_thread = |why: &dyn std::fmt::Display| Unconfinable::NoThread { why: why.to_string() };
    let thread = Builder::new().name("riposte-start".to_owned()).stack_size(STACK).spawn(work);
    let thread = thread.map_err(|error| no_thread(&error))?;
    thread.join().map_err(|_| no_thread(&"it failed; please report this fault"))
}

/// A start needs little; what it is given is only mapped, not used.
const STACK: usize = 256 << 10;

/// Starts a program at the default level.
fn by_default(
    start: impl FnOnce() -> io::Result<Child> + Send + 'static,
) -> Result<io::Result<Child>, Unconfinable> {
    let jobs = match Starter::here() {
        Found::Starter(jobs) => jobs,
        Found::Elsewhere => {
            return on_its_own(move || Filter::Program.apply().map(|()| start()))?;
        }
        Found::NoFilter => return Ok(start()),
    };
    let (tell, told) = mpsc::sync_channel(1);
    let lost = |_| Unconfinable::NoThread { why: "the one that starts programs is gone".to_owned() };
    let job = Box::new(move || {
        // Whoever asked waits for it.
        let _ = tell.send(start());
    });
    jobs.send(job).map_err(|_| lost(()))?;
    told.recv().map_err(|_| lost(()))
}

type Job = Box<dyn FnOnce() + Send>;

/// The thread that starts the programs of the default level.
struct Starter {
    jobs: Sender<Job>,
    /// What it sees of the host. A thread stays where its maker was, and the
    /// thread that wants a start may have moved since.
    place: Place,
}

/// Who starts a program for this thread.
enum Found {
    /// The one thread.
    Starter(Sender<Job>),
    /// A thread of its own: this one is in other namespaces.
    Elsewhere,
    /// This thread: the kernel has no filters.
    NoFilter,
}

impl Starter {
    fn here() -> Found {
        static STARTER: Mutex<Option<Option<Starter>>> = Mutex::new(None);
        let Some(place) = Place::here() else { return Found::Elsewhere };
        let mut starter = STARTER.lock().unwrap_or_else(PoisonError::into_inner);
        match starter.get_or_insert_with(|| Self::new(place)) {
            None => Found::NoFilter,
            Some(starter) if starter.place == place => Found::Starter(starter.jobs.clone()),
            Some(_) => Found::Elsewhere,
        }
    }

    /// `None`, and said in the log, when the kernel takes no filter.
    fn new(place: Place) -> Option<Self> {
        let (jobs, work) = mpsc::channel::<Job>();
        let (tell, told) = mpsc::sync_channel(1);
        let run = move || {
            let applied = Filter::Program.apply();
            let usable = applied.is_ok();
            // The maker waits for it.
            let _ = tell.send(applied);
            while usable && let Ok(job) = work.recv() {
                job();
            }
        };
        let made = Builder::new().name("riposte-starts".to_owned()).stack_size(STACK).spawn(run);
        let applied = match made {
            Ok(_) => told.recv().map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match applied {
            Ok(Ok(())) => return Some(Self { jobs, place }),
            Ok(Err(error)) => tracing::warn!("native programs run without a filter: {error}"),
            Err(error) => {
                tracing::warn!("native programs run without a filter, for want of a thread: {error}");
            }
        }
        None
    }
}

/// The namespaces of a thread: mounts, network, users.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place([(u64, u64); 3]);

impl Place {
    /// Those of this thread; `None` without `/proc`.
    fn here() -> Option<Self> {
        let at = |name: &str| {
            let found = rustix::fs::stat(format!("/proc/thread-self/ns/{name}")).ok()?;
            Some((found.st_dev, found.st_ino))
        };
        Some(Self([at("mnt")?, at("net")?, at("user")?]))
    }
}
