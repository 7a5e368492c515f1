//! Blocking with firewalld, over D-Bus.
//!
//! A block is one rich rule, in the default zone and in every zone that is
//! active: Wazuh's `firewalld-drop` takes the default zone alone, which other
//! interfaces pass by. The rules are of the runtime only, as Wazuh's are, so a
//! reload takes them away and the next repair puts them back; each has
//! firewalld's own timeout, a little later than the engine's.
//!
//! A rich rule can carry no comment. The engine's are known by their priority,
//! -199, which also puts them before all that allows; firewalld has it since
//! 0.7. There is one list: a grant's `set` must be `drop`.
//!
//! The methods are those of firewalld.dbus(5).

mod rule;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::grant::FirewallBackend;
use tokio::sync::Mutex;
use zbus::connection::Builder;
use zbus::proxy::{CacheProperties, MethodFlags};
use zbus::{Connection, Proxy};

use super::reconciled::{Change, Family, Reconciled, Rules, Shown, Step};
use super::{Backend, Element, Target};
use crate::claim::Claims;
use crate::refusal::Refusal;

const NAME: &str = "org.fedoraproject.FirewallD1";
const PATH: &str = "/org/fedoraproject/FirewallD1";
const ZONE: &str = "org.fedoraproject.FirewallD1.zone";
/// How long one call may take; a component's own limit is 10 s by default.
const ANSWER: Duration = Duration::from_secs(5);
/// What firewalld's errors begin with when there is nothing to do.
const SO_ALREADY: [&str; 2] = ["ALREADY_ENABLED", "NOT_ENABLED"];

/// The firewalld that is on a bus. Nothing is asked of it yet.
///
/// `bus`: the address of the bus; `None`: the system's.
#[must_use]
pub fn open(bus: Option<String>, claims: Arc<dyn Claims>) -> Arc<dyn Backend> {
    Arc::new(Reconciled::new(Firewalld { bus, connection: Mutex::default() }, claims))
}

struct Firewalld {
    bus: Option<String>,
    /// Made when it is first needed, and again after it broke.
    connection: Mutex<Option<Connection>>,
}

/// The engine's rules of one family.
struct Rich {
    /// The zones that must have each rule, and what they have.
    zones: BTreeMap<String, HashSet<Target>>,
    elements: Vec<Element>,
}

impl Shown for Rich {
    fn elements(&self) -> &[Element] {
        &self.elements
    }

    fn reached(&self, target: &Target) -> bool {
        self.zones.values().all(|rules| rules.contains(target))
    }
}

#[async_trait]
impl Rules for Firewalld {
    const KIND: FirewallBackend = FirewallBackend::Firewalld;
    type Shown = Rich;

    fn takes(target: &Target) -> Result<(), Refusal> {
        if target.set().as_str() == rule::SET {
            return Ok(());
        }
        Err(Refusal::unsupported(format!(
            "firewalld has one list of blocked addresses: write set=\"{}\" in the grant, or nothing, instead of \
             set=\"{}\"",
            rule::SET,
            target.set()
        )))
    }

    async fn read(&self, family: Family, _: &[Target]) -> Result<Rich, Refusal> {
        let mut names: BTreeSet<String> = [self.call(NAME, "getDefaultZone", &()).await?].into();
        let active: HashMap<String, HashMap<String, Vec<String>>> =
            self.call(ZONE, "getActiveZones", &()).await?;
        names.extend(active.into_keys());
        let mut zones = BTreeMap::new();
        for zone in names {
            let rules: Vec<String> = self.call(ZONE, "getRichRules", &zone).await?;
            let ours: HashSet<Target> = rules.iter().filter_map(|text| rule::parse(text, family)).collect();
            zones.insert(zone, ours);
        }
        let all: HashSet<&Target> = zones.values().flatten().collect();
        let elements = all
            .into_iter()
            .map(|target| Element { target: target.clone(), remaining: None, entry: None })
            .collect();
        Ok(Rich { zones, elements })
    }

    async fn write(&self, _: Family, shown: &Rich, changes: &[Change]) -> Result<(), Refusal> {
        for Change { target, step, .. } in changes {
            let rule = rule::text(target);
            for (zone, rules) in &shown.zones {
                let there = rules.contains(target);
                let (remove, add) = match step {
                    Step::Add(timeout) => (false, Some(*timeout)),
                    // A timeout cannot be changed.
                    Step::Renew(timeout) => (there, Some(*timeout)),
                    // What is left of the time is not shown: the engine ends it.
                    Step::Reach => (false, (!there).then_some(None)),
                    Step::Remove => (there, None),
                };
                if remove {
                    self.change("removeRichRule", &(zone, &rule)).await?;
                }
                if let Some(timeout) = add {
                    self.change("addRichRule", &(zone, &rule, seconds(timeout))).await?;
                }
            }
        }
        Ok(())
    }
}

