//! What the thread finds: it goes on from there, and says what does not fit.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::old::Age;
use super::{Writing, shown, unused};
use crate::audit::chain::Head;
use crate::audit::event::{About, BEGAN, BROKEN, Event, TORN};
use crate::audit::resume::{Resume, Torn, resume};
use crate::audit::{Settings, Shared, files, ocsf};
use crate::clock::Clock;
use crate::ledger::Heads;

impl Writing {
    /// Looks at what there is, and opens the file.
    pub(in crate::audit) fn open(
        path: &Path,
        clock: Arc<dyn Clock>,
        heads: Heads,
        settings: Settings,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        files::clear(path)?;
        let parts = files::list(path)?;
        let known = heads.known();
        let found = resume(&parts, known)?;
        let moved = match &found {
            Resume::New | Resume::GoOn { .. } => None,
            // Somebody may want to look at it: it is kept, under another name.
            Resume::Unchained => Some(files::set_aside_name(path)),
            Resume::Broken { .. } => parts.iter().find(|part| part.path == path).map(|part| {
                part.first.map_or_else(|| files::set_aside_name(path), |first| unused(path, first))
            }),
        };
        if let Some(to) = &moved {
            #[expect(clippy::disallowed_methods, reason = "this module owns the audit's files")]
            std::fs::rename(path, to)?;
        }
        let file = files::open_to_append(path)?;
        files::sync_folder(path)?;
        let now = clock.now();
        let mut writing = Self {
            path: path.to_owned(),
            clock,
            heads,
            ocsf: ocsf::Writer::new(),
            settings,
            shared,
            length: file.metadata()?.len(),
            file,
            first: None,
            patient_to: 0,
            head: Head::START,
            unsynced: false,
            unsynced_since: 0,
            missing: 0,
            signed: Head::START,
            signed_at: None,
            pruned_at: None,
            age: Age::seen_from(&parts, &now)?,
            buffer: Vec::with_capacity(1 << 16),
        };
        writing.read_first()?;
        writing.begin(found, known, moved)?;
        Ok(writing)
    }

    fn begin(&mut self, found: Resume, known: Option<Head>, moved: Option<PathBuf>) -> io::Result<()> {
        let moved = moved.map(|moved| shown(&moved));
        match found {
            Resume::New => {}
            Resume::GoOn { head, torn } => {
                self.head = head;
                if let Some(torn) = torn {
                    self.end_torn_line(&torn)?;
                } else if self.length > 0 && !self.ends_with_line_feed()? {
                    // A whole line, but for its line feed.
                    self.file.write_all(b"\n")?;
                    self.length = self.length.saturating_add(1);
                }
                if known.is_none() {
                    self.say(Event {
                        kind: BEGAN.into(),
                        detail: Some(
                            "the ledger knows no head of this audit, so nobody knows what may have been cut off \
                             its end; it goes on from its last line"
                                .to_owned(),
                        ),
                        ..Event::default()
                    });
                }
            }
            Resume::Unchained => {
                tracing::warn!(
                    to = moved,
                    "the audit held no chained lines; it was set aside, and a new one begins"
                );
                self.say(Event {
                    kind: BEGAN.into(),
                    detail: Some(
                        "what stood here was not chained; it was set aside, and the chain begins".to_owned(),
                    ),
                    chain: Some(About { file: moved, ..About::default() }),
                    ..Event::default()
                });
            }
            Resume::Broken { from, why } => {
                tracing::error!(
                    path = %self.path.display(),
                    "the audit is not what was written: {why}; a new segment begins, and `riposte audit verify` says more"
                );
                self.shared.health.lock().unwrap_or_else(PoisonError::into_inner).broken = Some(why.clone());
                self.head = from;
                self.say(Event {
                    kind: BROKEN.into(),
                    detail: Some(why),
                    chain: Some(About {
                        file: moved,
                        count: known.map(|known| known.count),
                        hash: known.map(|known| known.hash.to_string()),
                        bytes: None,
                    }),
                    ..Event::default()
                });
            }
        }
        Ok(())
    }

    /// The end of the file is no whole line: it becomes one, and the next says so.
    fn end_torn_line(&mut self, torn: &Torn) -> io::Result<()> {
        self.file.write_all(b"\n")?;
        self.length = self.length.saturating_add(1);
        tracing::warn!(bytes = torn.bytes, "the last line of the audit was never finished");
        self.say(Event {
            kind: TORN.into(),
            detail: Some(format!("the line before is {} bytes of one that was never finished", torn.bytes)),
            chain: Some(About {
                bytes: Some(torn.bytes),
                hash: Some(torn.hash.to_string()),
                ..About::default()
            }),
            ..Event::default()
        });
        Ok(())
    }
}
