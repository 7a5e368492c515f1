//! Who does the work: a running engine, or this very process.

use std::path::PathBuf;
use std::sync::Arc;

use riposte_capability::claim::Memory;
use riposte_capability::firewall::{Backend, Firewalls};
use riposte_capability::{Backends, Capabilities, Guard, Refusal};
use riposte_policy::config::Mode;
use riposte_policy::order::EntryId;
use riposte_runtime::{Components, Failure, Invocation, Kind, Plugin, Settings};
use tokio::runtime::Runtime;

use super::Failed;
use super::called::{Called, builtin};
use super::hand_over::Step;
use super::message::{Message, Verb};
use crate::arm::{self, TENANT};
use crate::commands::ask;
use crate::control::{Answer, Request, Result as Asked, client};

/// Where a response is made.
pub enum Work {
    /// By the engine that listens there.
    Engine {
        /// Its control socket.
        socket: PathBuf,
        /// The response.
        name: String,
    },
    /// In this process.
    Here(Box<Here>),
}

impl Work {
    /// Finds a running engine, and works here when there is none.
    ///
    /// # Errors
    ///
    /// When no built-in response has that name, an engine is there and does not
    /// answer, or the sandbox cannot be set up.
    pub fn find(called: &Called) -> Result<Self, Failed> {
        let Some(found) = builtin(&called.name) else { return Err(Failed::Unknown(called.name.clone())) };
        for socket in called.sockets() {
            // A probe that asks nothing: connecting alone would not say that it answers.
            match client::ask(&socket, &Request::Explain { alert: None }) {
                Ok(_) => return Ok(Self::Engine { socket, name: found.name.to_owned() }),
                Err(client::Unanswered::NoEngine(_)) => {}
                Err(error) => return Err(Failed::NotDone(error.to_string())),
            }
        }
        Here::new(called).map(|here| Self::Here(Box::new(here)))
    }

    /// What the response would act on.
    ///
    /// # Errors
    ///
    /// [`Failed::NoKey`] when the alert names nothing.
    pub fn keys(&mut self, message: &Message) -> Result<Vec<String>, Failed> {
        match self {
            Self::Engine { socket, name } => {
                let answer = ask(socket, &request(name, Step::Keys, message))?;
                match (answer.result, serde_json::from_value(answer.data["keys"].clone())) {
                    (Asked::Done, Ok(keys)) => Ok(keys),
                    _ if answer.data["no_key"] == true => Err(Failed::NoKey(answer.message)),
                    _ => Err(Failed::NotDone(answer.message)),
                }
            }
            Self::Here(here) => here.keys(message),
        }
    }

    /// Acts, or undoes. An engine that has ended since it was found is done
    /// without.
    ///
    /// # Errors
    ///
    /// When it could not be done, or was not to be.
    pub fn act(&mut self, called: &Called, message: &Message, verb: Verb) -> Result<(), Failed> {
        if let Self::Engine { socket, name } = self {
            let step = if verb == Verb::Add { Step::Add } else { Step::Delete };
            match client::ask(socket, &request(name, step, message)) {
                Ok(Answer { result: Asked::Done, message, data }) => {
                    if data["outcome"] == "shadow" {
                        ask::tell(&format!("{}: {message}", called.name));
                    }
                    return Ok(());
                }
                Ok(answer) => return Err(Failed::NotDone(answer.message)),
                Err(client::Unanswered::NoEngine(_)) => *self = Self::Here(Box::new(Here::new(called)?)),
                Err(error) => return Err(Failed::NotDone(error.to_string())),
            }
        }
        match self {
            Self::Here(here) => here.act(message, verb),
            Self::Engine { .. } => Err(Failed::NotDone("no engine is running".to_owned())),
        }
    }
}

fn request(name: &str, step: Step, message: &Message) -> Request {
    Request::Program {
        name: name.to_owned(),
        step,
        alert: message.alert.clone(),
        arguments: message.arguments.clone(),
    }
}

fn ask(socket: &std::path::Path, request: &Request) -> Result<Answer, Failed> {
    client::ask(socket, request).map_err(|error| Failed::NotDone(error.to_string()))
}

/// A response in this process. Its claims are forgotten with it, and nothing
/// it blocks ends by itself: the caller undoes it.
pub struct Here {
    plugin: Arc<Plugin>,
    runtime: Runtime,
    // The sandbox has to outlive its plugin's calls.
    _components: Components,
}

