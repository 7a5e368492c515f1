//! Whether the audit is what was written.
//!
//! Every line's hash is computed again, and every line held against the one
//! before, over all files. What was cut off the end shows against the head in
//! the ledger, and against signed heads also when the ledger was changed too;
//! what is gone at the beginning, by the lines that say which files were
//! removed when their time was over.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::chain::{self, Flaw, Hash, Head, Link};
use super::event::{BROKEN, GAP, PRUNED};
use super::files::{self, Forward, Part};
use super::resume::Torn;
use super::signed::{PublicKey, Signed};

/// Most findings that are kept; more are only counted.
const MOST: usize = 1_000;

/// What to hold the files against.
#[derive(Clone, Debug, Default)]
pub struct Against {
    /// The head that the ledger has.
    pub ledger: Option<Head>,
    /// Files of signed heads, and whose signatures count.
    pub signed: Option<(PathBuf, PublicKey)>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// The files, in the order of their lines.
    pub files: Vec<PathBuf>,
    /// Lines that are of the chain.
    pub lines: u64,
    /// The first of them.
    pub first: Option<u64>,
    /// The last of them.
    pub last: Option<Head>,
    /// Heads of the ledger and of signatures that the chain was held against.
    pub heads: u64,
    /// What does not fit.
    pub findings: Vec<Finding>,
    /// How many findings there are, also those that are not kept.
    pub found: u64,
    /// What is worth knowing, and is nobody's work.
    pub notes: Vec<String>,
}

impl Verified {
    /// Whether everything fits.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.found == 0
    }
}

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// In which file.
    pub file: Option<PathBuf>,
    /// In which line of it, from 1.
    pub line: Option<u64>,
    /// In words.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        let gap = if self.file.is_some() { " " } else { "" };
        write!(f, "{gap}{}: {}", self.kind.as_str(), self.what)
    }
}

/// What kind of thing does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The bytes of a line are not those that were written.
    Edited,
    /// Lines are gone between two others, perhaps with their file.
    Removed,
    /// A line stands where none was written.
    Inserted,
    /// A line stands again, or where it was not written.
    Reordered,
    /// Lines are gone at the end.
    CutOff,
    /// Lines are gone at the beginning.
    BeginningGone,
    /// A line fits its neighbours and not a head.
    Replaced,
    /// An engine found at its start that something did not fit.
    Broken,
    /// A head is not vouched for.
    Unsigned,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Removed => "removed",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::CutOff => "cut-off",
            Self::BeginningGone => "beginning-gone",
            Self::Replaced => "replaced",
            Self::Broken => "broken",
            Self::Unsigned => "unsigned",
        }
    }
}

/// Verifies all files of the audit at `path`. An engine may be writing it:
/// `against` must then have been read before.
///
/// # Errors
///
/// When a file cannot be read.
pub fn verify(path: &Path, against: &Against) -> io::Result<Verified> {
    Walk::new(against)?.files(&files::list(path)?, Extent::Whole)
}

/// Verifies these files alone, which may be a part of an audit: whether they
/// are of one piece.
///
/// # Errors
///
/// When a file cannot be read.
pub fn verify_files(paths: &[PathBuf], against: &Against) -> io::Result<Verified> {
    let mut parts = paths.iter().map(|path| files::open(path)).collect::<io::Result<Vec<_>>>()?;
    files::sort(&mut parts, Path::new(""));
    Walk::new(against)?.files(&parts, Extent::Part)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// From the first line ever, or the first that was not removed in time.
    Whole,
    /// Some of it.
    Part,
}

struct Walk {
    out: Verified,
    /// The line that the next one must follow.
    head: Option<Head>,
    /// What the first line names as the one before.
    before: Option<Head>,
    /// The newest line that is of no chain, until it is known whether the next
    /// one tells of it.
    strange: Option<Strange>,
    /// How many of those there were since the last line that is of one.
    strangers: u64,
    /// Heads that the chain must have, with who says so.
    wanted: BTreeMap<u64, Vec<(Hash, String)>>,
    /// The last lines of files that were removed in time.
    pruned: Vec<Head>,
    ledger: Option<Head>,
}

