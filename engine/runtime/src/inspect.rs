//! What a component exports and imports, and what it lacks. Nothing of it is
//! run for that.

#![allow(clippy::type_complexity, reason = "a row of a table is a name and a function")]

use std::fmt;

use riposte_policy::diagnostic::inline;
use riposte_policy::grant::{Digest, Grants, language};
use wasmtime::component::Component;

/// The package of the interfaces between engine and plugins.
const PACKAGE: &str = "active-response:plugin";
/// The version of it that this engine provides.
pub const VERSION: &str = "0.1.0";
/// Linked for every component. `config` too, which without its grant answers
/// that nothing is set: a setting may be left out.
const ALWAYS: [&str; 5] = ["types", "invocation", "alert", "log", "config"];
/// The WASI packages that are linked, empty, for a component that imports them.
const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// The WASI package that only a grant opens, and what of it is linked.
const HTTP: &str = "wasi:http";
const HTTP_INTERFACES: [&str; 2] = ["types", "outgoing-handler"];

/// Every interface that a grant opens, and whether it is granted. Its
/// element stands in [`language::ELEMENTS`].
const GRANTED: [(&str, fn(&Grants) -> bool); 14] = [
    ("firewall", |grants| grants.firewall.is_some()),
    ("routes", |grants| grants.routes.is_some()),
    ("accounts", |grants| grants.accounts.is_some()),
    ("services", |grants| !grants.services.is_empty()),
    ("lines", |grants| !grants.lines.is_empty()),
    ("processes", |grants| grants.processes.is_some()),
    ("exec", |grants| !grants.exec.is_empty()),
    ("state", |grants| grants.state.is_some()),
    ("config", |grants| !grants.config.is_empty()),
    ("secret", |grants| !grants.secrets.is_empty()),
    ("quarantine", |grants| grants.quarantine.is_some()),
    ("isolation", |grants| grants.isolation.is_some()),
    ("mail", |grants| grants.mail.is_some()),
    (HTTP, |grants| !grants.http.is_empty()),
];

/// The narrowest element that opens an interface.
fn least(interface: &str) -> &'static str {
    language::of_interface(interface).map_or("", |element| element.least)
}

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It exports `reversible`: what it does is undone.
    Reversible,
    /// It exports `oneshot`: it acts once.
    Oneshot,
}

impl Kind {
    /// The name of the interface it exports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reversible => "reversible",
            Self::Oneshot => "oneshot",
        }
    }
}

/// What a component shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Which of the two interfaces it exports.
    pub kind: Kind,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Everything it exports, under full names, in its order.
    pub exports: Vec<String>,
    /// Everything it imports, under full names, in its order.
    pub imports: Vec<String>,
    /// The elements of `<capabilities>` that it needs, at their narrowest.
    pub needs: Vec<&'static str>,
    /// Whether it imports WASI, which it gets empty.
    pub wasi: bool,
    /// Interfaces that it imports and this engine does not link.
    unknown: Vec<Missing>,
}

impl Inspection {
    /// Reads the type of `component`, whose bytes have this `digest`.
    pub(crate) fn of(component: &Component, digest: Digest) -> Result<Self, LoadError> {
        let engine = component.engine();
        let ty = component.component_type();
        let exports = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
        let imports = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
        Self::from_names(digest, exports, imports)
    }

    /// What a component shows that has these exports and imports, under full
    /// names: what another process found, say.
    ///
    /// # Errors
    ///
    /// When it is no plugin.
    pub fn from_names(digest: Digest, exports: Vec<String>, imports: Vec<String>) -> Result<Self, LoadError> {
        let mut exported = [Kind::Reversible, Kind::Oneshot]
            .into_iter()
            .filter(|kind| exports.iter().any(|name| is_exported(name, *kind)));
        let kind = match (exported.next(), exported.next()) {
            (Some(kind), None) => kind,
            (Some(_), Some(_)) => return Err(LoadError::BothKinds),
            (None, _) => return Err(LoadError::NoKind { exports }),
        };
        let (needs, unknown) = (Vec::new(), Vec::new());
        let mut found = Self { kind, digest, exports, imports, needs, wasi: false, unknown };
        for name in found.imports.clone() {
            found.sort(&name);
        }
        Ok(found)
    }

