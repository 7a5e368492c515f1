//! What the author of a response works with: a project made from a template,
//! built, and tried against scenarios in the real sandbox with a host that only
//! records. Nothing here acts on the machine but by the author's own build
//! tools.
//!
//! # Layout
//!
//! * [`manifest`]: `plugin.toml`, read into types.
//! * [`project`]: a new project, from [`sources`]: what the binary carries.
//! * [`language`]: the languages, their tools, and how to get those.
//! * [`world`]: the world of one project, with the capabilities that it declares
//!   and no others.
//! * [`build`](mod@build): from a project to a component that is what its
//!   manifest says.
//! * [`scenario`]: what it is to do with an alert, tried without a host.
//! * `artifact`: that check; `imports`: what a source in Python asks for beside it.
//! * `registry`: a project that takes its SDK from a registry.
//! * [`sameness`]: whether a project is the one that it was.
//! * [`wrap`]: a component of a core module.
//! * `wit`: packages of WIT, of which nothing but files is read.
//! * `tool`, `folder`: the only modules that start programs, and that touch files.
#![forbid(unsafe_code)]

mod artifact;
pub mod build;
pub mod error;
mod folder;
mod imports;
pub mod language;
pub mod manifest;
pub mod project;
mod registry;
pub mod sameness;
pub mod scenario;
pub mod sources;
mod tool;
mod wit;
pub mod world;
pub mod wrap;

pub use artifact::check;
pub use build::{Built, LARGEST, Progress, build, built, native_tests, too_large};
pub use error::Error;
pub use folder::{is_of_a_shell, replace};
pub use language::Language;
pub use manifest::{Capability, Manifest};
