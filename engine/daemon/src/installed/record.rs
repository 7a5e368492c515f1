//! What is known of the versions of one component, beside their files.

use std::path::Path;

use riposte_policy::grant::Digest;
use serde::{Deserialize, Serialize};

use super::{InstallError, write};
use crate::files;

const FILE: &str = "record.json";
/// Some hundred bytes for each version.
const LARGEST: u64 = 64 << 10;

/// The versions that were installed under one name, the one that was put there
/// last first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) versions: Vec<Version>,
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
}

impl Version {
    /// One of which only the file is known.
    pub(super) fn by_hand(digest: Digest, size: usize) -> Self {
        Self { sha256: digest.to_string(), version: None, kind: None, size, since_ms: None }
    }
}

impl Record {
    /// Reads the record in a folder. Without one, or with one that was damaged,
    /// nothing is known: the files themselves are what counts.
    pub(super) fn read(folder: &Path) -> Self {
        let bytes = files::read_at_most(&folder.join(FILE), LARGEST).unwrap_or_default();
        let mut record: Self = serde_json::from_slice(&bytes).unwrap_or_default();
        // The digest becomes a file name.
        record.versions.retain(|version| version.sha256.parse::<Digest>().is_ok());
        record
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
        Record { versions: vec![version.clone()] }.write(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).versions, [version]);
        let evil = r#"{"versions":[{"sha256":"../../etc/shadow","size":1}]}"#;
        for text in ["", "{", "[]", evil, &"x".repeat(100_000)] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert!(Record::read(dir.path()).versions.is_empty(), "{text}");
        }
    }
}
