//! What is said about every step: an audit event, a line of Wazuh's log where
//! Wazuh would write one, and a trace for the operator.

mod facts;
mod gather;
mod keeping;
mod left_out;
mod ossec;
mod refusals;
mod syslog;
pub mod wazuh_log;
mod words;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use riposte_capability::mark::OTHERS;
use riposte_capability::{Effect, Mended, Repaired, Witness};
use riposte_ledger::audit::{Audit, Event, Health};
use riposte_ledger::clock::Clock;
use riposte_ledger::ledger::Heads;
use riposte_ledger::{Cause, Entry};
use riposte_policy::Order;
use riposte_policy::alert::Alert;
use riposte_policy::config::Auditing;
use riposte_policy::order::{Actor, EntryId};
use riposte_runtime::native::{Added, Ended, Message, Verb};
use riposte_transport::Undeliverable;
use riposte_transport::wazuh::ossec_log::OssecLog;

use self::facts::Known;
pub use self::facts::{digest, grants};
use self::gather::{Gather, Told};
use self::keeping::{Keeping, Redacted};
use self::refusals::Refusals;
use self::wazuh_log::WazuhLog;
pub use self::words::time;
use self::words::{alike, check_keys, meant, of_entry, of_order, spoken, trace, unlike_ours, why};
use crate::arm::Armed;
use crate::exec::hand_over::caller_logs;
use crate::outcome::Outcome;
use crate::places::Places;

/// How much of a message an event shows, in characters.
const SHOWN: usize = 1000;

/// Where everything that happens is written.
pub struct Report {
    audit: Arc<Audit>,
    /// For events of which alerts may make any number.
    gather: Arc<Gather>,
    log: WazuhLog,
    /// Wazuh's own log, where the engine stands in for the part that writes it.
    ossec: Option<OssecLog>,
    clock: Arc<dyn Clock>,
    /// What is known of commands.
    known: Known,
    /// What of alerts is not to be shown.
    redacted: Redacted,
}

impl Report {
    /// Opens the logs. `heads` knows how far the audit was written.
    ///
    /// # Errors
    ///
    /// When one cannot be written, or what the settings name not be used: its
    /// path, and what to do.
    pub fn open(
        places: &Places,
        clock: Arc<dyn Clock>,
        heads: Heads,
        settings: &Auditing,
    ) -> Result<Self, String> {
        let keeping = Keeping::of(settings, places, &clock)?;
        let audit = Audit::open(&places.audit(), Arc::clone(&clock), heads, keeping.settings)
            .map_err(|error| error.to_string())?;
        audit.send_copies(keeping.copies);
        let log = WazuhLog::open(&places.response_log()).map_err(|error| error.to_string())?;
        let (known, redacted) = (Known::default(), Redacted::default());
        redacted.set(&settings.redact);
        let audit = Arc::new(audit);
        let gather = Arc::new(Gather::new(Arc::clone(&audit), Arc::clone(&clock)));
        Ok(Self { audit, gather, log, ossec: None, clock, known, redacted })
    }

    /// Keeps the audit by other settings from now on.
    ///
    /// # Errors
    ///
    /// When what they name cannot be used; the old ones then stay.
    pub fn configure(&self, places: &Places, settings: &Auditing) -> Result<(), String> {
        let keeping = Keeping::of(settings, places, &self.clock)?;
        self.audit.configure(keeping.settings);
        self.audit.send_copies(keeping.copies);
        self.redacted.set(&settings.redact);
        Ok(())
    }

    /// Takes over what is armed now: events say what it is.
    pub fn arm(&self, armed: &Armed) {
        self.known.arm(armed);
    }

    /// Returns when every event so far is on the disk.
    pub fn settle(&self) {
        self.gather.flush();
        self.audit.flush();
    }

    /// How the audit is, and how many events could not be written.
    #[must_use]
    pub fn audit(&self) -> (Health, u64) {
        (self.audit.health(), self.audit.failed())
    }

    /// Who hears of what capabilities refuse.
    #[must_use]
    pub fn witness(&self) -> Arc<dyn Witness> {
        Arc::new(Refusals { audit: Arc::clone(&self.audit), gather: Arc::clone(&self.gather) })
    }

