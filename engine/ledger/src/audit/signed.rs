//! Heads of the chain that a key vouches for.
//!
//! Who can change the files and the ledger can make a chain that fits. Not one
//! that fits a signed head, for which the key is needed; and not one that fits
//! a head that another machine keeps a copy of.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::chain::{Hash, Head};
use super::time::Utc;

/// What a signature is over begins with this: no signature for another purpose
/// is taken for one of a head.
const PURPOSE: &str = "riposte audit head 1";

/// What a file with a key begins with.
const FILE: &str = "riposte-audit-key-1 ";

/// Longest key file.
const LONGEST: u64 = 4_096;

/// An Ed25519 key that signs heads.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    /// Only the public half.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

/// The public half of a key: 32 bytes, 64 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hash(self.0).fmt(f)
    }
}

impl SigningKey {
    /// Makes a key and writes it to `path`, which must not exist, for its owner
    /// alone to read.
    ///
    /// # Errors
    ///
    /// When the file is there, or cannot be written.
    pub fn generate(path: &Path) -> Result<PublicKey, KeyError> {
        let wrong = |why: String| KeyError { path: path.to_owned(), why };
        let random = ring::rand::SystemRandom::new();
        let mut seed = [0; 32];
        ring::rand::SecureRandom::fill(&random, &mut seed)
            .map_err(|_| wrong("the system gives no random numbers".to_owned()))?;
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| wrong(error.to_string()))?;
        let key = Self(key);
        #[expect(clippy::disallowed_methods, reason = "this module owns the keys of the audit")]
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(path);
        let text = format!("{FILE}{}\npublic {}\n", Hash(seed), key.public());
        let written = opened.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                wrong("it is there already; name another file, or move it away".to_owned())
            }
            io::ErrorKind::NotFound => {
                wrong("its folder is not there; make the folder, or name another file".to_owned())
            }
            io::ErrorKind::PermissionDenied => {
                wrong(format!("{error}; run it as root, or name another file"))
            }
            _ => wrong(error.to_string()),
        })?;
        Ok(key.public())
    }

    /// Reads a key.
    ///
    /// # Errors
    ///
    /// When it is none, or others may read it.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let wrong = |why: String| KeyError { path: path.to_owned(), why };
        let absent = "it is not there; `riposte audit keygen FILE` makes one";
        let text = read_file(path, absent, |mode| mode & 0o077 == 0).map_err(wrong)?;
        let hex = text.strip_prefix(FILE).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let seed: Hash = hex.parse().map_err(|_| {
            wrong("it is no key of an audit; make one with `riposte audit keygen FILE`".to_owned())
        })?;
        Ed25519KeyPair::from_seed_unchecked(&seed.0).map(Self).map_err(|error| wrong(error.to_string()))
    }

    /// Its public half, with which others verify.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        for (byte, of) in bytes.iter_mut().zip(self.0.public_key().as_ref()) {
            *byte = *of;
        }
        PublicKey(bytes)
    }
}

impl PublicKey {
    /// Reads a public key: 64 digits, or a file that holds them, alone or
    /// behind `public`.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        if let Ok(key) = text.parse::<Hash>() {
            return Ok(Self(key.0));
        }
        let path = Path::new(text);
        let wrong = |why: String| KeyError { path: path.to_owned(), why };
        let absent = "it is neither 64 digits nor a file; `riposte audit keygen` prints a public key";
        let content = read_file(path, absent, |_| true).map_err(wrong)?;
        let word = content
            .lines()
            .find_map(|line| line.trim().rsplit(' ').next()?.parse::<Hash>().ok().map(|key| (line, key)));
        let public =
            content.lines().find_map(|line| line.strip_prefix("public ")?.trim().parse::<Hash>().ok());
        match (public, word) {
            (Some(key), _) => Ok(Self(key.0)),
            // The secret half is not to be taken for a public key.
            (None, Some((line, key))) if !line.starts_with(FILE) => Ok(Self(key.0)),
            _ => {
                Err(wrong("it is no public key: 64 digits as `riposte audit keygen` prints them".to_owned()))
            }
        }
    }
}

