//! `<riposte><guard>`: what is protected besides what the host itself shows,
//! and the exceptions that an operator answers for.

use std::fmt;

use super::block::{self, Shape};
use super::command::words;
use super::findings::Findings;
use super::suggest::did_you_mean;
use super::xml::{Attribute, Element};
use crate::address::Prefix;
use crate::diagnostic::shown;
use crate::user::UserName;

/// The user number from which on accounts are those of people, on every Linux
/// system that keeps to `UID_MIN` of login.defs.
pub const USERS_BELOW: u32 = 1000;

/// Most characters of a reason.
const REASON: usize = 200;

pub(super) const SHAPE: Shape = Shape {
    children: &["trusted_proxies", "manager", "broker", "users_below", "override"],
    unenforced: &[],
    stock: false,
};

/// `<riposte><guard>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarding {
    /// `<trusted_proxies>`: whose addresses stand in logs for those of others.
    pub trusted_proxies: Vec<Prefix>,
    /// `<manager>`, and `<client><server><address>`: addresses or names of the
    /// managers that this machine reports to.
    pub managers: Vec<String>,
    /// `<broker>`: addresses or names of what carries orders.
    pub brokers: Vec<String>,
    /// `<users_below>`: accounts with a lower number are never locked.
    /// Default [`USERS_BELOW`].
    pub users_below: u32,
    /// `<override>`: what may be acted against all the same.
    pub overrides: Vec<Override>,
}

impl Default for Guarding {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            managers: Vec::new(),
            brokers: Vec::new(),
            users_below: USERS_BELOW,
            overrides: Vec::new(),
        }
    }
}

/// `<override rule="gateway" address="192.0.2.1" reason="..."/>`, or
/// `user="backup"`: one rule does not hold for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Which rule: one of [`OVERRIDABLE`].
    pub rule: &'static str,
    /// For whom.
    pub target: Overridden,
    /// Why, in the operator's words: it stands in each event.
    pub reason: String,
}

/// For whom a rule does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overridden {
    /// This address, or every address of this network.
    Network(Prefix),
    /// This account.
    User(UserName),
}

impl fmt::Display for Overridden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(prefix) => prefix.fmt(f),
            Self::User(user) => user.fmt(f),
        }
    }
}

/// The rules that can be overridden, and whether they are about users. What
/// would cut off the machine from itself, or leave nobody to repair it, cannot.
pub const OVERRIDABLE: [(&str, bool); 9] = [
    ("own-address", false),
    ("gateway", false),
    ("resolver", false),
    ("manager", false),
    ("administrator-session", false),
    ("agent", false),
    ("broker", false),
    ("trusted-proxy", false),
    ("system-account", true),
];

impl Guarding {
    /// Reads one `<guard>`. Lists grow with each; the last `<users_below>` counts.
    pub(super) fn read(&mut self, guard: &Element, findings: &mut Findings<'_>) {
        block::check(guard, &SHAPE, findings);
        for element in &guard.children {
            match element.name.as_str() {
                "trusted_proxies" => self.proxies(element, findings),
                "manager" => hosts(element, &mut self.managers, findings),
                "broker" => hosts(element, &mut self.brokers, findings),
                "users_below" => self.users_below(element, findings),
                "override" => self.overrides.extend(exception(element, findings)),
                // Reported by the shape.
                _ => {}
            }
        }
    }

    /// Reads the managers of Wazuh's `<client>`: `<server><address>`, and what
    /// it was called before 3.0. What is wrong in it is for Wazuh to say.
    pub(super) fn client(&mut self, client: &Element) {
        let servers = client.children.iter().filter(|child| child.name == "server");
        let addresses = servers.flat_map(|server| &server.children).filter(|child| child.name == "address");
        let older =
            client.children.iter().filter(|c| matches!(c.name.as_str(), "server-ip" | "server-hostname"));
        for element in addresses.chain(older) {
            if is_host(element.value()) {
                add(&mut self.managers, element.value());
            }
        }
    }

