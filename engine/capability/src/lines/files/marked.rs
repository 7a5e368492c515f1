//! The same files, with marks where they can be: in the files of the TCP
//! wrappers a comment stands before each line of the engine's,
//! `# riposte: entry 5`. What other files take for a comment is not known, so
//! nothing but the line is written there.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::super::text;
use super::super::{INTERFACE, Line, Presence, Prior, target as spelt};
use super::{File, Files, Target};
use crate::claim::{Claims, Effect};
use crate::held::{Backend, Gone, Listed};
use crate::path::HostPath;
use crate::place::blocking;
use crate::refusal::Refusal;

/// Where marks are looked for, also when nobody claims a line there.
const USUAL: [&str; 2] = ["/etc/hosts.deny", "/etc/hosts.allow"];

/// The files of this host, with the engine's lines marked.
#[derive(Clone)]
pub struct MarkedFiles {
    claims: Arc<dyn Claims>,
}

/// Whether a line that begins with `#` is a comment in this file.
pub(super) fn takes_marks(file: &HostPath) -> bool {
    matches!(file.name(), "hosts.deny" | "hosts.allow")
}

impl MarkedFiles {
    /// Marks name the entries that `claims` know of.
    #[must_use]
    pub fn new(claims: Arc<dyn Claims>) -> Self {
        Self { claims }
    }

    fn mark(&self, target: &Target, spelling: &str) -> Option<String> {
        let effect = Effect { interface: INTERFACE, target: spelling.to_owned() };
        let entry = self.claims.marked(&effect).1?;
        takes_marks(&target.file).then(|| text::mark(entry))
    }
}

#[async_trait]
impl Backend for MarkedFiles {
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        Files.prior(target).await
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        let parsed = Target::parse(target)?;
        let mark = self.mark(&parsed, target);
        blocking(move || parsed.make(mark.as_deref())).await
    }

    async fn restore(&self, target: &str, prior: &str) -> Result<(), Refusal> {
        Files.restore(target, prior).await
    }

    async fn marks(&self, claimed: &[String]) -> Result<Vec<Listed>, Refusal> {
        let claimed =
            claimed.iter().filter_map(|target| Target::parse(target).ok().map(|target| target.file));
        let usual = USUAL.iter().filter_map(|file| HostPath::parse(file).ok());
        let files: BTreeSet<String> =
            claimed.chain(usual).filter(takes_marks).map(|file| file.as_str().to_owned()).collect();
        blocking(move || Ok(files.iter().flat_map(|file| marks_in(file)).collect())).await
    }

    async fn gone(&self, claimed: &[String]) -> Result<Gone, Refusal> {
        let targets = by_file(claimed);
        blocking(move || {
            let mut gone = Gone::default();
            for of_file in targets.into_values() {
                let Some((_, first)) = of_file.first() else { continue };
                match first.seen() {
                    Ok(text) => {
                        let text = text.unwrap_or_default();
                        let there: HashSet<&[u8]> = text::contents(&text).collect();
                        let missing =
                            of_file.iter().filter(|(_, one)| !there.contains(one.line.as_str().as_bytes()));
                        gone.missing.extend(missing.map(|(target, _)| target.clone()));
                    }
                    Err(why) => gone.otherwise.extend(
                        of_file.into_iter().map(|(target, _)| (target, format!("it cannot be seen: {why}"))),
                    ),
                }
            }
            Ok(gone)
        })
        .await
    }

    /// All lines of one file in one step: each step writes the file anew.
    async fn make_all(&self, targets: Vec<String>) -> Vec<(String, Result<(), Refusal>)> {
        let mut made = Vec::new();
        for of_file in by_file(&targets).into_values() {
            let with_marks: Vec<(Target, Option<String>)> = of_file
                .into_iter()
                .map(|(spelling, target)| {
                    let mark = self.mark(&target, &spelling);
                    made.push((spelling, Ok(())));
                    (target, mark)
                })
                .collect();
            let count = with_marks.len();
            if let Err(why) = blocking(move || keep_all(&with_marks)).await {
                for (_, outcome) in made.iter_mut().rev().take(count) {
                    *outcome = Err(why.clone());
                }
            }
        }
        made
    }

    async fn remove(&self, target: &str) -> Result<(), Refusal> {
        let target = Target::parse(target)?;
        // Only what carries the mark, and the file stays.
        blocking(move || target.restore(Prior { file: File::There, line: Presence::Present })).await
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Those that this version understands, by file, with their spelling.
fn by_file(targets: &[String]) -> BTreeMap<String, Vec<(String, Target)>> {
    let mut files: BTreeMap<String, Vec<(String, Target)>> = BTreeMap::new();
    for spelling in targets {
        if let Ok(target) = Target::parse(spelling) {
            files.entry(target.file.as_str().to_owned()).or_default().push((spelling.clone(), target));
        }
    }
    files
}

/// The marked lines of a file; none when it cannot be read.
fn marks_in(file: &str) -> Vec<Listed> {
    let Ok(path) = HostPath::parse(file) else { return Vec::new() };
    // Any line will do to read the file by.
    let Ok(line) = Line::parse("#") else { return Vec::new() };
    let Ok(Some(text)) = (Target { file: path, line }).seen() else { return Vec::new() };
    let listed = text::marked(&text).filter_map(|(entry, line)| {
        Some(Listed { target: spelt(file, &Line::parse(line).ok()?), entry: Some(entry) })
    });
    listed.collect()
}

/// Puts all lines into the file that they share.
fn keep_all(targets: &[(Target, Option<String>)]) -> Result<(), Refusal> {
    let Some((first, _)) = targets.first() else { return Ok(()) };
    let folder = first.folder()?;
    let file = loop {
        match first.locked(&folder)? {
            Some(file) => break file,
            None => first.create(&folder)?,
        }
    };
    let before = first.text(&file)?;
    let there: HashSet<&[u8]> = text::contents(&before).collect();
    let mut added: Vec<u8> = Vec::new();
    for (target, mark) in targets {
        if there.contains(target.line.as_str().as_bytes()) {
            continue;
        }
        for line in mark.as_deref().into_iter().chain([target.line.as_str()]) {
            added.extend_from_slice(line.as_bytes());
            added.push(b'\n');
        }
    }
    if added.is_empty() {
        return Ok(());
    }
    let mut text = before.clone();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    if text::is_dos(&before) {
        // As the file ends its lines.
        let dos = added.split_inclusive(|byte| *byte == b'\n').flat_map(|line| {
            let bare = line.strip_suffix(b"\n").unwrap_or(line);
            bare.iter().copied().chain(*b"\r\n")
        });
        text.extend(dos);
    } else {
        text.extend(added);
    }
    first.replace(&folder, &file, &text)
}
