//! The handle: open the ledger, ask it, read it.

mod beside;
mod driven;
mod heads;
mod hold;
mod intake;
mod reading;
mod repeat;
mod settled;
mod standby;
mod standing;
mod unwritable;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use riposte_policy::order::EntryId;

use crate::books::Books;
use crate::clock::Clock;
use crate::condition::Shared;
use crate::entry::{
    Admitted, Cause, Entry, Handed, NewEntry, Rekeyed, Settled, Standing, Undo, WouldBe, length_ms,
};
use crate::error::LedgerError;
use crate::index::Index;
use crate::reader::Reader;
use crate::salvage::Salvaged;
use crate::store::{self, Disk, HostDisk};
use crate::writer::{AtOnce, Writer, when_durable};

pub use self::heads::Heads;
pub(crate) use self::heads::read as read_head;
pub use driven::{Driven, Turn};
pub use hold::Hold;
pub use reading::Named;
pub use repeat::{Extended, Extension, Known, Prolonged, Same};

/// The ledger. Clones share it; it is closed when the last one goes.
///
/// A request is done in the order it was asked, all or nothing. Dropping the
/// future before it was taken up means that nothing is done; after that, it is
/// done all the same.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

/// In the order they end: the reader lets go of the file before the writer.
struct Inner {
    reader: Reader,
    writer: Writer,
    index: Arc<Mutex<Index>>,
    condition: Shared,
    path: Arc<Path>,
    clock: Arc<dyn Clock>,
    heads: Heads,
}

/// A ledger that was opened, and what the last run left in it.
pub struct Opened {
    /// The ledger.
    pub ledger: Ledger,
    /// What has to be looked after before anything new: what is being undone,
    /// what is overdue, and what was intended, in this order.
    pub recovery: Vec<Entry>,
    /// What is in force and not yet due, for the
    /// [scheduler](crate::scheduler::Scheduler), by due time. What is in force
    /// for good is in neither list.
    pub pending: Vec<Pending>,
    /// What became of the ledger, when this start found it damaged.
    pub salvaged: Option<Salvaged>,
}

/// An entry in force, and when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The entry.
    pub id: EntryId,
    /// When, in milliseconds since the machine was started.
    pub due_boot_ms: i64,
}

/// How much there may be, and how long it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Open entries per tenant and command.
    pub per_command: u64,
    /// Open entries in all. The ledger is built for millions, not billions.
    pub total: u64,
    /// How long after the end of the last offence the next one is the first again.
    pub offence_quiet: Duration,
    /// The most pages of 4 KiB that the database may grow to; `None`: the disk.
    pub most_pages: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            per_command: 100_000,
            total: 1_000_000,
            offence_quiet: Duration::from_secs(7 * 86_400),
            most_pages: None,
        }
    }
}

/// When a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// When it was done. It travels with the next commit, a moment later: if
    /// that fails, the entry is not there ([`LedgerError::NoSuchEntry`]), and
    /// the claim that has to come before any effect says so.
    Applied,
    /// When it is on the disk.
    Durable,
}

/// Whose offences to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offences {
    /// Everybody's.
    All,
    /// Those under exactly these keys.
    Keys(Vec<String>),
    /// Those with this key among others.
    Target(String),
}

impl Ledger {
    /// Opens the ledger at `path` with the usual [`Settings`], or makes it.
    ///
    /// # Errors
    ///
    /// When another engine has it open, it is newer, no ledger, or cannot be
    /// opened or written: the text names the file and what to do. A damaged one
    /// is set aside, and what can be had of it opened ([`Ledger::salvaged`]).
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Opened, LedgerError> {
        Self::open_with(path, clock, Settings::default())
    }

    /// The same, with other settings.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`].
    #[expect(clippy::needless_pass_by_value, reason = "what is opened keeps them")]
    pub fn open_with(path: &Path, clock: Arc<dyn Clock>, settings: Settings) -> Result<Opened, LedgerError> {
        match Self::open_sound(path, &clock, &settings) {
            Err(LedgerError::Corrupt { detail, .. }) => {
                let salvaged = store::salvage(path, &detail, clock.now().wall_ms)?;
                tracing::error!("{salvaged}");
                let opened = Self::open_sound(path, &clock, &settings)?;
                Ok(Opened { salvaged: Some(salvaged), ..opened })
            }
            opened => opened,
        }
    }

    fn open_sound(path: &Path, clock: &Arc<dyn Clock>, settings: &Settings) -> Result<Opened, LedgerError> {
        let disk: Arc<dyn Disk> = Arc::new(HostDisk);
        let store = store::open(path, settings.most_pages, &disk)?;
        let path: Arc<Path> = path.into();
        let condition = Shared::default();
        let (books, left) =
            Books::open(Arc::clone(&path), store, Arc::clone(clock), settings.clone(), condition.clone())?;
        let index = books.share_index();
        let reader = Reader::start(&path, disk.as_ref(), condition.clone())?;
        let (known, aging) = (books.head()?, books.share_aging());
        let writer = Writer::start(books)
            .map_err(|error| LedgerError::Io { path: path.to_path_buf(), detail: error.to_string() })?;
        let heads = Heads::new(known, writer.head(), aging);
        let clock = Arc::clone(clock);
        let ledger = Self(Arc::new(Inner { reader, writer, index, condition, path, clock, heads }));
        Ok(Opened { ledger, recovery: left.recovery, pending: left.pending, salvaged: None })
    }

