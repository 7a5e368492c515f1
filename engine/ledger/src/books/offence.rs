//! Who did it before, and how long that makes it.

use riposte_policy::order::EntryId;
use rusqlite::OptionalExtension;

use riposte_policy::config::{Mode, Way};

use super::asked::Asked;
use super::{Books, keys_json};
use crate::clock::Now;
use crate::entry::length_ms;
use crate::error::LedgerError;
use crate::ledger::Offences;

/// Which offence something is, and how long that makes it.
pub(super) struct Offence {
    /// From 1.
    pub(super) number: u32,
    /// In milliseconds; `None`: for good.
    pub(super) length: Option<i64>,
}

/// Since when an offender must have been quiet, by both clocks.
struct Quiet {
    since_wall_ms: i64,
    since_boot_ms: i64,
}

/// How long after the start of the machine its wall clock is believed when it
/// says that something is old, in milliseconds: an hour.
const SETTLED_MS: i64 = 3_600_000;

/// Whose offences are counted in our way: per response (or command, when asked for by
/// hand) and where it runs, so that one alert answered on two machines is one
/// offence on each.
pub(super) struct Offender<'a> {
    pub(super) tenant: &'a str,
    pub(super) scope: &'a str,
    pub(super) agent: &'a str,
    pub(super) keys: &'a str,
}

/// How long what lasts for a time lasts, in milliseconds.
pub(super) struct Lengths {
    /// At the first offence.
    pub(super) base: i64,
    /// From the second on; the last one repeats.
    pub(super) offenders: Vec<i64>,
}

impl Lengths {
    pub(super) fn from_row(base: i64, offenders: Option<&str>) -> Self {
        let offenders = offenders.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        Self { base, offenders }
    }

    pub(super) fn offenders_json(&self) -> Option<String> {
        if self.offenders.is_empty() { None } else { serde_json::to_string(&self.offenders).ok() }
    }

    fn at(&self, offence: u32) -> i64 {
        let repeated = usize::try_from(offence).unwrap_or(usize::MAX).checked_sub(2);
        repeated
            .and_then(|nth| self.offenders.get(nth).or(self.offenders.last()))
            .copied()
            .unwrap_or(self.base)
    }
}

impl Books {
    /// Which offence it would be now, and how long that lasts.
    pub(super) fn next_offence(&self, asked: &Asked<'_>) -> Result<Offence, LedgerError> {
        match (asked.lengths, asked.offences) {
            (None, _) => Ok(Offence { number: 1, length: None }),
            (Some(lengths), Way::Riposte) => self.next_own_offence(&asked.offender(), lengths),
            // Its program's keys are counted, when it has named them.
            (Some(lengths), Way::Wazuh) if asked.unnamed => {
                Ok(Offence { number: 1, length: Some(lengths.base) })
            }
            (Some(lengths), Way::Wazuh) => self.next_wazuh_offence(asked, lengths),
        }
    }

