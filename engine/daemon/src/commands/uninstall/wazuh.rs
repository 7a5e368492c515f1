//! What Riposte changed in a home of Wazuh's.

use std::path::{Path, PathBuf};

use super::{Log, Uninstall};
use crate::execd::{install, links};
use crate::manager::{args, takeover};
use crate::places::Places;

/// The home where nobody names another.
const STOCK: &str = "/var/ossec";

/// Gives responses back to the manager or agent, and programs that are links to
/// us to what they were.
pub(super) fn give_back(args: &Uninstall, places: &Places, log: &mut Log) {
    let mut roots = vec![places.root.clone()];
    if args.root.is_none() && args.by_hand.at.home.is_none() {
        roots.push(STOCK.into());
    }
    roots.dedup();
    for root in roots.into_iter().filter(|root| root.join("active-response/bin").is_dir()) {
        if takeover::is_taken_over(&root) {
            log.step("give back", &format!("responses of the manager {}", root.display()), || {
                takeover::give(&args::Home { root: root.clone(), print: false }).map(drop)
            });
            log.note(
                "left",
                "restart the Wazuh manager, so that it responds again: systemctl restart wazuh-manager",
            );
        }
        if install::is_installed(&root) {
            log.step("give back", &format!("execd of {}", root.display()), || {
                install::uninstall(&root).map(drop)
            });
            log.note("left", "restart the Wazuh agent or manager, so that its own execd works again");
        }
        for (name, target) in linked(&root.join("active-response/bin")) {
            let folder = root.join("active-response/bin");
            log.step("unlink", &folder.join(&name).display().to_string(), || {
                links::unmake(&folder, &name, &target).map_err(|error| error.to_string())
            });
        }
    }
}

/// The programs in a folder that are links to us, and where they lead.
fn linked(folder: &Path) -> Vec<(String, PathBuf)> {
    let us = links::us().ok();
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let target = std::fs::read_link(entry.path()).ok()?;
            let named = target.is_absolute() && target.file_name().is_some_and(|name| name == "riposte");
            let ours = Some(&target) == us.as_ref() || named;
            ours.then_some((entry.file_name().into_string().ok()?, target))
        })
        .collect();
    found.sort();
    found
}
