//! The backend that runs the vectors.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::address::Prefix;
use riposte_policy::grant::{FirewallBackend, SetName};

use super::{Change, Check, Failure, Invocation, Look, Prepare, Tool};
use crate::claim::{Claims, Standing};
use crate::firewall::{Backend, Element, GRACE, Target};
use crate::process::{By, Caps, Ended, Exit, Launch, Program};
use crate::refusal::Refusal;

/// Where systems keep programs of this kind.
#[cfg(not(windows))]
pub(super) const FOLDERS: [&str; 2] = ["/sbin", "/usr/sbin"];
/// Where systems keep programs of this kind.
#[cfg(windows)]
pub(super) const FOLDERS: [&str; 1] = [r"C:\Windows\System32"];

/// How long one program may run.
const RUN: Duration = Duration::from_secs(30);
/// How much of its output is read: a table of some 100,000 addresses.
const OUTPUT: usize = 8 << 20;

/// One packet filter, driven by its programs.
pub(super) struct Vectors {
    tool: &'static Tool,
    folders: Vec<PathBuf>,
    claims: Arc<dyn Claims>,
    /// One change at a time: numbers of rules, and lists that were read, hold
    /// no longer than that.
    turn: tokio::sync::Mutex<()>,
    /// The sets that were asked for since the start.
    sets: Mutex<BTreeSet<String>>,
}

impl Vectors {
    pub(super) fn new(tool: &'static Tool, folders: Vec<PathBuf>, claims: Arc<dyn Claims>) -> Self {
        Self { tool, folders, claims, turn: tokio::sync::Mutex::new(()), sets: Mutex::default() }
    }

    /// Whether all programs are there and fit to be started.
    pub(super) fn installed(&self) -> Result<(), Refusal> {
        self.tool.programs.iter().try_for_each(|program| self.program(program).map(drop))
    }

    /// Makes the host agree for one target. Repeating what is so is harmless
    /// or avoided; where a program fails all the same, what the host then shows
    /// decides.
    async fn settle(&self, target: &Target) -> Result<(), Refusal> {
        self.knows(target.set());
        let change = match self.claims.standing(target.effect()) {
            Standing::Free => Change::Unblock,
            Standing::For(_) | Standing::Permanent => Change::Block,
        };
        if change == Change::Block {
            self.prepared(target.set()).await?;
        }
        let mut listing = String::new();
        if self.tool.look == Look::First {
            listing = self.output(&(self.tool.listing)(target.set())).await?;
            if self.agrees(change, target, &listing) {
                return Ok(());
            }
        }
        let mut failed = None;
        for invocation in (self.tool.change)(change, target, &listing)? {
            if let Err(refusal) = self.run(&invocation).await {
                failed = failed.or((invocation.failure == Failure::Counts).then_some(refusal));
            }
        }
        let Some(refusal) = failed else { return Ok(()) };
        let listing = self.output(&(self.tool.listing)(target.set())).await?;
        if self.agrees(change, target, &listing) { Ok(()) } else { Err(refusal) }
    }

    fn agrees(&self, change: Change, target: &Target, listing: &str) -> bool {
        let shown = (self.tool.listed)(target.set(), listing).contains(&target.prefix());
        shown == (change == Change::Block)
    }

    /// Whether a block has an effect now; makes what the engine may make.
    async fn prepared(&self, set: &SetName) -> Result<(), Refusal> {
        for check in (self.tool.ready)(set) {
            self.check(&check).await?;
        }
        let Some(Prepare { show, make }) = self.tool.prepare else { return Ok(()) };
        let shown = self.output(&show()).await?;
        for invocation in make(set, &shown) {
            let done = self.run(&invocation).await;
            if invocation.failure == Failure::Counts {
                done?;
            }
        }
        Ok(())
    }

