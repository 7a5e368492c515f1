//! One thread, one connection, one commit for all that is queued.
//!
//! What costs is not a row but the `fdatasync` of a commit. So the thread takes
//! what is there, writes all of it, commits once, and then answers whoever
//! waited for that. While it commits, the next commit queues up: the more
//! there is to do, the more each commit carries.
//!
//! What ends is never behind what begins: undos have a queue of their own, which
//! every commit empties first.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use crate::audit::chain::Head;
use crate::books::Books;
use crate::error::LedgerError;
use crate::ledger::{Turn, Wait};

/// How many requests may be queued; who asks then waits.
const QUEUE: usize = 4_096;

/// How many requests one commit takes at most.
const BATCH: usize = 512;

/// How long a position waits for a commit to travel with. After a crash, so
/// much is read once more, and found handled.
const MARK_DELAY: Duration = Duration::from_millis(500);

/// How long what could not be written waits before it is tried again, when
/// nothing else is to be written.
const OWED_DELAY: Duration = Duration::from_secs(1);

enum Message {
    Ask(Box<dyn Request>),
    /// There is something to be undone in [`First`].
    First,
    /// There are positions to write, when nothing else is.
    Marks,
}

/// What undos ask: it comes before all else. As many as there are undos at a
/// time, each of which asks one thing after the other, so it needs no bound.
type First = Mutex<VecDeque<Box<dyn Request>>>;

/// The asking side.
pub(crate) struct Writer {
    messages: Option<mpsc::Sender<Message>>,
    room: Arc<Semaphore>,
    /// The desk's: what nobody will do any more ends with it.
    first: Weak<First>,
    marks: Arc<Mutex<HashMap<i64, u64>>>,
    head: Arc<Mutex<Option<Head>>>,
    /// None where somebody drives the [`Desk`].
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// The asking side, and the writing side for whoever drives it.
    pub(crate) fn driven(books: Books) -> (Self, Desk) {
        let (messages, waiting) = mpsc::channel();
        let room = Arc::new(Semaphore::new(QUEUE));
        let marks = Arc::new(Mutex::new(HashMap::new()));
        let (head, first) = (Arc::default(), Arc::<First>::default());
        let asking = Arc::downgrade(&first);
        let (desk_room, desk_marks, desk_head) = (Arc::clone(&room), Arc::clone(&marks), Arc::clone(&head));
        let desk = Desk {
            books,
            waiting,
            room: desk_room,
            first,
            marks: desk_marks,
            head: desk_head,
            stale: false,
            closing: false,
        };
        (Self { messages: Some(messages), room, first: asking, marks, head, thread: None }, desk)
    }

    /// With a thread that writes.
    pub(crate) fn start(books: Books) -> std::io::Result<Self> {
        let (mut writer, desk) = Self::driven(books);
        writer.thread = Some(std::thread::Builder::new().name("ledger".into()).spawn(move || desk.run())?);
        Ok(writer)
    }

    /// Where the head of the audit is noted for the next commit.
    pub(crate) fn head(&self) -> Arc<Mutex<Option<Head>>> {
        Arc::clone(&self.head)
    }

    /// Has `act` done in the next commit, and returns what it says: as soon as
    /// it was done, or when that is durable.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        wait: Wait,
        act: impl FnOnce(&mut Books) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.ask_at_once_if(if_waited(wait), act).await
    }

    /// The same for an undo: before everything that waits, and with no waiting
    /// for room.
    pub(crate) async fn ask_first<T: Send + 'static>(
        &self,
        wait: Wait,
        act: impl FnOnce(&mut Books) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (ask, answered) = Ask::new(if_waited(wait), act);
        let first = self.first.upgrade().ok_or(LedgerError::Stopped)?;
        first.lock().unwrap_or_else(PoisonError::into_inner).push_back(ask);
        drop(first);
        self.send(Message::First)?;
        answered.await.map_err(|_| LedgerError::Stopped)?
    }

    /// The same; it depends on the answer whether it is waited for until it is
    /// durable.
    pub(crate) async fn ask_at_once_if<T: Send + 'static>(
        &self,
        at_once: AtOnce<T>,
        act: impl FnOnce(&mut Books) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.room.acquire().await.map_err(|_| LedgerError::Stopped)?.forget();
        let (ask, answered) = Ask::new(at_once, act);
        self.send(Message::Ask(ask))?;
        answered.await.map_err(|_| LedgerError::Stopped)?
    }

    /// Notes a position; the next commit writes it.
    pub(crate) fn mark(&self, input: i64, offset: u64) {
        let first = {
            let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
            marks.insert(input, offset);
            marks.len() == 1
        };
        if first {
            // A ledger that has stopped writes nothing more.
            let _ = self.send(Message::Marks);
        }
    }

    /// Something is owed to the tables: it is written with the next commit, or
    /// by itself.
    pub(crate) fn owe(&self) {
        // A ledger that has stopped writes nothing more.
        let _ = self.send(Message::Marks);
    }

    fn send(&self, message: Message) -> Result<(), LedgerError> {
        let messages = self.messages.as_ref().ok_or(LedgerError::Stopped)?;
        messages.send(message).map_err(|_| LedgerError::Stopped)
    }
}

