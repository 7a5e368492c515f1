//! Which file is started, and why it may be, on a Unix.
//!
//! A program runs with the engine's rights, so who may write it may do what
//! the engine may do. That is checked when a name is resolved, and again each
//! time before the program is started.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::Unfit;

/// The folder of native programs below Wazuh's home, and the prefix of the
/// name under which a native program is called.
pub(super) const BIN: &str = "active-response/bin";

/// A file that has been found fit to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The absolute path as it was asked for, links and all.
    path: PathBuf,
    /// Its name below the folder of native programs, or its path.
    name: String,
    /// The folder of native programs, when it is one of those.
    bin: Option<PathBuf>,
    /// Device and inode of the file that was examined.
    file: (u64, u64),
    /// Whether it is text without a `#!` line.
    bare: bool,
    /// Whether it is this very program.
    this: bool,
}

impl Program {
    /// The native program `name` in the folder `bin`. `name` may lead into a
    /// folder below it, and links are followed as long as they stay below it.
    ///
    /// # Errors
    ///
    /// When there is no such file, or when somebody other than root and the
    /// user of the engine could have written it.
    pub fn resolve(bin: &Path, name: &str) -> Result<Self, Unfit> {
        let plain = !name.is_empty()
            && !name.contains(char::is_control)
            && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !plain {
            return Err(Unfit::Name { name: name.to_owned() });
        }
        let bin = absolute(bin)?;
        let path = bin.join(name);
        let folder =
            rustix::fs::open(&bin, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|error| unreadable(&bin, error))?;
        let file = open_beneath(&folder, name).map_err(|error| match error {
            Errno::XDEV | Errno::LOOP => Unfit::Escapes { path: path.clone(), bin: bin.clone() },
            error => unreadable(&path, error),
        })?;
        let real_bin = real_path(&folder, &bin)?;
        let real = real_path(&file, &path)?;
        // Says it a second time where openat2 did, and the only time where the
        // kernel has no openat2.
        if !real.starts_with(&real_bin) {
            return Err(Unfit::Escapes { path, bin });
        }
        for folder in real.ancestors().skip(1).take_while(|folder| folder.starts_with(&real_bin)) {
            only_ours(folder, &stat(folder)?)?;
        }
        let (file, bare) = fit(&file, &path, &real)?;
        Ok(Self { path, name: name.to_owned(), bin: Some(bin), file, bare, this: false })
    }

