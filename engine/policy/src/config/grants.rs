//! `<capabilities>` and `<limits>`.
//!
//! What cannot be read grants nothing: an error in a grant leaves out that
//! grant, one in `<capabilities>` itself leaves out all of them.

use std::fmt;
use std::time::Duration;

use super::block;
use super::command::words;
use super::findings::Findings;
use super::suggest::did_you_mean;
use super::xml::{Attribute, Element, printable};
use crate::diagnostic::shown;
use crate::grant::{Digest, FirewallGrant, Grants};
use crate::limit::Limits;
use crate::span::{self, Bare};

/// What this version enforces.
const GRANTS: &[&str] = &["firewall"];
/// What the design of Riposte has and this version does not enforce.
const UNENFORCED: &[&str] = &[
    "route",
    "routes",
    "account",
    "accounts",
    "service",
    "services",
    "lines",
    "process",
    "processes",
    "exec",
    "state",
    "config",
    "secret",
    "folder",
    "http",
    "quarantine",
    "isolation",
    "mail",
];
/// The shortest prefixes that the guard ever lets pass, IPv4 and IPv6.
const GUARD: (u8, u8) = (24, 48);

/// The `<capabilities>` of a command; `None` when it has none.
pub(super) fn capabilities(command: &Element, findings: &mut Findings<'_>) -> Option<Grants> {
    let mut named = command.children.iter().filter(|child| child.name == "capabilities");
    let element = named.next()?;
    let mut grants = Grants::default();
    if let Some(again) = named.next() {
        let message = format!(
            "<capabilities> stands twice, the first time in line {}: nothing is granted",
            element.spot.line
        );
        findings.error(again.spot, "element-repeated", message, "write all grants into one of them.");
        return Some(grants);
    }
    let digests = digests(element, findings);
    if !element.value().is_empty() {
        let message =
            format!("this text stands in <capabilities> outside of its grants: {}", shown(element.value()));
        findings.warning(element.text_spot(), "text-stray", message, "");
    }
    for grant in &element.children {
        match grant.name.as_str() {
            "firewall" if grants.firewall.is_some() => {
                let message = "<firewall> stands here twice: this one grants nothing";
                findings.error(grant.spot, "element-repeated", message, "write one of them.");
            }
            "firewall" => grants.firewall = firewall(grant, findings),
            name if UNENFORCED.contains(&name) => {
                let message = format!("this version cannot enforce the grant <{name}> yet");
                let help = "remove it: nothing is granted that is not enforced.";
                findings.error(grant.spot, "grant-unenforced", message, help);
            }
            name => {
                let message = format!("there is no grant <{}>", printable(name));
                let known = GRANTS.iter().chain(UNENFORCED).copied();
                let help =
                    did_you_mean(name, known, || format!("this version grants {}.", block::listed(GRANTS)));
                findings.error(grant.spot, "grant-unknown", message, help);
            }
        }
    }
    // A digest that cannot be read must not become a grant to any component.
    Some(digests.map_or_else(Grants::default, |digests| Grants { digests, ..grants }))
}

/// `sha256="..."`; `None` after an error in any attribute.
fn digests(element: &Element, findings: &mut Findings<'_>) -> Option<Vec<Digest>> {
    let mut digests = Some(Vec::new());
    for attribute in &element.attributes {
        if attribute.name != "sha256" {
            block::unknown_attribute(element, attribute, &["sha256"], findings);
            digests = None;
            continue;
        }
        for word in words(&attribute.value) {
            match word.parse::<Digest>() {
                Ok(digest) => digests.iter_mut().for_each(|digests| digests.push(digest)),
                Err(error) => {
                    let help = "sha256sum prints it; without the attribute riposte check prints it too. Nothing is granted.";
                    invalid(attribute, &error, help, findings);
                    digests = None;
                }
            }
        }
        if words(&attribute.value).next().is_none() {
            invalid(
                attribute,
                &"there is no digest",
                "write one, or leave out the attribute. Nothing is granted.",
                findings,
            );
            digests = None;
        }
    }
    digests
}

fn firewall(element: &Element, findings: &mut Findings<'_>) -> Option<FirewallGrant> {
    const HELP: &str = "This grant is not given.";
    let mut grant = FirewallGrant::default();
    let mut sound = no_content(element, findings);
    for attribute in &element.attributes {
        let value = attribute.value.trim();
        match attribute.name.as_str() {
            "set" => match value.parse() {
                Ok(set) => grant.set = set,
                Err(error) => {
                    invalid(attribute, &error, HELP, findings);
                    sound = false;
                }
            },
            "widest4" => sound &= length(attribute, 32, GUARD.0, &mut grant.widest4, findings),
            "widest6" => sound &= length(attribute, 128, GUARD.1, &mut grant.widest6, findings),
            _ => {
                block::unknown_attribute(element, attribute, &["set", "widest4", "widest6"], findings);
                sound = false;
            }
        }
    }
    sound.then_some(grant)
}

