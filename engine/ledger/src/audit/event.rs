//! What is written of one step.

use serde::{Deserialize, Serialize};

/// One step of one response, or one act of an operator. Absent fields are left
/// out of the line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened: `in-force`, `undone`, `refused`, ...
    pub kind: String,
    /// The entry it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<i64>,
    /// Whose response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Name of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Name of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// The agent it runs for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What it acts on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// `id` of the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_id: Option<String>,
    /// `rule.id` of the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// SHA-256 of the command as the ledger keeps its definition, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// SHA-256 of the component, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The interfaces that the command may change the host by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
    /// The rest, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How many events like this one it stands for; 0 and 1 are one.
    #[serde(default, skip_serializing_if = "is_one")]
    pub count: u64,
    /// When the first of them was, where it stands for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What it says of the audit itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<About>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_one(count: &u64) -> bool {
    *count <= 1
}

/// What an event says of the audit itself, for programs: [`verify`](super::verify)
/// holds the files against it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// A file of the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A number of bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The number of a line, or how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// A SHA-256 in hex: of the line of that number, or of the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// The last line was never finished; the bytes before this line are what there
/// was of it.
pub(super) const TORN: &str = "audit-torn";
/// So many events could not be written before this line.
pub(super) const GAP: &str = "audit-gap";
/// The file does not go on from what the ledger knows of it.
pub(super) const BROKEN: &str = "audit-broken";
/// A file whose time is over was removed; its last line.
pub(super) const PRUNED: &str = "audit-pruned";
/// Others moved, cut, or wrote to the file.
pub(super) const MOVED: &str = "audit-moved";
/// What stands in the files is not chained: it was set aside.
pub(super) const BEGAN: &str = "audit-began";
