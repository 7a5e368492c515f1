//! What keeps responses off a target, whatever an alert says: an operator's
//! allows, the configuration's white list, pauses.

use std::path::Path;

use riposte_ledger::Ledger;
use riposte_ledger::clock::{Clock, SystemClock};
use riposte_ledger::rule::{Allow, Note, Pause};
use riposte_policy::Address;
use riposte_policy::Config;
use serde_json::{Value, json};

use super::in_use::InUse;
use super::target::Target;
use crate::cli::{Sources, Where};
use crate::files;
use crate::report::time;
use crate::show;

/// All of it.
#[derive(Debug, Default)]
pub struct Spared {
    allows: Vec<Allow>,
    /// The entry of the white list, in words.
    white_list: Option<String>,
    pauses: Vec<Pause>,
}

impl Spared {
    /// Reads it, without an engine or beside one. The configuration is the one
    /// that the running engine has, else the one that `riposte run` would take;
    /// one that cannot be read spares nobody here.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub fn read(ledger: &Path, at: &Where, target: &Target) -> Result<Self, String> {
        let (mut allows, mut pauses) = Ledger::read_settled(ledger).map_err(|error| error.to_string())?;
        let now = SystemClock::new().now().wall_ms;
        let lasts = |note: &Note| note.until_ms.is_none_or(|until| until > now);
        allows.retain(|allow| lasts(&allow.note) && target.is(&allow.address));
        pauses.retain(|pause| lasts(&pause.note));
        let address = target.as_str().parse::<Address>().ok();
        let white_list = address.and_then(|address| configuration(at)?.spares(address));
        Ok(Self { allows, white_list, pauses })
    }

    /// Whether nothing does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allows.is_empty() && self.white_list.is_none() && self.pauses.is_empty()
    }

    /// For people: a line each.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let allowed = self.allows.iter().map(|allow| {
            format!("{} is allowed {}: nothing new is done against it", allow.address, settled(&allow.note))
        });
        let listed = self
            .white_list
            .iter()
            .map(|entry| format!("the configuration's {entry}: nothing new is done against it"));
        let paused = self.pauses.iter().map(|pause| {
            let what = pause.scope.subject.as_deref().unwrap_or("every command");
            format!("{what} is paused {}: nothing new is done", settled(&pause.note))
        });
        allowed.chain(listed).chain(paused).collect()
    }

    /// For programs: allows, white list, pauses.
    #[must_use]
    pub fn facts(&self) -> [(&'static str, Value); 3] {
        let pause = |pause: &Pause| {
            let mut facts = note(&pause.note);
            facts["command"] = json!(pause.scope.subject);
            facts
        };
        let allow = |allow: &Allow| {
            let mut facts = note(&allow.note);
            facts["target"] = json!(allow.address);
            facts
        };
        [
            ("allowed", self.allows.iter().map(allow).collect()),
            ("white_listed", json!(self.white_list)),
            ("paused", self.pauses.iter().map(pause).collect()),
        ]
    }
}

fn note(note: &Note) -> Value {
    json!({
        "until": note.until_ms.map(time),
        "actor": note.by.actor.to_string(),
        "reason": note.by.reason.as_deref(),
        "created": time(note.created_ms),
    })
}

fn settled(note: &Note) -> String {
    let reason = note.by.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}, by {}{reason}", show::until(note.until_ms), note.by.actor)
}

fn configuration(at: &Where) -> Option<Config> {
    let InUse { configs, role, .. } = InUse::find(&Sources { at: at.clone(), ..Sources::default() });
    let files = files::read(&configs).ok()?;
    Some(files::config(&files, role))
}