    /// Whether it imports folders of WASI, which are there without a grant, and
    /// empty: a `<folder>` is what it may want, not what it needs.
    #[must_use]
    pub fn folders(&self) -> bool {
        self.imports.iter().any(|import| import.starts_with("wasi:filesystem/"))
    }

    /// What it imports and no grant of this engine would give it.
    pub fn unsupported(&self) -> impl Iterator<Item = &Missing> {
        self.unknown.iter()
    }

    fn sort(&mut self, import: &str) {
        match ours(import) {
            Some(ours) if !ours.fits() => self.unknown.push(Missing::Unknown(import.to_owned())),
            Some(ours) if ALWAYS.contains(&ours.interface) => {}
            Some(ours) => match GRANTED.iter().find(|(interface, _)| *interface == ours.interface) {
                Some((interface, _)) => self.needs.push(least(interface)),
                None => self.unknown.push(Missing::Unknown(import.to_owned())),
            },
            None if linked_wasi(import) => self.wasi = true,
            None if outgoing_http(import) => {
                // Two interfaces, one grant.
                if !self.needs.contains(&least(HTTP)) {
                    self.needs.push(least(HTTP));
                }
            }
            None => self.unknown.push(Missing::Unknown(import.to_owned())),
        }
    }

    /// Everything that the component imports and would not get with `grants`.
    #[must_use]
    pub fn missing(&self, grants: &Grants) -> Vec<Missing> {
        let ungranted = GRANTED
            .iter()
            .filter(|(interface, held)| self.needs.contains(&least(interface)) && !held(grants))
            .map(|(interface, _)| Missing::Grant { interface, element: least(interface) });
        ungranted.chain(self.unknown.iter().cloned()).collect()
    }

    /// What `grants` hold and the component never uses.
    pub(crate) fn unused(&self, grants: &Grants) -> Vec<String> {
        let said = |interface: &str| {
            let element = language::of_interface(interface).map_or(interface, |element| element.name);
            format!("<{element}> is granted, but the component never uses it: remove the grant")
        };
        let login = grants.mail.as_ref().and_then(|mail| mail.login.as_ref());
        // The engine itself reads the password of a login.
        let for_mail =
            login.is_some_and(|(_, secret)| grants.secrets.iter().all(|held| held.name == *secret));
        let used = |interface: &str| match interface {
            "config" => {
                self.imports.iter().any(|import| ours(import).is_some_and(|ours| ours.interface == interface))
            }
            "secret" if for_mail => true,
            interface => self.needs.contains(&least(interface)),
        };
        let unused = GRANTED.iter().filter(|(interface, held)| held(grants) && !used(interface));
        let mut unused: Vec<_> = unused.map(|(interface, _)| said(interface)).collect();
        if !grants.folders.is_empty() && !self.folders() {
            unused.push(said("wasi:filesystem"));
        }
        unused
    }
}

/// Whether an export of this name makes a plugin of this kind.
pub(crate) fn is_exported(name: &str, kind: Kind) -> bool {
    ours(name).is_some_and(|ours| ours.interface == kind.as_str() && ours.fits())
}

/// The name of one of our interfaces, taken apart.
struct Ours<'a> {
    interface: &'a str,
    version: &'a str,
}

impl Ours<'_> {
    /// Whether this engine provides that version: before 1.0 the second number
    /// must be the same. A later third one may call functions that are not
    /// there yet, which is found when it is linked.
    fn fits(&self) -> bool {
        let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
        minor(self.version) == minor(VERSION)
    }
}

fn ours(name: &str) -> Option<Ours<'_>> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.strip_prefix('/')?.split_once('@')?;
    Some(Ours { interface, version })
}

/// Whether `import` is of WASI 0.2 and linked.
fn linked_wasi(import: &str) -> bool {
    of_wasi(import).is_some_and(|(package, _)| WASI.contains(&package))
}

/// Whether `import` is what requests are sent by.
fn outgoing_http(import: &str) -> bool {
    of_wasi(import)
        .is_some_and(|(package, interface)| package == "http" && HTTP_INTERFACES.contains(&interface))
}

/// Package and interface of an import of WASI 0.2.
fn of_wasi(import: &str) -> Option<(&str, &str)> {
    let (package, rest) = import.strip_prefix("wasi:")?.split_once('/')?;
    let (interface, version) = rest.split_once('@')?;
    version.starts_with("0.2.").then_some((package, interface))
}

