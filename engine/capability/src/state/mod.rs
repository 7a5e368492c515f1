//! Values that outlive a call, for one command of one tenant.

mod call;
pub mod fake;
#[cfg(target_os = "linux")]
mod files;

use std::fmt;

use async_trait::async_trait;
use riposte_policy::diagnostic::shown;

use crate::refusal::Refusal;

pub use call::State;
#[cfg(target_os = "linux")]
pub use files::Files;

/// The WIT interface.
pub const INTERFACE: &str = "state";

/// Longest key in bytes, as the WIT says.
const LONGEST: usize = 128;
/// Most keys of one command, whatever their size: each is a file.
pub const MOST: usize = 1_000;

/// Whose values they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The tenant's name.
    pub tenant: String,
    /// The command's name.
    pub command: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", shown(&self.command), shown(&self.tenant))
    }
}

/// How a host keeps values.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The value of a key, if there is one.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    async fn get(&self, owner: &Owner, key: &Key) -> Result<Option<Vec<u8>>, Refusal>;

    /// Sets a value, durably, unless all keys and values of the owner would
    /// then take more than `size` bytes or be more than [`MOST`].
    ///
    /// # Errors
    ///
    /// `denied` for that, else when it was not written; the old value stays.
    async fn set(&self, owner: &Owner, key: &Key, value: Vec<u8>, size: u64) -> Result<(), Refusal>;

    /// Removes a value, durably. `false`: there was none.
    ///
    /// # Errors
    ///
    /// When it may still be there.
    async fn remove(&self, owner: &Owner, key: &Key) -> Result<bool, Refusal>;

    /// All keys of the owner, in order.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    async fn keys(&self, owner: &Owner) -> Result<Vec<String>, Refusal>;

    /// Whether it would work now.
    ///
    /// # Errors
    ///
    /// What is missing, and what to do about it.
    async fn probe(&self) -> Result<(), Refusal>;
}

/// The name of a value: 1 to 128 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// # Errors
    ///
    /// `invalid-input` for any other text.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let plain = !text.chars().any(char::is_control);
        if (1..=LONGEST).contains(&text.len()) && plain {
            return Ok(Self(text.to_owned()));
        }
        Err(Refusal::invalid_input(format!(
            "{} is no key: a key is 1 to 128 bytes without control characters",
            shown(text)
        )))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// That values of one owner would take too much.
fn too_much(owner: &Owner, size: u64) -> Refusal {
    Refusal::denied(format!(
        "the values of {owner} would take more than its <state size=\"{size}\"/> grant allows, or be more than {MOST}: remove some, or raise the size"
    ))
}

/// A host that cannot do it: every call is refused the same way.
#[derive(Clone, Debug)]
pub struct Unavailable(pub Refusal);

#[async_trait]
impl Backend for Unavailable {
    async fn get(&self, _: &Owner, _: &Key) -> Result<Option<Vec<u8>>, Refusal> {
        Err(self.0.clone())
    }

    async fn set(&self, _: &Owner, _: &Key, _: Vec<u8>, _: u64) -> Result<(), Refusal> {
        Err(self.0.clone())
    }

    async fn remove(&self, _: &Owner, _: &Key) -> Result<bool, Refusal> {
        Err(self.0.clone())
    }

    async fn keys(&self, _: &Owner) -> Result<Vec<String>, Refusal> {
        Err(self.0.clone())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Err(self.0.clone())
    }
}

#[cfg(test)]
mod tests;