fn read_file(path: &Path, absent: &str, mode: impl Fn(u32) -> bool) -> Result<String, String> {
    use std::io::Read;
    #[expect(clippy::disallowed_methods, reason = "this module owns the keys of the audit")]
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => absent.to_owned(),
        _ => error.to_string(),
    })?;
    let found = file.metadata().map_err(|error| error.to_string())?;
    if !mode(found.mode()) {
        return Err(format!("others may read it; run: chmod 600 {}", path.display()));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    path: PathBuf,
    why: String,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key {} cannot be used: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for KeyError {}

/// A head and who vouches for it, as a line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// When it was signed, RFC 3339.
    pub time: String,
    /// By which machine.
    pub host: String,
    /// How many lines the chain had.
    pub count: u64,
    /// The hash of the last of them.
    pub hash: String,
    /// The public key, in hex.
    pub key: String,
    /// Ed25519 over `riposte audit head 1`, time, host, count and hash, each
    /// with a line feed, in hex.
    pub signature: String,
}

impl Signed {
    fn text(&self) -> String {
        let Self { time, host, count, hash, .. } = self;
        format!("{PURPOSE}\n{time}\n{host}\n{count}\n{hash}\n")
    }

    /// The head, when `key` vouches for it.
    #[must_use]
    pub fn vouched(&self, key: &PublicKey) -> Option<Head> {
        let signature = bytes(&self.signature)?;
        let known = UnparsedPublicKey::new(&ED25519, &key.0);
        known.verify(self.text().as_bytes(), &signature).ok()?;
        Some(Head { count: self.count, hash: self.hash.parse().ok()? })
    }
}

/// Signs a head: one line, with its line feed.
#[must_use]
pub fn sign(key: &SigningKey, host: &str, wall_ms: i64, head: Head) -> String {
    let mut signed = Signed {
        time: Utc(wall_ms).to_string(),
        // What stands behind it must not be mistaken for another line of the text.
        host: host.chars().filter(|c| !c.is_control()).collect(),
        count: head.count,
        hash: head.hash.to_string(),
        key: key.public().to_string(),
        signature: String::new(),
    };
    let signature = key.0.sign(signed.text().as_bytes());
    signed.signature = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    // Texts and numbers always have a JSON form.
    let mut line = serde_json::to_string(&signed).unwrap_or_default();
    line.push('\n');
    line
}

/// Appends a signed head to its file, and forces it to the disk.
///
/// # Errors
///
/// When that fails.
pub(super) fn append(path: &Path, line: &str) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this module owns the signed heads")]
    let mut options = std::fs::OpenOptions::new();
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut file = options.append(true).create(true).mode(0o640).custom_flags(nofollow).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_data()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_head_is_vouched_for_by_its_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let public = SigningKey::generate(&path).unwrap();
        assert!(SigningKey::generate(&path).unwrap_err().to_string().contains("there already"));
        let key = SigningKey::read(&path).unwrap();
        assert_eq!(key.public(), public);
        assert_eq!(PublicKey::read(path.to_str().unwrap()), Ok(public));
        assert_eq!(PublicKey::read(&public.to_string()), Ok(public));
        let head = Head { count: 7, hash: Hash::of(b"x") };
        let line = sign(&key, "host\nname", 0, head);
        let signed: Signed = serde_json::from_str(&line).unwrap();
        assert_eq!(signed.vouched(&public), Some(head));
        let other = SigningKey::generate(&dir.path().join("other")).unwrap();
        assert_eq!(signed.vouched(&other), None);
        for changed in [
            Signed { count: 8, ..signed.clone() },
            Signed { host: "other".into(), ..signed.clone() },
            Signed { time: "x".into(), ..signed.clone() },
            Signed { hash: Hash::of(b"y").to_string(), ..signed.clone() },
            Signed { signature: "00".into(), ..signed.clone() },
        ] {
            assert_eq!(changed.vouched(&public), None);
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        SigningKey::generate(&path).unwrap();
        rustix::fs::chmod(&path, 0o640.into()).unwrap();
        assert!(SigningKey::read(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
