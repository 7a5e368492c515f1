//! Whether an order is new, and entering it once if it is.

use riposte_policy::config::{Mode, Way};
use riposte_policy::order::EntryId;

use super::asked::Asked;
use super::offence::{Lengths, Offence};
use super::{Books, due, due_at};
use crate::entry::{Admitted, Due, NewEntry, State, WouldBe, duration, wazuh};
use crate::error::LedgerError;
use crate::index::{Live, Term};

/// What an order is.
enum Decision {
    /// Its source was answered.
    Handled,
    /// Another is open.
    Again(Again),
    /// As much is open as may be.
    Full { limit: u64 },
    /// New.
    New { offence: Offence },
}

/// What it means that another entry is open under the same key.
pub(super) enum Again {
    Undoing { id: EntryId },
    Open(Box<Repeat>),
}

/// An entry that is asked for once more while it is in force or under way.
pub(super) struct Repeat {
    pub(super) id: EntryId,
    in_force: bool,
    /// Which offence this is, where it is one.
    offence: Option<Offence>,
    ends: Ends,
    /// How long it was asked for this time.
    length: i64,
}

impl Repeat {
    fn is_longer(&self) -> bool {
        matches!(self.ends, Ends::Longer | Ends::At { moved: true, .. })
    }
}

/// When it ends then.
#[derive(Clone, Copy)]
enum Ends {
    /// So long after its first effect as it was to.
    AsItWas,
    /// Longer after its first effect.
    Longer,
    /// At this time, which may be another than before.
    At { due: Due, moved: bool },
}

impl Books {
    /// Enters `new` as intended, unless it is in force, under way or handled.
    pub(crate) fn admit(&mut self, new: &NewEntry) -> Result<Admitted, LedgerError> {
        let lengths = Lengths::of(new);
        let asked = Asked::of(new, lengths.as_ref());
        match self.decide(new, &asked)? {
            Decision::Handled => Ok(Admitted::Handled),
            Decision::Full { limit } => Ok(Admitted::Full { limit }),
            Decision::Again(Again::Undoing { id }) => Ok(Admitted::Undoing { id }),
            Decision::Again(Again::Open(repeat)) => {
                let id = repeat.id;
                Ok(match self.repeat(&asked, &repeat)? {
                    Some((due, extended)) => Admitted::InForce { id, due, extended },
                    None => Admitted::UnderWay { id, extended: repeat.is_longer() },
                })
            }
            Decision::New { offence } => {
                let id = self.enter(new, &asked, &offence)?;
                Ok(Admitted::New { id, timeout: offence.length.map(duration), offence: offence.number })
            }
        }
    }

    /// What [`Books::admit`] would say, and a program that then names the keys
    /// of `new`. Changes nothing.
    pub(crate) fn would_be(&self, new: &NewEntry) -> Result<WouldBe, LedgerError> {
        let lengths = Lengths::of(new);
        let asked = Asked { unnamed: false, ..Asked::of(new, lengths.as_ref()) };
        Ok(match self.decide(new, &asked)? {
            Decision::Handled => WouldBe::Handled,
            Decision::Full { limit } => WouldBe::Full { limit },
            Decision::Again(Again::Undoing { id }) => WouldBe::Undoing { id },
            Decision::Again(Again::Open(repeat)) => match (repeat.in_force, repeat.ends) {
                (true, Ends::At { due, .. }) => WouldBe::InForce { id: repeat.id, due },
                _ => WouldBe::UnderWay { id: repeat.id },
            },
            Decision::New { offence } => {
                WouldBe::New { timeout: offence.length.map(duration), offence: offence.number }
            }
        })
    }

    fn decide(&self, new: &NewEntry, asked: &Asked<'_>) -> Result<Decision, LedgerError> {
        if new.source.is_some_and(|source| self.is_handled(source)) {
            return Ok(Decision::Handled);
        }
        if let Some(again) = self.again(asked, None)? {
            return Ok(Decision::Again(again));
        }
        if let Some(limit) = self.limit(new) {
            return Ok(Decision::Full { limit });
        }
        Ok(Decision::New { offence: self.next_offence(asked)? })
    }

