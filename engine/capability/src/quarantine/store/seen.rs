//! What is in the quarantine, and what has become of it.

use std::os::fd::OwnedFd;
use std::path::Path;

use riposte_policy::order::EntryId;
use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

use super::Store;
use crate::held::{Gone, Listed};
use crate::path::HostPath;
use crate::place::{Links, look, open_folder};
use crate::refusal::Refusal;

impl Store {
    /// Every file that is kept here, by its record.
    pub(super) fn kept_files(&self) -> Result<Vec<Listed>, Refusal> {
        let Some(store) = self.there()? else { return Ok(Vec::new()) };
        let mut listed = Vec::new();
        for name in self.records(&store)? {
            // What cannot be read is not known; it stays where it is.
            let Ok(record) = self.read_record(&store, &name) else { continue };
            if self.look(&store, &record.name)? {
                listed.push(Listed { target: record.path, entry: record.entry.map(EntryId) });
            }
        }
        Ok(listed)
    }

    /// Of files that are claimed, those that are not here any more. One that
    /// somebody moved back is taken again; any other that stands in its place is
    /// left alone, for nobody has judged it.
    pub(super) fn gone(&self, claimed: &[String]) -> Result<Gone, Refusal> {
        let mut gone = Gone::default();
        if claimed.is_empty() {
            return Ok(gone);
        }
        let Some(store) = self.there()? else {
            let lost =
                |path: &String| (path.clone(), "the quarantine is gone, and the file with it".to_owned());
            gone.otherwise.extend(claimed.iter().map(lost));
            return Ok(gone);
        };
        for target in claimed {
            let Ok(path) = HostPath::parse(target) else { continue };
            let record = match self.last_record(&store, &path) {
                Ok(record) => record,
                Err(why) => {
                    gone.otherwise.push((target.clone(), why.message));
                    continue;
                }
            };
            let here = self.look(&store, &record.name)?;
            let there = match open_folder(path.folder(), Links::None) {
                Ok(folder) => look(&folder, path.name()).unwrap_or_default(),
                Err(_) => None,
            };
            let why = match (here, there) {
                (true, None) => continue,
                (true, Some(_)) => "another file stands in its place; it was not judged, and stays",
                (false, Some(found)) if record.is_of(&found) => {
                    gone.missing.push(target.clone());
                    continue;
                }
                (false, Some(_)) => {
                    "somebody took the file out of the quarantine, and another stands in its place; it was not \
                     judged, and stays"
                }
                (false, None) => "somebody took the file out of the quarantine",
            };
            gone.otherwise.push((target.clone(), why.to_owned()));
        }
        Ok(gone)
    }

    /// The folder, when it is there.
    fn there(&self) -> Result<Option<OwnedFd>, Refusal> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(&self.folder, flags, Mode::empty()) {
            Ok(store) => Ok(Some(store)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("", "look at", errno)),
        }
    }

    /// The names of all records.
    fn records(&self, store: &OwnedFd) -> Result<Vec<String>, Refusal> {
        let mut names = Vec::new();
        for entry in Dir::read_from(store).map_err(|errno| self.failed("", "list", errno))? {
            let entry = entry.map_err(|errno| self.failed("", "list", errno))?;
            let name = entry.file_name().to_str().unwrap_or_default();
            if Path::new(name).extension().is_some_and(|extension| extension == "json") {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}
