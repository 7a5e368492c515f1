//! What is asked for again while it is in force: most of a flood. Found in
//! memory, and prolonged many at a time.

use std::sync::PoisonError;

use riposte_policy::config::Mode;
use riposte_policy::order::{EntryId, Source};

use super::{Ledger, Wait};
use crate::entry::{Due, EffectRow, State};
use crate::error::LedgerError;
use crate::index::Term;
use crate::reader;

/// Later ends in one request: some milliseconds, in which no undo is answered.
const FEW: usize = 1_024;

/// What an order is, as far as it says whether the same is in force. In
/// Riposte's way ([`riposte_policy::config::Way`]), and for what lasts for a time.
#[derive(Clone, Copy, Debug)]
pub struct Same<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// Name of the command.
    pub command: &'a str,
    /// The agent it is for.
    pub agent: &'a str,
    /// What it acts on.
    pub keys: &'a [String],
    /// Whether it acts.
    pub mode: Mode,
    /// Where its alert stands.
    pub source: Option<Source>,
    /// How long it is to last, in milliseconds.
    pub length_ms: i64,
}

/// An entry that an order would only prolong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The entry.
    pub id: EntryId,
    /// When it ends, in milliseconds since the machine was started; `None`
    /// while that is not known, and the order would not change it.
    pub ends_boot_ms: Option<i64>,
}

/// A later end for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The entry.
    pub id: EntryId,
    /// When it is to end, in milliseconds since the machine was started.
    pub due_boot_ms: i64,
    /// How long it was asked for, in milliseconds.
    pub length_ms: i64,
}

/// What became of a later end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Prolonged {
    /// The entry ends then, or later still: no undo begins before, whatever the
    /// tables say. They say it after [`Ledger::write_later`].
    Stands,
    /// The entry is ending, or it takes more than that: [`Ledger::admit`] knows.
    Over,
}

/// An entry whose end was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    /// The entry.
    pub id: EntryId,
    /// When it ends now.
    pub due: Due,
    /// Whether it is in force, and not still under way.
    pub in_force: bool,
}

impl Ledger {
    /// The entry that is in force or under way under the key of `same`, where
    /// [`Ledger::admit`] would say no other, and which is not due yet. `None`
    /// proves nothing: then it has to be asked. From memory.
    pub fn asked_again(&self, same: &Same<'_>) -> Option<Known> {
        let index = self.0.index.lock().unwrap_or_else(PoisonError::into_inner);
        if same.source.is_some_and(|source| index.is_replayed(source)) {
            return None;
        }
        let live = index.by_key(index.key(same.tenant, same.command, same.agent, same.keys, same.mode))?;
        if !matches!(live.state, State::InForce | State::Intended) {
            return None;
        }
        let ends_boot_ms = match live.term {
            // The kernel is about to drop what it holds: it has to be told now,
            // and not with others in a moment.
            Term::At(ends) if ends <= self.0.clock.now().boot_ms => return None,
            Term::At(ends) => Some(ends),
            Term::After(length) if same.length_ms <= length => None,
            Term::After(_) | Term::Never => return None,
        };
        Some(Known { id: live.id, ends_boot_ms })
    }

    /// Moves the end of an entry to the later of the two, at once and in memory.
    /// An undo that has begun is not stopped by it, and one that has not, does
    /// not begin at the old time: there is nothing in between.
    pub fn prolong(&self, extension: Extension) -> Prolonged {
        self.index().prolong(extension)
    }

    /// Writes all later ends that [`Ledger::prolong`] noted before, in a few
    /// commits: those that were moved; durable, since nothing that follows would
    /// notice that it was lost.
    ///
    /// # Errors
    ///
    /// When it could not be recorded, or not all of it: that may be asked again,
    /// and holds meanwhile as long as this ledger is open.
    pub async fn write_later(&self) -> Result<Vec<Extended>, LedgerError> {
        let noted: Vec<EntryId> = self.index().later().keys().copied().collect();
        let mut moved = Vec::new();
        for few in noted.chunks(FEW) {
            let few = few.to_vec();
            moved.extend(self.ask_first(Wait::Durable, move |books| books.extend(&few)).await?);
        }
        Ok(moved)
    }

    /// How many entries are open, and how many of them are stuck.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn open_counts(&self) -> Result<(i64, i64), LedgerError> {
        self.read_all(reader::open_counts).await
    }

    /// The effects of several entries.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn effects_of(&self, ids: Vec<EntryId>) -> Result<Vec<EffectRow>, LedgerError> {
        self.read_all(move |conn| {
            let mut effects = Vec::with_capacity(ids.len());
            for id in ids {
                effects.extend(reader::effects(conn, id)?);
            }
            Ok(effects)
        })
        .await
    }
}