    /// What is open under the same key, other than `except`, and what asking
    /// once more does to it.
    pub(super) fn again(
        &self,
        asked: &Asked<'_>,
        except: Option<EntryId>,
    ) -> Result<Option<Again>, LedgerError> {
        let Some(lengths) = asked.lengths else { return Ok(None) };
        let Some(live) = self.open_under(asked).filter(|live| Some(live.id) != except) else {
            return Ok(None);
        };
        if live.state == State::Undoing {
            return Ok(Some(Again::Undoing { id: live.id }));
        }
        // Ours counts an offence when the one before is over.
        let offence = match asked.offences {
            Way::Riposte => None,
            Way::Wazuh => Some(self.next_wazuh_offence(asked, lengths)?),
        };
        let length = offence.as_ref().and_then(|offence| offence.length).unwrap_or(lengths.base);
        let ends = self.ends_then(asked, &live, length);
        let in_force = live.state == State::InForce && matches!(live.term, Term::At(_));
        Ok(Some(Again::Open(Box::new(Repeat { id: live.id, in_force, offence, ends, length }))))
    }

    fn open_under(&self, asked: &Asked<'_>) -> Option<Live> {
        if asked.unnamed && asked.key == Way::Wazuh {
            return None;
        }
        let index = self.index();
        index.by_key(asked.print(&index)).cloned()
    }

    /// When `live` ends, once it is asked for again to last `length` from now.
    fn ends_then(&self, asked: &Asked<'_>, live: &Live, length: i64) -> Ends {
        let now = self.now();
        // Also what only the memory knows: who is answered relies on it.
        let unwritten = self.index().later().contains_key(&live.id);
        let at = |due: Due, before: i64| Ends::At { due, moved: unwritten || due.boot_ms != before };
        match (asked.key, live.term) {
            (_, Term::Never) => Ends::AsItWas,
            // The later of the two; also of what is under way, or the longer
            // time would be lost.
            (Way::Riposte, Term::After(before)) if length > before => Ends::Longer,
            (_, Term::After(_)) => Ends::AsItWas,
            (Way::Riposte, Term::At(before)) => {
                let later = due(&now, length);
                at(if later.boot_ms > before { later } else { due_at(&now, before) }, before)
            }
            // The last one said, be it later or earlier.
            (Way::Wazuh, Term::At(before)) => at(due(&now, wazuh::lasts_ms(now.wall_ms, length)), before),
        }
    }

    /// Records that an open entry was asked for again. Returns when it ends and
    /// whether that was moved, when it is in force.
    pub(super) fn repeat(
        &mut self,
        asked: &Asked<'_>,
        repeat: &Repeat,
    ) -> Result<Option<(Due, bool)>, LedgerError> {
        if let Some(offence) = &repeat.offence {
            self.count_wazuh_offence(asked, offence)?;
            self.execute("UPDATE entry SET offence = ?2 WHERE id = ?1", (repeat.id.0, offence.number))?;
        }
        if let Ends::Longer = repeat.ends {
            self.execute("UPDATE entry SET length = ?2 WHERE id = ?1", (repeat.id.0, repeat.length))?;
            self.index().set_term(repeat.id, Term::After(repeat.length));
        }
        if let Ends::At { due, moved: true } = repeat.ends {
            let sql = match asked.key {
                Way::Riposte => {
                    "UPDATE entry SET due = ?2, due_boot = ?3, boot = ?4, length = max(length, ?5) WHERE id = ?1"
                }
                Way::Wazuh => {
                    "UPDATE entry SET due = ?2, due_boot = ?3, boot = ?4, length = ?5 WHERE id = ?1"
                }
            };
            // What only the memory knows is written with it, but for what was
            // answered after this end was weighed: that is written by itself.
            let later = self.index().later().get(&repeat.id).copied();
            let later = later.filter(|later| asked.key == Way::Wazuh || later.due_boot_ms <= due.boot_ms);
            let length = repeat.length.max(later.map_or(0, |later| later.length_ms));
            self.execute(sql, (repeat.id.0, due.wall_ms, due.boot_ms, self.boot, length))?;
            self.extending.extend(later);
            match asked.key {
                Way::Riposte => self.index().write_end(repeat.id, due.boot_ms),
                // The last one said, be it earlier.
                Way::Wazuh => self.index().set_term(repeat.id, Term::At(due.boot_ms)),
            }
        }
        Ok(match repeat.ends {
            Ends::At { due, moved } if repeat.in_force => Some((due, moved)),
            _ => None,
        })
    }

    /// Shadows do nothing, so there is nothing to limit.
    fn limit(&self, new: &NewEntry) -> Option<u64> {
        let (of_command, total) = self.index().counts(&new.tenant, &new.command);
        match new.mode {
            Mode::Shadow => None,
            Mode::Enforce if of_command >= self.settings.per_command => Some(self.settings.per_command),
            Mode::Enforce if total >= self.settings.total => Some(self.settings.total),
            Mode::Enforce => None,
        }
    }
}