/// The length of a prefix, as an attribute.
fn length(attribute: &Attribute, full: u8, guard: u8, length: &mut u8, findings: &mut Findings<'_>) -> bool {
    match attribute.value.trim().parse::<u8>() {
        Ok(bits) if bits <= full => {
            *length = bits;
            if bits < guard {
                let message = format!(
                    "{} grants /{bits}, but the guard refuses what is broader than /{guard}",
                    attribute.name
                );
                findings.warning(
                    attribute.spot,
                    "grant-beyond-guard",
                    message,
                    format!("write {}=\"{guard}\".", attribute.name),
                );
            }
            true
        }
        _ => {
            let message = format!("{} is not a number of bits from 0 to {full}", shown(&attribute.value));
            invalid(attribute, &message, "This grant is not given.", findings);
            false
        }
    }
}

fn no_content(element: &Element, findings: &mut Findings<'_>) -> bool {
    if let Some(child) = element.children.first() {
        let message = format!("<{}> has no elements, only attributes", element.name);
        findings.error(child.spot, "element-unknown", message, "This grant is not given.");
    }
    if !element.value().is_empty() {
        let message = format!("<{}> has no text, only attributes: {}", element.name, shown(element.value()));
        findings.error(element.spot, "value-invalid", message, "This grant is not given.");
    }
    element.children.is_empty() && element.value().is_empty()
}

/// The limits that a definition gives.
#[derive(Clone, Debug, Default)]
pub(super) struct LimitsGiven {
    memory: Option<u64>,
    cpu: Option<Duration>,
    wall: Option<Duration>,
    concurrency: Option<u32>,
    answer: Option<Duration>,
    run: Option<Duration>,
}

impl LimitsGiven {
    /// A later file gives what it gives, and leaves the rest.
    pub(super) fn refine(&mut self, later: &Self) {
        self.memory = later.memory.or(self.memory);
        self.cpu = later.cpu.or(self.cpu);
        self.wall = later.wall.or(self.wall);
        self.concurrency = later.concurrency.or(self.concurrency);
        self.answer = later.answer.or(self.answer);
        self.run = later.run.or(self.run);
    }

    /// Puts what is given in the place of the defaults.
    pub(super) fn apply(&self, limits: &mut Limits) {
        limits.memory = self.memory.unwrap_or(limits.memory);
        limits.cpu = self.cpu.unwrap_or(limits.cpu);
        limits.wall = self.wall.unwrap_or(limits.wall);
        limits.concurrency = self.concurrency.or(limits.concurrency);
        limits.answer = self.answer.unwrap_or(limits.answer);
        limits.run = self.run.unwrap_or(limits.run);
    }
}

/// The `<limits>` of a command. One that cannot be read keeps its default.
pub(super) fn limits(command: &Element, findings: &mut Findings<'_>) -> LimitsGiven {
    const KNOWN: &[&str] = &["memory", "cpu", "wall", "concurrency", "answer", "run"];
    let mut given = LimitsGiven::default();
    for (n, element) in command.children.iter().filter(|child| child.name == "limits").enumerate() {
        if n == 1 {
            let message = "<limits> stands again in this <command>: of each limit the last one counts";
            findings.warning(element.spot, "element-repeated", message, "write one of them.");
        }
        no_content(element, findings);
        for attribute in &element.attributes {
            match attribute.name.as_str() {
                "memory" => set(&mut given.memory, size(&attribute.value), attribute, findings),
                "cpu" => set(&mut given.cpu, time(&attribute.value), attribute, findings),
                "wall" => set(&mut given.wall, time(&attribute.value), attribute, findings),
                "answer" => set(&mut given.answer, time(&attribute.value), attribute, findings),
                "run" => set(&mut given.run, time(&attribute.value), attribute, findings),
                "concurrency" => set(&mut given.concurrency, count(&attribute.value), attribute, findings),
                _ => block::unknown_attribute(element, attribute, KNOWN, findings),
            }
        }
    }
    given
}

fn set<T>(
    limit: &mut Option<T>,
    value: Result<T, String>,
    attribute: &Attribute,
    findings: &mut Findings<'_>,
) {
    match value {
        Ok(value) => *limit = Some(value),
        Err(why) => invalid(attribute, &why, "the default stays.", findings),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let span = span::parse(text.trim(), Bare::Refused).map_err(|error| error.to_string())?;
    if span.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(span) }
}

/// Bytes: a number with KiB, MiB or GiB, from one page of WebAssembly memory
/// to all that 32 bits can address.
fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let wrong = || format!("{} is not a size from 64KiB to 4GiB, such as 32MiB", shown(text));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let each: u64 = match unit.trim_start() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(each));
    bytes.filter(|bytes| (64 << 10..=4 << 30).contains(bytes)).ok_or_else(wrong)
}

fn count(text: &str) -> Result<u32, String> {
    let count = text.trim().parse().ok().filter(|count| (1..=10_000).contains(count));
    count.ok_or_else(|| format!("{} is not a number from 1 to 10000", shown(text)))
}

fn invalid(attribute: &Attribute, message: &dyn fmt::Display, help: &str, findings: &mut Findings<'_>) {
    block::invalid_at(attribute.spot, &attribute.name, &message.to_string(), help, findings);
}