    fn proxies(&mut self, element: &Element, findings: &mut Findings<'_>) {
        if !block::leaf(element, findings) {
            return;
        }
        for word in words(element.value()) {
            match word.parse() {
                Ok(prefix) => self.trusted_proxies.push(prefix),
                Err(error) => {
                    let help = "write addresses or prefixes. This entry protects nothing.";
                    block::invalid(element, &format!("{error}"), help, findings);
                }
            }
        }
    }

    fn users_below(&mut self, element: &Element, findings: &mut Findings<'_>) {
        if !block::leaf(element, findings) {
            return;
        }
        match element.value().parse() {
            Ok(number) => self.users_below = number,
            Err(_) => {
                let message = format!("{} is not a user number", shown(element.value()));
                block::invalid(element, &message, "write a number such as 1000.", findings);
            }
        }
    }
}

fn hosts(element: &Element, into: &mut Vec<String>, findings: &mut Findings<'_>) {
    if !block::leaf(element, findings) {
        return;
    }
    for word in words(element.value()) {
        if is_host(word) {
            add(into, word);
        } else {
            let message = format!("{} is neither an address nor the name of a host", shown(word));
            let help = "write one such as 192.0.2.7 or siem.example.com. This entry protects nothing.";
            block::invalid(element, &message, help, findings);
        }
    }
}

fn add(hosts: &mut Vec<String>, host: &str) {
    if !hosts.iter().any(|known| known == host) {
        hosts.push(host.to_owned());
    }
}

/// An address, or a name as RFC 1123 has it. What ends in a number is meant to
/// be an address, also a wrong one: as a name nothing would ever be found.
pub(super) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
    };
    let labels = text.strip_suffix('.').unwrap_or(text);
    let number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let name = || {
        text.len() <= 253 && labels.split('.').all(label) && !labels.rsplit('.').next().is_some_and(number)
    };
    text.parse::<crate::Address>().is_ok() || name()
}

fn exception(element: &Element, findings: &mut Findings<'_>) -> Option<Override> {
    const KNOWN: &[&str] = &["rule", "address", "user", "reason"];
    if !block::only_text(element, findings) {
        return None;
    }
    let mut wrong = |message: String, help: &str| {
        block::invalid(element, &message, help, findings);
        None
    };
    let value = |name: &str| -> Option<&Attribute> { element.attributes.iter().find(|a| a.name == name) };
    let text = |name: &str| value(name).map(|attribute| attribute.value.trim()).unwrap_or_default();
    let rules = || OVERRIDABLE.iter().map(|(rule, _)| *rule);
    let Some((rule, of_users)) = OVERRIDABLE.iter().copied().find(|(rule, _)| *rule == text("rule")) else {
        let help = did_you_mean(text("rule"), rules(), || {
            format!("write one of {}. This changes nothing.", rules().collect::<Vec<_>>().join(", "))
        });
        return wrong(format!("{} is no rule that can be overridden", shown(text("rule"))), &help);
    };
    let (named, other) = if of_users { ("user", "address") } else { ("address", "user") };
    if value(other).is_some() {
        let help = format!("write {named}=. This changes nothing.");
        return wrong(format!("the rule {rule} is not about what {other}= names"), &help);
    }
    let target = if of_users {
        text("user").parse().map(Overridden::User).map_err(|error| error.to_string())
    } else {
        text("address").parse().map(Overridden::Network).map_err(|error| error.to_string())
    };
    let target = match target {
        Ok(target) => target,
        Err(error) => return wrong(error, "This changes nothing."),
    };
    let reason: String = text("reason").chars().filter(|c| !c.is_control()).take(REASON).collect();
    if reason.is_empty() {
        return wrong("there is no reason".to_owned(), "say why in reason=\"...\". This changes nothing.");
    }
    if let Some(attribute) = element.attributes.iter().find(|a| !KNOWN.contains(&a.name.as_str())) {
        block::unknown_attribute(element, attribute, KNOWN, findings);
        return None;
    }
    Some(Override { rule, target, reason })
}
