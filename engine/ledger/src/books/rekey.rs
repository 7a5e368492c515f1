//! Giving an entry the keys that its program names.

use riposte_policy::config::{Mode, Way};
use riposte_policy::order::EntryId;

use super::admit::Again;
use super::asked::Asked;
use super::offence::{Lengths, Offence};
use super::{Books, due_at, keys_json};
use crate::entry::{Rekeyed, State, duration, mode_of, wazuh};
use crate::error::LedgerError;
use crate::index::{Live, Term};

impl Books {
    /// Gives an entry the keys that its program names.
    pub(crate) fn rekey(&mut self, id: EntryId, keys: &[String]) -> Result<Rekeyed, LedgerError> {
        let live = self.live_that_may(id, State::Merged)?;
        let row = self.keyed(id)?;
        let asked = row.asked(keys);
        if row.is_named(&asked) {
            return Ok(Rekeyed::Continue { timeout: row.length.map(duration), offence: row.offence });
        }
        match self.again(&asked, Some(id))? {
            Some(Again::Undoing { id: existing }) => Ok(Rekeyed::Undoing { existing }),
            Some(Again::Open(repeat)) => {
                self.refuse_while_held(&live)?;
                let due = self.repeat(&asked, &repeat)?.map(|(due, _)| due);
                self.execute(
                    "UPDATE entry SET keys = ?2, wazuh_key = ?3 WHERE id = ?1",
                    (id.0, &asked.json, asked.wazuh_key.as_ref().filter(|_| asked.key == Way::Wazuh)),
                )?;
                self.close(id, State::Merged, None)?;
                Ok(Rekeyed::InForce { existing: repeat.id, due })
            }
            None => {
                let offence = match asked.lengths {
                    Some(_) => self.next_offence(&asked)?,
                    None => Offence { number: row.offence, length: None },
                };
                if asked.offences == Way::Wazuh {
                    self.count_wazuh_offence(&asked, &offence)?;
                }
                self.name(&live, &row, &asked, &offence)?;
                Ok(Rekeyed::Continue { timeout: offence.length.map(duration), offence: offence.number })
            }
        }
    }

    /// Writes down an entry's keys, and how long it lasts under them.
    fn name(
        &mut self,
        live: &Live,
        row: &Keyed,
        asked: &Asked<'_>,
        offence: &Offence,
    ) -> Result<(), LedgerError> {
        let term = match (live.term, offence.length, row.length) {
            (Term::After(_), Some(length), _) => Term::After(length),
            // Wazuh's way: still from the order on.
            (Term::At(ends), Some(length), Some(before)) if asked.key == Way::Wazuh => Term::At(
                ends.saturating_sub(wazuh::whole_seconds_ms(before))
                    .saturating_add(wazuh::whole_seconds_ms(length)),
            ),
            (made, _, _) => made,
        };
        let due = match term {
            Term::At(ends) if asked.key == Way::Wazuh => Some(due_at(&self.now(), ends)),
            _ => None,
        };
        self.execute(
            "UPDATE entry SET keys = ?2, wazuh_key = ?3, counted = ?4, offence = ?5, length = ?6,
                              due = coalesce(?7, due), due_boot = coalesce(?8, due_boot), boot = ?9
             WHERE id = ?1",
            (
                live.id.0,
                &asked.json,
                asked.wazuh_key.as_ref().filter(|_| asked.key == Way::Wazuh),
                (asked.offences == Way::Wazuh).then_some(true),
                offence.number,
                offence.length,
                due.map(|due| due.wall_ms),
                due.map(|due| due.boot_ms),
                self.boot,
            ),
        )?;
        let mut index = self.index();
        let key = asked.print(&index);
        index.set_key(live.id, key, term);
        Ok(())
    }

    fn keyed(&self, id: EntryId) -> Result<Keyed, LedgerError> {
        let mut find = self.statement(
            "SELECT tenant, command, response, agent, mode, keys, length, offence, base, offenders, wazuh_key, counted,
                    program
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
                wazuh_key: row.get(10)?,
                counted: row.get(11)?,
                program: row.get(12)?,
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
    wazuh_key: Option<String>,
    counted: Option<bool>,
    program: Option<String>,
}

impl Keyed {
    fn asked<'a>(&'a self, keys: &'a [String]) -> Asked<'a> {
        Asked {
            tenant: &self.tenant,
            command: &self.command,
            response: self.response.as_deref(),
            agent: &self.agent,
            keys,
            json: keys_json(keys),
            mode: self.mode,
            key: if self.wazuh_key.is_some() { Way::Wazuh } else { Way::Riposte },
            offences: if self.counted.is_some() { Way::Wazuh } else { Way::Riposte },
            wazuh_key: self.program.as_ref().map(|program| wazuh::key(program, keys)),
            unnamed: false,
            lengths: self.lengths.as_ref(),
        }
    }

    /// Whether the entry has these keys already, and was counted under them.
    fn is_named(&self, asked: &Asked<'_>) -> bool {
        let has = match asked.key {
            Way::Riposte => self.keys == asked.json,
            Way::Wazuh => self.wazuh_key == asked.wazuh_key,
        };
        has && self.counted != Some(false)
    }
}
