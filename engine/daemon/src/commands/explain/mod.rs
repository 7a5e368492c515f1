//! `riposte explain`: what becomes of an alert, and why.
//!
//! * `explanation`: one alert under one response, by an engine's state or by
//!   the configuration alone;
//! * `words`: the same for people; `totals`: a whole log; `past`: an entry.

pub mod explanation;
mod past;
mod totals;
mod words;

use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use riposte_capability::Capabilities;
use riposte_ledger::clock::{Clock, SystemClock};
use riposte_policy::alert::Alert;
use riposte_policy::config::Role;
use serde_json::json;
use tokio::runtime::Runtime;

use self::explanation::Explanation;
use self::totals::Totals;
use crate::arm::Armed;
use crate::cli::Sources;
use crate::commands::{ask, check, locate};
use crate::control::{self, Request, Result as Asked, client};
use crate::exit::Exit;
use crate::intake::lines::{Line, Lines, Text};
use crate::places::Places;
use crate::respond::Scales;
use crate::stderr;
use crate::switches::Switches;

/// Longest line read, in bytes.
const LONGEST: usize = 64 << 20;
/// How much is read at a time, in bytes.
const CHUNK: usize = 256 << 10;
/// From which size on a file's progress is shown, and how often, in bytes.
const STEP: u64 = 32 << 20;

/// What is said where no engine can be asked.
const ALONE: &str = "no engine running: pauses, allows, budgets and what is in force are not known";

/// What is said of an input that holds nothing.
const EMPTY: &str = "there is no alert in this input";
/// What is said of an input that holds something else.
const NO_ALERT: &str = "there is no alert in this input: an alert is one line; jq -c . makes one of several";

/// What is said of a table where an engine could be asked.
const COUNTED: &str =
    "counted by the configuration: pauses, allows, budgets and what is in force play no part\n";

/// What it ends with.
pub const EXIT_CODES: &str = "With an engine running under the same --home, its state is asked; nothing is changed.\n\
    Exit codes: 0 explained, 1 something could not be read (bad lines are named), 2 usage.";

/// `riposte explain`.
#[derive(Args, Clone, Debug)]
pub struct Explain {
    #[command(flatten)]
    pub sources: Sources,
    /// File of alerts, one a line; `-` reads standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub alert: PathBuf,
    /// Explain this entry of the ledger: its alert, and what came of it
    #[arg(long, value_name = "ENTRY", conflicts_with_all = ["alert", "each", "totals"])]
    pub id: Option<i64>,
    /// Ask no engine: explain by the configuration alone
    #[arg(long)]
    pub offline: bool,
    /// Explain every alert of a log, in place of counting them
    #[arg(long)]
    pub each: bool,
    /// Count the alerts, also when there is only one; with --json the last object
    #[arg(long)]
    pub totals: bool,
    /// Print one JSON object per alert and response
    #[arg(long)]
    pub json: bool,
}

/// Explains every alert of the input, or one entry.
pub fn explain(args: &Explain) -> Exit {
    if let Some(id) = args.id {
        return past::explain(args, id);
    }
    match Explaining::new(args).and_then(|mut explaining| explaining.all(&args.alert)) {
        Ok(exit) => exit,
        Err(error) => {
            ask::complain(args.json, &error);
            Exit::Failed
        }
    }
}

/// One run over an input.
struct Explaining<'a> {
    args: &'a Explain,
    places: Places,
    configs: Vec<PathBuf>,
    /// Whether an engine answers.
    live: bool,
    /// Why none is asked, when one is there.
    aside: Option<String>,
    alone: Option<Alone>,
    totals: Totals,
    /// The first alert and its line, held back until it is known whether it is
    /// the only one.
    first: Option<(u64, Vec<u8>)>,
    /// What the running engine is, or one that would be started.
    role: Role,
    counting: bool,
    /// Whether there was an alert.
    read: bool,
    unreadable: bool,
}

