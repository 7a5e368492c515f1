//! The configuration that counts: the one of the engine that runs, which may have
//! been given others than those that are read by default.

use std::path::PathBuf;

use riposte_policy::config::Role;

use super::locate;
use crate::cli::Sources;
use crate::control::{Request, client};
use crate::places::Places;

/// What an engine goes by.
pub struct InUse {
    /// Where everything lies.
    pub places: Places,
    /// Its configuration files.
    pub configs: Vec<PathBuf>,
    /// What they are read for.
    pub role: Role,
    /// Why an engine that is there could not be asked: the rest is then what
    /// `riposte run` would take.
    pub unasked: Option<String>,
}

impl InUse {
    /// The configuration that the command line names, else that of the engine
    /// that runs, else the one that `riposte run` would take.
    #[must_use]
    pub fn find(sources: &Sources) -> Self {
        let (places, configs) = locate(sources);
        let mut found = Self { places, configs, role: Role::Standalone, unasked: None };
        if !sources.config.is_empty() {
            return found;
        }
        match client::ask(&found.places.socket(), &Request::Explain { alert: None }) {
            Ok(answer) => {
                let theirs: Vec<PathBuf> =
                    serde_json::from_value(answer.data["configs"].clone()).unwrap_or_default();
                if !theirs.is_empty() {
                    found.configs = theirs;
                }
                if let Some(root) = answer.data["root"].as_str().filter(|_| sources.root.is_none()) {
                    found.places.root = root.into();
                }
                found.role = Role::named(answer.data["role"].as_str().unwrap_or_default());
            }
            Err(client::Unanswered::NoEngine(_)) => {}
            Err(error @ client::Unanswered::Failed { .. }) => found.unasked = Some(error.to_string()),
        }
        found
    }
}