    /// Enters `new`, unless the same is in force, under way or handled.
    ///
    /// [`Wait::Applied`] is for what is new alone: that a due time was moved is
    /// answered when it is durable, since nothing that follows would notice that
    /// it was lost.
    ///
    /// # Errors
    ///
    /// When it could not be recorded. Nothing may then be done.
    pub async fn admit(&self, new: NewEntry, wait: Wait) -> Result<Admitted, LedgerError> {
        let at_once: AtOnce<Admitted> = match wait {
            Wait::Applied => |said| !matches!(said, Ok(Admitted::InForce { .. } | Admitted::UnderWay { .. })),
            Wait::Durable => when_durable,
        };
        self.0.writer.ask_at_once_if(at_once, move |books| books.admit(&new)).await
    }

    /// What [`Ledger::admit`] would say to `new`, which is not entered: nothing
    /// changes. A native program is taken to name the keys of `new`.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn would_be(&self, new: NewEntry) -> Result<WouldBe, LedgerError> {
        self.ask(Wait::Applied, move |books| books.would_be(&new)).await
    }

    /// Enters an order that is given to an agent of Wazuh's, which does and
    /// undoes it by itself: it is written down once and closed at once, without
    /// looking for the same and without limits; durable.
    ///
    /// # Errors
    ///
    /// When it could not be recorded. Whoever gave it already has to give it again.
    pub async fn handed_over(&self, new: NewEntry) -> Result<Handed, LedgerError> {
        self.ask(Wait::Durable, move |books| books.handed_over(&new)).await
    }

    /// Gives an intended entry the keys that its program names itself, which
    /// may be none; durable.
    ///
    /// With [`Way::Wazuh`](riposte_policy::config::Way) this is when it is found
    /// out whether the same is in force, and when an offence is counted. A
    /// program that names nothing is to be given no keys.
    ///
    /// # Errors
    ///
    /// When the entry is not intended, or it could not be recorded.
    pub async fn rekey(&self, id: EntryId, keys: Vec<String>) -> Result<Rekeyed, LedgerError> {
        self.ask(Wait::Durable, move |books| books.rekey(id, &keys)).await
    }

    /// Records that an intended entry is about to make an effect, and returns
    /// once that is durable: how long the effect stands by all others' claims.
    /// `prior` restores what was there; the first of all claims keeps it.
    ///
    /// # Errors
    ///
    /// When the entry is not intended, or it could not be recorded. The effect
    /// must then not be made.
    pub async fn claim(
        &self,
        id: EntryId,
        interface: &str,
        target: &str,
        prior: Option<&str>,
    ) -> Result<Standing, LedgerError> {
        let (interface, target) = (interface.to_owned(), target.to_owned());
        let prior = prior.map(str::to_owned);
        self.ask(Wait::Durable, move |books| books.claim(id, &interface, &target, prior.as_deref())).await
    }

    /// Records that an open entry no longer holds an effect: how long it is to
    /// stay now. What the entry does not hold is no error.
    ///
    /// # Errors
    ///
    /// When the entry is not open, or it could not be recorded.
    pub async fn release(&self, id: EntryId, interface: &str, target: &str) -> Result<Standing, LedgerError> {
        if let Some(standing) = self.released(id, interface, target) {
            return Ok(standing);
        }
        let (interface, target) = (interface.to_owned(), target.to_owned());
        self.ask_first(Wait::Applied, move |books| books.release(id, &interface, &target)).await
    }

    /// Records that an intended entry was carried out, with what its component
    /// returned; durable. It takes no commit more than an answer at once would,
    /// and an entry that nobody knows to be in force is not extended, nor kept
    /// for good.
    ///
    /// # Errors
    ///
    /// When the entry is not intended, or it could not be recorded.
    pub async fn added(&self, id: EntryId, receipt: Option<Vec<u8>>) -> Result<Settled, LedgerError> {
        self.ask(Wait::Durable, move |books| books.added(id, receipt.as_deref())).await
    }

    /// Records that an open entry is about to be undone, also once more, and
    /// returns all that this takes. Durable when nothing else would tell after
    /// a crash that it has to be: a due time that has passed does.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotDue`] for [`Cause::Due`] when the entry was extended
    /// in the meantime; [`LedgerError::HandedOver`] when its undo is an agent's
    /// own business; and when it is not open, or it could not be recorded.
    pub async fn begin_undo(&self, id: EntryId, cause: Cause) -> Result<Undo, LedgerError> {
        let wait = if cause.is_answered_at_once() { Wait::Applied } else { Wait::Durable };
        self.ask_first(wait, move |books| books.begin_undo(id, &cause)).await
    }

    /// The same for many entries whose time is up, all at once and before their
    /// turn has come, together with the release of the effects of these
    /// interfaces. The caller makes the host agree; the component that made an
    /// entry is asked to undo it when its turn comes.
    ///
    /// What is not due, not open, or holds nothing of these is passed over.
    ///
    /// # Errors
    ///
    /// When it could not be recorded. None of it was done then.
    pub async fn begin_ahead(
        &self,
        ids: Vec<EntryId>,
        interfaces: &'static [&'static str],
    ) -> Result<Vec<Undo>, LedgerError> {
        self.ask_first(Wait::Applied, move |books| books.begin_ahead(&ids, interfaces)).await
    }

    /// Records that an entry was undone, and ends it; durable.
    ///
    /// # Errors
    ///
    /// [`LedgerError::StillHeld`] when it holds effects; and when it is not
    /// being undone, or it could not be recorded.
    pub async fn undone(&self, id: EntryId) -> Result<(), LedgerError> {
        self.ask_first(Wait::Durable, move |books| books.undone(id)).await
    }

    /// Records that undoing failed: how many times it has. From the third on
    /// the entry shows as stuck; it stays open, and is to be tried again.
    ///
    /// # Errors
    ///
    /// When the entry is not being undone, or it could not be recorded.
    pub async fn undo_failed(&self, id: EntryId, message: &str) -> Result<u32, LedgerError> {
        let message = message.to_owned();
        self.ask_first(Wait::Durable, move |books| books.undo_failed(id, &message)).await
    }

    /// Records that an intended entry failed before it did anything; durable.
    ///
    /// # Errors
    ///
    /// [`LedgerError::StillHeld`] when it did something: undo it then. And when
    /// it is not intended, or it could not be recorded.
    pub async fn fail(&self, id: EntryId, message: &str) -> Result<(), LedgerError> {
        let message = message.to_owned();
        self.ask(Wait::Durable, move |books| books.fail(id, &message)).await
    }

    /// Records that what an intended entry did cannot be known and must not be
    /// repeated. Effects that it claimed for good stay claimed; durable.
    ///
    /// # Errors
    ///
    /// [`LedgerError::StillHeld`] when it holds effects for a time: undo it
    /// then. And when it is not intended, or it could not be recorded.
    pub async fn unknown(&self, id: EntryId) -> Result<Settled, LedgerError> {
        self.ask(Wait::Durable, move |books| books.unknown(id)).await
    }

    /// Records that an intended entry is begun once more: how many times that
    /// makes; durable.
    ///
    /// # Errors
    ///
    /// When it is not intended, or it could not be recorded.
    pub async fn attempt(&self, id: EntryId) -> Result<u32, LedgerError> {
        self.ask(Wait::Durable, move |books| books.attempt(id)).await
    }

    /// Forgets offences: how many offenders that were; durable.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn forget_offences(&self, which: Offences) -> Result<usize, LedgerError> {
        self.ask(Wait::Durable, move |books| books.forget_offences(&which)).await
    }

    /// Forgets what was closed for longer than `keep`, at most `most` entries
    /// at a time, and offences that no longer count. Returns how many entries.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn prune(&self, keep: Duration, most: u32) -> Result<usize, LedgerError> {
        self.ask(Wait::Durable, move |books| books.prune(length_ms(keep), most)).await
    }

    /// What of an alert is taken out when its entry is over and the alert is
    /// kept all the same; from the next entry on.
    ///
    /// # Errors
    ///
    /// When the ledger is closed.
    pub async fn redact(&self, pointers: Vec<riposte_policy::keys::Pointer>) -> Result<(), LedgerError> {
        let set = move |books: &mut Books| {
            books.redact = pointers;
            Ok(())
        };
        self.ask(Wait::Applied, set).await
    }

    /// Changes the limits and the quiet time; `most_pages` takes a new start.
    ///
    /// # Errors
    ///
    /// When the ledger is closed.
    pub async fn configure(&self, settings: Settings) -> Result<(), LedgerError> {
        let set = move |books: &mut Books| {
            books.settings = settings;
            Ok(())
        };
        self.ask(Wait::Applied, set).await
    }

    /// Returns when everything asked before, and every position noted, is
    /// durable.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        self.ask(Wait::Durable, |_| Ok(())).await
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask<T: Send + 'static>(
        &self,
        wait: Wait,
        act: impl FnOnce(&mut Books) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.0.writer.ask(wait, act).await
    }

    /// The same for what undoing takes: in a flood of what is new it does not wait
    /// behind that.
    async fn ask_first<T: Send + 'static>(
        &self,
        wait: Wait,
        act: impl FnOnce(&mut Books) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.0.writer.ask_first(wait, act).await
    }
}
