//! A core module becomes a component: the last step of toolchains that end
//! with a core module, such as Go's.
//!
//! The module names what it imports and exports as the canonical ABI has it
//! (`active-response:plugin/reversible@0.1.0#add`); the WIT says of which types
//! that is. What it wants of WASI preview 1 is adapted to what components have.

use std::fmt;
use std::path::{Path, PathBuf};

use riposte_runtime::inspect::VERSION;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{PackageId, Resolve, WorldId};

/// How a module is wrapped.
#[derive(Clone, Debug, Default)]
pub struct Wrap {
    /// The folder of the WIT package with its world, or a file. None: the module
    /// carries its own, as a linker wrote it.
    pub wit: Option<PathBuf>,
    /// The world in it. None: the only one.
    pub world: Option<String>,
    /// Another adapter for WASI preview 1 than ours.
    pub adapter: Option<Vec<u8>>,
    /// The adapter gets its memory by growing that of the module, and not from
    /// its `cabi_realloc`, which cannot be called before its runtime is up: Go.
    pub realloc_via_memory_grow: bool,
}

impl Wrap {
    /// The component of a module.
    ///
    /// # Errors
    ///
    /// [`WrapError`], which says what to do.
    pub fn wrap(&self, module: &[u8]) -> Result<Vec<u8>, WrapError> {
        match module {
            [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {}
            [0, b'a', b's', b'm', 13, 0, 1, 0, ..] => return Err(WrapError::Component),
            _ => return Err(WrapError::NoModule),
        }
        let mut module = module.to_vec();
        match &self.wit {
            Some(wit) => {
                let (resolve, world) = self.world(wit)?;
                wit_component::embed_component_metadata(
                    &mut module,
                    &resolve,
                    world,
                    StringEncoding::UTF8,
                    false,
                )
                .map_err(|error| WrapError::World { wit: wit.clone(), why: format!("{error:#}") })?;
            }
            None if describes_itself(&module) => {}
            None => return Err(WrapError::NoWit),
        }
        let adapter = self.adapter.as_deref().unwrap_or(WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
        ComponentEncoder::default()
            .validate(true)
            .realloc_via_memory_grow(self.realloc_via_memory_grow)
            .module(&module)
            .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
            .and_then(ComponentEncoder::encode)
            .map_err(|error| WrapError::Unfit(format!("{error:#}")))
    }

    fn world(&self, wit: &Path) -> Result<(Resolve, WorldId), WrapError> {
        let wrong = |why: String| WrapError::World { wit: wit.to_owned(), why };
        let mut resolve = Resolve::default();
        let package = crate::wit::read(&mut resolve, wit).map_err(wrong)?;
        let selected = resolve.select_world(&[package], self.world.as_deref());
        let world = selected.map_err(|error| {
            let worlds = worlds(&resolve, package);
            if worlds.is_empty() {
                return wrong("it has no world".to_owned());
            }
            wrong(format!("{error:#}; name one of its worlds with --world: {}", worlds.join(", ")))
        })?;
        Ok((resolve, world))
    }
}

fn worlds(resolve: &Resolve, package: PackageId) -> Vec<String> {
    let package = resolve.packages.get(package);
    package.map(|package| package.worlds.keys().cloned().collect()).unwrap_or_default()
}

/// Whether the module carries its world, as a linker wrote it. Another one
/// beside it would not fit: it is narrowed to what is declared, and not to what
/// is called.
#[must_use]
pub fn describes_itself(module: &[u8]) -> bool {
    let mut rest = module.get(8..).unwrap_or_default();
    // By the names of its sections: its own data may hold any text.
    while let Some((id, section, after)) = section(rest) {
        if id == 0 && custom(section).is_some_and(|name| name.starts_with(b"component-type")) {
            return true;
        }
        rest = after;
    }
    false
}

/// The first section of what is left of a module, and what follows it.
fn section(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (id, bytes) = bytes.split_first()?;
    let (size, bytes) = number(bytes)?;
    let (section, after) = bytes.split_at_checked(size)?;
    Some((*id, section, after))
}

/// The name of a custom section.
fn custom(section: &[u8]) -> Option<&[u8]> {
    let (size, bytes) = number(section)?;
    bytes.get(..size)
}

/// A number of at most 32 bits in LEB128.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0_u64;
    for (n, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(number).ok()?, bytes.get(n + 1..)?));
        }
    }
    None
}

/// Why a module is no component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrapError {
    /// It is one already.
    Component,
    /// It is no WebAssembly.
    NoModule,
    /// It says nothing of its interfaces, and neither does anybody else.
    NoWit,
    /// The WIT cannot be used.
    World {
        /// The folder or file.
        wit: PathBuf,
        /// Why.
        why: String,
    },
    /// The module does not fit the world.
    Unfit(String),
}

impl fmt::Display for WrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component => f.write_str("this is a component already: `riposte plugin install` takes it as it is"),
            Self::NoModule => f.write_str("this is no WebAssembly module: it does not begin with \\0asm and version 1"),
            Self::NoWit => f.write_str(
                "the module says nothing of its interfaces: name its WIT with --wit DIR; `riposte plugin build` writes \
                 it into riposte/world",
            ),
            Self::World { wit, why } => write!(f, "the WIT in {}: {why}", wit.display()),
            Self::Unfit(why) => {
                write!(f, "the module does not fit its world: {why}")?;
                hint(why).map_or(Ok(()), |hint| write!(f, "; {hint}"))
            }
        }
    }
}

impl std::error::Error for WrapError {}

/// What to do about an encoder's words.
fn hint(why: &str) -> Option<String> {
    if why.contains("failed to find export")
        || why.contains("does not export")
        || why.contains("missing export")
    {
        return Some(format!(
            "each function of the world is exported under its full name, such as \
             active-response:plugin/reversible@{VERSION}#add"
        ));
    }
    if why.contains("`env`") {
        return Some("what it imports from env was not linked: look at the options of the linker".to_owned());
    }
    if why.contains("no export named `memory`") || why.contains("export a memory") {
        return Some("export its memory under the name `memory`".to_owned());
    }
    why.contains("cabi_realloc")
        .then(|| "export cabi_realloc, by which the host puts texts into its memory".to_owned())
}
