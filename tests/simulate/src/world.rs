//! What the parts of one run share: the machine, its host, and who watches.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rusqlite::{Connection, OpenFlags};

use crate::clocks::Clocks;
use crate::host::Host;
use crate::oracle::Oracle;
use crate::random::Random;
use crate::vfs::{Disk, Faults};

/// One simulated machine.
pub struct World {
    /// What time it is.
    pub clocks: Arc<Clocks>,
    /// Where the ledger lies.
    pub disk: Disk,
    parts: Mutex<Parts>,
    witness: Mutex<Option<Connection>>,
    timers: Mutex<Vec<(i64, Waker)>>,
}

/// What changes as the run goes on.
pub struct Parts {
    /// What decides it.
    pub random: Random,
    /// What the engine acts on.
    pub host: Host,
    /// What must hold.
    pub oracle: Oracle,
    /// The process ends at the so many-th point from now on.
    pub die_in: Option<u64>,
    /// Whether the last commit of the ledger failed.
    pub failed_commit: bool,
    faults: Faults,
    trace: Option<Vec<String>>,
    failure: Option<String>,
}

impl World {
    /// A machine on which nothing has happened; `traced`: it says all it does.
    #[must_use]
    pub fn new(seed: u64, disk: Disk, traced: bool) -> Arc<Self> {
        let mut random = Random::new(seed, 1);
        let host = Host::new(&mut random);
        Arc::new(Self {
            clocks: Arc::new(Clocks::new()),
            disk,
            parts: Mutex::new(Parts {
                random,
                host,
                oracle: Oracle::default(),
                die_in: None,
                failed_commit: false,
                faults: Faults::default(),
                trace: traced.then(Vec::new),
                failure: None,
            }),
            witness: Mutex::default(),
            timers: Mutex::default(),
        })
    }

    /// Looks at it, or changes it.
    pub fn with<T>(&self, act: impl FnOnce(&mut Parts) -> T) -> T {
        act(&mut self.parts())
    }

    /// Writes down what happens, when somebody reads it.
    pub fn note(&self, what: impl FnOnce() -> String) {
        let mut parts = self.parts();
        if parts.trace.is_some() {
            let line = format!("{:>12} {}", self.clocks.boot_ms(), what());
            parts.trace.iter_mut().for_each(|trace| trace.push(line.clone()));
        }
    }

    /// What happened so far.
    pub fn trace(&self) -> Vec<String> {
        self.parts().trace.clone().unwrap_or_default()
    }

    /// Something that must hold does not. Only the first counts.
    pub fn fail(&self, what: impl fmt::Display) {
        let what = what.to_string();
        self.note(|| format!("FAILURE: {what}"));
        self.parts().failure.get_or_insert(what);
    }

    /// Fails for each of these.
    pub fn fail_all(&self, what: Vec<String>) {
        what.into_iter().for_each(|what| self.fail(what));
    }

    /// What does not hold.
    pub fn failure(&self) -> Option<String> {
        self.parts().failure.clone()
    }

    /// The process ends here.
    pub fn die(&self, why: &str) {
        self.note(|| format!("the process ends: {why}"));
        self.disk.die();
    }

    /// A place where the process may end.
    pub async fn point(&self, name: &str) {
        if self.dies_here() {
            self.die(name);
        }
        if self.disk.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    fn dies_here(&self) -> bool {
        self.with(|parts| match &mut parts.die_in {
            Some(0) => {
                parts.die_in = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        })
    }

    /// Waits, as a program does: the time asleep does not count.
    pub fn sleep(&self, ms: i64) -> Sleep<'_> {
        Sleep { world: self, until: self.clocks.awake_ms() + ms }
    }

    /// Wakes who has waited long enough.
    pub fn ring(&self) {
        let now = self.clocks.awake_ms();
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        timers.retain(|(until, waker)| {
            if *until <= now {
                waker.wake_by_ref();
            }
            *until > now
        });
    }

    /// When the next one has.
    pub fn next_ring(&self) -> Option<i64> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(until, _)| *until).min()
    }

    /// What fails of the disk from now on.
    pub fn set_disk_faults(&self, faults: Faults) {
        self.with(|parts| parts.faults = faults);
        self.disk.set_faults(faults);
    }

    /// Whether anything of the disk fails now.
    pub fn disk_is_ill(&self) -> bool {
        self.with(|parts| parts.faults != Faults::default())
    }

    /// Does something to which nothing happens.
    pub fn undisturbed<T>(&self, act: impl FnOnce() -> T) -> T {
        self.disk.set_faults(Faults::default());
        let done = act();
        let faults = self.with(|parts| parts.faults);
        self.disk.set_faults(faults);
        done
    }

    /// Reads the ledger's tables as they are on the disk, besides the ledger.
    pub fn look<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.undisturbed(|| {
            let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
            let conn = match witness.take() {
                Some(conn) => conn,
                None => connect(&self.disk)?,
            };
            let seen = look(&conn);
            *witness = Some(conn);
            seen
        })
    }

    /// Nobody looks any more: the process, or the run, ends.
    pub fn look_away(&self) {
        *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.timers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether `sql` finds anything in what would be left of the disk if the
    /// power went now.
    pub fn is_durable(&self, sql: &str, params: impl rusqlite::Params) -> bool {
        let find = |conn: &Connection| conn.prepare_cached(sql)?.exists(params);
        if self.disk.is_synced() {
            return self.look(find).unwrap_or_else(|error| {
                self.fail(format!("the ledger cannot be looked at: {error}"));
                true
            });
        }
        let left = self.disk.copy_of_synced();
        // The connection goes before the disk.
        connect(&left).and_then(|conn| find(&conn)).unwrap_or(false)
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(disk: &Disk) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags_and_vfs(disk.ledger(), flags, disk.name())
}

/// Ready when time has passed.
pub struct Sleep<'a> {
    world: &'a World,
    until: i64,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.world.clocks.awake_ms() >= self.until {
            return Poll::Ready(());
        }
        let mut timers = self.world.timers.lock().unwrap_or_else(PoisonError::into_inner);
        timers.push((self.until, cx.waker().clone()));
        Poll::Pending
    }
}
