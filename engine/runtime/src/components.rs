//! Plugins: loaded once, called often.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use riposte_capability::Capabilities;
use riposte_policy::grant::{Digest, Grants};
use riposte_policy::limit::Limits;
use wasmtime::component::{Component, Linker};

use crate::bindings::{OneshotHostPre, ReversibleHostPre};
use crate::compiled::{self, Cache, CacheError};
use crate::engine::Engine;
use crate::exported;
use crate::inspect::{Inspection, Kind, LoadError};
use crate::link;
use crate::state::State;

/// How components are run on this machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder for compiled code; made when it is not there, below a folder
    /// that is. `None`: every start compiles.
    pub cache: Option<PathBuf>,
    /// Most components running at a time. Default 32.
    pub concurrency: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cache: None, concurrency: 32 }
    }
}

/// The sandbox: what all plugins of a process share.
pub struct Components {
    engine: Arc<Engine>,
    cache: Option<Cache>,
    capabilities: Arc<Capabilities>,
    /// Code by digest: many commands share one built-in, and a reload loads all
    /// of them again.
    loaded: Mutex<HashMap<Digest, Component>>,
}

impl Components {
    /// Makes the sandbox. `capabilities` make the effects of what it runs.
    ///
    /// # Errors
    ///
    /// When the folder for compiled code is not ours alone, or the address
    /// space for the instances cannot be reserved.
    pub fn new(settings: &Settings, capabilities: Arc<Capabilities>) -> Result<Self, RuntimeError> {
        let cache = settings.cache.as_deref().map(Cache::open).transpose().map_err(RuntimeError::Cache)?;
        let concurrency = settings.concurrency.max(1);
        let engine = Engine::new(concurrency)
            .map_err(|e| RuntimeError::Engine { concurrency, why: format!("{e:#}") })?;
        Ok(Self { engine: Arc::new(engine), cache, capabilities, loaded: Mutex::default() })
    }

    /// Loads a component: everything that can be wrong with it is found here,
    /// and not by an alert. `name` is its executable, for messages; `stateful`
    /// says that its command undoes what it does.
    ///
    /// Blocks while it compiles, some 10 ms on all processors, when this
    /// component was never loaded with the same folder for compiled code.
    ///
    /// # Errors
    ///
    /// [`LoadError`]; everything that is missing is in one error.
    pub fn load(
        &self,
        name: &str,
        wasm: &[u8],
        grants: &Arc<Grants>,
        limits: &Limits,
        stateful: bool,
    ) -> Result<Arc<Plugin>, LoadError> {
        let digest = compiled::digest(wasm);
        if !grants.digests.is_empty() && !grants.digests.contains(&digest) {
            return Err(LoadError::WrongDigest { found: digest, granted: grants.digests.clone() });
        }
        let component = self.component(wasm, digest)?;
        let inspection = Inspection::of(&component, digest)?;
        if stateful && inspection.kind == Kind::Oneshot {
            return Err(LoadError::NotReversible);
        }
        let missing = inspection.missing(grants);
        if !missing.is_empty() {
            return Err(LoadError::Missing(missing));
        }

        let linker = link::linker(self.engine.wasmtime(), grants, inspection.wasi);
        Ok(Arc::new(Plugin {
            name: name.into(),
            exports: exports(linker, &component, inspection.kind)?,
            warnings: inspection.unused(grants),
            inspection,
            grants: Arc::clone(grants),
            limits: limits.clone(),
            engine: Arc::clone(&self.engine),
            capabilities: Arc::clone(&self.capabilities),
        }))
    }

    /// What a component shows of itself, whatever it is granted.
    ///
    /// # Errors
    ///
    /// When it is no component or no plugin, or was built for another version
    /// of an interface that this engine knows.
    pub fn inspect(&self, wasm: &[u8]) -> Result<Inspection, LoadError> {
        let digest = compiled::digest(wasm);
        let component = self.component(wasm, digest)?;
        let inspection = Inspection::of(&component, digest)?;
        // What is unknown would not link, and is told by itself.
        if inspection.unsupported().next().is_none() {
            exports(link::everything(self.engine.wasmtime()), &component, inspection.kind)?;
        }
        Ok(inspection)
    }