/// A configuration without an engine.
struct Alone {
    armed: Armed,
    switches: Switches,
    capabilities: Arc<Capabilities>,
    runtime: Runtime,
    clock: SystemClock,
}

impl<'a> Explaining<'a> {
    fn new(args: &'a Explain) -> Result<Self, String> {
        let (places, configs) = locate(&args.sources);
        let mut explaining = Self {
            args,
            places,
            configs,
            live: false,
            aside: None,
            alone: None,
            totals: Totals::default(),
            first: None,
            role: Role::Standalone,
            counting: args.totals && !args.json,
            read: false,
            unreadable: false,
        };
        if !args.offline {
            explaining.find_engine()?;
        }
        if !explaining.live {
            // What is wrong with the configuration is said before any output.
            let refused = explaining.arm()?.refused(args.sources.strict);
            let note = explaining.aside.as_deref().unwrap_or(ALONE);
            for note in std::iter::once(note).chain(refused.as_deref()) {
                if args.json { ask::tell(note) } else { ask::say_text(note) }
            }
        }
        Ok(explaining)
    }

    /// Whether an engine runs under this home, with the configuration meant.
    fn find_engine(&mut self) -> Result<(), String> {
        match client::ask(&self.places.socket(), &Request::Explain { alert: None }) {
            Ok(answer) => {
                let named = &self.args.sources.config;
                let theirs: Vec<PathBuf> =
                    serde_json::from_value(answer.data["configs"].clone()).unwrap_or_default();
                let same = |ours: &PathBuf| theirs.iter().any(|theirs| same_file(ours, theirs));
                if named.iter().all(same) && (named.is_empty() || named.len() == theirs.len()) {
                    self.live = true;
                    // What is counted is counted by the same files.
                    if !theirs.is_empty() {
                        self.configs = theirs;
                    }
                    if let Some(root) = answer.data["root"].as_str() {
                        self.places.root = root.into();
                    }
                    // What is counted is counted as it reads them.
                    self.role = Role::named(answer.data["role"].as_str().unwrap_or_default());
                } else {
                    let theirs: Vec<_> = theirs.iter().map(|path| path.display().to_string()).collect();
                    self.aside = Some(format!(
                        "the running engine has another configuration ({}): this is what the named one says; \
                         pauses, allows, budgets and what is in force are not known",
                        theirs.join(", ")
                    ));
                }
                Ok(())
            }
            Err(client::Unanswered::NoEngine(_)) => Ok(()),
            Err(error @ client::Unanswered::Failed { .. }) => {
                Err(format!("{error}; --offline explains by the configuration alone"))
            }
        }
    }