    /// Writes what was counted since the last time. To be called once a second,
    /// and at the end.
    pub fn flush(&self) {
        self.gather.flush();
    }

    /// The same, which also says in Wazuh's log what `wazuh-execd` says there.
    #[must_use]
    pub fn with_ossec_log(self, log: OssecLog) -> Self {
        Self { ossec: Some(log), ..self }
    }

    /// A message that led to no order.
    pub fn not_ordered(&self, kind: &'static str, why: &str) {
        tracing::warn!("{kind}: {}", why.chars().take(SHOWN).collect::<String>().escape_debug());
        let detail: String = why.chars().take(SHOWN).collect();
        let about = detail.clone();
        // Whether it is written now is told by the trace above, which says each.
        let _ = self.gather.record(Event { detail: Some(detail), ..self.plain(kind) }, &about);
    }

    /// What became of an order.
    pub fn outcome(&self, order: &Order, keys: &[String], outcome: &Outcome) {
        let (entry, detail) = (outcome.entry().map(|id| id.0), Some(outcome.to_string()));
        let keys = if keys.is_empty() { meant(order, outcome) } else { keys.to_vec() };
        let event = Event { entry, keys: keys.clone(), detail, ..of_order(outcome.word(), order) };
        let event = self.redacted.out_of(event, &order.alert);
        let event = self.known.of_command(&order.command.name, event);
        let told = match alike(outcome) {
            Some(about) => self.gather.record(event, &about),
            None => {
                self.event(event);
                Told::Now
            }
        };
        if told == Told::Now {
            trace(order, &keys, outcome);
        }
    }

    /// Nobody stands for the order's agent.
    pub fn undeliverable(&self, order: &Order, why: &Undeliverable) {
        let words = why.to_string();
        let event = Event { detail: Some(words.clone()), ..of_order("undeliverable", order) };
        if self.gather.record(event, &words) == Told::Now {
            tracing::warn!(command = %order.command.name, agent = ?order.agent, "undeliverable: {words}");
        }
    }

    /// Another dispatcher has begun to carry out the same.
    pub fn yields(&self, why: &str) {
        tracing::error!("nothing is carried out any more: {why}");
        self.event(Event { detail: Some(why.to_owned()), ..self.plain("yields") });
    }

    /// The other dispatcher has ended.
    pub fn acts_again(&self) {
        tracing::warn!("nobody else carries out the same any more; responses act again");
        self.event(self.plain("acts-again"));
    }

    /// Names by which agents know responses were missing.
    pub fn ar_conf(&self, path: &Path, lines: usize) {
        let path = path.display();
        tracing::info!(%path, lines, "names of responses were missing and were added");
        let detail = Some(format!("{path}: {lines} lines added"));
        self.event(Event { detail, ..self.plain("ar-conf") });
    }

    /// A line of the input is not an alert.
    pub fn bad_line(&self, number: u64, why: &str) {
        let detail = Some(format!("line {number}: {why}"));
        if self.gather.record(Event { detail, ..self.plain("line-skipped") }, why) == Told::Now {
            tracing::warn!(line = number, "skipped: {why}");
        }
    }

    /// An alert is older than `--max-age`.
    pub fn stale(&self, alert: &Alert<'_>) {
        let id = alert.id();
        tracing::debug!(alert = id, "older than --max-age, dropped");
        // The first and the last of each second are enough to find the others.
        let _ = self.gather.record(Event { alert_id: Some(id.to_owned()), ..self.plain("stale") }, "");
    }

    /// What a rotated file held beyond `offset` cannot be found.
    pub fn lost(&self, path: &Path, offset: u64) {
        let path = path.display();
        tracing::error!(%path, offset, "the file that was read before is gone: alerts behind this offset, if any, were not seen");
        let detail =
            format!("{path}: alerts behind offset {offset} of the file read before, if any, were not seen");
        self.event(Event { detail: Some(detail), ..self.plain("input-lost") });
    }

    /// A component has added: the dialogue that Wazuh's programs log.
    pub fn added(&self, order: &Order, keys: &[String], said: &[String]) {
        if caller_logs(order.reason.as_deref()) {
            return;
        }
        let message = Message::json(order, &order.command.executable);
        let mut lines = vec!["Starting".to_owned(), message.line(Verb::Add)];
        if order.timeout.is_some() {
            lines.push(check_keys(&order.command.executable, keys));
            lines.push(message.line(Verb::Continue));
        }
        lines.extend(spoken(said));
        lines.push("Ended".to_owned());
        self.lines(&order.command.executable, lines);
    }

