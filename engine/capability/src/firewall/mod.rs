//! Blocking addresses.
//!
//! A response names an address; the set it lands in, the table and the rules
//! are the grant's and the engine's. An effect's target is spelt
//! `SET PREFIX`: `drop 192.0.2.7`, `drop 2001:db8::/48`.

mod call;
pub mod fake;
#[cfg(target_os = "linux")]
pub mod nftables;
pub mod vectors;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::address::Prefix;
use riposte_policy::grant::SetName;

use crate::claim::{Effect, Standing};
use crate::refusal::Refusal;

pub use call::Firewall;
pub(crate) use call::release;

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "firewall";

/// How much longer than its claims the kernel keeps an element. The engine
/// undoes first; the kernel's own timeout is for when no engine runs.
pub const GRACE: Duration = Duration::from_secs(2);

/// How the host blocks addresses.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Makes the host agree with [`crate::Claims::standing`] for these targets
    /// and returns when it does. Asking again for what is so already is a
    /// success and cheap enough to be a retry.
    ///
    /// # Errors
    ///
    /// The first failure; the other targets were settled.
    async fn sync(&self, targets: Vec<Target>) -> Result<(), Refusal>;

    /// Everything that the host blocks on behalf of this engine, whoever put
    /// it there.
    ///
    /// # Errors
    ///
    /// When the host cannot be read.
    async fn list(&self) -> Result<Vec<Element>, Refusal>;

    /// Whether blocking would work now. Changes no element; rules that
    /// somebody removed from the engine's own chains are put back.
    ///
    /// # Errors
    ///
    /// What is missing, and what to do about it.
    async fn probe(&self) -> Result<(), Refusal>;

    /// How often the engine's own table was found damaged and made anew since
    /// the start. When this grows, elements may be missing:
    /// [`crate::Capabilities::repair`] puts them back.
    fn rebuilt(&self) -> u64 {
        0
    }
}

/// One address or network in one set, and the [`Effect`] of blocking it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    set: SetName,
    prefix: Prefix,
    effect: Effect,
}

impl Target {
    /// Blocking `prefix` in `set`.
    #[must_use]
    pub fn new(set: &SetName, prefix: Prefix) -> Self {
        let effect = Effect { interface: INTERFACE, target: format!("{set} {prefix}") };
        Self { set: set.clone(), prefix, effect }
    }

    /// Where it is blocked.
    #[must_use]
    pub fn set(&self) -> &SetName {
        &self.set
    }

    /// What is blocked.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// The effect, as the ledger records it.
    #[must_use]
    pub fn effect(&self) -> &Effect {
        &self.effect
    }
}

impl TryFrom<&Effect> for Target {
    type Error = NotATarget;

    fn try_from(effect: &Effect) -> Result<Self, NotATarget> {
        let wrong = || NotATarget(effect.to_string());
        if effect.interface != INTERFACE {
            return Err(wrong());
        }
        let (set, prefix) = effect.target.split_once(' ').ok_or_else(wrong)?;
        let set = set.parse().map_err(|_| wrong())?;
        let prefix = prefix.parse().map_err(|_| wrong())?;
        let target = Self::new(&set, prefix);
        // Claims are found by spelling: another one would have no holders.
        if target.effect == *effect { Ok(target) } else { Err(wrong()) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.effect.target)
    }
}

/// One thing that the host blocks now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// What and where.
    pub target: Target,
    /// When the host drops it by itself; `None`: never.
    pub remaining: Option<Duration>,
}

/// Whether what the host shows is what the claims ask for. Both were read at
/// slightly different times and the kernel counts in milliseconds, hence a
/// second's allowance.
pub(crate) fn agrees(standing: Standing, remaining: Option<Duration>) -> bool {
    match (standing, remaining) {
        (Standing::Permanent, None) => true,
        (Standing::For(span), Some(remaining)) => {
            (span + GRACE).abs_diff(remaining) <= Duration::from_secs(1)
        }
        _ => false,
    }
}

/// The stand-in for a host that cannot block: every call is refused the same
/// way, so that responses report what is missing instead of the engine not
/// starting.
#[derive(Clone, Debug)]
pub struct Unavailable(pub Refusal);

#[async_trait]
impl Backend for Unavailable {
    async fn sync(&self, targets: Vec<Target>) -> Result<(), Refusal> {
        if targets.is_empty() { Ok(()) } else { Err(self.0.clone()) }
    }

    async fn list(&self) -> Result<Vec<Element>, Refusal> {
        Err(self.0.clone())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Err(self.0.clone())
    }
}

/// The effect is not one of the firewall's, in canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotATarget(String);

impl fmt::Display for NotATarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no effect that this engine knows", self.0)
    }
}

impl std::error::Error for NotATarget {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn targets_read_back_and_only_in_one_spelling() {
        let effect = |target: &str| Effect { interface: INTERFACE, target: target.to_owned() };
        for text in ["drop 192.0.2.7", "drop 2001:db8::/48", "web-2 198.51.100.0/24"] {
            let target = Target::try_from(&effect(text)).unwrap();
            assert_eq!(target.effect(), &effect(text));
            assert_eq!(target.to_string(), text);
        }
        for text in [
            "",
            "drop",
            "drop ",
            "drop 192.0.2.7/32",
            "drop 192.0.2.7/24",
            "drop ::ffff:192.0.2.7",
            "DROP 192.0.2.7",
            "drop  192.0.2.7",
            "drop 2001:DB8::/48",
        ] {
            assert!(Target::try_from(&effect(text)).is_err(), "{text}");
        }
        let other = Effect { interface: "routes", target: "drop 192.0.2.7".to_owned() };
        assert!(Target::try_from(&other).is_err());
    }

    #[test]
    fn agreement_allows_a_second() {
        let seconds = Duration::from_secs;
        assert!(agrees(Standing::For(seconds(60)), Some(seconds(62))));
        assert!(agrees(Standing::For(seconds(60)), Some(seconds(61))));
        assert!(!agrees(Standing::For(seconds(60)), Some(seconds(60))));
        assert!(!agrees(Standing::For(seconds(60)), None));
        assert!(agrees(Standing::Permanent, None));
        assert!(!agrees(Standing::Permanent, Some(seconds(62))));
        assert!(!agrees(Standing::Free, None));
    }
}
