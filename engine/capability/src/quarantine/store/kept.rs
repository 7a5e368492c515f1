//! What lies in the quarantine, whoever holds it.

use std::path::PathBuf;

use rustix::fs::{Dir, Mode, OFlags, openat};

use super::super::record::Record;
use super::Store;
use crate::path::HostPath;
use crate::place::{blocking, errno};
use crate::refusal::Refusal;

/// A file in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where it was.
    pub path: PathBuf,
    /// Where it lies.
    pub lies: PathBuf,
    record: Record,
}

impl Store {
    /// Every file that is kept here, by the path it had. A quarantine that was
    /// never used has none, and is not made.
    ///
    /// # Errors
    ///
    /// When the folder or a record in it cannot be read.
    pub fn all_kept(&self) -> Result<Vec<Kept>, Refusal> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let store = self.open()?;
        let failed = |errno| self.failed("", "list", errno);
        let mut kept = Vec::new();
        for entry in Dir::read_from(&store).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let Some(stem) = name.strip_suffix(".json") else { continue };
            // A record without a file is of what was never moved, or is back.
            if !self.look(&store, stem)? {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(&store, name, flags, Mode::empty())
                .map_err(|errno| self.failed(name, "read", errno))?;
            let mut text = String::new();
            let mut limited = std::io::Read::take(std::fs::File::from(file), 64 << 10);
            std::io::Read::read_to_string(&mut limited, &mut text)
                .map_err(|error| self.failed(name, "read", errno(&error)))?;
            let record = Record::read(&text)?;
            kept.push(Kept { path: record.path.clone().into(), lies: self.folder.join(stem), record });
        }
        kept.sort_by(|a, b| (&a.path, &a.lies).cmp(&(&b.path, &b.lies)));
        Ok(kept)
    }

    /// Puts a file back where it was, with owner, mode and times.
    ///
    /// # Errors
    ///
    /// When it stays where it is: something has taken its place, or its folder
    /// is gone.
    pub async fn put_back(&self, kept: &Kept) -> Result<(), Refusal> {
        let (store, kept) = (self.clone(), kept.clone());
        let path = HostPath::parse(&kept.record.path)?;
        blocking(move || store.give_back(&path, &kept.record)).await
    }
}