    fn all(&mut self, path: &Path) -> Result<Exit, String> {
        let unreadable = |error: io::Error| format!("cannot read the alerts {}: {error}", path.display());
        let mut out = io::stdout().lock();
        let (mut input, length): (Box<dyn Read>, u64) = if path == Path::new("-") {
            (Box::new(io::stdin().lock()), 0)
        } else {
            #[expect(clippy::disallowed_methods, reason = "the user names the file of alerts")]
            let file = std::fs::File::open(path).map_err(unreadable)?;
            let length = file.metadata().map_err(unreadable)?.len();
            (Box::new(file), length)
        };
        let mut progress = Progress::new(length);
        let mut lines = Lines::new(LONGEST, 0);
        let mut chunk = vec![0; CHUNK];
        loop {
            match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => {
                    lines.feed(chunk.get(..read).unwrap_or_default());
                    progress.read(read as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            }
            while let Some(line) = lines.next() {
                if !self.line(&line, &mut out)? {
                    return Ok(self.exit());
                }
            }
        }
        let went_on = match lines.rest() {
            Some(line) => self.line(&line, &mut out)?,
            None => true,
        };
        progress.end();
        if went_on {
            // A reader that went away has read enough.
            let _ = self.end(&mut out)?;
        }
        ask::written(out.flush())?;
        Ok(self.exit())
    }

    fn exit(&self) -> Exit {
        if self.unreadable { Exit::Failed } else { Exit::Done }
    }

    /// One line. `false`: nobody reads the answer any more.
    fn line(&mut self, line: &Line<'_>, out: &mut impl Write) -> Result<bool, String> {
        let bytes = match line.text {
            Text::Whole(bytes) if bytes.trim_ascii().is_empty() => return Ok(true),
            Text::Whole(bytes) => String::from_utf8_lossy(bytes),
            Text::TooLong(length) => {
                return self.bad(line.number, &format!("not an alert: {length} bytes are too long"), out);
            }
        };
        let alert = match Alert::parse(bytes.as_bytes()) {
            Ok(alert) => alert,
            Err(error) => return self.bad(line.number, &error.to_string(), out),
        };
        self.read = true;
        if self.args.json || self.args.each {
            if self.args.totals {
                self.count(&alert)?;
            }
            return self.one(line.number, &alert, out);
        }
        if self.counting {
            return self.count(&alert).map(|()| true);
        }
        // One alert is explained, several are counted.
        match self.first.take() {
            None => self.first = Some((line.number, alert.object().as_bytes().to_vec())),
            Some((_, first)) => {
                self.counting = true;
                if let Ok(first) = Alert::parse(&first) {
                    self.count(&first)?;
                }
                self.count(&alert)?;
            }
        }
        Ok(true)
    }

    /// A line that is no alert, or that the engine does not take.
    fn bad(&mut self, number: u64, why: &str, out: &mut impl Write) -> Result<bool, String> {
        self.unreadable = true;
        self.totals.unreadable(number);
        self.say_bad(number, why, out)
    }

    fn say_bad(&self, number: u64, why: &str, out: &mut impl Write) -> Result<bool, String> {
        let message = format!("line {number}: {why}");
        let written = if self.args.json {
            writeln!(out, "{}", json!({"line": number, "error": message}))
        } else if self.args.each {
            writeln!(out, "{message}\n")
        } else {
            ask::tell(&message);
            Ok(())
        };
        ask::written(written)
    }

    fn end(&mut self, out: &mut impl Write) -> Result<bool, String> {
        if let Some((number, first)) = self.first.take()
            && let Ok(first) = Alert::parse(&first)
        {
            return self.one(number, &first, out);
        }
        if !self.read {
            ask::tell(if self.unreadable { NO_ALERT } else { EMPTY });
        }
        let written = if self.args.json && self.args.totals {
            writeln!(out, "{}", self.totals.json())
        } else if self.counting || self.args.totals {
            let note = if self.live { COUNTED } else { "" };
            write!(out, "{note}{}", self.totals.text())
        } else {
            Ok(())
        };
        ask::written(written)
    }

    /// Explains one alert.
    fn one(&mut self, number: u64, alert: &Alert<'_>, out: &mut impl Write) -> Result<bool, String> {
        let all = if self.live {
            match self.ask(alert)? {
                Ok(all) => all,
                // This one alert; the others may be taken.
                Err(why) => {
                    self.unreadable = true;
                    return self.say_bad(number, &why, out);
                }
            }
        } else {
            self.alone(alert)?
        };
        let written = if self.args.json {
            all.iter().try_for_each(|one| {
                serde_json::to_writer(&mut *out, one).map_err(io::Error::from)?;
                writeln!(out)
            })
        } else {
            self.print(&all, out)
        };
        ask::written(written)
    }

    fn print(&self, all: &[Explanation], out: &mut impl Write) -> io::Result<()> {
        let Some(first) = all.first() else {
            return writeln!(out, "the configuration has no response");
        };
        writeln!(out, "{}\n", words::head(first))?;
        // What fires comes first: it is what one looks for.
        let (fired, not): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.fires);
        for one in fired {
            writeln!(out, "{}", words::block(one))?;
        }
        not.iter().try_for_each(|one| write!(out, "{}", words::block(one)))?;
        if not.is_empty() { Ok(()) } else { writeln!(out) }
    }

