//! What the simulated configuration can do to the host, and what is asked of it.

use std::sync::Arc;
use std::time::Duration;

use riposte_capability::{Phase, Recorder, Session};
use riposte_ledger::NewEntry;
use riposte_ledger::entry::Kind;
use riposte_policy::config::{Mode, Way};
use riposte_policy::grant::{FirewallGrant, Grants, LinesGrant, Pattern, RouteGrant};
use riposte_policy::order::{Actor, EntryId, Source};

/// A command of the simulated configuration.
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Whose it is.
    pub tenant: &'static str,
    /// What runs it.
    pub kind: Kind,
    /// How long it lasts, in seconds; `None`: for good.
    pub timeout: Option<u64>,
    /// The same from the second offence on.
    pub offenders: &'static [u64],
    /// What it does, in order.
    pub parts: &'static [Part],
}

/// One thing that a command does to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Blocks the address.
    Block,
    /// Sends what goes to the address nowhere.
    Route,
    /// Keeps a line about it in a file.
    Line,
    /// Leaves something there that no capability call sees.
    Program,
    /// Happens once.
    Once,
}

/// Every command: they overlap in what they do to one address.
pub const SPECS: [Spec; 9] = [
    spec("drop", "default", Kind::Reversible, Some(60), &[], &[Part::Block]),
    spec("drop-long", "default", Kind::Reversible, Some(200), &[400, 900], &[Part::Block]),
    spec("drop-elsewhere", "other", Kind::Reversible, Some(120), &[], &[Part::Block, Part::Route]),
    spec("everything", "default", Kind::Reversible, Some(90), &[], &[Part::Line, Part::Block, Part::Route]),
    spec("line", "default", Kind::Reversible, Some(30), &[300], &[Part::Line]),
    spec("ban", "default", Kind::Reversible, None, &[], &[Part::Block]),
    spec("line-for-good", "other", Kind::Reversible, None, &[], &[Part::Line, Part::Route]),
    spec("program", "default", Kind::Native, Some(45), &[], &[Part::Program]),
    spec("once", "default", Kind::Oneshot, None, &[], &[Part::Once]),
];

const fn spec(
    name: &'static str,
    tenant: &'static str,
    kind: Kind,
    timeout: Option<u64>,
    offenders: &'static [u64],
    parts: &'static [Part],
) -> Spec {
    Spec { name, tenant, kind, timeout, offenders, parts }
}

/// An alert and the command that it fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where its alert stands in the file of alerts.
    pub number: usize,
    /// Which of [`SPECS`].
    pub spec: usize,
    /// What it acts on.
    pub address: String,
}

/// The file in which lines are kept.
pub const FILE: &str = "/etc/simulated.deny";

/// A call of a component of this command, for this entry.
#[must_use]
pub fn session(spec: &Spec, id: EntryId) -> Session {
    let grants = Grants {
        firewall: Some(FirewallGrant::default()),
        routes: Some(RouteGrant::default()),
        lines: vec![LinesGrant { file: FILE.into(), lines: vec![Pattern::new("*")] }],
        ..Grants::default()
    };
    Session {
        offence: 1,
        command: spec.name.into(),
        tenant: spec.tenant.into(),
        entry: Some(id),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(grants),
        record: Recorder::default(),
    }
}

/// What the ledger is asked to enter.
#[must_use]
pub fn new_entry(order: &Order, input: i64) -> NewEntry {
    let spec = &SPECS[order.spec];
    NewEntry {
        tenant: spec.tenant.into(),
        command: spec.name.into(),
        response: Some(format!("{}#1", spec.name).into()),
        location: "local",
        agent: "000".into(),
        keys: vec![order.address.clone()],
        kind: spec.kind,
        timeout: spec.timeout.map(Duration::from_secs),
        offenders: spec.offenders.iter().map(|seconds| Duration::from_secs(*seconds)).collect(),
        alert: "{}".into(),
        alert_id: order.number.to_string().into(),
        rule_id: "5712".into(),
        definition: spec.name.into(),
        digest: None,
        mode: Mode::Enforce,
        actor: Actor::Alert,
        reason: None,
        source: Some(Source { input, offset: u64::try_from(order.number).unwrap_or(0), ordinal: 0 }),
        message: None,
        program: spec.name.into(),
        key: Way::Riposte,
        offences: Way::Riposte,
    }
}