    fn component(&self, wasm: &[u8], digest: Digest) -> Result<Component, LoadError> {
        // The layer that follows the version tells modules from components.
        if wasm.starts_with(b"\0asm\x01\0\0\0") {
            return Err(LoadError::CoreModule);
        }
        if let Some(component) = self.loaded().get(&digest) {
            return Ok(component.clone());
        }
        // Without the lock: whoever needs another component, for an undo say,
        // must not wait until this one is compiled. Two that compile the same
        // at once cost time and nothing else.
        let component = compiled::component(self.engine.wasmtime(), self.cache.as_ref(), wasm, digest)
            .map_err(|error| LoadError::not_taken(&error))?;
        Ok(self.loaded().entry(digest).or_insert(component).clone())
    }

    /// Whether the code of a component is at hand, so that loading it compiles
    /// nothing: it is in memory, or in the folder for compiled code.
    #[must_use]
    pub fn is_compiled(&self, digest: Digest) -> bool {
        if self.loaded().contains_key(&digest) {
            return true;
        }
        let kept =
            self.cache.as_ref().and_then(|cache| compiled::kept(self.engine.wasmtime(), cache, digest));
        let Some(component) = kept else { return false };
        self.loaded().entry(digest).or_insert(component);
        true
    }

    /// Whether what it compiles is kept for the next process.
    #[must_use]
    pub fn keeps_code(&self) -> bool {
        self.cache.is_some()
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Component>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Links a component, and finds what it is called by.
fn exports(
    linker: wasmtime::Result<Linker<State>>,
    component: &Component,
    kind: Kind,
) -> Result<Exports, LoadError> {
    exported::check(component, kind).map_err(LoadError::Mismatch)?;
    let exports =
        linker.and_then(|linker| linker.instantiate_pre(component)).and_then(|instance| match kind {
            Kind::Reversible => ReversibleHostPre::new(instance).map(Exports::Reversible),
            Kind::Oneshot => OneshotHostPre::new(instance).map(Exports::Oneshot),
        });
    exports.map_err(|error| LoadError::not_linked(&error))
}

/// One component, linked with what one command grants it. Calls are in
/// [`crate::call`].
pub struct Plugin {
    pub(crate) name: Arc<str>,
    pub(crate) exports: Exports,
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: Limits,
    pub(crate) engine: Arc<Engine>,
    pub(crate) capabilities: Arc<Capabilities>,
    inspection: Inspection,
    warnings: Vec<String>,
}

pub(crate) enum Exports {
    Reversible(ReversibleHostPre<State>),
    Oneshot(OneshotHostPre<State>),
}

impl Plugin {
    /// The executable it was loaded as.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which of the two interfaces it exports.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.inspection.kind
    }

    /// SHA-256 of its bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.inspection.digest
    }

    /// Everything else it shows of itself.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// What the operator should know: grants that it never uses.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("inspection", &self.inspection)
            .finish_non_exhaustive()
    }
}

/// Why components cannot be run on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeError {
    /// The folder for compiled code cannot be used.
    Cache(CacheError),
    /// wasmtime did not start.
    Engine {
        /// For how many components at a time.
        concurrency: u32,
        /// wasmtime's words.
        why: String,
    },
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cache(error) => error.fmt(f),
            Self::Engine { concurrency, why } => write!(
                f,
                "the sandbox did not start: {why}; it reserves about {} GiB of address space (not memory), so lift a limit on it (`ulimit -v`, LimitAS=), or lower the number of components that run at a time",
                u64::from(*concurrency) * 8
            ),
        }
    }
}

impl std::error::Error for RuntimeError {}
