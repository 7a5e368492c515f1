//! How far each file of alerts was read.
//!
//! A file is known by what it is, not by its name: after a rotation the name
//! belongs to another file, and the rest of the old one is still to be read.

/// What tells one file from another under the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// Its device.
    pub dev: u64,
    /// Its inode. Inodes are used again, hence the hash.
    pub ino: u64,
    /// SHA-256 of its first `head_len` bytes.
    pub head_hash: [u8; 32],
    /// How many bytes that is: 4,096, or fewer while the file is shorter.
    pub head_len: u32,
}

/// A file of alerts, and how far it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The ledger's number for it.
    pub id: i64,
    /// Where it was found.
    pub path: String,
    /// Which file it was.
    pub identity: FileIdentity,
    /// Everything before this byte has been answered.
    pub offset: u64,
    /// Whether it was read to its end and will not grow: it was rotated away.
    pub done: bool,
    /// When the position was last written, wall clock in milliseconds.
    pub updated_ms: i64,
}