    fn next_own_offence(&self, offender: &Offender<'_>, lengths: &Lengths) -> Result<Offence, LedgerError> {
        let before: Option<(u32, i64, i64, i64)> = self
            .statement(
                "SELECT count, boot, ends_boot, ends FROM offence
                 WHERE tenant = ?1 AND scope = ?2 AND agent = ?3 AND keys = ?4",
            )?
            .query_row((offender.tenant, offender.scope, offender.agent, offender.keys), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()
            .map_err(|error| self.failed(&error))?;
        let quiet = self.quiet();
        let counts = |boot, ends_boot, ends| match boot == self.boot {
            true => ends_boot >= quiet.since_boot_ms,
            false => quiet.since_boot_ms <= 0 && ends >= quiet.since_wall_ms,
        };
        let before = before
            .filter(|(_, boot, ends_boot, ends)| counts(*boot, *ends_boot, *ends))
            .map(|(count, ..)| count);
        let number = before.unwrap_or(0).saturating_add(1);
        Ok(Offence { number, length: Some(lengths.at(number)) })
    }

    /// Which offence it is in Wazuh's way: of its key, for every order, also
    /// while it is in force, for good. Without a list Wazuh counts nothing.
    pub(super) fn next_wazuh_offence(
        &self,
        asked: &Asked<'_>,
        lengths: &Lengths,
    ) -> Result<Offence, LedgerError> {
        if lengths.offenders.is_empty() {
            return Ok(Offence { number: 1, length: Some(lengths.base) });
        }
        let before: Option<u32> = self
            .statement("SELECT count FROM wazuh_offence WHERE tenant = ?1 AND key = ?2")?
            .query_row((asked.tenant, asked.wazuh_key.as_deref()), |row| row.get(0))
            .optional()
            .map_err(|error| self.failed(&error))?;
        let number = before.unwrap_or(0).saturating_add(1);
        Ok(Offence { number, length: Some(lengths.at(number)) })
    }

    /// Counts an order in Wazuh's way. Shadows do not count.
    pub(super) fn count_wazuh_offence(
        &self,
        asked: &Asked<'_>,
        offence: &Offence,
    ) -> Result<(), LedgerError> {
        let is_counted =
            asked.mode == Mode::Enforce && asked.lengths.is_some_and(|lengths| !lengths.offenders.is_empty());
        if is_counted {
            self.execute(
                "INSERT INTO wazuh_offence (tenant, key, keys, count) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET keys = excluded.keys, count = excluded.count",
                (asked.tenant, asked.wazuh_key.as_deref(), &asked.json, offence.number),
            )?;
        }
        Ok(())
    }

    /// Counts the offence of an entry that ends, in our way. While it is open, the entry
    /// itself is the record: nobody can open another with the same keys. So the
    /// count costs nothing when an attack begins, and its quiet time starts when
    /// the offence is really over.
    pub(super) fn count_offence(&self, id: EntryId, ends: &Now) -> Result<(), LedgerError> {
        self.execute(
            "INSERT INTO offence (tenant, scope, agent, keys, count, ends, ends_boot, boot)
             SELECT tenant, coalesce(response, command), agent, keys, offence, ?2, ?3, ?4 FROM entry
             WHERE id = ?1 AND length IS NOT NULL AND offence > 0 AND mode = 'enforce' AND counted IS NULL
             ON CONFLICT DO UPDATE SET count = excluded.count, ends = excluded.ends,
                                       ends_boot = excluded.ends_boot, boot = excluded.boot",
            (id.0, ends.wall_ms, ends.boot_ms, self.boot),
        )?;
        Ok(())
    }

    /// Forgets offences; returns how many offenders that were. What is in force
    /// stays so, but no longer counts.
    pub(crate) fn forget_offences(&self, which: &Offences) -> Result<usize, LedgerError> {
        let (which, keys) = match which {
            Offences::All => ("?1 = ''", String::new()),
            Offences::Keys(keys) => ("keys = ?1", keys_json(keys)),
            Offences::Target(target) => {
                ("EXISTS (SELECT 1 FROM json_each(keys) WHERE value = ?1)", target.clone())
            }
        };
        let open =
            "closed IS NULL AND length IS NOT NULL AND offence > 0 AND mode = 'enforce' AND counted IS NULL";
        let offenders: u32 = self
            .statement(&format!(
                "SELECT count(*) FROM (
                     SELECT tenant, scope, agent, keys FROM offence WHERE {which} UNION
                     SELECT tenant, '', '', key FROM wazuh_offence WHERE {which} UNION
                     SELECT tenant, coalesce(response, command), agent, keys FROM entry WHERE {open} AND {which})"
            ))?
            .query_row([&keys], |row| row.get(0))
            .map_err(|error| self.failed(&error))?;
        for table in ["offence", "wazuh_offence"] {
            self.execute(&format!("DELETE FROM {table} WHERE {which}"), [&keys])?;
        }
        self.execute(&format!("UPDATE entry SET offence = 0 WHERE {open} AND {which}"), [&keys])?;
        Ok(usize::try_from(offenders).unwrap_or(usize::MAX))
    }

    /// Removes what is old enough to count for nothing.
    pub(super) fn prune_offences(&self) -> Result<usize, LedgerError> {
        let quiet = self.quiet();
        let mut forgotten = self.execute(
            "DELETE FROM offence WHERE boot = ?1 AND ends_boot < ?2",
            (self.boot, quiet.since_boot_ms),
        )?;
        // A clock that is wrong when the machine starts is set right soon after:
        // what it calls old stays until then, though it does not count.
        if self.now().boot_ms >= SETTLED_MS {
            let surely = self.surely_wall_ms().saturating_sub(length_ms(self.settings.offence_quiet));
            forgotten += self.execute(
                "DELETE FROM offence WHERE boot <> ?1 AND (ends < ?2 OR ?3)",
                (self.boot, surely.min(quiet.since_wall_ms), quiet.since_boot_ms > 0),
            )?;
        }
        Ok(forgotten)
    }

    /// Since when an offender must have been quiet for nothing to count. What
    /// ended in an earlier start of the machine did so before this one began:
    /// so a wall clock that was set back keeps nothing for ever.
    fn quiet(&self) -> Quiet {
        let quiet_ms = length_ms(self.settings.offence_quiet);
        Quiet {
            since_wall_ms: self.aged_wall_ms().saturating_sub(quiet_ms),
            since_boot_ms: self.now().boot_ms.saturating_sub(quiet_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_length_repeats() {
        let lengths = Lengths { base: 10, offenders: vec![20, 30] };
        assert_eq!([1, 2, 3, 4, u32::MAX].map(|n| lengths.at(n)), [10, 20, 30, 30, 30]);
        let none = Lengths { base: 10, offenders: Vec::new() };
        assert_eq!([1, 2, 9].map(|n| none.at(n)), [10, 10, 10]);
    }

    #[test]
    fn the_list_comes_back_from_its_row() {
        let lengths = Lengths { base: 10, offenders: vec![20, 30] };
        let back = Lengths::from_row(10, lengths.offenders_json().as_deref());
        assert_eq!((back.base, back.offenders), (10, vec![20, 30]));
    }
}
