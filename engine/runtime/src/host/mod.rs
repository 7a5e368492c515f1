//! The functions that a component imports: forwards, with no decision made.
//! Those that a grant opens are in `effects`, and WASI's HTTP in `http`.

mod effects;
mod http;

pub(crate) use http::Outgoing;

use riposte_capability::Refusal;
use riposte_policy::alert as lookup;
use riposte_policy::keys::Pointer;

use crate::bindings::{alert, config, invocation, log, types};
use crate::state::State;

impl types::Host for State {}

impl invocation::Host for State {
    fn command(&mut self) -> String {
        (*self.invocation.command).to_owned()
    }
    fn id(&mut self) -> String {
        self.invocation.id.clone()
    }
    fn attempt(&mut self) -> u32 {
        self.invocation.attempt
    }
    fn timeout(&mut self) -> Option<u64> {
        self.invocation.timeout.map(|timeout| timeout.as_secs())
    }
    fn offence(&mut self) -> u32 {
        self.invocation.offence
    }
    fn tenant(&mut self) -> String {
        (*self.invocation.tenant).to_owned()
    }
    fn location(&mut self) -> String {
        self.invocation.location.to_owned()
    }
    fn arguments(&mut self) -> Vec<String> {
        self.invocation.arguments.to_vec()
    }

    fn keys(&mut self) -> Vec<String> {
        self.invocation.keys.to_vec()
    }
}

impl alert::Host for State {
    fn json(&mut self) -> String {
        (*self.invocation.alert).to_owned()
    }
    fn text(&mut self, pointer: String) -> Option<String> {
        let (object, pointer) = self.narrowed(pointer.parse().ok()?)?;
        lookup::text(object, &pointer).map(Into::into)
    }
    fn number(&mut self, pointer: String) -> Option<i64> {
        let (object, pointer) = self.narrowed(pointer.parse().ok()?)?;
        lookup::number(object, &pointer)
    }
}

impl State {
    /// The object that a pointer is to be looked up in, and the pointer within
    /// it. Plugins ask for several members of one object (`/data/...`), so the
    /// last one is remembered. `None`: there is nothing at its first part.
    fn narrowed(&mut self, pointer: Pointer) -> Option<(&str, Pointer)> {
        let alert = &*self.invocation.alert;
        let path = pointer.as_str();
        let Some(end) = path.get(1..).and_then(|path| path.find('/')) else { return Some((alert, pointer)) };
        let (first, rest) = path.split_at(end + 1);
        if self.member.as_ref().is_none_or(|(name, _)| name != first) {
            let found = lookup::raw(alert, &first.parse().ok()?);
            let range = found.map(|found| {
                let start = found.as_ptr() as usize - alert.as_ptr() as usize;
                start..start + found.len()
            });
            self.member = Some((first.to_owned(), range));
        }
        let (_, range) = self.member.as_ref()?;
        Some((alert.get(range.clone()?)?, rest.parse().ok()?))
    }
}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Trace => tracing::Level::TRACE,
            log::Level::Debug => tracing::Level::DEBUG,
            log::Level::Info => tracing::Level::INFO,
            log::Level::Warn => tracing::Level::WARN,
            log::Level::Error => tracing::Level::ERROR,
        };
        self.log.line(level, &message);
    }
}

impl config::Host for State {
    fn get(&mut self, name: String) -> Option<String> {
        let values = &self.session.grants.config;
        values.iter().find(|value| value.name == name).map(|value| value.value.clone())
    }
    fn names(&mut self) -> Vec<String> {
        let mut names: Vec<_> = self.session.grants.config.iter().map(|value| value.name.clone()).collect();
        names.sort_unstable();
        names
    }
}

impl From<Refusal> for types::Error {
    fn from(Refusal { kind, message, retry }: Refusal) -> Self {
        Self { kind: kind.to_owned(), message, retry }
    }
}