    /// A component was to add and did not. Stock rules take the `add` line for
    /// a block, so it is not written: Wazuh's programs write it first, and call
    /// a host blocked that they then could not block.
    pub fn not_added(&self, order: &Order, said: &[String], error: &str) {
        if caller_logs(order.reason.as_deref()) {
            return;
        }
        let mut lines = vec![format!("Starting for alert {}, rule {}", order.alert_id, order.rule_id)];
        lines.extend(spoken(said));
        lines.push(unlike_ours(error));
        self.lines(&order.command.executable, lines);
    }

    /// What a component logged while it named its keys, or in shadow.
    pub fn said(&self, order: &Order, said: &[String]) {
        if !said.is_empty() && !caller_logs(order.reason.as_deref()) {
            self.lines(&order.command.executable, spoken(said).collect());
        }
    }

    /// A component was asked to delete what it had added. Stock rules take the
    /// `delete` line for the end of a block, so one that failed does not write it.
    pub fn deleted(&self, order: &Order, said: &[String], result: Result<(), &str>) {
        if caller_logs(order.reason.as_deref()) {
            return;
        }
        let message = Message::json(order, &order.command.executable);
        let mut lines = vec!["Starting".to_owned()];
        lines.extend(result.is_ok().then(|| message.line(Verb::Delete)));
        lines.extend(spoken(said));
        lines.push(result.err().map_or_else(|| "Ended".to_owned(), unlike_ours));
        self.lines(&order.command.executable, lines);
    }

    /// How a program's add went. It writes the response log itself.
    pub fn program(&self, order: &Order, added: &Added) {
        tracing::debug!(command = %order.command.name, "{added}");
        self.unspoken(order, added);
        self.event(Event { detail: Some(added.to_string()), ..of_order("program", order) });
    }

    /// How a program's delete went.
    pub fn program_deleted(&self, order: &Order, ended: &Ended) {
        tracing::debug!(command = %order.command.name, "{ended}");
        self.event(Event { detail: Some(ended.to_string()), ..of_order("program", order) });
    }

    /// An add failed and is undone at once. `alert` is what led to it.
    pub fn add_failed(&self, id: EntryId, alert: Option<&str>, error: &str) {
        let event = Event { entry: Some(id.0), detail: Some(error.to_owned()), ..self.plain("add-failed") };
        self.quoting(event, alert);
    }

    /// An undo begins.
    pub fn undoing(&self, entry: &Entry, cause: &Cause) {
        self.executing_after(entry, cause);
        self.entry_event(Event { detail: Some(why(cause)), ..of_entry("undoing", entry) }, entry);
    }

    /// An entry is undone.
    pub fn undone(&self, entry: &Entry) {
        tracing::info!(command = entry.command, entry = %entry.id, keys = entry.keys.join(", "), "undone");
        self.entry_event(of_entry("undone", entry), entry);
    }

    /// An entry was undone while neither ledger nor audit could be told.
    pub fn undone_from_memory(&self, entry: Option<&Entry>, id: EntryId, wall_ms: i64) {
        let detail = format!("from memory at {}, while the ledger could not be read", time(wall_ms));
        match entry {
            Some(entry) => {
                self.entry_event(Event { detail: Some(detail), ..of_entry("undone", entry) }, entry);
            }
            // Forgotten since, or never kept: its number is all that is known.
            None => self.event(Event { entry: Some(id.0), detail: Some(detail), ..self.plain("undone") }),
        }
    }

    /// An undo failed and is tried again. `alert` is what led to the entry.
    pub fn undo_failed(&self, id: EntryId, alert: Option<&str>, attempts: u32, error: &str) {
        tracing::error!(entry = %id, attempts, "could not be undone, tried again: {error}");
        let detail = format!("attempt {attempts}: {error}");
        let event = Event { entry: Some(id.0), detail: Some(detail), ..self.plain("undo-failed") };
        self.quoting(event, alert);
    }

