//! The stage: the real sandbox before a host that is only played.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use riposte_capability::Capabilities;
use riposte_capability::rehearsal::{Called, Rehearsal, Scene};
use riposte_policy::config::Mode;
use riposte_policy::grant::{Access, ConfigValue, FolderGrant, Grants};
use riposte_policy::limit::Limits;
use riposte_policy::order::EntryId;
use riposte_runtime::outcome::Line;
use riposte_runtime::{Components, Failure, Inspection, Invocation, Kind, Outcome, Plugin, Settings};
use tokio::time::Instant;

use super::compare::{self, Difference};
use super::error::ScenarioError;
use super::{Call, Scenario, Told};
use crate::folder;

type Result<T> = std::result::Result<T, ScenarioError>;

/// The sandbox, and the host that is played before it. One for many scenarios,
/// which play one after the other.
pub struct Stage {
    components: Components,
    rehearsal: Arc<Rehearsal>,
    runtime: tokio::runtime::Runtime,
    /// Where compiled code is kept.
    cache: Option<PathBuf>,
}

/// A component that can play.
pub struct Subject {
    name: String,
    bytes: Vec<u8>,
    inspection: Inspection,
}

/// How a scenario went.
#[derive(Clone, Debug)]
pub struct Played {
    /// What was played.
    pub scenario: Scenario,
    /// Each call that was made.
    pub rounds: Vec<Round>,
    /// Where it was not as expected.
    pub differences: Vec<Difference>,
}

impl Played {
    /// Whether all was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// One call: what the component did, and how it ended.
#[derive(Clone, Debug)]
pub struct Round {
    /// What it answered, or why it did not.
    pub result: std::result::Result<Answer, Failure>,
    /// What it asked the host for, in order.
    pub calls: Vec<Called>,
    /// What it logged.
    pub log: Vec<Line>,
    /// Processor time.
    pub cpu: Duration,
    /// Time from the call to its end.
    pub took: Duration,
    /// Memory, in bytes.
    pub memory: u64,
}

/// What a component answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of `keys`.
    Keys(Vec<String>),
    /// Of `add`.
    Receipt(Vec<u8>),
    /// Of `delete` and `run`.
    Done,
}

impl Stage {
    /// Makes the stage. `cache` is a folder of this user's alone, where compiled
    /// code is kept; without one, or when it cannot be used, every stage compiles.
    ///
    /// # Errors
    ///
    /// [`ScenarioError::Stage`], when this machine cannot run components.
    pub fn new(cache: Option<&Path>) -> Result<Self> {
        let rehearsal = Arc::new(Rehearsal::default());
        let capabilities = Arc::new(Capabilities::rehearsed(Arc::clone(&rehearsal)));
        let settings = |cache: Option<&Path>| Settings { cache: cache.map(Path::to_owned), concurrency: 1 };
        let failed = |why: &dyn fmt::Display| ScenarioError::Stage(why.to_string());
        let kept = Components::new(&settings(cache), Arc::clone(&capabilities));
        let (components, cache) = match kept {
            Ok(components) => (components, cache.map(Path::to_owned)),
            // Slower is better than not at all.
            Err(_) => (Components::new(&settings(None), capabilities).map_err(|error| failed(&error))?, None),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| failed(&error))?;
        Ok(Self { components, rehearsal, runtime, cache })
    }

    /// The folder where compiled code is kept, if there is one that can be used.
    #[must_use]
    pub fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// Whether the code of these bytes is in the cache, so that
    /// [`Stage::subject`] compiles nothing.
    #[must_use]
    pub fn knows(&self, bytes: &[u8]) -> bool {
        self.components.is_compiled(riposte_runtime::digest(bytes))
    }

    /// A component that can play; compiles it here, in this process, unless its
    /// code is [known](Stage::knows). `name` is for messages.
    ///
    /// # Errors
    ///
    /// [`ScenarioError::Component`] with what is wrong with it.
    pub fn subject(&self, name: &str, bytes: Vec<u8>) -> Result<Subject> {
        let inspection =
            self.components.inspect(&bytes).map_err(|error| ScenarioError::Component(error.to_string()))?;
        let missing: Vec<_> = inspection.unsupported().map(|missing| format!("\n  {missing}")).collect();
        if !missing.is_empty() {
            return Err(ScenarioError::Component(format!(
                "it imports what this engine does not have:{}",
                missing.concat()
            )));
        }
        Ok(Subject { name: name.to_owned(), bytes, inspection })
    }

    /// Plays one scenario, and compares.
    ///
    /// # Errors
    ///
    /// When it cannot be played at all. A component that does anything wrong is
    /// a difference, and no error.
    pub fn play(&self, subject: &Subject, scenario: &Scenario) -> Result<Played> {
        let props = Props::lay_out(scenario)?;
        let plugin = self.plugin(subject, scenario)?;
        self.rehearsal.begin(Scene {
            answers: scenario.host.clone(),
            secrets: scenario.secrets.clone(),
            folders: props.folders.clone(),
        });
        let rounds: Vec<_> =
            (0..scenario.times).map(|_| self.runtime.block_on(self.round(&plugin, scenario))).collect();
        let differences = compare::differences(&scenario.expect, &rounds);
        Ok(Played { scenario: scenario.clone(), rounds, differences })
    }

