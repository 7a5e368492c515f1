//! An entry as it is read back.

use riposte_policy::config::Mode;
use riposte_policy::order::{Actor, EntryId};
use serde::{Serialize, Serializer};

use super::{Kind, Standing, State, mode_str};

/// An entry as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number.
    #[serde(serialize_with = "id")]
    pub id: EntryId,
    /// Whose it is.
    pub tenant: String,
    /// Name of the command.
    pub command: String,
    /// Name of the response that fired; `None` when asked for by hand.
    pub response: Option<String>,
    /// The agent it runs for.
    pub agent: String,
    /// `local`, `server`, `defined-agent` or `all`.
    pub location: String,
    /// What it acts on.
    pub keys: Vec<String>,
    /// What runs it.
    #[serde(serialize_with = "word")]
    pub kind: Kind,
    /// Where it stands.
    #[serde(serialize_with = "word")]
    pub state: State,
    /// Whether undoing it failed three times or more. It is still tried.
    pub stuck: bool,
    /// Whether it acts or only says what it would do.
    #[serde(serialize_with = "mode")]
    pub mode: Mode,
    /// When it was entered, wall clock in milliseconds.
    pub since_ms: i64,
    /// When it is due, wall clock in milliseconds; `None`: for good, or (but
    /// where [`Way::Wazuh`](riposte_policy::config::Way) counts from the order)
    /// not yet in force.
    pub due_ms: Option<i64>,
    /// The same in milliseconds since the machine was started.
    pub due_boot_ms: Option<i64>,
    /// How long it lasts from when it is made, in milliseconds; `None`: for good.
    pub timeout_ms: Option<i64>,
    /// When it was closed, wall clock in milliseconds.
    pub closed_ms: Option<i64>,
    /// Which offence of its keys it was, from 1.
    pub offence: u32,
    /// How many times it was begun, from 1.
    pub attempt: u32,
    /// How many times undoing it failed.
    pub undo_attempts: u32,
    /// `id` of the alert.
    pub alert_id: String,
    /// `rule.id` of the alert.
    pub rule_id: String,
    /// Who asked for it.
    #[serde(serialize_with = "word")]
    pub actor: Actor,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Why it was undone: `due`, `failed`, `asked` or `recovery`.
    pub cause: Option<String>,
    /// Who asked to undo it.
    pub ended_by: Option<String>,
    /// Why, in their words.
    pub end_reason: Option<String>,
    /// What went wrong last.
    pub error: Option<String>,
    /// SHA-256 of the component or program, in hex.
    pub digest: Option<String>,
    /// The command as it was defined.
    pub definition: String,
    /// The alert, when asked for and still kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// The message that asked for it, when asked for and still kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the component returned from `add`, when asked for.
    #[serde(skip)]
    pub receipt: Option<Vec<u8>>,
}

/// One effect that an entry recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EffectRow {
    /// The WIT interface: `firewall`.
    pub interface: String,
    /// What was changed.
    pub target: String,
    /// What restores the state before the first of all claims on it.
    pub prior: Option<String>,
    /// Whether the entry has let go of it. It stays listed until the entry
    /// closes, so that all of it can be reversed again after a failure.
    pub released: bool,
}

/// An entry that is to be undone, with all that this takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// The entry, with its alert and its receipt.
    pub entry: Entry,
    /// What it changed, in the order it did.
    pub effects: Vec<EffectRow>,
}

/// What the host should show: one effect that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What is changed.
    pub target: String,
    /// What restores the state before.
    pub prior: Option<String>,
    /// Until when.
    pub standing: Standing,
}

/// Which entries to read. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only what is not closed.
    pub open_only: bool,
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only of this command.
    pub command: Option<String>,
    /// Only those with this text in a key or in the target of an effect.
    pub target: Option<String>,
    /// Only what was entered or ended at this time or later, wall clock in
    /// milliseconds, or is open.
    pub since_ms: Option<i64>,
    /// Only what was entered at this time or before.
    pub until_ms: Option<i64>,
    /// Only those with a higher number: the last one of the page before.
    pub after: Option<EntryId>,
    /// At most so many; `None`: all.
    pub limit: Option<u32>,
}

fn id<S: Serializer>(id: &EntryId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(id.0)
}

fn word<T: std::fmt::Display, S: Serializer>(word: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(word)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn mode<S: Serializer>(mode: &Mode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mode_str(*mode))
}
