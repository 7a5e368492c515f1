//! What is never acted against, whoever asks.
//!
//! The guard stands after the plugin and the grant: a response that was fooled
//! by a log line still cannot cut the host off from its own network, nor lock
//! out the last one who could repair it.
//!
//! * `rule`: why an address is protected; `networks`: asking for one fast.
//! * `host`: addresses, gateways, name servers; `watch`: when they change.
//! * `peers`: managers, agents and administrators by their connections;
//!   `sessions`: which connections are those of administrators.
//! * `accounts`: which users are protected; `process`: which processes and units.

mod accounts;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod host;
mod networks;
#[cfg(target_os = "linux")]
mod peers;
mod process;
mod rule;
#[cfg(target_os = "linux")]
mod sessions;
#[cfg(target_os = "linux")]
pub mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use riposte_policy::address::Prefix;
use riposte_policy::config::{Guarding, Overridden, Override};
use riposte_policy::embedded::embedded;
use riposte_policy::readings;
use riposte_policy::user::UserName;

use crate::witness::Witness;
use accounts::Accounts;
#[cfg(not(target_os = "linux"))]
use elsewhere as peers;
use networks::Networks;
use rule::Rule;

/// Broadest networks that may ever be blocked, in leading bits.
const BROADEST: (u8, u8) = (24, 48);

/// What stands for everybody on the network, on every host.
const EVERYBODY: &[&str] = &["255.255.255.255"];

/// How old the view of connections may be when something is judged: new
/// sessions do not announce themselves.
const FRESH: Duration = Duration::from_secs(1);

/// Reading them may take this part of the time at most, however many there are.
const SHARE: u32 = 20;

/// Everything that is protected. Shared; its lists are replaced whole.
pub struct Guard {
    /// In the order in which they are asked, most telling first.
    protected: RwLock<Vec<(Rule, Networks)>>,
    settings: RwLock<Guarding>,
    /// The addresses that names in the settings had when they were looked up
    /// last; empty for a name that never had any.
    names: Mutex<BTreeMap<String, Vec<Prefix>>>,
    accounts: Accounts,
    connections: Connections,
    witness: OnceLock<Arc<dyn Witness>>,
}

/// What the guard says of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The guard has nothing against it.
    Pass,
    /// It is protected.
    Never {
        /// Name of the rule, for events: `loopback`, `gateway`, `white_list`.
        rule: &'static str,
        /// What the rule protects here, for the operator.
        detail: String,
    },
}

