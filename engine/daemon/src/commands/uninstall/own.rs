//! Our own files: units of the service manager, sockets, state, logs.

use std::path::{Path, PathBuf};

use riposte_capability::quarantine::{Kept, Store};

use super::{InQuarantine, Log, Uninstall};
use crate::places::Places;
use crate::service;

/// Where units are put by hand, and where packages put theirs.
const BY_HAND: &str = "/etc/systemd/system";
const BY_PACKAGE: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];
/// The units that our documentation and `execd install` name.
const UNITS: [&str; 2] = ["riposte.service", "riposte-execd.service"];

const SHADOW: &str = "/etc/shadow";

/// Folders in the state folder that are ours.
const STATE: [&str; 4] = ["compiled", "plugins", "versions", "state"];

/// What the state folder holds of ours. Anything else there is somebody else's,
/// and stays.
fn is_state(name: &str) -> bool {
    let rehearsal = || name.strip_prefix("upgrade-check.").is_some_and(is_number);
    // With what SQLite and we put beside it: `ledger.db-wal`, `ledger.db.backup`.
    let ledger =
        || name.strip_prefix("ledger.db").is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']));
    STATE.contains(&name) || ledger() || rehearsal()
}

/// The same of the log folder: the audit and its copy in the words of OCSF, with
/// full files and those that logrotate names.
fn is_log(name: &str) -> bool {
    let written = |stem: &str| {
        let rest = name.strip_prefix(stem)?.strip_prefix('.')?;
        let full = rest.strip_suffix(".jsonl").map(|number| number.strip_prefix("before-").unwrap_or(number));
        let rotated = rest.strip_prefix("jsonl").map(|rest| rest.trim_start_matches(['.', '-']));
        Some(
            rest == "jsonl"
                || [full, rotated].into_iter().flatten().any(|text| is_number(text.trim_end_matches(".gz"))),
        )
    };
    let wazuh = || {
        name.strip_prefix("active-responses.log").is_some_and(|rest| {
            rest.is_empty() || is_number(rest.trim_start_matches(['.', '-']).trim_end_matches(".gz"))
        })
    };
    name == "audit.heads" || ["audit", "ocsf"].into_iter().any(|stem| written(stem) == Some(true)) || wazuh()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// The files in quarantine.
pub(super) fn quarantined(places: &Places) -> Result<Vec<Kept>, String> {
    Store::new(places.quarantine(), places.own()).all_kept().map_err(|refusal| refusal.to_string())
}

/// A line for each.
pub(super) fn listed(kept: &[Kept]) -> String {
    let line = |kept: &Kept| format!("  {} is kept as {}", kept.path.display(), kept.lies.display());
    kept.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Accounts that look as we lock them. They carry no mark: without a ledger it
/// takes somebody to say whether it was us.
pub(super) fn accounts(log: &mut Log) {
    let Ok(bytes) = crate::files::read_at_most(Path::new(SHADOW), 16 << 20) else { return };
    let text = String::from_utf8_lossy(&bytes);
    for user in text.lines().filter_map(locked) {
        log.note(
            "left",
            &format!("the account {user} is locked and expired on day 1, as Riposte locks: usermod --unlock --expiredate '' {user}"),
        );
    }
}

/// The user of a line of shadow(5) with a locked password and the expiry of
/// `accounts::vectors::lock`.
fn locked(line: &str) -> Option<&str> {
    let mut fields = line.split(':');
    let (user, password, expires) = (fields.next()?, fields.next()?, fields.nth(5)?);
    let plain = user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-$".contains(&byte));
    (plain && password.starts_with('!') && expires == "1").then_some(user)
}

/// Takes the links away by which the service manager starts us. The units
/// themselves are of whoever put them there. A home of its own has no unit that
/// we know.
pub(super) fn units(args: &Uninstall, log: &mut Log) {
    if args.by_hand.at.home.is_some() {
        return;
    }
    let folder = Path::new(BY_HAND);
    let wants = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut wants: Vec<PathBuf> = wants
        .filter(|path| path.extension().is_some_and(|ext| ext == "wants" || ext == "requires"))
        .collect();
    wants.sort();
    for link in wants.iter().flat_map(|folder| UNITS.map(|unit| folder.join(unit))) {
        if std::fs::read_link(&link).is_ok() {
            log.step("disable", &link.display().to_string(), || unlink(&link));
        }
    }
    for unit in UNITS {
        if folder.join(unit).exists() {
            let path = folder.join(unit);
            log.note("left", &format!("the unit {0}: rm {0} && systemctl daemon-reload", path.display()));
        }
        if BY_PACKAGE.iter().any(|folder| Path::new(folder).join(unit).exists()) {
            log.note("left", &format!("the unit {unit} of a package: remove the package riposte"));
        }
    }
}

/// Puts files back, or says where they are.
pub(super) fn quarantine(wish: Option<InQuarantine>, places: &Places, log: &mut Log) {
    let kept = match quarantined(places) {
        Ok(kept) => kept,
        Err(error) => return log.failed("look", "the quarantine", &error),
    };
    let store = Store::new(places.quarantine(), places.own());
    for kept in kept {
        let what = format!("{} from {}", kept.path.display(), kept.lies.display());
        if wish != Some(InQuarantine::Restore) {
            log.note(
                "left",
                &format!("in quarantine: {} is kept as {}", kept.path.display(), kept.lies.display()),
            );
            continue;
        }
        log.step("restore", &what, || {
            let threads = service::threads()?;
            threads.block_on(store.put_back(&kept)).map_err(|refusal| refusal.to_string())
        });
    }
}

/// Sockets and lock files; with `purge` all that is ours.
pub(super) fn files(places: &Places, purge: bool, log: &mut Log) {
    let ledger = places.ledger();
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", ledger.display()));
    for path in [places.socket(), beside(".lock"), beside(".reserve")] {
        if std::fs::symlink_metadata(&path).is_ok() {
            log.step("remove", &path.display().to_string(), || unlink(&path));
        }
    }
    if purge {
        own(&places.state, is_state, log);
        own(&places.log, is_log, log);
        let quarantine = places.quarantine();
        for folder in [&quarantine, &places.state, &places.log] {
            empty(folder, log);
        }
        empty(&places.run, log);
        if places.config.exists() {
            log.note("left", &format!("the configuration {}", places.config.display()));
        }
    } else {
        for (what, folder) in [("state", &places.state), ("logs", &places.log)] {
            if folder.exists() {
                log.note("left", &format!("{what} in {}: --purge removes them", folder.display()));
            }
        }
    }
}

/// Removes what is ours by its name; the rest is named.
fn own(folder: &Path, is_ours: fn(&str) -> bool, log: &mut Log) {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_ours(&name) {
            log.step("remove", &path.display().to_string(), || tree(&path));
        } else if name != "quarantine" {
            log.note("left", &format!("{} is nothing of ours", path.display()));
        }
    }
}

fn tree(path: &Path) -> Result<(), String> {
    let is_folder = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    if !is_folder {
        return unlink(path);
    }
    std::fs::remove_dir_all(path).map_err(|error| error.to_string())
}

fn unlink(path: &Path) -> Result<(), String> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(format!("{errno}; run as root")),
    }
}