impl Drop for Writer {
    /// Ends the thread when it has written what is queued.
    fn drop(&mut self) {
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            // It panicked, at worst; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

/// The writing side: a thread's, or that of whoever drives it.
pub(crate) struct Desk {
    books: Books,
    waiting: mpsc::Receiver<Message>,
    room: Arc<Semaphore>,
    first: Arc<First>,
    marks: Arc<Mutex<HashMap<i64, u64>>>,
    /// How far the audit was written, when that is news.
    head: Arc<Mutex<Option<Head>>>,
    /// Whether the memory shows what was never committed.
    stale: bool,
    /// Whether this is the last commit.
    closing: bool,
}

impl Desk {
    fn run(mut self) {
        loop {
            let message = match (self.has_marks(), self.books.is_owing()) {
                // Also for positions: they are kept while nothing can be written.
                (_, true) => self.waiting.recv_timeout(OWED_DELAY),
                (true, false) => self.waiting.recv_timeout(MARK_DELAY),
                (false, false) => self.waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(message) => {
                    let _ = self.take(message);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.write_marks();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.close();
    }

    fn take(&mut self, message: Message) -> Turn {
        match message {
            Message::Ask(first) => {
                self.room.add_permits(1);
                self.batch(Some(first))
            }
            // Another commit may have taken it along.
            Message::First => match self.first_of_all() {
                Some(first) => self.batch(Some(first)),
                None => Turn::Idle,
            },
            // They wait a while for a commit to travel with.
            Message::Marks => Turn::Idle,
        }
    }

    /// One commit, if anything is queued that asks for one.
    pub(crate) fn turn(&mut self) -> Turn {
        while let Ok(message) = self.waiting.try_recv() {
            match self.take(message) {
                Turn::Idle => {}
                wrote => return wrote,
            }
        }
        Turn::Idle
    }

    /// Writes the positions that found no commit to travel with, and what is
    /// owed to the tables.
    pub(crate) fn write_marks(&mut self) -> Turn {
        if self.is_waiting() { self.batch(None) } else { Turn::Idle }
    }

    /// Whether anything is written although nobody asks.
    pub(crate) fn is_waiting(&self) -> bool {
        self.has_marks() || self.books.is_owing()
    }

    /// Writes the last positions, and a wall clock that was set since. What is
    /// asked later is refused.
    pub(crate) fn close(mut self) {
        self.closing = true;
        let _ = self.batch(None);
        self.room.close();
    }

    /// One commit: `first`, and what else is queued.
    fn batch(&mut self, first: Option<Box<dyn Request>>) -> Turn {
        let mut taken = Vec::with_capacity(32);
        while taken.len() < BATCH
            && let Some(undo) = self.first_of_all()
        {
            taken.push(undo);
        }
        taken.extend(first);
        let written = self.write(&mut taken);
        if let Err(error) = &written {
            tracing::debug!(requests = taken.len(), "a commit failed and was undone: {error}");
            self.books.owe_answered();
            let healed = self.books.heal(error);
            let rolled_back = healed.and_then(|()| self.books.roll_back(error)).and_then(|()| self.refresh());
            if let Err(again) = rolled_back {
                tracing::debug!("what is committed could not be read again: {again}");
                self.books.stays_stale();
            }
        }
        for request in taken {
            request.settle(&written);
        }
        if written.is_ok() { Turn::Wrote } else { Turn::Failed }
    }

    fn write(&mut self, taken: &mut Vec<Box<dyn Request>>) -> Result<(), LedgerError> {
        if let Err(error) =
            self.books.is_there().and_then(|()| self.refresh()).and_then(|()| self.books.begin())
        {
            // Nobody else should wait as long for the same answer.
            while taken.len() < BATCH
                && let Some(request) = self.queued()
            {
                taken.push(request);
            }
            return Err(error);
        }
        self.stale = true;
        let mut done = 0;
        while let Some(request) = taken.get_mut(done) {
            request.apply(&mut self.books)?;
            done += 1;
            if done == taken.len() && done < BATCH && self.books.has_numbers() {
                taken.extend(self.queued());
            }
        }
        let marks = std::mem::take(&mut *self.marks.lock().unwrap_or_else(PoisonError::into_inner));
        let head = self.head.lock().unwrap_or_else(PoisonError::into_inner).take();
        let committed = self.write_rest(&marks, head);
        if committed.is_err() {
            self.keep_for_the_next(marks, head);
        }
        committed
    }

    /// What travels with every commit, and the commit.
    fn write_rest(&mut self, marks: &HashMap<i64, u64>, head: Option<Head>) -> Result<(), LedgerError> {
        self.books.write_marks(marks)?;
        if let Some(head) = head {
            self.books.write_head(head)?;
        }
        if self.closing {
            self.books.give_numbers_back()?;
        }
        self.books.commit()?;
        self.stale = false;
        Ok(())
    }

    /// What was noted meanwhile is newer.
    fn keep_for_the_next(&self, marks: HashMap<i64, u64>, head: Option<Head>) {
        let mut noted = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        for (input, offset) in marks {
            noted.entry(input).or_insert(offset);
        }
        drop(noted);
        let mut known = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.take().or(head);
    }

    /// Reads into memory what is committed, when it shows something else.
    fn refresh(&mut self) -> Result<(), LedgerError> {
        if self.stale {
            self.books.load()?;
            self.stale = false;
        }
        Ok(())
    }

    fn first_of_all(&self) -> Option<Box<dyn Request>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn queued(&mut self) -> Option<Box<dyn Request>> {
        if let Some(undo) = self.first_of_all() {
            return Some(undo);
        }
        loop {
            match self.waiting.try_recv() {
                Ok(Message::Ask(request)) => {
                    self.room.add_permits(1);
                    return Some(request);
                }
                // It may have come since it was looked for.
                Ok(Message::First) => {
                    if let Some(undo) = self.first_of_all() {
                        return Some(undo);
                    }
                }
                // They are written with this commit anyway.
                Ok(Message::Marks) => {}
                Err(_) => return None,
            }
        }
    }

    fn has_marks(&self) -> bool {
        !self.marks.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// Something asked of the books, whatever it answers.
trait Request: Send {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the storage failed, and with it the whole commit.
    fn apply(&mut self, books: &mut Books) -> Result<(), LedgerError>;

    /// Answers, after the commit.
    fn settle(self: Box<Self>, committed: &Result<(), LedgerError>);
}

/// Whether an answer is given before it is durable.
pub(crate) type AtOnce<T> = fn(&Result<T, LedgerError>) -> bool;

fn at_once<T>(_: &Result<T, LedgerError>) -> bool {
    true
}

/// No answer is given before it is durable.
pub(crate) fn when_durable<T>(_: &Result<T, LedgerError>) -> bool {
    false
}

fn if_waited<T>(wait: Wait) -> AtOnce<T> {
    match wait {
        Wait::Applied => at_once::<T>,
        Wait::Durable => when_durable::<T>,
    }
}

struct Ask<T, F> {
    act: Option<F>,
    /// Whether this answer may be given before it is durable.
    at_once: AtOnce<T>,
    answer: Option<oneshot::Sender<Result<T, LedgerError>>>,
    said: Option<Result<T, LedgerError>>,
}

impl<T, F> Ask<T, F> {
    fn new(at_once: AtOnce<T>, act: F) -> (Box<Self>, oneshot::Receiver<Result<T, LedgerError>>) {
        let (answer, answered) = oneshot::channel();
        (Box::new(Self { act: Some(act), at_once, answer: Some(answer), said: None }), answered)
    }
}

impl<T, F> Request for Ask<T, F>
where
    T: Send,
    F: FnOnce(&mut Books) -> Result<T, LedgerError> + Send,
{
    fn apply(&mut self, books: &mut Books) -> Result<(), LedgerError> {
        // Who no longer listens does not act on the answer either.
        if self.answer.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return Ok(());
        }
        let Some(act) = self.act.take() else { return Ok(()) };
        match act(books) {
            Err(error) if error.is_storage() => Err(error),
            said if (self.at_once)(&said) => {
                if let Some(answer) = self.answer.take() {
                    // Not listening any more: see above.
                    let _ = answer.send(said);
                }
                Ok(())
            }
            said => {
                self.said = Some(said);
                Ok(())
            }
        }
    }

    fn settle(mut self: Box<Self>, committed: &Result<(), LedgerError>) {
        let Some(answer) = self.answer.take() else { return };
        let said = match (committed, self.said.take()) {
            (Err(error), _) => Err(error.clone()),
            (Ok(()), Some(said)) => said,
            (Ok(()), None) => Err(LedgerError::Stopped),
        };
        // Not listening any more: see above.
        let _ = answer.send(said);
    }
}