    async fn check(&self, check: &Check) -> Result<(), Refusal> {
        for (invocation, text) in &check.any {
            // A program that fails does not say what is looked for.
            if self.output(invocation).await.is_ok_and(|output| output.contains(text)) {
                return Ok(());
            }
        }
        Err(Refusal::unavailable(check.otherwise.clone()))
    }

    async fn output(&self, invocation: &Invocation) -> Result<String, Refusal> {
        let output = self.run(invocation).await?.output;
        if output.dropped > 0 {
            return Err(Refusal::failed(format!(
                "{} wrote more than {} MiB, so what it shows is not known",
                invocation.program,
                OUTPUT >> 20
            )));
        }
        Ok(String::from_utf8_lossy(&output.bytes).into_owned())
    }

    async fn run(&self, invocation: &Invocation) -> Result<Ended, Refusal> {
        let program = self.program(invocation.program)?;
        let caps = Caps { run: RUN, output: OUTPUT, ..Caps::default() };
        let root = program.path().parent().unwrap_or(Path::new("/")).to_owned();
        let launch = Launch { program: &program, arguments: &invocation.arguments, root: &root, caps };
        let ended = launch.run(invocation.stdin.clone().into_bytes()).await;
        let ended = ended.map_err(|error| Refusal::unavailable(error.to_string()))?;
        let said = || format!("{} {}: {ended}", invocation.program, invocation.arguments.join(" "));
        match (ended.exit, ended.by) {
            (Exit::Code(0), By::Itself) => Ok(ended),
            (_, By::Itself) => Err(Refusal::failed(said())),
            (_, By::Deadline | By::Engine) => Err(Refusal::timeout(said())),
        }
    }

    fn program(&self, name: &str) -> Result<Program, Refusal> {
        let mut wrong = None;
        for folder in &self.folders {
            match Program::at(&folder.join(name)) {
                Ok(program) => return Ok(program),
                Err(unfit) => wrong = wrong.or(Some(unfit)),
            }
        }
        let why = wrong.map(|unfit| unfit.to_string()).unwrap_or_default();
        Err(Refusal::unavailable(format!("{name} cannot be started: {why}")).for_good())
    }

    fn knows(&self, set: &SetName) {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).insert(set.to_string());
    }

    /// As an element, when it is claimed: what else is in the set was put there
    /// by others. How long it stays is what the claims say, since the host
    /// keeps no time.
    fn element(&self, set: &SetName, prefix: Prefix) -> Option<Element> {
        let target = Target::by(self.tool.kind, set, prefix);
        let remaining = match self.claims.standing(target.effect()) {
            Standing::Free => return None,
            Standing::For(span) => Some(span + GRACE),
            Standing::Permanent => None,
        };
        Some(Element { target, remaining, entry: None })
    }
}

#[async_trait]
impl Backend for Vectors {
    async fn sync(&self, targets: Vec<Target>) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        let mut first = Ok(());
        for target in &targets {
            first = first.and(self.settle(target).await);
        }
        first
    }

    async fn list(&self) -> Result<Vec<Element>, Refusal> {
        let _turn = self.turn.lock().await;
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut elements = Vec::new();
        for set in sets.iter().filter_map(|set| set.parse::<SetName>().ok()) {
            let listing = self.output(&(self.tool.listing)(&set)).await?;
            let shown = (self.tool.listed)(&set, &listing);
            elements.extend(shown.into_iter().filter_map(|prefix| self.element(&set, prefix)));
        }
        Ok(elements)
    }

    fn chosen(&self) -> FirewallBackend {
        self.tool.kind
    }

    fn kinds(&self) -> &[FirewallBackend] {
        std::slice::from_ref(&self.tool.kind)
    }

    /// Refuses what this program cannot express.
    fn ready(&self, target: &Target) -> Result<(), Refusal> {
        (self.tool.change)(Change::Block, target, "").map(drop)
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.installed()?;
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for set in sets.iter().filter_map(|set| set.parse::<SetName>().ok()) {
            self.prepared(&set).await?;
        }
        Ok(())
    }
}