    /// Asks the engine. The inner error is about this alert alone.
    fn ask(&self, alert: &Alert<'_>) -> Result<Result<Vec<Explanation>, String>, String> {
        let request = Request::Explain { alert: Some(alert.object().to_owned()) };
        let length = serde_json::to_vec(&request).map_err(|error| error.to_string())?.len() as u64;
        if length >= control::LONGEST {
            return Ok(Err(format!(
                "too large for the engine: {length} bytes, and it takes less than {}; --offline explains it",
                control::LONGEST
            )));
        }
        let answer = client::ask(&self.places.socket(), &request).map_err(|error| error.to_string())?;
        if answer.result != Asked::Done {
            return Ok(Err(answer.message));
        }
        serde_json::from_value(answer.data["explained"].clone()).map(Ok).map_err(|error| error.to_string())
    }

    fn alone(&mut self, alert: &Alert<'_>) -> Result<Vec<Explanation>, String> {
        let alone = self.arm()?;
        Ok(alone.runtime.block_on(explanation::offline(&alone.scales(), alert)))
    }

    fn count(&mut self, alert: &Alert<'_>) -> Result<(), String> {
        self.arm()?;
        let Self { alone: Some(alone), totals, .. } = self else { return Ok(()) };
        alone.runtime.block_on(totals.count(&alone.scales(), alert));
        Ok(())
    }

    /// The configuration, read when it is first needed.
    fn arm(&mut self) -> Result<&Alone, String> {
        if self.alone.is_none() {
            let (armed, capabilities) = check::arm_with(&self.places, &self.configs, self.role)?;
            capabilities.guard().set_white_list(armed.config.white_list.clone());
            capabilities.guard().set(armed.config.settings.guard.clone());
            capabilities.guard().refresh();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
            let (switches, clock) = (Switches::default(), SystemClock::new());
            self.alone = Some(Alone { armed, switches, capabilities, runtime, clock });
        }
        self.alone.as_ref().ok_or_else(|| "the configuration is not read".to_owned())
    }
}

impl Alone {
    /// That no engine would start with this configuration, and why.
    fn refused(&self, strict: bool) -> Option<String> {
        let mut bad = self.armed.fatal(strict);
        let first = bad.next()?;
        let more = match bad.count() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Some(format!(
            "no engine starts with this configuration: {}: {}: {}{more}; riposte check says what to write instead",
            first.place, first.code, first.message
        ))
    }

    fn scales(&self) -> Scales<'_> {
        Scales {
            armed: &self.armed,
            switches: &self.switches,
            guard: self.capabilities.guard(),
            ledger: None,
            now: self.clock.now(),
            shadow: false,
        }
    }
}

/// Whether two paths mean one file.
fn same_file(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(a) == real(b)
}

/// How far a large file is read, for a terminal.
struct Progress {
    length: u64,
    read: u64,
    shown: u64,
}

impl Progress {
    fn new(length: u64) -> Self {
        let shown = length > STEP && io::stderr().is_terminal();
        Self { length: if shown { length } else { 0 }, read: 0, shown: 0 }
    }

    fn read(&mut self, bytes: u64) {
        self.read = self.read.saturating_add(bytes);
        if self.length > 0 && self.read.saturating_sub(self.shown) >= STEP {
            self.shown = self.read;
            let percent = self.read.saturating_mul(100).checked_div(self.length).unwrap_or(100).min(100);
            let _ = write!(stderr::Quiet, "\rreading: {percent:3}%");
        }
    }

    fn end(&self) {
        if self.shown > 0 {
            let _ = write!(stderr::Quiet, "\r               \r");
        }
    }
}
