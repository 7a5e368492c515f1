//! Alerts in: a file that grows and rotates, a finite file, standard input.
//!
//! Reading is synchronous and has a thread of its own, so a flood of alerts
//! never takes a worker from the responses. The thread waits only where the
//! queue of orders is full: a bounded queue, not a lost alert.

mod find;
mod follow;
pub mod lines;
mod progress;
mod watch;

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use riposte_ledger::LedgerError;
use riposte_policy::alert::Alert;
use riposte_policy::order::Source;
use tokio::runtime::Handle;

use self::lines::{Line, Lines, Text};
use self::progress::Progress;
use crate::cli::From;
use crate::engine::Engine;
use crate::show::counted;

/// How much is read at a time, in bytes.
const CHUNK: usize = 256 << 10;

/// What is read, and how.
#[derive(Clone, Debug)]
pub struct Intake {
    /// Where the alerts come from.
    pub input: Input,
    /// Whether to end where the input ends now.
    pub once: bool,
    /// Where to begin without a stored position.
    pub from: From,
    /// Alerts older than this are dropped.
    pub max_age: Option<Duration>,
    /// Longest line in bytes.
    pub longest: usize,
}

/// Where alerts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Standard,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Standard => f.write_str("standard input"),
        }
    }
}

/// What was read so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Lines that are not empty: alerts, and what is none.
    pub lines: AtomicU64,
    /// Alerts read.
    pub alerts: AtomicU64,
    /// Alerts that fired at least one response.
    pub fired: AtomicU64,
    /// Lines that are no alert.
    pub unreadable: AtomicU64,
    /// Lines longer than allowed.
    pub too_long: AtomicU64,
    /// Alerts older than `--max-age`.
    pub stale: AtomicU64,
    /// Responses that failed, or could not be decided.
    pub failed: AtomicU64,
    /// Orders for a command that is off.
    pub off: AtomicU64,
}

impl Counters {
    /// Why nothing came of this input, when no alert in it fired anything.
    #[must_use]
    pub fn idle(&self, input: &Input) -> Option<String> {
        let count =
            |counter: &AtomicU64| usize::try_from(counter.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        if count(&self.fired) + count(&self.stale) > 0 {
            return None;
        }
        let (alerts, none) = (count(&self.alerts), count(&self.unreadable) + count(&self.too_long));
        let skipped = if none == 0 { String::new() } else { format!(", {} skipped", counted(none, "line")) };
        Some(match (alerts, none, input) {
            (0, 0, Input::Standard) => "standard input held no alert".to_owned(),
            (0, 0, Input::File(path)) => {
                format!("{} holds no alert that was not read before", path.display())
            }
            (0, ..) => {
                format!(
                    "no alert was read{skipped}: one alert per line, and `jq -c .` makes one line of several"
                )
            }
            _ => format!(
                "{} read{skipped}; none of them asks for a response: `riposte explain --alert FILE`, with the same \
                 --config and --home, says why",
                counted(alerts, "alert")
            ),
        })
    }
}

impl Intake {
    /// Reads until the input ends or the engine stops. For a thread of its own.
    /// Calls `positioned` once it is settled where it begins: what is written
    /// after that is read.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, or its position not be kept.
    pub fn read(
        &self,
        engine: &Arc<Engine>,
        runtime: &Handle,
        positioned: impl FnOnce(),
    ) -> Result<(), IntakeError> {
        let reader = Reader { intake: self, engine, runtime };
        match &self.input {
            Input::Standard => {
                positioned();
                reader.standard()
            }
            Input::File(path) => reader.follow(path, positioned),
        }
    }
}

/// One reading of one input.
struct Reader<'a> {
    intake: &'a Intake,
    engine: &'a Arc<Engine>,
    runtime: &'a Handle,
}

