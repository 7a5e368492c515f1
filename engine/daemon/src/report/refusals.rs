//! What capabilities refuse, and what an operator's word let pass.

use std::sync::Arc;

use riposte_capability::Witness;
use riposte_capability::witness::Denied;
use riposte_ledger::audit::{Audit, Event};

use super::SHOWN;
use super::gather::{Gather, Told};

/// Writes events about refusals.
pub(super) struct Refusals {
    pub(super) audit: Arc<Audit>,
    pub(super) gather: Arc<Gather>,
}

impl Witness for Refusals {
    fn denied(&self, denied: &Denied<'_>) {
        let Denied { command, call, target, why, .. } = denied;
        let event = event("denied", denied);
        let words = event.detail.clone().unwrap_or_default();
        if self.gather.record(event, &words) == Told::Now {
            // The target is a component's text: it could forge lines.
            tracing::warn!(command, target = ?shown(target), "{call} was denied: {}", why.message.escape_debug());
        }
    }

    fn overridden(&self, rule: &str, target: &str, reason: &str) {
        tracing::warn!(rule, target, reason, "the guard lets this pass, as its <override> says");
        self.audit.record(Event {
            kind: "overridden".to_owned(),
            keys: vec![shown(target)],
            reason: Some(reason.to_owned()),
            detail: Some(format!("the rule {rule} would have protected {target}")),
            ..Event::default()
        });
    }

    fn unconfirmed(&self, denied: &Denied<'_>) {
        let Denied { command, call, why, .. } = denied;
        tracing::error!(command, "{call} was not confirmed: {}", why.message.escape_debug());
        self.audit.record(event("unconfirmed", denied));
    }
}

fn event(kind: &str, denied: &Denied<'_>) -> Event {
    let Denied { command, tenant, entry, call, target, why } = denied;
    Event {
        kind: kind.to_owned(),
        entry: entry.map(|entry| entry.0),
        tenant: Some((*tenant).to_owned()),
        command: Some((*command).to_owned()),
        keys: vec![shown(target)],
        detail: Some(shown(&format!("{call}: {}", why.message))),
        ..Event::default()
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