impl Guard {
    /// Protects what is the same on every host: loopback, the unspecified
    /// addresses and multicast; and the accounts of this host. What this host
    /// has of its own in the network comes with [`Guard::refresh`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_root("/")
    }

    /// The same with the files of accounts (`etc/passwd`, `etc/group`,
    /// `etc/shadow`) and of sessions (`run/utmp`, `run/systemd/sessions`) below
    /// another folder, for tests.
    #[must_use]
    pub fn with_root(root: impl Into<PathBuf>) -> Self {
        let guard = Self {
            protected: RwLock::default(),
            settings: RwLock::default(),
            names: Mutex::default(),
            accounts: Accounts::below(root.into()),
            connections: Connections::default(),
            witness: OnceLock::new(),
        };
        guard.protect(Rule::Loopback, literal(&["127.0.0.0/8", "::1"]));
        guard.protect(Rule::Unspecified, literal(&["0.0.0.0", "::"]));
        guard.protect(Rule::Multicast, literal(&["224.0.0.0/4", "ff00::/8"]));
        guard.protect(Rule::Broadcast, literal(EVERYBODY));
        guard
    }

    /// Tells `witness` of every use of an override. Only the first one counts.
    pub fn tell(&self, witness: Arc<dyn Witness>) {
        let _ = self.witness.set(witness);
    }

    /// Replaces the configuration's `<riposte><guard>`. A name of a host in it
    /// that was not looked up before counts from the next [`Guard::resolve`] on.
    pub fn set(&self, settings: Guarding) {
        self.protect(Rule::TrustedProxy, settings.trusted_proxies.clone());
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        self.protect_hosts();
    }

    /// Replaces the configuration's `<white_list>`.
    pub fn set_white_list(&self, prefixes: Vec<Prefix>) {
        self.protect(Rule::WhiteList, prefixes);
    }

    /// Replaces what operators allow for a time (`riposte allow`).
    pub fn set_allows(&self, prefixes: Vec<Prefix>) {
        self.protect(Rule::Allow, prefixes);
    }

    /// Reads this host's own addresses, gateways and name servers. What cannot
    /// be read is logged and stays as it was. To be called at start, and again
    /// when the network changes ([`watch::Watch`]). From the first time on,
    /// judgements know the host's connections too.
    pub fn refresh(&self) {
        for (rule, found) in [
            (Rule::Broadcast, host::broadcasts().map(|found| [literal(EVERYBODY), found].concat())),
            (Rule::OwnAddress, host::addresses()),
            (Rule::Gateway, host::gateways()),
            (Rule::Resolver, host::resolvers()),
        ] {
            match found {
                Ok(prefixes) => self.protect(rule, prefixes),
                Err(e) => {
                    tracing::warn!(rule = rule.name(), error = %e, "the guard keeps what it knew before");
                }
            }
        }
        self.connections.begin();
    }

    /// Looks up the names of managers and brokers. It may wait for name
    /// servers, so it is to be called where that holds up nothing. A name that
    /// has no address now keeps those it had, and keeps none of the others from
    /// counting.
    pub fn resolve(&self) {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        for host in settings.managers.iter().chain(&settings.brokers).filter(|host| is_name(host)) {
            let found = host::named(host);
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            let known = names.contains_key(host);
            match found {
                Some(found) => drop(names.insert(host.clone(), found)),
                None if known => tracing::debug!(host, "the name has no address now"),
                None => {
                    tracing::warn!(
                        host,
                        "the name has no address, so nothing of it is protected until it has"
                    );
                    names.insert(host.clone(), Vec::new());
                }
            }
            drop(names);
            self.protect_hosts();
        }
    }

    /// Protects managers and brokers, by the addresses known of them.
    fn protect_hosts(&self) {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for (rule, hosts) in [(Rule::Manager, &settings.managers), (Rule::Broker, &settings.brokers)] {
            let addresses = |host: &String| match host.parse() {
                Ok(prefix) => vec![prefix],
                Err(_) => names.get(host).cloned().unwrap_or_default(),
            };
            self.protect(rule, hosts.iter().flat_map(addresses).collect());
        }
    }

    /// Whether `prefix` may be blocked. A network that holds a protected
    /// address is protected like one that lies in a protected network, and an
    /// IPv6 address that stands for an IPv4 one like that one.
    pub fn judge(&self, prefix: Prefix) -> Verdict {
        self.look_around();
        let protected = self.protected.read().unwrap_or_else(PoisonError::into_inner);
        match self.never(&protected, prefix) {
            Verdict::Pass => {}
            never @ Verdict::Never { .. } => return never,
        }
        for (form, inner) in embedded(prefix) {
            // Where the form leaves a choice of lengths, zeros stand for nothing.
            if inner.single().is_some_and(|address| address.ip().is_unspecified()) {
                continue;
            }
            if let Verdict::Never { rule, detail } = self.never(&protected, inner) {
                return Verdict::Never { rule, detail: format!("{form} leads to {inner}: {detail}") };
            }
        }
        Verdict::Pass
    }

    /// Whether `user` may be locked: never root or another name of it, an
    /// account of the system, or the last administrator. An account that is not
    /// there passes: that there is no such user is for the caller to say.
    pub fn judge_user(&self, user: &UserName) -> Verdict {
        let below = self.settings.read().unwrap_or_else(PoisonError::into_inner).users_below;
        let verdict = self.accounts.judge(user, below);
        if let Verdict::Never { rule, .. } = &verdict
            && let Some(Override { target, reason, .. }) =
                self.exception(rule, |target| matches!(target, Overridden::User(known) if known == user))
        {
            self.overridden(rule, &target.to_string(), &reason);
            return Verdict::Pass;
        }
        verdict
    }

    /// Whether a program may get `text` as the address that it acts on, however
    /// leniently it reads: nothing that somebody takes for a protected address.
    pub fn judge_text(&self, text: &str) -> Verdict {
        for prefix in readings::addresses(text) {
            if let Verdict::Never { rule, detail } = self.judge(prefix) {
                return Verdict::Never { rule, detail };
            }
        }
        Verdict::Pass
    }

    /// The same for a user.
    pub fn judge_user_text(&self, text: &str) -> Verdict {
        for user in readings::users(text).filter_map(|name| name.parse().ok()) {
            if let never @ Verdict::Never { .. } = self.judge_user(&user) {
                return never;
            }
        }
        Verdict::Pass
    }

    /// Whether the process may be ended: never the first process, the kernel's
    /// threads, the engine itself, or what started it.
    pub fn judge_process(&self, process: u32) -> Verdict {
        process::judge(process)
    }

    /// Whether the unit may be acted on: never the engine's own, nor what the
    /// init system itself needs to work.
    pub fn judge_unit(&self, unit: &str) -> Verdict {
        process::judge_unit(unit)
    }

    /// The addresses of managers, as configured and as connections show them.
    #[must_use]
    pub fn managers(&self) -> Vec<Prefix> {
        self.known(&[Rule::Manager, Rule::ManagerPeer])
    }

    /// Whom this machine must keep reaching to be managed at all: managers and
    /// brokers.
    #[must_use]
    pub fn superiors(&self) -> Vec<Prefix> {
        self.known(&[Rule::Manager, Rule::ManagerPeer, Rule::Broker])
    }

    /// The name servers, when a manager or broker is known by name only to
    /// them: without those it could not be found again.
    #[must_use]
    pub fn name_servers(&self) -> Vec<Prefix> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        let mut hosts = settings.managers.iter().chain(&settings.brokers);
        let named = hosts.any(|host| is_name(host));
        drop(settings);
        if named { self.known(&[Rule::Resolver]) } else { Vec::new() }
    }

    fn known(&self, rules: &[Rule]) -> Vec<Prefix> {
        self.look_around();
        let protected = self.protected.read().unwrap_or_else(PoisonError::into_inner);
        let chosen = protected.iter().filter(|(rule, _)| rules.contains(rule));
        Networks::from(chosen.flat_map(|(_, networks)| networks.iter()).collect::<Vec<_>>()).iter().collect()
    }

    /// The first rule that protects `prefix`.
    fn never(&self, protected: &[(Rule, Networks)], prefix: Prefix) -> Verdict {
        for (rule, networks) in protected {
            let Some(touched) = networks.touching(prefix) else { continue };
            let lifted =
                |target: &Overridden| matches!(target, Overridden::Network(known) if known.contains(prefix));
            if let Some(exception) = self.exception(rule.name(), lifted) {
                self.overridden(rule.name(), &prefix.to_string(), &exception.reason);
                continue;
            }
            return Verdict::Never { rule: rule.name(), detail: format!("{touched} {}", rule.meaning()) };
        }
        let broadest = if prefix.network().ip().is_ipv4() { BROADEST.0 } else { BROADEST.1 };
        if prefix.length() < broadest {
            let detail = format!("a network broader than /{broadest} takes too many with it");
            return Verdict::Never { rule: "broad-network", detail };
        }
        Verdict::Pass
    }

    fn exception(&self, rule: &str, fits: impl Fn(&Overridden) -> bool) -> Option<Override> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        settings.overrides.iter().find(|known| known.rule == rule && fits(&known.target)).cloned()
    }

    fn overridden(&self, rule: &str, target: &str, reason: &str) {
        if let Some(witness) = self.witness.get() {
            witness.overridden(rule, target, reason);
        }
    }

    /// Reads the connections again when the view of them is too old. Who comes
    /// meanwhile waits, so that nobody judges by an older view.
    fn look_around(&self) {
        if !self.connections.is_old() {
            return;
        }
        let _reading = self.connections.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.connections.is_old() {
            return;
        }
        let begun = self.connections.elapsed();
        match peers::read(&self.accounts) {
            Ok(peers) => {
                self.protect(Rule::ManagerPeer, peers.managers);
                self.protect(Rule::AdministratorSession, peers.administrators);
                self.protect(Rule::Agent, peers.agents);
                self.connections.failing.store(0, Ordering::Relaxed);
            }
            Err(error) => {
                if self.connections.failing.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(%error, "the guard keeps the connections that it knew before");
                }
            }
        }
        self.connections.read_since(begun);
    }

    fn protect(&self, rule: Rule, prefixes: Vec<Prefix>) {
        let networks = Networks::from(prefixes);
        let mut protected = self.protected.write().unwrap_or_else(PoisonError::into_inner);
        match protected.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, old)) => *old = networks,
            None => protected.push((rule, networks)),
        }
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("protected", &self.protected).finish_non_exhaustive()
    }
}

