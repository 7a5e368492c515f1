//! What has to be known of a file to put it back.

use std::ffi::CStr;

use riposte_policy::diagnostic::shown;
use rustix::fs::Stat;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::path::HostPath;
use crate::place::identity;
use crate::refusal::Refusal;

/// One file, as it was. Stored with the claim, and beside the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Where it was.
    pub path: String,
    /// Its name in the quarantine.
    pub name: String,
    /// Permission bits, also set-user-ID and the like.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// When it was changed: seconds since 1970 and nanoseconds.
    pub mtime: (i64, i64),
    /// In bytes.
    pub size: u64,
    /// Of its bytes in hexadecimal, when it is not too large to be read now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Device and number of the file.
    pub device: u64,
    pub inode: u64,
    /// The entry that took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<i64>,
    /// Its file capabilities in hexadecimal: a change of owner takes them away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
}

/// The attribute that holds file capabilities (capabilities(7)).
pub(super) const CAPABILITY: &CStr = c"security.capability";

impl Record {
    #[allow(clippy::useless_conversion, reason = "the widths differ between systems")]
    pub(super) fn new(path: &HostPath, name: String, found: &Stat) -> Self {
        let (device, inode) = identity(found);
        Self {
            path: path.as_str().to_owned(),
            name,
            mode: found.st_mode & 0o7777,
            uid: found.st_uid,
            gid: found.st_gid,
            mtime: (found.st_mtime, i64::try_from(found.st_mtime_nsec).unwrap_or_default()),
            size: u64::try_from(found.st_size).unwrap_or_default(),
            sha256: None,
            device,
            inode,
            entry: None,
            capability: None,
        }
    }

    pub(super) fn is_of(&self, found: &Stat) -> bool {
        (self.device, self.inode) == identity(found)
    }

    pub(super) fn stored(&self) -> String {
        // Texts and numbers become JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let unknown = || {
            Refusal::unsupported(format!(
                "the state before, {}, was recorded by another version of Riposte: undo it by hand",
                shown(text)
            ))
        };
        let record: Self = serde_json::from_str(text).map_err(|_| unknown())?;
        // A name of ours and nothing else: it is used as a name in a folder.
        let plain = record.name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if record.name.is_empty() || !plain { Err(unknown()) } else { Ok(record) }
    }
}

/// The beginning of the names under which files of this path are kept.
pub(super) fn stem(path: &HostPath) -> String {
    let digest = Sha256::digest(path.as_str().as_bytes());
    hex(digest.get(..16).unwrap_or_default())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.len().is_multiple_of(2).then(|| text.as_bytes().chunks(2).map(pair).collect())?
}
