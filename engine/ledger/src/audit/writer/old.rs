//! What is removed because its time is over.

use std::io;

use super::{Writing, shown};
use crate::audit::chain::{self, Head};
use crate::audit::event::{About, Event, PRUNED};
use crate::audit::files::{self, Part};
use crate::clock::Now;

/// By what files are old, where no ledger knows: the wall clock, but not further
/// than the time that has passed since the last line that was there at the
/// start. A clock that is set forward by years, before the start or after, makes
/// nothing old.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    last_wall_ms: i64,
    boot_ms: i64,
}

impl Age {
    pub(super) fn seen_from(parts: &[Part], now: &Now) -> io::Result<Self> {
        let mut last = None;
        for part in parts.iter().rev() {
            if last.is_none() {
                last = files::span(part)?.map(|(_, last)| last);
            }
        }
        let last_wall_ms = last.map_or(now.wall_ms, |last| last.min(now.wall_ms));
        Ok(Self { last_wall_ms, boot_ms: now.boot_ms })
    }

    fn wall_ms(self, now: &Now) -> i64 {
        let passed = now.boot_ms.saturating_sub(self.boot_ms).max(0);
        now.wall_ms.min(self.last_wall_ms.saturating_add(passed))
    }
}

impl Writing {
    /// Removes full files whose time is over, oldest first. The line that says
    /// so is on the disk before a file goes.
    pub(super) fn prune(&mut self, now: &Now) {
        let keep = i64::try_from(self.settings.keep.as_millis()).unwrap_or(i64::MAX);
        // The files may tell of a clock that was wrong when they were written.
        let surely = self.heads.surely_wall_ms(now).unwrap_or(i64::MAX);
        let before = self.age.wall_ms(now).min(surely).saturating_sub(keep);
        if let Err(error) = self.prune_before(before) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "old files of the audit cannot be removed");
        }
        if let Some(path) = self.settings.ocsf.clone() {
            self.ocsf.prune(&path, before);
        }
    }

    fn prune_before(&mut self, before: i64) -> io::Result<()> {
        for part in files::list(&self.path)? {
            let Some((_, last)) = files::span(&part)? else { return Ok(()) };
            if part.path == self.path || last >= before {
                return Ok(());
            }
            let Some(head) = last_of(&part)? else { return Ok(()) };
            self.say(Event {
                kind: PRUNED.into(),
                detail: Some(format!(
                    "{} is older than audit files are kept; it is removed",
                    shown(&part.path)
                )),
                chain: Some(About {
                    file: Some(shown(&part.path)),
                    count: Some(head.count),
                    hash: Some(head.hash.to_string()),
                    bytes: Some(part.file.metadata()?.len()),
                }),
                ..Event::default()
            });
            self.sync();
            if self.unsynced || self.missing > 0 {
                return Ok(());
            }
            #[expect(clippy::disallowed_methods, reason = "this module owns the audit's files")]
            std::fs::remove_file(&part.path)?;
        }
        Ok(())
    }
}

/// The head that the last line of a file is.
fn last_of(part: &Part) -> io::Result<Option<Head>> {
    let mut back = files::Backward::new(&part.file)?;
    while let Some(line) = back.previous()? {
        if let Ok(link) = chain::read(&line.bytes) {
            return Ok(Some(link.head()));
        }
    }
    Ok(None)
}