/// One import that is not linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is not granted.
    Grant {
        /// The interface.
        interface: &'static str,
        /// The element that would grant it.
        element: &'static str,
    },
    /// An interface that this engine does not know, under its full name.
    Unknown(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant { interface, element } => {
                write!(f, "{interface} is not granted: add {element} to the <capabilities> of its command")
            }
            Self::Unknown(name) => {
                let granted = GRANTED.iter().map(|(interface, _)| *interface);
                let granted: Vec<_> = granted.filter(|interface| !ALWAYS.contains(interface)).collect();
                write!(
                    f,
                    "{} is unknown to this engine, which provides {PACKAGE}@{VERSION} ({}; by grant {}) and WASI 0.2 ({})",
                    riposte_policy::diagnostic::shown(name),
                    ALWAYS.join(", "),
                    granted.join(", "),
                    WASI.join(", "),
                )
            }
        }
    }
}

/// Why a component cannot be used. wasmtime's words hold names that its author
/// chose: they are [`inline`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The bytes are a core module: the last step of the build is missing.
    CoreModule,
    /// The bytes are no component that wasmtime accepts; its words.
    NotAComponent(String),
    /// It is larger in some way than a component may be; wasmtime's words.
    TooLarge(String),
    /// The digest is not one that the grants name.
    WrongDigest {
        /// Of the bytes.
        found: Digest,
        /// In the grants.
        granted: Vec<Digest>,
    },
    /// It exports neither `reversible` nor `oneshot`.
    NoKind {
        /// What it does export.
        exports: Vec<String>,
    },
    /// It exports both.
    BothKinds,
    /// The command needs an undo, and the component is a `oneshot`.
    NotReversible,
    /// It imports what it would not get: everything that is missing.
    Missing(Vec<Missing>),
    /// A function of a known interface is not there, or of another type.
    Mismatch(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CoreModule => f.write_str(
                "this is a core module, not a component: link it with wasm-component-ld, or make a component of it with \
                 `riposte plugin wrap`",
            ),
            Self::NotAComponent(why) => write!(f, "this is no WebAssembly component: {why}"),
            Self::TooLarge(why) => write!(f, "it needs more than a component may have: {why}"),
            Self::WrongDigest { found, granted } => {
                let granted: Vec<_> = granted.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "the grants are for sha256 {}, but the file is {found}: if the new file is meant, write its digest into <capabilities sha256=\"...\">",
                    granted.join(" or ")
                )
            }
            Self::NoKind { exports } if exports.is_empty() => {
                write!(f, "it exports nothing: a plugin exports {Exported}")
            }
            Self::NoKind { exports } => {
                let shown = riposte_policy::diagnostic::shown(&exports.join(", "));
                write!(f, "it exports {shown}, but a plugin exports {Exported}")?;
                hint(exports).map_or(Ok(()), |hint| write!(f, ": {hint}"))
            }
            Self::BothKinds => {
                f.write_str("it exports both reversible and oneshot: a plugin is one of the two, so make it two components")
            }
            Self::NotReversible => f.write_str(
                "its command has a timeout, but it exports oneshot and cannot undo: export reversible, or set <timeout_allowed>no</timeout_allowed>",
            ),
            Self::Missing(missing) => {
                f.write_str("it imports what it would not get:")?;
                missing.iter().try_for_each(|one| write!(f, "\n  {one}"))
            }
            Self::Mismatch(why) => write!(
                f,
                "it was built for another version of {PACKAGE} than {VERSION}, which this engine provides: {why}; build \
                 it against this engine's (`riposte plugin new` writes it into riposte/wit), or install a newer engine"
            ),
        }
    }
}

impl std::error::Error for LoadError {}

impl LoadError {
    /// Why wasmtime did not take a component.
    pub(crate) fn not_taken(error: &wasmtime::Error) -> Self {
        let why = inline(&format!("{error:#}"));
        if why.contains("exceeds the") { Self::TooLarge(why) } else { Self::NotAComponent(why) }
    }

    /// Why wasmtime did not link a component.
    pub(crate) fn not_linked(error: &wasmtime::Error) -> Self {
        Self::Mismatch(inline(&format!("{error:#}")))
    }
}