    /// The component did not undo it, so the engine did. `order` is that of the
    /// entry, when its definition can still be read.
    pub fn reversed_by_engine(&self, order: Option<&Order>, entry: &Entry, cause: &Cause, error: &str) {
        tracing::warn!(command = %entry.command, entry = %entry.id, "undone by the engine itself: {error}");
        let event = Event { detail: Some(error.to_owned()), ..of_entry("reversed-by-engine", entry) };
        self.entry_event(event, entry);
        // What was never added is not called unblocked.
        if let (Some(order), false) = (order, matches!(cause, Cause::Failed)) {
            self.deleted(order, &[format!("undone by the engine itself: {error}")], Ok(()));
        }
    }

    /// Whether a once-only response ran before the engine ended is not known.
    pub fn unknown(&self, entry: &Entry) {
        tracing::warn!(
            command = entry.command, entry = %entry.id, alert = entry.alert_id,
            "the engine ended while this once-only response ran; it is not run again"
        );
        self.entry_event(of_entry("unknown", entry), entry);
    }

    /// The host did not show what the ledger says.
    pub fn repaired(&self, mended: &Mended) {
        let Mended { repaired: Repaired { written, removed }, rebuilt, named, .. } = mended;
        tracing::warn!(
            put_back = written,
            taken_away = removed,
            rebuilt,
            "the host did not show what the ledger says; it does now: {}",
            named.join(", ")
        );
        let mut detail = format!("{written} effects put back, {removed} taken away");
        if *rebuilt > 0 {
            detail += &format!(", {rebuilt} tables, sets or rules made again");
        }
        if !named.is_empty() {
            detail += &format!(": {}", named.join(", "));
        }
        if written.saturating_add(*removed) > named.len() {
            detail += ", and more";
        }
        self.event(Event { detail: Some(detail), ..self.plain("repaired") });
    }

    /// Something differs from the ledger, and is not the engine's to change.
    pub fn differs(&self, effect: &Effect, why: &str) {
        tracing::warn!(%effect, "left as it is: {why}");
        self.event(Event { detail: Some(format!("{effect}: {why}")), ..self.plain("differs") });
    }

    /// The host shows something of this engine's that the ledger never heard of.
    pub fn orphan(&self, effect: &Effect, entry: Option<EntryId>, remaining: Option<Duration>) {
        let until = remaining.map_or_else(
            || "stays until it is undone".to_owned(),
            |left| format!("goes by itself in {} s", left.as_secs()),
        );
        let entry = match entry {
            None => String::new(),
            Some(OTHERS) => ", of another ledger".to_owned(),
            Some(entry) => format!(", of entry {entry} of another ledger"),
        };
        let detail = format!("{effect}{entry}: {until}; riposte undo --orphan '{effect}' undoes it");
        tracing::warn!("an orphan: {detail}");
        self.event(Event { detail: Some(detail), ..self.plain("orphan") });
    }

    /// The ledger's storage stands otherwise than before, or was salvaged.
    pub fn ledger(&self, kind: &'static str, detail: String) {
        self.event(Event { detail: Some(detail), ..self.plain(kind) });
    }

    /// An operator did something.
    pub fn act(&self, uid: u32, what: &'static str, detail: &str, reason: Option<&str>) {
        tracing::info!(uid, reason, "{what}: {detail}");
        let actor = Some(Actor::User(uid).to_string());
        let reason = reason.map(str::to_owned);
        self.event(Event { actor, reason, detail: Some(detail.to_owned()), ..self.plain(what) });
    }

    fn plain(&self, kind: &'static str) -> Event {
        Event { kind: kind.into(), ..Event::default() }
    }

    /// An event about an entry whose alert may still be kept.
    fn entry_event(&self, event: Event, entry: &Entry) {
        self.quoting(self.known.of_entry(entry, event), entry.alert.as_deref());
    }

    /// An event whose words may quote this alert.
    fn quoting(&self, event: Event, alert: Option<&str>) {
        self.event(match alert {
            Some(alert) => self.redacted.out_of(event, alert),
            None => event,
        });
    }

    fn event(&self, event: Event) {
        self.audit.record(event);
    }

    fn lines(&self, executable: &str, lines: Vec<String>) {
        self.log.lines(self.clock.now().wall_ms, executable, lines);
    }
}
