//! A file that grows, is rotated, truncated, or was read before.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use riposte_ledger::input::FileIdentity;

use super::find::{self, Rotated};
use super::lines::Lines;
use super::progress::Progress;
use super::watch::Watch;
use super::{CHUNK, IntakeError, Reader};
use crate::cli::From;

/// One file being read.
struct Open {
    path: PathBuf,
    file: std::fs::File,
    identity: FileIdentity,
    lines: Lines,
    progress: Arc<Progress>,
}

/// What happened to the file behind the path.
enum Change {
    /// It is the same, perhaps longer.
    None,
    /// It was cut, and is written from its beginning again.
    Truncated,
    /// Another file has its name.
    Replaced,
}

impl Reader<'_> {
    /// Reads the file, first what was written while nobody read it.
    pub(super) fn follow(&self, path: &Path, positioned: impl FnOnce()) -> Result<(), IntakeError> {
        let watch = Watch::new(path);
        let mut open = self.resume(path)?;
        positioned();
        loop {
            self.drain(&mut open)?;
            match change(&open, path) {
                Change::None if self.intake.once => break,
                Change::None => {}
                Change::Truncated => {
                    tracing::warn!(path = %path.display(), "the alerts were truncated, reading from the start");
                    if let Some(again) = self.reopen(path)? {
                        open = again;
                        continue;
                    }
                }
                Change::Replaced => {
                    // The writer may have added lines between our last look and the rotation.
                    self.drain(&mut open)?;
                    self.finish(&mut open);
                    // It may have been rotated more than once since then.
                    self.in_between(find::rotated(path, &open.identity).between)?;
                    if let Some(next) = self.reopen(path)? {
                        open = next;
                        continue;
                    }
                }
            }
            if self.stopped() {
                return Ok(());
            }
            watch.wait();
        }
        self.finish(&mut open);
        Ok(())
    }

    /// Opens the file where reading ended before, having read what was rotated
    /// away since.
    fn resume(&self, path: &Path) -> Result<Open, IntakeError> {
        let stored = self.runtime.block_on(self.engine.ledger.input_for(&path.to_string_lossy()));
        let Some(stored) = stored.map_err(IntakeError::Position)? else {
            return match self.intake.from {
                From::Start => self.begin(path, 0),
                From::End => {
                    let length = std::fs::metadata(path).map_err(|error| unreadable(path, error))?.len();
                    self.begin(path, length)
                }
            };
        };
        let (file, identity) = find::open(path).map_err(|error| unreadable(path, error))?;
        let length = file.metadata().map_err(|error| unreadable(path, error))?.len();
        let same = find::is_same(&file, &stored.identity).map_err(|error| unreadable(path, error))?;
        if same && length >= stored.offset {
            return self.opened(path, file, identity, stored.offset, Some(stored.id));
        }
        if same || (identity.dev, identity.ino) == (stored.identity.dev, stored.identity.ino) {
            // Truncated, or its inode was used again: either way the rest is gone.
            self.engine.report.lost(path, stored.offset);
        } else {
            let Rotated { rest, between } = find::rotated(path, &stored.identity);
            match rest {
                Some(rest) => {
                    let (file, identity) = find::open(&rest).map_err(|error| unreadable(&rest, error))?;
                    let old = self.opened(&rest, file, identity, stored.offset, Some(stored.id))?;
                    self.whole(old)?;
                }
                None => self.engine.report.lost(path, stored.offset),
            }
            self.in_between(between)?;
        }
        self.begin(path, 0)
    }

    /// Opens what has the path now. `None`: nothing that can be read, perhaps in
    /// the middle of a rotation, so it is looked at again later.
    fn reopen(&self, path: &Path) -> Result<Option<Open>, IntakeError> {
        match self.begin(path, 0) {
            Ok(open) => Ok(Some(open)),
            Err(IntakeError::Unreadable { source, .. }) => {
                tracing::warn!(path = %path.display(), error = %source, "waiting for the alerts");
                Ok(None)
            }
            // The ledger cannot be written now.
            Err(error) if !self.intake.once => {
                tracing::error!("waiting for the alerts: {error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads files that came and went between two looks. One that goes, or is
    /// compressed, before it is opened is reported; the others are read.
    fn in_between(&self, paths: Vec<PathBuf>) -> Result<(), IntakeError> {
        for path in paths {
            match self.begin(&path, 0) {
                Ok(open) => self.whole(open)?,
                Err(IntakeError::Unreadable { .. }) => self.engine.report.lost(&path, 0),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn begin(&self, path: &Path, offset: u64) -> Result<Open, IntakeError> {
        let (file, identity) = find::open(path).map_err(|error| unreadable(path, error))?;
        self.opened(path, file, identity, offset, None)
    }

    fn opened(
        &self,
        path: &Path,
        mut file: std::fs::File,
        identity: FileIdentity,
        offset: u64,
        input: Option<i64>,
    ) -> Result<Open, IntakeError> {
        use std::io::Seek;
        file.seek(io::SeekFrom::Start(offset)).map_err(|error| unreadable(path, error))?;
        let ledger = &self.engine.ledger;
        let stored = |input| match input {
            Some(input) => Ok(input),
            None => self.runtime.block_on(ledger.new_input(&path.to_string_lossy(), identity, offset)),
        };
        let input = stored(input).map_err(IntakeError::Position)?;
        tracing::info!(path = %path.display(), offset, "reading alerts");
        let progress = Progress::new(ledger.clone(), input, offset);
        let lines = Lines::new(self.intake.longest, offset);
        Ok(Open { path: path.to_owned(), file, identity, lines, progress })
    }

    /// Reads a file that no longer grows.
    fn whole(&self, mut open: Open) -> Result<(), IntakeError> {
        self.drain(&mut open)?;
        self.finish(&mut open);
        Ok(())
    }

    /// Reads what the file holds now.
    fn drain(&self, open: &mut Open) -> Result<(), IntakeError> {
        let mut chunk = vec![0; CHUNK];
        while !self.stopped() {
            match open.file.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => open.lines.feed(chunk.get(..n).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if self.intake.once => return Err(unreadable(&open.path, error)),
                // What is in force has to be undone whether or not there are
                // alerts, so the engine does not end with them.
                Err(error) => {
                    tracing::error!(path = %open.path.display(), %error, "the alerts cannot be read now, tried again");
                    break;
                }
            }
            while let Some(line) = open.lines.next() {
                self.line(line, Some(&open.progress));
                if self.stopped() {
                    break;
                }
            }
            open.progress.store();
        }
        match self.identify(open) {
            Err(error) if !self.intake.once => {
                tracing::error!("tried again: {error}");
                Ok(())
            }
            identified => identified,
        }
    }

    /// A file that was short when it was opened is known by more of itself once
    /// it has grown.
    fn identify(&self, open: &mut Open) -> Result<(), IntakeError> {
        let known = open.identity.head_len;
        if known >= find::HEAD || open.lines.offset() <= u64::from(known) {
            return Ok(());
        }
        let identity =
            find::identify(&open.file, find::HEAD).map_err(|error| unreadable(&open.path, error))?;
        if known == 0 || identity.head_len == find::HEAD {
            let stored = self.engine.ledger.identify_input(open.progress.input, identity);
            self.runtime.block_on(stored).map_err(IntakeError::Position)?;
            open.identity = identity;
        }
        Ok(())
    }

    /// The file ends here: its last line needs no line end.
    fn finish(&self, open: &mut Open) {
        if self.stopped() {
            return;
        }
        if let Some(line) = open.lines.rest() {
            self.line(line, Some(&open.progress));
        }
        open.progress.store();
    }
}

fn change(open: &Open, path: &Path) -> Change {
    let Ok(now) = open.file.metadata() else { return Change::None };
    let same_head = find::is_same(&open.file, &open.identity).unwrap_or(true);
    if now.len() < open.lines.offset() || !same_head {
        return Change::Truncated;
    }
    match std::fs::metadata(path) {
        Ok(found) if (found.dev(), found.ino()) != (now.dev(), now.ino()) => Change::Replaced,
        // Gone: perhaps in the middle of a rotation. The file at hand may still grow.
        _ => Change::None,
    }
}

fn unreadable(path: &Path, source: io::Error) -> IntakeError {
    IntakeError::Unreadable { path: path.to_owned(), source }
}