/// What a plugin exports, one of two.
struct Exported;

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PACKAGE}/reversible@{VERSION} or {PACKAGE}/oneshot@{VERSION}")
    }
}

/// What the author most likely did who exported something else.
fn hint(exports: &[String]) -> Option<String> {
    let any = |is: &dyn Fn(&str) -> bool| exports.iter().any(|name| is(name));
    let newer = exports.iter().filter_map(|name| ours(name)).find(|ours| !ours.fits());
    if let Some(Ours { version, .. }) = newer {
        return Some(format!(
            "it was built for version {}; build it against {VERSION}, which `riposte plugin new` writes into \
             riposte/wit, or install an engine that provides that",
            inline(version)
        ));
    }
    let words = if any(&|name| name.starts_with("wasi:cli/run@")) {
        "this is a program with a main function; build it as a library (in Rust crate-type = [\"cdylib\"], in C \
         -mexec-model=reactor)"
    } else if any(&|name| name.starts_with("wasi:http/incoming-handler@")) {
        "this is a web service, which answers requests; a plugin answers alerts"
    } else if any(&|name| ["keys", "add", "delete", "run"].contains(&name)) {
        "its world exports functions of its own; it has to export the interface, as the world \
         reversible-response or oneshot-response of the package does"
    } else {
        "it was built for another world; build it for reversible-response or oneshot-response of the package"
    };
    Some(words.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn empty() -> Inspection {
        Inspection {
            kind: Kind::Oneshot,
            digest: Digest([0; 32]),
            exports: vec![],
            imports: vec![],
            needs: vec![],
            wasi: false,
            unknown: vec![],
        }
    }

    #[test]
    fn every_interface_has_its_element() {
        for (interface, _) in GRANTED {
            let element = language::of_interface(interface).unwrap();
            let grants = element.least.replace("NAME.service", "a.service").replace("/PATH", "/a");
            let grants = grants.replace("HOST", "a.example").replace("ADDRESS", "a@a.example");
            let grants = Grants::from_xml(&format!("<capabilities>{grants}</capabilities>")).unwrap();
            let held: Vec<_> =
                GRANTED.iter().filter(|(_, held)| held(&grants)).map(|(name, _)| *name).collect();
            assert_eq!(held, [interface]);
        }
        // Folders need no grant: without one there are none.
        let folders = language::ELEMENTS.iter().filter(|element| element.interface == "wasi:filesystem");
        assert_eq!(folders.count() + GRANTED.len(), language::ELEMENTS.len());
    }

    #[test]
    fn imports_are_sorted() {
        let mut found = empty();
        for known in [
            "active-response:plugin/types@0.1.0",
            "active-response:plugin/alert@0.1.7",
            "wasi:io/streams@0.2.6",
            "active-response:plugin/firewall@0.1.0",
        ] {
            found.sort(known);
        }
        assert_eq!((found.unknown.len(), found.wasi, found.needs.len()), (0, true, 1));

        for unknown in [
            "active-response:plugin/alert@0.2.0",
            "active-response:plugin/rockets@0.1.0",
            "active-response:plugin/alert",
            "wasi:io/streams@0.3.0",
            "wasi:nn/graph@0.2.0",
            "wasi:http/incoming-handler@0.2.0",
            "wasi:http/types@0.3.0",
            "env",
            "",
        ] {
            let mut found = empty();
            found.sort(unknown);
            assert_eq!(found.missing(&Grants::default()).len(), 1, "{unknown}");
        }
    }

    #[test]
    fn everything_missing_is_listed() {
        let mut found = empty();
        for import in [
            "active-response:plugin/firewall@0.1.0",
            "wasi:http/types@0.2.0",
            "wasi:http/outgoing-handler@0.2.12",
            "acme:x/y@1.0.0",
        ] {
            found.sort(import);
        }
        let text = LoadError::Missing(found.missing(&Grants::default())).to_string();
        assert!(text.contains(r#"add <firewall/> to the <capabilities>"#), "{text}");
        assert!(text.contains(r#"wasi:http is not granted: add <http host="HOST"/> to"#), "{text}");
        assert!(text.contains("\"acme:x/y@1.0.0\" is unknown to this engine"), "{text}");
        assert_eq!(text.lines().count(), 4);
    }
}
