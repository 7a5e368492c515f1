//! Blocking addresses.
//!
//! A response names an address; what blocks it, the set it lands in, the table
//! and the rules are the grant's and the engine's. An effect's target is spelt
//! `SET PREFIX`: `drop 192.0.2.7`, `drop 2001:db8::/48`; and where something
//! else than nftables blocks, `BACKEND:SET PREFIX`: `iptables:drop 192.0.2.7`.
//! So what is in force is undone by what made it, whatever the settings say now.
//!
//! * [`Backend`]: how a host blocks; [`Target`]: what, where, by what.
//! * [`Firewalls`]: all backends of this host behind one.
//! * [`nftables`]: the kernel's own messages; the one for many addresses.
//! * [`iptables`], [`ipset`]: by the programs of these names; [`firewalld`]: by
//!   D-Bus. All three over `reconciled`: read, change what differs, read again.
//! * [`vectors`]: the packet filters of other systems, by their programs.
//! * `widen`: a repeated offender's network in the place of its address.
//! * `cut`: ends the connections that are open.
//! * [`removal`](self): everything of the engine's that a packet filter holds, for the
//!   day the engine is removed.
//! * [`fake`]: blocks nothing, for tests.

mod call;
#[cfg(target_os = "linux")]
mod cut;
pub mod fake;
#[cfg(target_os = "linux")]
pub mod firewalld;
#[cfg(target_os = "linux")]
pub mod ipset;
#[cfg(target_os = "linux")]
pub mod iptables;
#[cfg(target_os = "linux")]
pub mod nftables;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod reconciled;
mod registry;
#[cfg(target_os = "linux")]
pub mod removal;
#[cfg(all(test, target_os = "linux"))]
mod testing;
pub mod vectors;
mod widen;

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::address::Prefix;
use riposte_policy::grant::{FirewallBackend, SetName};
use riposte_policy::order::EntryId;

use crate::claim::{Effect, Standing};
use crate::refusal::Refusal;

pub use call::Firewall;
pub(crate) use call::release;
pub use registry::{Firewalls, PassedOver, may_be_here};

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "firewall";

/// How much longer than its claims the kernel keeps an element. The engine
/// undoes first; the kernel's own timeout is for when no engine runs.
pub const GRACE: Duration = Duration::from_secs(2);

/// How closely [`Backend::lost`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// What costs next to nothing, however much is blocked; for every few
    /// seconds. Where something else changed the host's tables, everything is
    /// looked at once a minute.
    Quick,
    /// The same, but everything at once: what the kernel told of changes was
    /// too much to hear.
    Doubtful,
    /// Everything: somebody changed more than single elements.
    Whole,
}

/// What [`Backend::lost`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Tables, chains, sets or rules that had to be made again.
    pub rebuilt: usize,
    /// What is claimed and was made, and is not there any more.
    pub missing: Vec<Target>,
    /// What is there with another timeout than its claims, or without any.
    pub astray: Vec<Element>,
}

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

    /// What others did to what this backend has made. Tables, chains, sets and
    /// rules that are gone are made again here; elements are for
    /// [`Backend::sync`].
    ///
    /// What is being made or removed just now is no difference: a backend
    /// compares the host with what it knows to have made itself.
    ///
    /// # Errors
    ///
    /// When the host cannot be read, or does not take the rules.
    async fn lost(&self, _look: Look) -> Result<Lost, Refusal> {
        Ok(Lost::default())
    }

    /// What the host shows of these targets.
    ///
    /// # Errors
    ///
    /// When the host cannot be read.
    async fn look(&self, targets: Vec<Target>) -> Result<Vec<Element>, Refusal> {
        let mut listed = self.list().await?;
        let wanted: HashSet<Target> = targets.into_iter().collect();
        listed.retain(|element| wanted.contains(&element.target));
        Ok(listed)
    }

    /// The same as [`Backend::sync`] for one target, also where another ledger's
    /// engine has blocked it and its block would stay else: an operator says so.
    ///
    /// # Errors
    ///
    /// As [`Backend::sync`].
    async fn take_from_others(&self, target: Target) -> Result<(), Refusal> {
        self.sync(vec![target]).await
    }

    /// The numbers of the sockets by which the kernel names this backend where
    /// it tells who changed something.
    fn ports(&self) -> Vec<u32> {
        Vec::new()
    }

    /// How often the engine's own table was found damaged and made anew since
    /// the start. When this grows, elements may be missing:
    /// [`crate::Capabilities::repair`] puts them back.
    fn rebuilt(&self) -> u64 {
        0
    }

    /// What blocks where a grant does not say.
    fn chosen(&self) -> FirewallBackend {
        FirewallBackend::Nftables
    }

    /// Everything that a target of this backend may name: what one claimed
    /// under another setting is found by.
    fn kinds(&self) -> &[FirewallBackend] {
        &[FirewallBackend::Nftables]
    }

    /// Whether this target can be had at all, before anything is claimed for
    /// it. Asks no program and no kernel.
    ///
    /// # Errors
    ///
    /// What is missing, and what to do about it.
    fn ready(&self, target: &Target) -> Result<(), Refusal> {
        let kind = target.backend();
        if self.kinds().contains(&kind) { Ok(()) } else { Err(elsewhere(kind)) }
    }

    /// An earlier engine has left effects of these kinds: from now on they are
    /// listed and probed too.
    fn used(&self, _kinds: &[FirewallBackend]) {}

    /// What else this system may have, and why it is not what blocks. For
    /// people.
    fn passed_over(&self) -> Vec<PassedOver> {
        Vec::new()
    }

    /// Ends the connections that are open with `prefix`, after it was blocked:
    /// forgets what the kernel tracks and closes sockets of this host. What it
    /// says could not be done is no failure: a blocked connection starves.
    ///
    /// # Errors
    ///
    /// Why connections may still be open.
    async fn cut(&self, _prefix: Prefix) -> Result<(), Refusal> {
        Err(Refusal::unsupported("open connections cannot be ended on this system: they starve"))
    }
}

