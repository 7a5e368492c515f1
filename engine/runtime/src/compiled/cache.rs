//! The folder of compiled code.

use std::ffi::{CStr, CString};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use riposte_policy::grant::Digest;
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use super::{CacheError, Why};

/// First bytes of every file: changes with the layout.
pub(super) const MAGIC: &[u8; 16] = b"riposte-code\0\0\0\x01";
pub(super) const MAC: usize = 32;
pub(super) const HEADER: usize = MAGIC.len() + 32 + 32;
const KEY_FILE: &CStr = c"key";

/// A folder of compiled components.
pub(crate) struct Cache {
    path: PathBuf,
    folder: OwnedFd,
    pub(super) key: [u8; 32],
}

impl Cache {
    /// Opens the folder, and makes it when it is not there.
    #[allow(clippy::useless_conversion, reason = "a mode has 16 bits on FreeBSD")]
    pub(crate) fn open(path: &Path) -> Result<Self, CacheError> {
        let wrong = |what: &'static str, errno: Errno| CacheError {
            path: path.to_owned(),
            why: Why::Io(what, errno),
        };
        match fs::mkdirat(CWD, path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(wrong("cannot be made", errno)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = fs::openat(CWD, path, flags, Mode::empty()).map_err(|e| wrong("cannot be opened", e))?;
        let stat = fs::fstat(&folder).map_err(|e| wrong("cannot be read", e))?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(CacheError { path: path.to_owned(), why: Why::Owner(stat.st_uid) });
        }
        let mode = Mode::from_raw_mode(stat.st_mode);
        if mode.intersects(Mode::WGRP | Mode::WOTH) {
            return Err(CacheError {
                path: path.to_owned(),
                why: Why::Writable(u32::from(mode.as_raw_mode() & 0o777)),
            });
        }
        let key = key(&folder).map_err(|e| wrong("has a `key` that cannot be read or made", e))?;
        Ok(Self { path: path.to_owned(), folder, key })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.path
    }

    /// What is kept under `name`, when it is what this engine made of it.
    pub(super) fn load(&self, engine: &wasmtime::Engine, name: &Name) -> Option<Component> {
        let doubt = |why: &dyn fmt::Display| {
            let folder = self.path.display();
            tracing::warn!(%folder, file = ?name.file, %why, "compiled code is not used: compiling again");
        };
        let bytes = match read(&self.folder, &name.file) {
            Ok(bytes) => bytes,
            Err(Errno::NOENT) => return None,
            Err(errno) => {
                doubt(&errno);
                return None;
            }
        };
        let Some((mac, signed)) = bytes.split_at_checked(MAC) else {
            doubt(&"the file is cut short");
            return None;
        };
        if self.mac(&[signed]).verify_slice(mac).is_err() {
            doubt(&"it was not written by this engine, or changed since");
            return None;
        }
        let Some((_, code)) = signed.split_at_checked(HEADER).filter(|(header, _)| *header == name.header)
        else {
            doubt(&"it is of another component or engine");
            return None;
        };
        // SAFETY: `code` is what `Component::serialize` returned in a process
        // with this folder's key, for an engine of the same compatibility hash:
        // the MAC over header and code has just been verified, on this very
        // memory, under a key that nobody but this user can read.
        #[expect(unsafe_code, reason = "the one way to load compiled code")]
        let component = unsafe { Component::deserialize(engine, code) };
        component.inspect_err(|error| doubt(&error)).ok()
    }

    pub(super) fn keep(&self, name: &Name, code: &[u8]) -> Result<(), String> {
        let mac = self.mac(&[&name.header, code]).finalize().into_bytes();
        write(&self.folder, &name.file, &[&mac, &name.header, code]).map_err(|e| e.to_string())
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        let mut mac = match Hmac::<Sha256>::new_from_slice(&self.key) {
            Ok(mac) => mac,
            Err(_) => unreachable!("HMAC takes keys of any length"),
        };
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}

/// Under which name, and with which header, one component is kept for one
/// engine.
pub(super) struct Name {
    pub(super) file: CString,
    header: [u8; HEADER],
}

impl Name {
    pub(super) fn new(engine: &wasmtime::Engine, component: Digest) -> Self {
        let mut compatibility = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut compatibility);
        let compatibility = Digest(compatibility.0.finalize().into());
        let mut header = [0; HEADER];
        let parts = MAGIC.iter().chain(&component.0).chain(&compatibility.0);
        header.iter_mut().zip(parts).for_each(|(byte, part)| *byte = *part);
        // Half of the second digest tells engines apart; all of it is in the header.
        let file: String = format!("{component}-{compatibility}").chars().take(64 + 1 + 32).collect();
        Self { file: CString::new(file).unwrap_or_default(), header }
    }
}

/// Hashes what is meant for a hash map with a hash that has no collisions.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// The key of the folder; a new one when there is none that is ours alone.
/// What was signed with another one is then compiled again.
fn key(folder: &OwnedFd) -> Result<[u8; 32], Errno> {
    let mut key = [0; 32];
    if let Ok(file) = open(folder, KEY_FILE)
        && let Ok(stat) = fs::fstat(&file)
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && !Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO)
        && std::fs::File::from(file).read_exact(&mut key).is_ok()
    {
        return Ok(key);
    }
    getrandom::fill(&mut key).map_err(|_| Errno::IO)?;
    write(folder, KEY_FILE, &[&key])?;
    Ok(key)
}

fn open(folder: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    // Not blocking: a FIFO by that name is no file, but opening it could wait.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = fs::openat(folder, name, flags, Mode::empty())?;
    let stat = fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile { Ok(file) } else { Err(Errno::INVAL) }
}

fn read(folder: &OwnedFd, name: &CStr) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    std::fs::File::from(open(folder, name)?).read_to_end(&mut bytes).map_err(errno)?;
    Ok(bytes)
}

/// Writes a file whole or not at all: readable for this user alone.
fn write(folder: &OwnedFd, name: &CStr, parts: &[&[u8]]) -> Result<(), Errno> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Errno::IO)?;
    let temporary = format!("new-{:016x}", u64::from_ne_bytes(random));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = std::fs::File::from(fs::openat(folder, &*temporary, flags, Mode::RUSR | Mode::WUSR)?);
    let written = parts
        .iter()
        .try_for_each(|part| file.write_all(part))
        .and_then(|()| file.sync_data())
        .map_err(errno)
        .and_then(|()| fs::renameat(folder, &*temporary, folder, name));
    if written.is_err() {
        let _ = fs::unlinkat(folder, &*temporary, AtFlags::empty());
    }
    written
}

// By value, to be named in `map_err`.
#[expect(clippy::needless_pass_by_value, reason = "to be named in map_err")]
fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
