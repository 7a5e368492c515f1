//! What a command leaves that was killed in the middle: the next one that
//! changes something ends its work or takes it back, and says so.
//!
//! Nothing of this is needed to know what runs: that is the file `NAME.wasm`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use riposte_policy::grant::Digest;

use super::record::{Found, Record, Version};
use super::{Installed, LARGEST, Name, PARTIAL, REMOVED, VERSIONS};
use crate::files;
use crate::show::counted;

impl Installed {
    /// Puts everything right that can be now, and tells what. Nobody else changes
    /// it meanwhile: the lock is ours.
    pub(super) fn mend(&self) -> Vec<String> {
        let mut told = Vec::new();
        let versions = self.plugins.join(VERSIONS);
        let mut partial = remove_partial(&self.plugins);
        for (folder, name) in names(&versions) {
            if let Some(name) = name.strip_prefix('.').and_then(|name| name.strip_suffix(REMOVED)) {
                told.extend(named(name).and_then(|name| self.mend_removal(&name, &folder)));
                continue;
            }
            partial += remove_partial(&folder);
            told.extend(named(&name).and_then(|name| self.mend_one(&name)));
        }
        if partial > 0 {
            told.push(format!(
                "removed {} of a command that was ended in the middle",
                counted(partial, "half-written file")
            ));
        }
        told
    }

    /// A removal goes on when the component is gone already, and else did not
    /// take place.
    fn mend_removal(&self, name: &Name, removed: &Path) -> Option<String> {
        let kept = self.kept(name);
        if self.path(name).exists() && !kept.exists() {
            rustix::fs::rename(removed, kept).ok()?;
            return Some(format!(
                "{name} was not removed: the command was ended in the middle; all of it is there"
            ));
        }
        std::fs::remove_dir_all(removed).ok()?;
        Some(format!("{name} is removed now with its versions: the command for it was ended in the middle"))
    }

    /// Brings the record of one component and its files together with what runs.
    pub(super) fn mend_one(&self, name: &Name) -> Option<String> {
        let kept = self.kept(name);
        let held = held(&kept)?;
        let found = Record::find(&kept);
        if let Found::Record(record) = &found
            && record.next.is_none()
            && held.iter().all(|(digest, ..)| record.has(digest))
        {
            return None;
        }
        let wasm = match files::read_at_most(&self.path(name), LARGEST) {
            Ok(wasm) => wasm,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return never_ran(name, &kept, &found),
            Err(_) => return None,
        };
        let running = riposte_runtime::digest(&wasm).to_string();
        let (record, told) = match found {
            Found::Unreadable(_) => return None,
            Found::Record(record) => match record.next.as_ref().map(|next| next.sha256.clone()) {
                None => (record, None),
                Some(next) => {
                    let record = record.settled(&running);
                    record.write(&kept).ok()?;
                    let how = if next == running {
                        "runs: the command that put it there was ended in the middle; a running engine of this home \
                         takes it up with its next reload"
                    } else {
                        "was not put in place: the command was ended in the middle; what ran before still does"
                    };
                    (record, Some(format!("{name}: the version {next} {how}")))
                }
            },
            Found::Nothing => {
                let versions = whole(held.iter().filter(|(digest, ..)| *digest != running));
                if versions.is_empty() {
                    return None;
                }
                let count = versions.len();
                let record = Record { versions, next: None };
                record.write(&kept).ok()?;
                let told = format!(
                    "{name}: what was known of its versions was lost; {count} whose files are whole are kept"
                );
                (record, Some(told))
            }
        };
        for (digest, path, _) in held {
            if digest != running && !record.has(&digest) {
                // What stays lies there unused.
                let _ = rustix::fs::unlink(path);
            }
        }
        told
    }
}

/// What was to be the first version of a name. One that somebody took away by
/// hand has earlier ones, and those stay.
fn never_ran(name: &Name, kept: &Path, found: &Found) -> Option<String> {
    match found {
        Found::Record(record) if record.versions.is_empty() => {
            std::fs::remove_dir_all(kept).ok()?;
            Some(format!("{name} was not installed: the command was ended in the middle"))
        }
        Found::Nothing => {
            // Not even that was begun, when it is empty.
            let _ = rustix::fs::rmdir(kept);
            None
        }
        Found::Record(_) | Found::Unreadable(_) => None,
    }
}

/// A name that is one as it stands.
fn named(text: &str) -> Option<Name> {
    text.parse().ok().filter(|name: &Name| name.as_str() == text)
}

/// What a folder holds, by path and name.
fn names(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?))).collect()
}

/// Removes what was never whole, and counts it.
fn remove_partial(folder: &Path) -> usize {
    let mut partial = names(folder);
    partial.retain(|(_, name)| name.starts_with('.') && name.ends_with(PARTIAL));
    partial.iter().filter(|(path, _)| rustix::fs::unlink(path).is_ok()).count()
}

/// The versions that lie in a folder, by digest, with when each was written.
/// `None`: there is no such folder.
fn held(kept: &Path) -> Option<Vec<(String, PathBuf, SystemTime)>> {
    if !kept.is_dir() {
        return None;
    }
    let one = |(path, name): (PathBuf, String)| {
        let digest = name.strip_suffix(".wasm").filter(|digest| digest.parse::<Digest>().is_ok())?.to_owned();
        let written = path.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        Some((digest, path, written))
    };
    Some(names(kept).into_iter().filter_map(one).collect())
}

/// The digests of what lies in the folders of all names.
pub(super) fn kept_digests(versions: &Path) -> Vec<String> {
    let held = names(versions).into_iter().filter_map(|(folder, _)| held(&folder));
    held.flatten().map(|(digest, ..)| digest).collect()
}

/// The names of which versions are kept.
pub(super) fn names_kept(versions: &Path) -> Vec<Name> {
    names(versions).into_iter().filter_map(|(_, name)| named(&name)).collect()
}

/// Those of these files that hold what they are called, the latest first.
fn whole<'a>(held: impl Iterator<Item = &'a (String, PathBuf, SystemTime)>) -> Vec<Version> {
    let mut held: Vec<_> = held.collect();
    held.sort_by_key(|(.., written)| std::cmp::Reverse(*written));
    let version = |(name, path, _): &(String, PathBuf, SystemTime)| {
        let wasm = files::read_at_most(path, LARGEST).ok()?;
        let digest = riposte_runtime::digest(&wasm);
        (digest.to_string() == *name).then(|| Version::by_hand(digest, wasm.len()))
    };
    held.into_iter().filter_map(version).collect()
}
