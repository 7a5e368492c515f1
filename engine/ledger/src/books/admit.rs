//! Entering what is new, once.

use std::sync::Arc;

use riposte_policy::config::Mode;
use riposte_policy::order::{EntryId, Source};
use rusqlite::params;

use super::offence::{Lengths, Offender};
use super::{Books, due, due_at, keys_json};
use crate::entry::{Admitted, Due, Kind, NewEntry, Rekeyed, State, duration, length_ms, mode_of, mode_str};
use crate::error::LedgerError;
use crate::index::{Live, Print, Term};
use crate::store::Space;

const INSERT_ENTRY: &str = "
    INSERT INTO entry (state, id, tenant, command, response, agent, location, keys, kind, mode, since, length, boot,
                       offence, alert_id, rule_id, actor, reason, definition, input, offset, ordinal)
    VALUES ('intended', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Books {
    /// Enters `new` as intended, unless it is in force, under way or handled.
    pub(crate) fn admit(&mut self, new: &NewEntry) -> Result<Admitted, LedgerError> {
        if new.source.is_some_and(|source| self.is_handled(source)) {
            return Ok(Admitted::Handled);
        }
        let key = self.index().key(&new.tenant, &new.command, &new.agent, &new.keys, new.mode);
        let lengths = Lengths::of(new);
        if let Some(lengths) = &lengths
            && let Some(known) = self.known(key, lengths.base)?
        {
            return Ok(known);
        }
        if let Some(limit) = self.limit(new) {
            return Ok(Admitted::Full { limit });
        }
        self.enter(new, key, lengths.as_ref())
    }

    /// What is open under `key`, extended to `length` from now.
    fn known(&mut self, key: Print, length: i64) -> Result<Option<Admitted>, LedgerError> {
        let Some(live) = self.index().by_key(key).cloned() else { return Ok(None) };
        let id = live.id;
        Ok(Some(match live.state {
            State::Undoing => Admitted::Undoing { id },
            State::InForce => match self.extend(&live, length)? {
                Some((due, extended)) => Admitted::InForce { id, due, extended },
                None => Admitted::UnderWay { id },
            },
            _ => Admitted::UnderWay { id },
        }))
    }

    /// Moves the end of what is in force to `length` from now when that is
    /// later. Returns when it ends, and whether that changed.
    fn extend(&mut self, live: &Live, length: i64) -> Result<Option<(Due, bool)>, LedgerError> {
        let Term::At(ends) = live.term else { return Ok(None) };
        let now = self.now();
        let later = due(&now, length);
        if later.boot_ms <= ends {
            return Ok(Some((due_at(&now, ends), false)));
        }
        self.execute(
            "UPDATE entry SET due = ?2, due_boot = ?3, boot = ?4, length = max(length, ?5) WHERE id = ?1",
            (live.id.0, later.wall_ms, later.boot_ms, self.boot, length),
        )?;
        self.index().set_term(live.id, Term::At(later.boot_ms));
        Ok(Some((later, true)))
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

    fn enter(
        &mut self,
        new: &NewEntry,
        key: Print,
        lengths: Option<&Lengths>,
    ) -> Result<Admitted, LedgerError> {
        let now = self.now();
        if self.space(now.boot_ms)? == Space::Short {
            return Err(LedgerError::NoRoom { path: self.path.to_path_buf() });
        }
        let keys = keys_json(&new.keys);
        let scope = new.response.as_ref().unwrap_or(&new.command);
        let offender = Offender { tenant: &new.tenant, scope, agent: &new.agent, keys: &keys };
        let (offence, length) = match lengths {
            None => (1, None),
            Some(lengths) => {
                let (offence, length) = self.next_offence(&offender, lengths, &now)?;
                (offence, Some(length))
            }
        };
        let definition = self.definition(&new.definition, new.digest.as_ref())?;
        let id = EntryId(self.next);
        self.next = self.next.saturating_add(1);
        let source = new.source;
        self.execute(
            INSERT_ENTRY,
            params![
                id.0,
                &*new.tenant,
                &*new.command,
                new.response.as_deref(),
                &*new.agent,
                new.location,
                keys,
                new.kind.as_str(),
                mode_str(new.mode),
                now.wall_ms,
                length,
                self.boot,
                offence,
                &*new.alert_id,
                &*new.rule_id,
                new.actor.to_string(),
                new.reason.as_deref(),
                definition,
                source.map(|source| source.input),
                source.map(|source| i64::try_from(source.offset).unwrap_or(i64::MAX)),
                source.map(|source| source.ordinal),
            ],
        )?;
        self.execute(
            "INSERT INTO body (entry, alert, base, offenders) VALUES (?1, ?2, ?3, ?4)",
            (
                id.0,
                &*new.alert,
                lengths.map(|lengths| lengths.base),
                lengths.and_then(Lengths::offenders_json),
            ),
        )?;
        let term = length.map_or(Term::Never, Term::After);
        self.index().insert(id, &new.tenant, &new.command, key, term, State::Intended, new.mode);
        if let Some(Source { input, offset, ordinal }) = source {
            self.handled.entry(input).or_default().insert((offset, ordinal));
        }
        Ok(Admitted::New { id, timeout: length.map(duration), offence })
    }

    fn space(&mut self, boot_ms: i64) -> Result<Space, LedgerError> {
        self.store.space(boot_ms).map_err(|error| self.failed(&error))
    }

    fn definition(&mut self, text: &Arc<str>, digest: Option<&Arc<str>>) -> Result<i64, LedgerError> {
        let both = (Arc::clone(text), digest.cloned());
        if let Some(number) = self.definitions.get(&both) {
            return Ok(*number);
        }
        let digest = digest.map_or("", |digest| &**digest);
        self.execute("INSERT OR IGNORE INTO definition (text, digest) VALUES (?1, ?2)", (&**text, digest))?;
        let number = self
            .statement("SELECT number FROM definition WHERE text = ?1 AND digest = ?2")?
            .query_row((&**text, digest), |row| row.get(0))
            .map_err(|error| self.failed(&error))?;
        self.definitions.insert(both, number);
        Ok(number)
    }

    /// Gives an entry the keys that its program names.
    pub(crate) fn rekey(&mut self, id: EntryId, keys: &[String]) -> Result<Rekeyed, LedgerError> {
        let live = self.live_that_may(id, State::Merged)?;
        let row = self.keyed(id)?;
        let json = keys_json(keys);
        if json == row.keys {
            return Ok(Rekeyed::Continue { timeout: row.length.map(duration), offence: row.offence });
        }
        let key = self.index().key(&row.tenant, &row.command, &row.agent, keys, row.mode);
        let other = row.lengths.as_ref().and_then(|_| self.index().by_key(key).cloned());
        let now = self.now();
        match (&row.lengths, other) {
            (_, Some(other)) if other.state == State::Undoing => Ok(Rekeyed::Undoing { existing: other.id }),
            (Some(lengths), Some(other)) => {
                self.refuse_while_held(&live)?;
                let due = match other.state {
                    State::InForce => self.extend(&other, lengths.base)?.map(|(due, _)| due),
                    _ => None,
                };
                self.execute("UPDATE entry SET keys = ?2 WHERE id = ?1", (id.0, &json))?;
                self.close(id, State::Merged, None)?;
                Ok(Rekeyed::InForce { existing: other.id, due })
            }
            (Some(lengths), None) => {
                let (offence, length) = self.next_offence(&row.offender(&json), lengths, &now)?;
                self.execute(
                    "UPDATE entry SET keys = ?2, offence = ?3, length = ?4 WHERE id = ?1",
                    (id.0, &json, offence, length),
                )?;
                let term = match live.term {
                    Term::After(_) => Term::After(length),
                    made => made,
                };
                self.index().set_key(id, key, term);
                Ok(Rekeyed::Continue { timeout: Some(duration(length)), offence })
            }
            (None, _) => {
                self.execute("UPDATE entry SET keys = ?2 WHERE id = ?1", (id.0, &json))?;
                self.index().set_key(id, key, live.term);
                Ok(Rekeyed::Continue { timeout: None, offence: row.offence })
            }
        }
    }

    fn keyed(&self, id: EntryId) -> Result<Keyed, LedgerError> {
        let mut find = self.statement(
            "SELECT tenant, command, response, agent, mode, keys, length, offence, base, offenders
             FROM entry JOIN body ON body.entry = entry.id WHERE id = ?1",
        )?;
        find.query_row([id.0], |row| {
            let base: Option<i64> = row.get(8)?;
            let offenders: Option<String> = row.get(9)?;
            Ok(Keyed {
                tenant: row.get(0)?,
                command: row.get(1)?,
                response: row.get(2)?,
                agent: row.get(3)?,
                mode: mode_of(&row.get::<_, String>(4)?).unwrap_or(Mode::Enforce),
                keys: row.get(5)?,
                length: row.get(6)?,
                offence: row.get(7)?,
                lengths: base.map(|base| Lengths::from_row(base, offenders.as_deref())),
            })
        })
        .map_err(|error| self.failed(&error))
    }
}

/// What a change of keys needs to know of an entry.
struct Keyed {
    tenant: String,
    command: String,
    response: Option<String>,
    agent: String,
    mode: Mode,
    keys: String,
    length: Option<i64>,
    offence: u32,
    lengths: Option<Lengths>,
}

impl Keyed {
    fn offender<'a>(&'a self, keys: &'a str) -> Offender<'a> {
        let scope = self.response.as_ref().unwrap_or(&self.command);
        Offender { tenant: &self.tenant, scope, agent: &self.agent, keys }
    }
}

impl Lengths {
    /// A component that runs once has nothing to undo, whatever the timeout.
    fn of(new: &NewEntry) -> Option<Self> {
        let base = new.timeout.filter(|_| new.kind != Kind::Oneshot)?;
        Some(Self {
            base: length_ms(base),
            offenders: new.offenders.iter().copied().map(length_ms).collect(),
        })
    }
}
