//! The commands that ask or look; `run` is in [`crate::run`].

pub mod ask;
pub mod audit;
pub mod check;
pub mod explain;
pub mod history;
mod in_use;
pub mod kept;
pub mod ledger;
pub mod listed;
pub mod migrate;
pub mod plugin;
mod spared;
pub mod target;
pub mod undo_all;
pub mod uninstall;
pub mod upgrade_check;
pub mod why;

use std::path::PathBuf;

use crate::cli::Sources;
use crate::places::Places;

/// The places and the configuration files that a command line means.
#[must_use]
pub fn locate(sources: &Sources) -> (Places, Vec<PathBuf>) {
    let places = Places::new(sources.at.home.as_deref(), sources.root.as_deref(), &sources.config);
    if !sources.config.is_empty() {
        return (places, sources.config.clone());
    }
    let stock = PathBuf::from("/var/ossec/etc/ossec.conf");
    let configs = if places.config.exists() || sources.at.home.is_some() || !stock.exists() {
        vec![places.config]
    } else {
        vec![stock]
    };
    (Places::new(sources.at.home.as_deref(), sources.root.as_deref(), &configs), configs)
}