    /// The component, with what this scenario gives it. What is granted is
    /// exactly what it imports: it was checked before against what is declared.
    fn plugin(&self, subject: &Subject, scenario: &Scenario) -> Result<Arc<Plugin>> {
        let config = scenario.config.iter();
        let config =
            config.map(|(name, value)| ConfigValue { name: name.clone(), value: value.clone() }).collect();
        let folders = scenario.folders.keys();
        let folders =
            folders.map(|path| FolderGrant { path: PathBuf::from(path), access: Access::Read }).collect();
        let grants = Grants { config, folders, ..granted(&subject.inspection)? };
        self.components
            .load(&subject.name, &subject.bytes, &Arc::new(grants), &Limits::default(), false)
            .map_err(|error| ScenarioError::Component(error.to_string()))
    }

    async fn round(&self, plugin: &Plugin, scenario: &Scenario) -> Round {
        let began = Instant::now();
        // As the engine does with every alert, before a component sees it.
        let alert = match riposte_policy::alert::object(&scenario.alert) {
            Ok(alert) => alert,
            Err(error) => {
                let kind = "invalid-input".to_owned();
                let message = format!("the engine gives this alert to no component: {error}");
                return self.ended(
                    began,
                    refused(Failure::Said { kind, message, retry: false }),
                    Answer::Keys,
                );
            }
        };
        let invocation = invocation(&scenario.invocation, alert);
        match scenario.call {
            Call::Keys => {
                let outcome = plugin.keys(&invocation).await;
                let named = |keys: Option<riposte_policy::Keys>| {
                    Answer::Keys(keys.map(|keys| keys.as_slice().to_vec()).unwrap_or_default())
                };
                self.ended(began, outcome, named)
            }
            Call::Add => self.ended(began, plugin.add(&invocation).await, Answer::Receipt),
            Call::Delete => {
                let outcome = plugin.delete(&invocation, scenario.receipt.clone()).await;
                self.ended(began, outcome, |()| Answer::Done)
            }
            Call::Run => self.ended(began, plugin.run(&invocation).await, |()| Answer::Done),
        }
    }

    fn ended<T>(&self, began: Instant, outcome: Outcome<T>, answer: impl FnOnce(T) -> Answer) -> Round {
        let took = began.elapsed();
        let Outcome { result, log, cpu, memory, .. } = outcome;
        Round { result: result.map(answer), calls: self.rehearsal.calls(), log, cpu, took, memory }
    }
}

impl Subject {
    /// What it exports.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.inspection.kind
    }

    /// How large it is, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// A call that was not made.
fn refused<T>(failure: Failure) -> Outcome<T> {
    Outcome { result: Err(failure), log: Vec::new(), would_be: Vec::new(), cpu: Duration::ZERO, memory: 0 }
}

fn invocation(told: &Told, alert: &str) -> Invocation {
    Invocation {
        command: told.command.as_str().into(),
        id: told.id.clone(),
        entry: Some(EntryId(1)),
        attempt: told.attempt,
        timeout: told.timeout.map(Duration::from_secs),
        offence: told.offence,
        tenant: told.tenant.as_str().into(),
        location: told.location,
        arguments: told.arguments.clone().into(),
        keys: told.keys.clone().into(),
        alert: alert.into(),
        mode: Mode::Enforce,
        rehearsal: false,
    }
}

/// Grants for all that a component imports. What they say beside is never
/// looked at: the rehearsal answers first.
fn granted(inspection: &Inspection) -> Result<Grants> {
    let mut elements = String::new();
    for least in &inspection.needs {
        elements.push_str(least);
    }
    let filled = elements
        .replace("NAME.service", "a.service")
        .replace("/PATH", "/a")
        .replace("HOST", "a.example")
        .replace("ADDRESS", "a@a.example");
    Grants::from_xml(&format!("<capabilities>{filled}</capabilities>"))
        .map_err(|error| ScenarioError::Component(format!("{error}; please report this fault")))
}

/// The folders of a scenario, as real ones, for as long as it plays.
struct Props {
    folders: Vec<(String, PathBuf)>,
    _place: Option<tempfile::TempDir>,
}

impl Props {
    fn lay_out(scenario: &Scenario) -> Result<Self> {
        if scenario.folders.is_empty() {
            return Ok(Self { folders: Vec::new(), _place: None });
        }
        let failed = |path: &Path, why: String| ScenarioError::File { path: path.to_owned(), why };
        let place = tempfile::tempdir().map_err(|error| {
            failed(&std::env::temp_dir(), format!("cannot make a folder for the scenario's files: {error}"))
        })?;
        let mut folders = Vec::new();
        for (number, (path, files)) in scenario.folders.iter().enumerate() {
            let real = place.path().join(number.to_string());
            std::fs::create_dir(&real).map_err(|error| failed(&real, format!("cannot make it: {error}")))?;
            for (name, text) in files {
                folder::write(&real.join(name), text.as_bytes())
                    .map_err(|error| failed(&real.join(name), error.to_string()))?;
            }
            folders.push((path.clone(), real));
        }
        Ok(Self { folders, _place: Some(place) })
    }
}
