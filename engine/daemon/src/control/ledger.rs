//! Whether what an engine remembers is what its ledger says.

use serde_json::json;

use super::{Answer, Result};
use crate::engine::Engine;

/// The differences, as an array of sentences.
pub async fn verify(engine: &Engine) -> Answer {
    match engine.ledger.verify_memory().await {
        Ok(differences) if differences.is_empty() => Answer::done("as the tables say").with(json!([])),
        Ok(differences) => {
            let message = format!("{} entries are remembered otherwise", differences.len());
            Answer { result: Result::Failed, message, data: json!(differences) }
        }
        Err(error) => Answer::failed(error.to_string()),
    }
}
