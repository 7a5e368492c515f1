//! Taking files out of reach.
//!
//! An effect's target is the path of the file as `path::HostPath`
//! spells it. No link may lie anywhere on the way to it, also not in the
//! granted folder: what lies below the folder in the path is then below it on
//! the disk, and nobody can lead the engine elsewhere.

mod call;
pub mod fake;
#[cfg(target_os = "linux")]
mod never;
#[cfg(target_os = "linux")]
mod record;
#[cfg(target_os = "linux")]
mod store;

pub use call::Quarantine;
#[cfg(target_os = "linux")]
pub use store::{Kept, Store};

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "quarantine";

#[cfg(test)]
mod tests;