/// The refusal of a backend that is never on this kind of system.
fn elsewhere(kind: FirewallBackend) -> Refusal {
    Refusal::unsupported(format!(
        "{} does not block on this system: name another in <firewall backend=\"\"/> or <riposte><firewall>",
        kind.as_str()
    ))
}

/// One address or network in one set of one backend, and the [`Effect`] of
/// blocking it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    backend: FirewallBackend,
    set: SetName,
    prefix: Prefix,
    effect: Effect,
}

impl Target {
    /// Blocking `prefix` in `set` by nftables.
    #[must_use]
    pub fn new(set: &SetName, prefix: Prefix) -> Self {
        Self::by(FirewallBackend::Nftables, set, prefix)
    }

    /// Blocking `prefix` in `set` by `backend`.
    #[must_use]
    pub fn by(backend: FirewallBackend, set: &SetName, prefix: Prefix) -> Self {
        let target = match backend {
            FirewallBackend::Nftables => format!("{set} {prefix}"),
            other => format!("{}:{set} {prefix}", other.as_str()),
        };
        Self { backend, set: set.clone(), prefix, effect: Effect { interface: INTERFACE, target } }
    }

    /// What blocks it.
    #[must_use]
    pub fn backend(&self) -> FirewallBackend {
        self.backend
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
        let (place, prefix) = effect.target.split_once(' ').ok_or_else(wrong)?;
        let (backend, set) = match place.split_once(':') {
            Some((name, set)) => (FirewallBackend::named(name).ok_or_else(wrong)?, set),
            None => (FirewallBackend::Nftables, place),
        };
        let set = set.parse().map_err(|_| wrong())?;
        let prefix = prefix.parse().map_err(|_| wrong())?;
        let target = Self::by(backend, &set, prefix);
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
    /// The entry that its mark names, where it names one.
    pub entry: Option<EntryId>,
}

/// Whether what the host shows is what the claims ask for. Both were read at
/// slightly different times, hence an allowance.
pub(crate) fn agrees(backend: FirewallBackend, standing: Standing, remaining: Option<Duration>) -> bool {
    let second = Duration::from_secs(1);
    let allowance = match backend {
        // The kernel counts in milliseconds.
        FirewallBackend::Nftables => second,
        // It counts in seconds, and cuts off.
        FirewallBackend::Ipset => second * 2,
        // They know no time, or do not show it: what is there is right.
        _ => return standing != Standing::Free,
    };
    match (kept(backend, standing), remaining) {
        (Some(wanted), Some(remaining)) => wanted.abs_diff(remaining) <= allowance,
        (None, None) => standing != Standing::Free,
        _ => false,
    }
}

/// How long the host itself is to keep it; `None`: until it is removed.
pub(crate) fn kept(backend: FirewallBackend, standing: Standing) -> Option<Duration> {
    let Standing::For(span) = standing else { return None };
    let span = span.saturating_add(GRACE);
    // What is longer than a host can count stays until it is removed.
    let longest = match backend {
        FirewallBackend::Ipset => Duration::from_secs(2_147_483),
        FirewallBackend::Firewalld => Duration::from_secs(2_147_483_647),
        _ => Duration::MAX,
    };
    (span <= longest).then_some(span)
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

    fn ready(&self, _: &Target) -> Result<(), Refusal> {
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
        for text in
            ["drop 192.0.2.7", "drop 2001:db8::/48", "web-2 198.51.100.0/24", "iptables:drop 192.0.2.7"]
        {
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
            "nftables:drop 192.0.2.7",
            "none:drop 192.0.2.7",
            ":drop 192.0.2.7",
            "iptables:drop:drop 192.0.2.7",
        ] {
            assert!(Target::try_from(&effect(text)).is_err(), "{text}");
        }
        let other = Effect { interface: "routes", target: "drop 192.0.2.7".to_owned() };
        assert!(Target::try_from(&other).is_err());
    }

    #[test]
    fn agreement_allows_a_second() {
        let seconds = Duration::from_secs;
        let nftables = |standing, remaining| agrees(FirewallBackend::Nftables, standing, remaining);
        assert!(nftables(Standing::For(seconds(60)), Some(seconds(62))));
        assert!(nftables(Standing::For(seconds(60)), Some(seconds(61))));
        assert!(!nftables(Standing::For(seconds(60)), Some(seconds(60))));
        assert!(!nftables(Standing::For(seconds(60)), None));
        assert!(nftables(Standing::Permanent, None));
        assert!(!nftables(Standing::Permanent, Some(seconds(62))));
        assert!(!nftables(Standing::Free, None));
    }

    #[test]
    fn who_keeps_no_time_agrees_by_showing_it() {
        let minute = Standing::For(Duration::from_secs(60));
        for backend in [FirewallBackend::Iptables, FirewallBackend::Firewalld, FirewallBackend::Pf] {
            assert!(agrees(backend, minute, None) && agrees(backend, Standing::Permanent, None));
            assert!(!agrees(backend, Standing::Free, None));
        }
        // Longer than the kernel's sets can count.
        let month = Standing::For(Duration::from_secs(31 * 86_400));
        assert!(agrees(FirewallBackend::Ipset, month, None));
        assert!(!agrees(FirewallBackend::Ipset, minute, None));
    }
}