/// When connections were read.
struct Connections {
    since: Instant,
    /// Nanoseconds after `since` at which the view is too old.
    until: AtomicU64,
    reading: Mutex<()>,
    /// How often reading failed in a row.
    failing: AtomicU64,
}

impl Default for Connections {
    /// A view that never is too old: nothing is read.
    #[expect(
        clippy::disallowed_methods,
        reason = "how old a view of the host is, is no time of the engine's"
    )]
    fn default() -> Self {
        Self {
            since: Instant::now(),
            until: AtomicU64::new(u64::MAX),
            reading: Mutex::default(),
            failing: AtomicU64::default(),
        }
    }
}

impl Connections {
    /// From now on they are read.
    fn begin(&self) {
        let _begun_before = self.until.compare_exchange(u64::MAX, 0, Ordering::AcqRel, Ordering::Acquire);
    }

    fn is_old(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until != u64::MAX && u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX) >= until
    }

    fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// They were read, beginning at `begun`, and are good for a while.
    fn read_since(&self, begun: Duration) {
        let took = self.elapsed().saturating_sub(begun);
        let until = begun + FRESH.max(took.saturating_mul(SHARE));
        self.until.store(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX - 1), Ordering::Release);
    }
}

/// Whether a host is given by its name.
fn is_name(host: &str) -> bool {
    host.parse::<Prefix>().is_err()
}

/// Prefixes written in this file.
fn literal(texts: &[&str]) -> Vec<Prefix> {
    // The tests find each of them, so none is ever dropped here.
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