/// Removes a folder that is empty, or says so of one that would be.
fn empty(folder: &Path, log: &mut Log) {
    let is_empty = match log.dry {
        true => std::fs::read_dir(folder).is_ok_and(|held| {
            held.flatten().all(|held| log.says("remove", &held.path().display().to_string()))
        }),
        false => rustix::fs::rmdir(folder).is_ok(),
    };
    if is_empty {
        log.note("remove", &folder.display().to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::{is_log, is_state, locked};

    #[test]
    fn only_what_is_ours_by_its_whole_name_is_removed() {
        for name in ["ledger.db", "ledger.db-wal", "ledger.db.lock", "plugins", "state", "upgrade-check.17"] {
            assert!(is_state(name), "{name}");
        }
        for name in [
            "ledger-notes.txt",
            "plugins.mine",
            "state-of-mine",
            "upgrade-check.sh",
            "ledger.dbx",
            "quarantine",
        ] {
            assert!(!is_state(name), "{name}");
        }
        for name in [
            "audit.jsonl",
            "audit.000000000001.jsonl",
            "audit.000000000001-2.jsonl",
            "audit.before-1.jsonl",
            "audit.jsonl.1",
            "audit.jsonl-20260101",
            "audit.jsonl.2.gz",
            "audit.heads",
            "ocsf.jsonl",
            "ocsf.000000000009.jsonl",
            "active-responses.log",
            "active-responses.log.1",
        ] {
            assert!(is_log(name), "{name}");
        }
        for name in [
            "audit",
            "audit.log",
            "audit.pdf",
            "audit-notes",
            "audit.mine.jsonl",
            "active-responses.log.mine",
        ] {
            assert!(!is_log(name), "{name}");
        }
    }

    #[test]
    fn accounts_that_look_locked_by_us() {
        assert_eq!(locked("eve:!$6$s$h:19000:0:99999:7::1:"), Some("eve"));
        for line in [
            "eve:!$6$s$h:19000:0:99999:7:::",
            "eve:$6$s$h:19000:0:99999:7::1:",
            "e;v:!x:1:0:9:7::1:",
            "eve:!",
            "",
        ] {
            assert_eq!(locked(line), None, "{line}");
        }
    }
}