    /// The program at an absolute path, as a grant names it. Links are
    /// followed; the file and the folder that it lies in are examined.
    ///
    /// # Errors
    ///
    /// As [`Program::resolve`].
    pub fn at(path: &Path) -> Result<Self, Unfit> {
        if !path.is_absolute() {
            return Err(Unfit::Name { name: path.display().to_string() });
        }
        let file = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| unreadable(path, error))?;
        let real = real_path(&file, path)?;
        if let Some(folder) = real.parent() {
            only_ours(folder, &stat(folder)?)?;
        }
        let (file, bare) = fit(&file, path, &real)?;
        Ok(Self {
            path: path.to_owned(),
            name: path.display().to_string(),
            bin: None,
            file,
            bare,
            this: false,
        })
    }

    /// The program that runs now, to do a part of its work in a process with
    /// limits of its own. Who could exchange its file is not asked: it runs.
    ///
    /// # Errors
    ///
    /// When the system does not say where it lies.
    pub fn this() -> Result<Self, Unfit> {
        // Also when the file was replaced since, as an upgrade does.
        let link = Path::new("/proc/self/exe");
        let path = if rustix::fs::stat(link).is_ok() { Ok(link.to_owned()) } else { std::env::current_exe() };
        let path =
            path.map_err(|error| Unfit::Unreadable { path: link.to_owned(), error: error.to_string() })?;
        let file = identity(&stat(&path)?);
        Ok(Self { path, name: "riposte".to_owned(), bin: None, file, bare: false, this: true })
    }

    /// The absolute path, as it was asked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name: that of a native program below its folder, else the path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name it is called by (`argv[0]`): `active-response/bin/NAME` for a
    /// native program, as Wazuh does, and its path for any other.
    #[must_use]
    pub fn called(&self) -> String {
        match self.bin {
            Some(_) => format!("{BIN}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether it is text without a `#!` line: then `/bin/sh` runs it, as under
    /// Wazuh, whose `execvp` does that to whatever the kernel does not know.
    #[must_use]
    pub fn runs_by_shell(&self) -> bool {
        self.bare
    }

    /// Examines it again, as it is now.
    pub(super) fn again(&self) -> Result<Self, Unfit> {
        match &self.bin {
            _ if self.this => Ok(self.clone()),
            Some(bin) => Self::resolve(bin, &self.name),
            None => Self::at(&self.path),
        }
    }

    /// The path to give to `execve` from the working directory `root`.
    ///
    /// A script is told this path instead of `argv[0]`, so it is Wazuh's
    /// relative one wherever that leads to the same file.
    ///
    /// The file could still be exchanged between the examination and the
    /// start, but only by who may write the folder: root, or the user of the
    /// engine. Starting the open descriptor instead would close even that, at
    /// the price that a script is called `/proc/self/fd/7` and no longer finds
    /// the files beside it.
    pub(super) fn executable(&self, root: &Path) -> PathBuf {
        let called = self.called();
        match rustix::fs::stat(root.join(&called)) {
            Ok(there) if identity(&there) == self.file => called.into(),
            _ => self.path.clone(),
        }
    }
}

/// Opens `name` without leaving `folder`, where the kernel can promise that
/// (Linux 5.6); elsewhere the caller compares the real paths.
#[cfg(target_os = "linux")]
fn open_beneath(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;

    let flags = OFlags::PATH | OFlags::CLOEXEC;
    // AGAIN: something was renamed while the kernel looked; it says so rather
    // than to guess, and the next look tells.
    for _ in 0..16 {
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(folder, name, flags, Mode::empty(), beneath) {
            Err(Errno::AGAIN) => {}
            // PERM: a container's filter that does not know openat2.
            Err(Errno::NOSYS | Errno::PERM) => return rustix::fs::openat(folder, name, flags, Mode::empty()),
            answer => return answer,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(not(target_os = "linux"))]
fn open_beneath(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(folder, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// Checks the opened file; when it is fit, its device and inode and whether it
/// is a script without a `#!` line.
fn fit(file: &OwnedFd, path: &Path, real: &Path) -> Result<((u64, u64), bool), Unfit> {
    let found = rustix::fs::fstat(file).map_err(|error| unreadable(path, error))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(Unfit::NotAFile { path: path.to_owned() });
    }
    only_ours(path, &found)?;
    if found.st_mode & 0o111 == 0 {
        return Err(Unfit::NotExecutable { path: path.to_owned() });
    }
    let bare = interpreter(path, real)? == Interpreter::Shell;
    Ok((identity(&found), bare))
}

/// Only root and the user of the engine may own it, and nobody else write it.
#[allow(clippy::useless_conversion, reason = "a mode has 16 bits on FreeBSD")]
fn only_ours(path: &Path, found: &Stat) -> Result<(), Unfit> {
    let us = rustix::process::geteuid().as_raw();
    if found.st_uid != 0 && found.st_uid != us {
        return Err(Unfit::Owner { path: path.to_owned(), uid: found.st_uid });
    }
    if found.st_mode & 0o022 != 0 {
        return Err(Unfit::Writable { path: path.to_owned(), mode: u32::from(found.st_mode & 0o7777) });
    }
    Ok(())
}

/// Who runs a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interpreter {
    /// The kernel, or the interpreter that the file names.
    Kernel,
    /// The shell, since the file names none.
    Shell,
}

/// Looks at the `#!` line. The kernel's own answer to a bad one is "no such
/// file" about a file that everybody can see.
fn interpreter(path: &Path, real: &Path) -> Result<Interpreter, Unfit> {
    let Some(line) = first_line(real) else { return Ok(Interpreter::Kernel) };
    let Some(line) = line.strip_prefix(b"#!") else {
        return Ok(if is_text(&line) { Interpreter::Shell } else { Interpreter::Kernel });
    };
    if line.ends_with(b"\r") {
        return Err(Unfit::CarriageReturn { path: path.to_owned() });
    }
    let line = String::from_utf8_lossy(line);
    let line = line.trim_ascii();
    let (interpreter, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    if let Err(Errno::NOENT | Errno::NOTDIR) = rustix::fs::stat(interpreter) {
        return Err(Unfit::NoInterpreter { path: path.to_owned(), interpreter: interpreter.to_owned() });
    }
    match through_env(interpreter, argument) {
        Some(program) if !on_path(program) => {
            Err(Unfit::NotOnPath { path: path.to_owned(), interpreter: program.to_owned() })
        }
        _ => Ok(Interpreter::Kernel),
    }
}

/// The program that a `#!/usr/bin/env PROGRAM` line means. The kernel hands on
/// all that stands behind `env` as one word, unless `-S` splits it.
fn through_env<'l>(interpreter: &str, argument: &'l str) -> Option<&'l str> {
    if Path::new(interpreter).file_name()? != "env" {
        return None;
    }
    let argument = argument.trim_ascii();
    let program = match argument.strip_prefix("-S") {
        Some(words) => words.split_ascii_whitespace().next()?,
        None => argument,
    };
    // Other options and variables are for env to judge.
    (!program.is_empty() && !program.starts_with('-') && !program.contains('=')).then_some(program)
}

fn on_path(program: &str) -> bool {
    if program.contains('/') {
        return rustix::fs::stat(program).is_ok();
    }
    super::PATH.split(':').any(|folder| rustix::fs::stat(Path::new(folder).join(program)).is_ok())
}

/// Whether a file that begins like this is a script somebody forgot the `#!`
/// of. What binary formats this kernel runs is for the kernel to say.
fn is_text(line: &[u8]) -> bool {
    !line.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r'))
}

/// The first line of a file, as far as the kernel looks at it; `None` when it
/// cannot be read, which a program need not be.
fn first_line(real: &Path) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(real, flags, Mode::empty()).ok()?;
    let mut head = [0; 256];
    let length = rustix::io::read(&file, &mut head).ok()?;
    head.get(..length)?.split(|&byte| byte == b'\n').next().map(<[u8]>::to_vec)
}

fn absolute(path: &Path) -> Result<PathBuf, Unfit> {
    std::path::absolute(path)
        .map_err(|error| Unfit::Unreadable { path: path.to_owned(), error: error.to_string() })
}

/// Where an open file really lies.
#[cfg(target_os = "linux")]
fn real_path(file: impl AsFd, path: &Path) -> Result<PathBuf, Unfit> {
    use std::os::fd::AsRawFd;

    std::fs::read_link(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))
        .map_err(|error| Unfit::Unreadable { path: path.to_owned(), error: format!("/proc: {error}") })
}

/// Where an open file really lies: where its path leads, as long as that is
/// still the file that was opened.
#[cfg(not(target_os = "linux"))]
fn real_path(file: impl AsFd, path: &Path) -> Result<PathBuf, Unfit> {
    let real = std::path::absolute(path).and_then(|path| path.canonicalize());
    let real = real.map_err(|error| Unfit::Unreadable { path: path.to_owned(), error: error.to_string() })?;
    let opened = rustix::fs::fstat(file).map_err(|error| unreadable(path, error))?;
    if identity(&stat(&real)?) == identity(&opened) {
        return Ok(real);
    }
    let error = "it was exchanged while it was examined".to_owned();
    Err(Unfit::Unreadable { path: path.to_owned(), error })
}

fn stat(path: &Path) -> Result<Stat, Unfit> {
    rustix::fs::stat(path).map_err(|error| unreadable(path, error))
}

fn identity(found: &Stat) -> (u64, u64) {
    (found.st_dev, found.st_ino)
}

fn unreadable(path: &Path, error: Errno) -> Unfit {
    match error {
        Errno::NOENT | Errno::NOTDIR => Unfit::Missing { path: path.to_owned() },
        error => Unfit::Unreadable { path: path.to_owned(), error: io::Error::from(error).to_string() },
    }
}
