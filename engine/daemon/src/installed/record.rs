//! What is known of the versions of one component, beside their files.

use std::io;
use std::path::Path;

use riposte_author::manifest::is_version;
use riposte_policy::grant::Digest;
use riposte_runtime::Kind;
use serde::{Deserialize, Serialize};

use super::{InstallError, KEPT, write};
use crate::files;

const FILE: &str = "record.json";
/// Some hundred bytes for each version.
const LARGEST: u64 = 64 << 10;

/// The versions that were installed under one name, the one that was put there
/// last first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(default)]
    pub(super) versions: Vec<Version>,
    /// What was about to run when this was written: it does when it is the file
    /// that runs, and else it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<Version>,
}

/// What a folder says of its versions.
pub(super) enum Found {
    /// A record.
    Record(Record),
    /// None, or nothing that could be one.
    Nothing,
    /// It cannot be read now, or is too large.
    Unreadable(io::Error),
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Of its bytes, in hex.
    pub sha256: String,
    /// As its manifest has it.
    #[serde(default)]
    pub version: Option<String>,
    /// `reversible` or `oneshot`; none: nobody looked.
    #[serde(default)]
    pub kind: Option<String>,
    /// In bytes.
    pub size: usize,
    /// When it was installed, wall clock in milliseconds; none: by hand.
    #[serde(default)]
    pub since_ms: Option<i64>,
    /// Of the sources that it was built from; none: it came as a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<String>,
}

impl Version {
    /// One of which only the file is known.
    pub(super) fn by_hand(digest: Digest, size: usize) -> Self {
        Self { sha256: digest.to_string(), version: None, kind: None, size, since_ms: None, sources: None }
    }

    /// Forgets what no manifest could have said.
    fn plain(&mut self) {
        let is_kind =
            |kind: &String| [Kind::Reversible, Kind::Oneshot].iter().any(|one| one.as_str() == kind);
        self.version = self.version.take().filter(|version| is_version(version));
        self.kind = self.kind.take().filter(is_kind);
    }
}

impl Record {
    /// Reads the record in a folder. Without one, or with one that was damaged,
    /// nothing is known: the files themselves are what counts.
    pub(super) fn read(folder: &Path) -> Self {
        match Self::find(folder) {
            Found::Record(record) => record,
            Found::Nothing | Found::Unreadable(_) => Self::default(),
        }
    }

    /// The same, to write it again: what cannot be read now is not forgotten.
    ///
    /// # Errors
    ///
    /// When there is one that cannot be read.
    pub(super) fn to_change(folder: &Path) -> Result<Self, InstallError> {
        match Self::find(folder) {
            Found::Record(record) => Ok(record),
            Found::Nothing => Ok(Self::default()),
            Found::Unreadable(source) => Err(InstallError::Record { path: folder.join(FILE), source }),
        }
    }

    /// The same, for who has to know why there is none.
    pub(super) fn find(folder: &Path) -> Found {
        let bytes = match files::read_at_most(&folder.join(FILE), LARGEST) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return Found::Unreadable(error),
        };
        let Ok(mut record) = serde_json::from_slice::<Self>(&bytes) else { return Found::Nothing };
        // The digest becomes a file name.
        let is_one = |version: &Version| version.sha256.parse::<Digest>().is_ok();
        record.versions.retain(is_one);
        record.next = record.next.filter(is_one);
        // The rest is shown to people.
        record.versions.iter_mut().chain(&mut record.next).for_each(Version::plain);
        Found::Record(record)
    }

    /// The record when this is what runs: what was about to run does, or never did.
    pub(super) fn settled(mut self, running: &str) -> Self {
        if let Some(next) = self.next.take().filter(|next| next.sha256 == running) {
            self.versions.retain(|version| version.sha256 != running);
            self.versions.insert(0, next);
            self.versions.truncate(KEPT);
        }
        self
    }

    /// Whether it names a version that ran.
    pub(super) fn has(&self, sha256: &str) -> bool {
        self.versions.iter().any(|version| version.sha256 == sha256)
    }

    /// Writes it.
    pub(super) fn write(&self, folder: &Path) -> Result<(), InstallError> {
        // Strings and numbers alone: it does not fail.
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        write(&folder.join(FILE), &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test damages a file")]
    fn a_damaged_record_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let version = Version::by_hand(Digest([7; 32]), 3);
        Record { versions: vec![version.clone()], next: None }.write(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).versions, [version]);
        let evil = r#"{"versions":[{"sha256":"../../etc/shadow","size":1}]}"#;
        for text in ["", "{", "[]", evil, &"x".repeat(100_000)] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert!(Record::read(dir.path()).versions.is_empty(), "{text}");
        }
        let refused = Record::to_change(dir.path()).map(drop).unwrap_err().to_string();
        assert!(refused.contains("record.json") && refused.contains("move it away"), "{refused}");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test writes a hostile file")]
    fn what_no_manifest_says_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let good = Version {
            version: Some("1.2.3".to_owned()),
            kind: Some("oneshot".to_owned()),
            ..Version::by_hand(Digest([7; 32]), 3)
        };
        let evil = Some("\u{1b}[31m\nok: all fine".to_owned());
        let bad = Version { version: evil.clone(), kind: evil, ..good.clone() };
        let record = Record { versions: vec![good.clone(), bad.clone()], next: Some(bad) };
        std::fs::write(dir.path().join(FILE), serde_json::to_vec(&record).unwrap()).unwrap();
        let read = Record::read(dir.path());
        let next = read.next.unwrap();
        assert_eq!(read.versions[0], good);
        assert_eq!((&read.versions[1].version, &read.versions[1].kind), (&None, &None));
        assert_eq!((next.version, next.kind), (None, None));
    }
}