struct Strange {
    file: PathBuf,
    line: u64,
    /// What a line behind it would tell: any number of such lines, of any
    /// length, take no memory.
    torn: Torn,
    flaw: Flaw,
}

impl Walk {
    fn new(against: &Against) -> io::Result<Self> {
        let mut walk = Self {
            out: Verified::default(),
            head: None,
            before: None,
            strange: None,
            strangers: 0,
            wanted: BTreeMap::new(),
            pruned: Vec::new(),
            ledger: against.ledger.filter(|head| head.count > 0),
        };
        if let Some(head) = walk.ledger {
            walk.wanted.entry(head.count).or_default().push((head.hash, "the ledger".to_owned()));
        }
        if let Some((path, key)) = &against.signed {
            walk.signed(path, key)?;
        }
        Ok(walk)
    }

    fn signed(&mut self, path: &Path, key: &PublicKey) -> io::Result<()> {
        let part = match files::open(path) {
            Ok(part) => part,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = "there is no file of signed heads here".to_owned();
                self.find(Kind::Unsigned, Some(path), None, what);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let (mut lines, mut number) = (Forward::new(&part.file)?, 0_u64);
        while let Some(line) = lines.next_line()? {
            number = number.saturating_add(1);
            let signed = serde_json::from_slice::<Signed>(&line.bytes).ok();
            match signed.as_ref().and_then(|signed| Some((signed, signed.vouched(key)?))) {
                Some((signed, head)) => {
                    let who = format!("the head that {} signed at {}", signed.host, signed.time);
                    self.wanted.entry(head.count).or_default().push((head.hash, who));
                }
                None if !line.ended => self.out.notes.push(format!(
                    "{}: its last line is not finished: an engine is writing it, or ended while it did",
                    path.display()
                )),
                None => {
                    let what = "this key does not vouch for this head".to_owned();
                    self.find(Kind::Unsigned, Some(path), Some(number), what);
                }
            }
        }
        if number == 0 {
            self.find(Kind::Unsigned, Some(path), None, "the file holds no signed head".to_owned());
        }
        Ok(())
    }

    fn files(mut self, parts: &[Part], extent: Extent) -> io::Result<Verified> {
        for (index, part) in parts.iter().enumerate() {
            self.out.files.push(part.path.clone());
            let last = index.saturating_add(1) == parts.len();
            self.file(part, last)?;
        }
        self.tell_strange();
        self.ends(extent);
        Ok(self.out)
    }

    fn file(&mut self, part: &Part, last: bool) -> io::Result<()> {
        let (mut lines, mut number) = (Forward::new(&part.file)?, 0_u64);
        while let Some(line) = lines.next_line()? {
            number = number.saturating_add(1);
            match chain::read(&line.bytes) {
                Ok(link) => self.link(part, number, &link),
                Err(_) if !line.ended && last => self.out.notes.push(format!(
                    "{}:{number}: the last line is not finished: an engine is writing it, or ended while it did",
                    part.path.display()
                )),
                Err(flaw) => {
                    self.tell_strange();
                    let (file, torn) = (part.path.clone(), Torn::of(&line.bytes));
                    self.strange = Some(Strange { file, line: number, torn, flaw });
                    self.strangers = self.strangers.saturating_add(1);
                }
            }
        }
        Ok(())
    }

    /// A line that is what its own hash says: whether it is where it belongs.
    fn link(&mut self, part: &Part, number: u64, link: &Link) {
        self.out.lines = self.out.lines.saturating_add(1);
        let at = |walk: &mut Self, kind, what| walk.find(kind, Some(&part.path), Some(number), what);
        let strange = self.settle_strange(link);
        self.out.first.get_or_insert(link.seq);
        let head = match self.head {
            None => {
                let gone = link.seq.saturating_sub(1);
                // Lines that were edited are there, and told already.
                if strange == 0 || gone > strange {
                    self.before = Some(Head { count: gone, hash: link.prev });
                }
                None
            }
            Some(head) => Some(head),
        };
        match head {
            None => {}
            Some(head) if link.follows(head) => {}
            _ if link.event.kind == BROKEN => {}
            Some(head) if link.seq <= head.count => {
                let what = format!("line {} of the audit stands behind line {}", link.seq, head.count);
                at(self, Kind::Reordered, what);
                return;
            }
            Some(head) => {
                let gone = link.seq.saturating_sub(head.count).saturating_sub(1);
                if gone == 0 {
                    let what = format!("line {} does not follow the line {} before it", link.seq, head.count);
                    at(self, Kind::Replaced, what);
                } else if gone > strange {
                    let (from, to) = (head.count.saturating_add(1), link.seq.saturating_sub(1));
                    at(
                        self,
                        Kind::Removed,
                        format!("lines {from} to {to} of the audit are gone before this one"),
                    );
                }
            }
        }
        self.said(part, number, link);
        self.head = Some(link.head());
        for (hash, who) in self.wanted.remove(&link.seq).unwrap_or_default() {
            self.out.heads = self.out.heads.saturating_add(1);
            if hash != link.hash {
                at(self, Kind::Replaced, format!("line {} is not the one that {who} has", link.seq));
            }
        }
    }

    /// What a line says of the audit itself.
    fn said(&mut self, part: &Part, number: u64, link: &Link) {
        let about = link.event.chain.clone().unwrap_or_default();
        let detail = link.event.detail.as_deref().unwrap_or_default();
        match link.event.kind.as_str() {
            BROKEN => {
                let what = format!("at {} an engine found that {detail}", link.time);
                self.find(Kind::Broken, Some(&part.path), Some(number), what);
            }
            GAP => self.out.notes.push(format!("{}:{number}: {detail}", part.path.display())),
            PRUNED => {
                let head = about.count.zip(about.hash.and_then(|hash| hash.parse().ok()));
                self.pruned.extend(head.map(|(count, hash)| Head { count, hash }));
            }
            _ => {}
        }
    }

    /// Lines of no chain before `link`: how many of them may be lines that were
    /// edited. One that was never finished is told by the line behind it.
    fn settle_strange(&mut self, link: &Link) -> u64 {
        let mut strangers = std::mem::take(&mut self.strangers);
        if self.strange.as_ref().is_some_and(|last| last.torn.told_by(link)) {
            self.strange = None;
            strangers = strangers.saturating_sub(1);
        }
        self.tell_strange();
        strangers
    }

    fn tell_strange(&mut self) {
        let Some(strange) = self.strange.take() else { return };
        let (kind, what) = match strange.flaw {
            Flaw::Edited => (Kind::Edited, "the bytes of this line are not those that its hash is of"),
            Flaw::Unchained => (Kind::Inserted, "this is no line of the audit, or what is left of one"),
        };
        self.find(kind, Some(&strange.file), Some(strange.line), what.to_owned());
    }

    /// What can only be said when all was read.
    fn ends(&mut self, extent: Extent) {
        self.out.last = self.head;
        if let (Extent::Whole, Some(before)) = (extent, self.before)
            && before != Head::START
            && !self.pruned.contains(&before)
        {
            let what = match before.count {
                0 => "the first line names one before it".to_owned(),
                count => format!(
                    "lines 1 to {count} of the audit are gone, and nothing says that their time was over"
                ),
            };
            let file = self.out.files.first().cloned();
            self.find(Kind::BeginningGone, file.as_deref(), None, what);
        }
        let (first, last) = (self.out.first.unwrap_or(0), self.head.map_or(0, |head| head.count));
        let mut cut = false;
        for (count, whos) in std::mem::take(&mut self.wanted).into_iter().rev() {
            let (_, who) = whos.into_iter().next().unwrap_or((Hash::NONE, String::new()));
            if count > last && !cut {
                cut = true;
                let what = format!("the audit ends at line {last}, and {who} has {count}");
                let file = self.out.files.last().cloned();
                self.find(Kind::CutOff, file.as_deref(), None, what);
            } else if count < first
                && extent == Extent::Whole
                && self.ledger.is_some_and(|head| head.count == count)
            {
                let what =
                    format!("the audit begins at line {first}, and the ledger knows of no more than {count}");
                self.find(Kind::Replaced, None, None, what);
            }
        }
    }

    fn find(&mut self, kind: Kind, file: Option<&Path>, line: Option<u64>, what: String) {
        self.out.found = self.out.found.saturating_add(1);
        if self.out.findings.len() < MOST {
            self.out.findings.push(Finding { kind, file: file.map(Path::to_owned), line, what });
        }
    }
}
