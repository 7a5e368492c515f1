//! Writing an entry down.

use std::sync::Arc;

use riposte_policy::config::Way;
use riposte_policy::order::{EntryId, Source};
use rusqlite::params;

use super::asked::Asked;
use super::offence::{Lengths, Offence};
use super::{Books, due};
use crate::entry::{Due, Handed, Kind, NewEntry, State, mode_str, wazuh};
use crate::error::LedgerError;
use crate::index::Term;
use crate::store::Space;

const INSERT_ENTRY: &str = "
    INSERT INTO entry (state, id, tenant, command, response, agent, location, keys, kind, mode, since, length, boot,
                       offence, alert_id, rule_id, actor, reason, definition, input, offset, ordinal,
                       wazuh_key, counted, due, due_boot, closed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Books {
    /// Enters as intended what was decided to be new.
    pub(super) fn enter(
        &mut self,
        new: &NewEntry,
        asked: &Asked<'_>,
        offence: &Offence,
    ) -> Result<EntryId, LedgerError> {
        let now = self.now();
        let id = self.next_id(now.boot_ms)?;
        if asked.offences == Way::Wazuh && !asked.unnamed {
            self.count_wazuh_offence(asked, offence)?;
        }
        // Wazuh counts from the order, ours from the first effect.
        let due = offence
            .length
            .filter(|_| asked.key == Way::Wazuh)
            .map(|length| due(&now, wazuh::lasts_ms(now.wall_ms, length)));
        self.insert(id, new, asked, offence, State::Intended, due)?;
        self.execute(
            "INSERT INTO body (entry, alert, base, offenders, message, program) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                id.0,
                &*new.alert,
                asked.lengths.map(|lengths| lengths.base),
                asked.lengths.and_then(Lengths::offenders_json),
                new.message.as_deref(),
                asked.wazuh_key.as_ref().map(|_| &*new.program),
            ),
        )?;
        let term = match (due, offence.length) {
            (Some(due), _) => Term::At(due.boot_ms),
            (None, Some(length)) => Term::After(length),
            (None, None) => Term::Never,
        };
        let mut index = self.index();
        let key = match asked.unnamed && asked.key == Way::Wazuh {
            true => index.unnamed(id),
            false => asked.print(&index),
        };
        index.insert(id, &new.tenant, &new.command, key, term, State::Intended, new.mode);
        drop(index);
        self.answered(new.source);
        Ok(id)
    }

    /// Enters `new` as handed to an agent of Wazuh's, and closed at once.
    pub(crate) fn handed_over(&mut self, new: &NewEntry) -> Result<Handed, LedgerError> {
        if new.source.is_some_and(|source| self.is_handled(source)) {
            return Ok(Handed::Handled);
        }
        let id = self.next_id(self.now().boot_ms)?;
        let lengths = Lengths::of(new);
        let asked = Asked::of(new, lengths.as_ref());
        let offence = Offence { number: 1, length: lengths.as_ref().map(|lengths| lengths.base) };
        self.insert(id, new, &asked, &offence, State::HandedOver, None)?;
        self.answered(new.source);
        Ok(Handed::Over { id })
    }

    fn insert(
        &mut self,
        id: EntryId,
        new: &NewEntry,
        asked: &Asked<'_>,
        offence: &Offence,
        state: State,
        due: Option<Due>,
    ) -> Result<(), LedgerError> {
        let definition = self.definition(&new.definition, new.digest.as_ref())?;
        let since = self.now().wall_ms;
        let wazuh_key = match (asked.key, &asked.wazuh_key) {
            (Way::Wazuh, Some(_)) if asked.unnamed => Some(""),
            (Way::Wazuh, Some(text)) => Some(text.as_str()),
            _ => None,
        };
        let source = new.source;
        self.execute(
            INSERT_ENTRY,
            params![
                state.as_str(),
                id.0,
                &*new.tenant,
                &*new.command,
                new.response.as_deref(),
                &*new.agent,
                new.location,
                asked.json,
                new.kind.as_str(),
                mode_str(new.mode),
                since,
                offence.length,
                self.boot,
                offence.number,
                &*new.alert_id,
                &*new.rule_id,
                new.actor.to_string(),
                new.reason.as_deref(),
                definition,
                source.map(|source| source.input),
                source.map(|source| i64::try_from(source.offset).unwrap_or(i64::MAX)),
                source.map(|source| source.ordinal),
                wazuh_key,
                (asked.offences == Way::Wazuh).then_some(new.kind != Kind::Native),
                due.map(|due| due.wall_ms),
                due.map(|due| due.boot_ms),
                (!state.is_open()).then_some(since),
            ],
        )?;
        Ok(())
    }

    /// Notes that an order was answered, so that it is once.
    fn answered(&mut self, source: Option<Source>) {
        if let Some(Source { input, offset, ordinal }) = source {
            self.handled.entry(input).or_default().insert((offset, ordinal));
        }
    }

    /// A number for what is new, when there is space for it. Where there is only
    /// just space again, no number may have been taken yet.
    fn next_id(&mut self, boot_ms: i64) -> Result<EntryId, LedgerError> {
        let open = self.open_count();
        let space = self.store.space(boot_ms, open).map_err(|error| self.failed(&error))?;
        let given = if space == Space::Enough { self.numbers.give() } else { None };
        given.map(EntryId).ok_or_else(|| LedgerError::NoRoom { path: self.path.to_path_buf() })
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
}