impl Reader<'_> {
    fn standard(&self) -> Result<(), IntakeError> {
        let mut input = io::stdin().lock();
        let mut lines = Lines::new(self.intake.longest, 0);
        let mut chunk = vec![0; CHUNK];
        while !self.stopped() {
            match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => lines.feed(chunk.get(..n).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(IntakeError::Unreadable { path: "-".into(), source }),
            }
            while let Some(line) = lines.next() {
                self.line(line, None);
            }
        }
        if let Some(line) = lines.rest() {
            self.line(line, None);
        }
        Ok(())
    }

    /// One line: alert, or report why not; then its orders.
    fn line(&self, line: Line<'_>, progress: Option<&Arc<Progress>>) {
        let counters = &self.engine.counters;
        let passed = || {
            if let Some(progress) = progress {
                progress.passed(line.end);
            }
        };
        if matches!(line.text, Text::Whole(bytes) if bytes.trim_ascii().is_empty()) {
            return passed();
        }
        counters.lines.fetch_add(1, Ordering::Relaxed);
        let bytes = match line.text {
            Text::Whole(bytes) => bytes,
            Text::TooLong(length) => {
                counters.too_long.fetch_add(1, Ordering::Relaxed);
                let (number, longest) = (line.number, self.intake.longest);
                self.engine.report.bad_line(number, &format!(
                    "{length} bytes are more than the {longest} a line may have; raise --max-line to read it"
                ));
                return passed();
            }
        };
        // One odd byte in a field that an attacker writes must not switch off
        // the response against him.
        let mended = match std::str::from_utf8(bytes) {
            Ok(_) => None,
            Err(_) => Some(String::from_utf8_lossy(bytes)),
        };
        let alert = match Alert::parse(mended.as_deref().map_or(bytes, str::as_bytes)) {
            Ok(alert) => alert,
            Err(error) => {
                counters.unreadable.fetch_add(1, Ordering::Relaxed);
                self.engine.report.bad_line(line.number, &format!("{error}; one alert per line"));
                return passed();
            }
        };
        counters.alerts.fetch_add(1, Ordering::Relaxed);
        let armed = self.engine.armed();
        let fired = armed.fires(&alert);
        if fired.is_empty() {
            return passed();
        }
        if is_stale(&alert, self.intake.max_age, self.engine.now().wall_ms) {
            counters.stale.fetch_add(1, Ordering::Relaxed);
            self.engine.report.stale(&alert);
            return passed();
        }
        counters.fired.fetch_add(1, Ordering::Relaxed);
        // A response for several agents is several orders; each has its receipt,
        // and its number among those of the alert.
        let orders: Vec<_> = fired.into_iter().flat_map(|position| armed.orders(position, &alert)).collect();
        if orders.is_empty() {
            return passed();
        }
        let mut receipts = progress.map(|progress| progress.deciding(line.start, line.end, orders.len()));
        for (ordinal, mut order) in (0..).zip(orders) {
            let receipt = receipts.as_mut().and_then(Iterator::next).unwrap_or_else(|| Box::new(()));
            order.source =
                progress.map(|progress| Source { input: progress.input, offset: line.start, ordinal });
            self.runtime.block_on(self.engine.dispatch(order, receipt));
        }
    }

    fn stopped(&self) -> bool {
        self.engine.is_stopping()
    }
}

/// Whether an alert is older than `max_age` at `wall_ms`. One that does not say
/// when it was written is not.
#[must_use]
pub fn is_stale(alert: &Alert<'_>, max_age: Option<Duration>, wall_ms: i64) -> bool {
    let (Some(max_age), Some(written)) = (max_age, alert.timestamp_ms()) else { return false };
    let age = wall_ms.saturating_sub(written);
    u128::try_from(age).is_ok_and(|age| age > max_age.as_millis())
}

/// The alerts cannot be read.
#[derive(Debug)]
pub enum IntakeError {
    /// The file cannot be opened or read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The position cannot be kept.
    Position(LedgerError),
    /// The reading ended by a fault of ours.
    Lost,
}

impl fmt::Display for IntakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => {
                write!(f, "cannot read the alerts {}: {source}; ", path.display())?;
                f.write_str("name a readable file with --alerts FILE, or - for standard input")
            }
            Self::Position(error) => write!(f, "cannot keep the position in the alerts: {error}"),
            Self::Lost => f.write_str(
                "no alert is read any more: the reading ended unexpectedly; please report this fault",
            ),
        }
    }
}

impl std::error::Error for IntakeError {}