impl Here {
    fn new(called: &Called) -> Result<Self, Failed> {
        let failed = |error: String| Failed::NotDone(error);
        let Some(found) = builtin(&called.name) else { return Err(Failed::Unknown(called.name.clone())) };
        let claims = Arc::new(Memory::default());
        let firewall: Arc<dyn Backend> = Arc::new(Firewalls::of_this_host(Arc::clone(&claims) as _, None));
        let guard = Arc::new(Guard::new());
        guard.refresh();
        let capabilities = Arc::new(Capabilities::new(claims, backends(called, firewall), guard));
        let components = components(called, &capabilities).map_err(failed)?;
        let definition = arm::definition(found);
        let grants = definition.as_ref().and_then(|command| command.capabilities.clone()).unwrap_or_default();
        let limits = definition.map(|command| command.limits.clone()).unwrap_or_default();
        let plugin = components.load(found.name, found.wasm, &Arc::new(grants), &limits, false);
        let plugin = plugin.map_err(|error| failed(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(format!("cannot start: {error}")))?;
        Ok(Self { plugin, runtime, _components: components })
    }

    fn keys(&self, message: &Message) -> Result<Vec<String>, Failed> {
        if self.plugin.kind() == Kind::Oneshot {
            return Ok(Vec::new());
        }
        match self.runtime.block_on(self.plugin.keys(&self.invocation(message))).result {
            Ok(Some(keys)) => Ok(keys.as_slice().to_vec()),
            Ok(None) => Err(Failed::NoKey("it acts on nothing in it".to_owned())),
            Err(Failure::Said { kind, message, .. }) if kind == "no-key" || kind == "invalid-input" => {
                Err(Failed::NoKey(message))
            }
            Err(failure) => Err(Failed::NotDone(failure.to_string())),
        }
    }

    fn act(&self, message: &Message, verb: Verb) -> Result<(), Failed> {
        let invocation = self.invocation(message);
        let plugin = &self.plugin;
        let result = self.runtime.block_on(async {
            match (plugin.kind(), verb) {
                (Kind::Reversible, Verb::Add) => plugin.add(&invocation).await.result.map(drop),
                (Kind::Reversible, Verb::Delete) => plugin.delete(&invocation, None).await.result,
                (Kind::Oneshot, Verb::Add) => plugin.run(&invocation).await.result,
                (Kind::Oneshot, Verb::Delete) => Ok(()),
            }
        });
        result.map_err(|failure| Failed::NotDone(failure.to_string()))
    }

    fn invocation(&self, message: &Message) -> Invocation {
        Invocation {
            command: self.plugin.name().into(),
            id: String::new(),
            entry: Some(EntryId(0)),
            attempt: 1,
            timeout: None,
            offence: 1,
            tenant: TENANT.into(),
            location: "local",
            arguments: message.arguments.clone().into(),
            keys: Arc::new([]),
            alert: message.alert.as_str().into(),
            mode: Mode::Enforce,
            rehearsal: false,
        }
    }
}

/// The sandbox, with the engine's compiled code where this user may use that.
/// What can be done here. What takes the place of a state is for an engine to
/// do, which remembers it: undone from here, an account would stay locked for ever.
fn backends(called: &Called, firewall: Arc<dyn Backend>) -> Backends {
    let host = Backends::of_this_host(Arc::clone(&firewall), &called.places().root);
    let why = Refusal::unavailable(
        "this can be given back only by an engine that runs: start riposte run, or riposte execd, which the program then hands it to",
    );
    let (services, processes) = (host.services, host.processes);
    let routes = crate::host::routes();
    Backends { firewall, routes, services, processes, ..Backends::unavailable(&why) }
}

fn components(called: &Called, capabilities: &Arc<Capabilities>) -> Result<Components, String> {
    let cache = called.places().compiled();
    let cached = Settings { cache: Some(cache), concurrency: 1 };
    // A folder that is not ours is no reason not to act: it is compiled anew.
    Components::new(&cached, Arc::clone(capabilities))
        .or_else(|_| Components::new(&Settings { cache: None, ..cached }, Arc::clone(capabilities)))
        .map_err(|error| error.to_string())
}
