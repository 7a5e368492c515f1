//! `<limits>`.

use std::time::Duration;

use super::super::block;
use super::super::findings::Findings;
use super::super::xml::{Attribute, Element};
use super::{invalid, no_content, values};
use crate::diagnostic::shown;
use crate::limit::Limits;
use crate::span::{self, Bare};

/// The limits that a definition gives.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct LimitsGiven {
    memory: Option<u64>,
    cpu: Option<Duration>,
    wall: Option<Duration>,
    concurrency: Option<u32>,
    answer: Option<Duration>,
    run: Option<Duration>,
}

impl LimitsGiven {
    /// A later file gives what it gives, and leaves the rest.
    pub(in crate::config) fn refine(&mut self, later: &Self) {
        self.memory = later.memory.or(self.memory);
        self.cpu = later.cpu.or(self.cpu);
        self.wall = later.wall.or(self.wall);
        self.concurrency = later.concurrency.or(self.concurrency);
        self.answer = later.answer.or(self.answer);
        self.run = later.run.or(self.run);
    }

    /// Puts what is given in the place of the defaults.
    pub(in crate::config) fn apply(&self, limits: &mut Limits) {
        limits.memory = self.memory.unwrap_or(limits.memory);
        limits.cpu = self.cpu.unwrap_or(limits.cpu);
        limits.wall = self.wall.unwrap_or(limits.wall);
        limits.concurrency = self.concurrency.or(limits.concurrency);
        limits.answer = self.answer.unwrap_or(limits.answer);
        limits.run = self.run.unwrap_or(limits.run);
    }
}

/// The attributes of `<limits>`.
pub(in crate::config) const KNOWN: &[&str] = &["memory", "cpu", "wall", "concurrency", "answer", "run"];

/// The `<limits>` of a command. One that cannot be read keeps its default.
pub(in crate::config) fn limits(command: &Element, findings: &mut Findings<'_>) -> LimitsGiven {
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

/// Bytes, from one page of WebAssembly memory to all that 32 bits can address.
pub(in super::super) fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let wrong = || format!("{} is not a size from 64KiB to 4GiB, such as 32MiB", shown(text));
    values::size(text, 64 << 10, 4 << 30).ok_or_else(wrong)
}

fn count(text: &str) -> Result<u32, String> {
    let count = text.trim().parse().ok().filter(|count| (1..=10_000).contains(count));
    count.ok_or_else(|| format!("{} is not a number from 1 to 10000", shown(text)))
}