impl Firewalld {
    /// A change, of which firewalld may say that it is so already.
    async fn change<B>(&self, method: &str, body: &B) -> Result<(), Refusal>
    where
        B: serde::Serialize + zbus::DynamicType + Sync,
    {
        match self.ask::<B, String>(ZONE, method, body).await? {
            Ok(_) => Ok(()),
            Err(error) => match answered(&error) {
                Some((_, text)) if SO_ALREADY.iter().any(|code| text.starts_with(code)) => Ok(()),
                _ => Err(refused(&error)),
            },
        }
    }

    async fn call<B, R>(&self, interface: &'static str, method: &str, body: &B) -> Result<R, Refusal>
    where
        B: serde::Serialize + zbus::DynamicType + Sync,
        R: for<'d> zbus::wire::DynamicDeserialize<'d>,
    {
        self.ask(interface, method, body).await?.map_err(|error| refused(&error))
    }

    /// One call. The inner error is firewalld's own.
    async fn ask<B, R>(
        &self,
        interface: &'static str,
        method: &str,
        body: &B,
    ) -> Result<Result<R, zbus::Error>, Refusal>
    where
        B: serde::Serialize + zbus::DynamicType + Sync,
        R: for<'d> zbus::wire::DynamicDeserialize<'d>,
    {
        let proxy = self.proxy(interface).await?;
        // A firewalld that somebody stopped is not started by us.
        let answer = proxy.call_with_flags(method, MethodFlags::NO_AUTO_START, body).await;
        match answer {
            Ok(Some(answer)) => Ok(Ok(answer)),
            Ok(None) => Err(Refusal::failed("firewalld gave no answer; please report this fault")),
            Err(error) if answered(&error).is_some() => Ok(Err(error)),
            Err(error) => {
                // The next call begins anew.
                *self.connection.lock().await = None;
                Err(lost(&error))
            }
        }
    }

    async fn proxy(&self, interface: &'static str) -> Result<Proxy<'static>, Refusal> {
        let mut connection = self.connection.lock().await;
        let bus = if let Some(bus) = &*connection {
            bus.clone()
        } else {
            let builder = match &self.bus {
                Some(address) => Builder::address(address.as_str()),
                None => Builder::system(),
            };
            let made = tokio::time::timeout(ANSWER, builder.method_timeout(ANSWER).build()).await;
            let made = made
                .map_err(|_| Refusal::timeout("the D-Bus system bus did not answer within 5 s"))?
                .map_err(|error| lost(&error))?;
            connection.insert(made).clone()
        };
        let proxy = zbus::proxy::Builder::new(&bus)
            .destination(NAME)
            .path(PATH)
            .interface(interface)
            .cache_properties(CacheProperties::No);
        proxy.build().await.map_err(|error| lost(&error))
    }
}

/// Whole seconds, upwards; zero means for good.
fn seconds(timeout: Option<Duration>) -> i32 {
    let seconds = timeout.map_or(0, |timeout| timeout.as_millis().div_ceil(1000).max(1));
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// The name and text of an error that the bus or firewalld answered with;
/// `None`: there was no answer.
fn answered(error: &zbus::Error) -> Option<(String, String)> {
    use zbus::DBusError;
    match error {
        zbus::Error::MethodError(name, text, _) => {
            Some((name.to_string(), text.clone().unwrap_or_else(|| "it gave no reason".to_owned())))
        }
        zbus::Error::FDO(error) => {
            Some((error.name().to_string(), error.description().unwrap_or("it gave no reason").to_owned()))
        }
        _ => None,
    }
}

/// An answer of the bus or of firewalld that is an error.
fn refused(error: &zbus::Error) -> Refusal {
    let Some((name, text)) = answered(error) else { return lost(error) };
    let text = text.chars().take(200).collect::<String>().escape_debug().to_string();
    match name.as_str() {
        "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner" => {
            Refusal::unavailable(
                "firewalld does not run: `systemctl start firewalld`, or name another backend",
            )
        }
        "org.freedesktop.DBus.Error.AccessDenied"
        | "org.fedoraproject.slip.dbus.service.PolKit.NotAuthorizedException" => {
            Refusal::unavailable(format!("firewalld does not let riposte change it: run it as root ({text})"))
                .for_good()
        }
        "org.freedesktop.DBus.Error.NoReply" | "org.freedesktop.DBus.Error.Timeout" => {
            Refusal::timeout(format!("firewalld did not answer: {text}"))
        }
        _ => Refusal::unavailable(format!("firewalld refused: {text}")),
    }
}

fn lost(error: &zbus::Error) -> Refusal {
    let text = error.to_string().chars().take(200).collect::<String>().escape_debug().to_string();
    Refusal::unavailable(format!("the D-Bus system bus cannot be used: {text}"))
}

#[cfg(test)]
mod tests;
