//! What the host shows with the engine's mark, and this ledger never heard of.

use std::fmt::Write;

use riposte_capability::Mark;
use riposte_capability::mark::OTHERS;
use riposte_policy::diagnostic::shown;
use serde_json::{Value, json};

use super::Answer;
use crate::engine::Engine;

/// All that were seen, each with the command that undoes it.
pub fn list(engine: &Engine) -> Answer {
    let orphans = engine.capabilities.orphans();
    if orphans.is_empty() {
        return Answer::done("there are no orphans").with(json!([]));
    }
    let mut text = String::new();
    for orphan in &orphans {
        let left = match orphan.remaining {
            Some(left) => {
                format!("went or goes by itself, at the latest {} s after it was seen", left.as_secs())
            }
            None => "stays until it is undone".to_owned(),
        };
        // Writing to a text does not fail.
        let _ = writeln!(text, "{}\n  {left}\n  {}", orphan.effect, command(orphan));
    }
    Answer::done(text.trim_end()).with(orphans.iter().map(object).collect())
}

/// Takes one away.
pub async fn undo(engine: &Engine, uid: u32, orphan: &str, reason: Option<&str>) -> Answer {
    engine.report.act(uid, "undo-orphan", &shown(orphan), reason);
    match engine.capabilities.remove_orphan(orphan).await {
        Ok(true) => Answer::done(format!("{} is taken away", shown(orphan))),
        Ok(false) => Answer::failed(format!(
            "no orphan is called {}; riposte list --orphans shows them",
            shown(orphan)
        )),
        Err(refusal) => Answer::failed(refusal.to_string()),
    }
}

fn object(orphan: &Mark) -> Value {
    json!({
        "effect": orphan.effect.to_string(),
        "interface": orphan.effect.interface,
        "target": orphan.effect.target,
        "entry": orphan.entry.filter(|entry| *entry != OTHERS).map(|entry| entry.0),
        "remaining_s": orphan.remaining.map(|left| left.as_secs()),
        "undo": command(orphan),
    })
}

/// What undoes it, for a shell.
fn command(orphan: &Mark) -> String {
    format!("riposte undo --orphan '{}'", orphan.effect.to_string().replace('\'', r"'\''"))
}
