//! What a whole log of alerts would have fired, in memory that does not grow
//! with it.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use riposte_policy::alert::Alert;
use riposte_policy::matching::{self, Match, Why};
use serde_json::{Value, json};

use super::words::plain;
use crate::outcome::{Outcome, Refused};
use crate::respond::{self, Scales};

/// Targets of one response that are counted one by one.
const COUNTED: usize = 10_000;
/// Targets shown.
const TOP: usize = 3;
/// Lines that cannot be read and are named by their numbers.
const NAMED: usize = 20;
/// Registers of the estimate of how many targets there are: an error of 1.6%.
const REGISTERS: usize = 1 << 12;

/// What was counted.
#[derive(Default)]
pub struct Totals {
    alerts: u64,
    fired: u64,
    unreadable: u64,
    unreadable_lines: Vec<u64>,
    responses: Vec<Counted>,
}

/// One response.
#[derive(Default)]
struct Counted {
    name: String,
    fired: u64,
    by_rule: u64,
    by_group: u64,
    by_level: u64,
    no_key: u64,
    white_listed: u64,
    guarded: u64,
    targets: Targets,
}

impl Totals {
    /// Counts an alert.
    pub async fn count(&mut self, scales: &Scales<'_>, alert: &Alert<'_>) {
        let responses = &scales.armed.config.responses;
        if self.responses.is_empty() {
            let named = |name: String| Counted { name, ..Counted::default() };
            self.responses = responses.iter().map(|response| named(response.name.to_string())).collect();
        }
        self.alerts += 1;
        let fired = scales.armed.fires(alert);
        self.fired += u64::from(!fired.is_empty());
        for position in fired {
            let (Some(response), Some(counted)) = (responses.get(position), self.responses.get_mut(position))
            else {
                continue;
            };
            counted.fired += 1;
            if let Why::Fires(matches) = matching::explain(response, alert) {
                let any = |is: fn(&Match) -> bool| u64::from(matches.iter().any(is));
                counted.by_rule += any(|by| matches!(by, Match::Rule(_)));
                counted.by_group += any(|by| matches!(by, Match::Group(_)));
                counted.by_level += any(|by| matches!(by, Match::Level { .. }));
            }
            let Some(order) = scales.armed.orders(position, alert).into_iter().next() else { continue };
            let foreseen = respond::foresee(scales, &order, false).await;
            for instead in &foreseen.against {
                match instead {
                    Outcome::NoKey(_) => counted.no_key += 1,
                    Outcome::Refused(Refused::Allowed(_)) => counted.white_listed += 1,
                    Outcome::Refused(Refused::Guarded(_)) => counted.guarded += 1,
                    _ => {}
                }
            }
            if !foreseen.keys.is_empty() {
                counted.targets.count(foreseen.keys.join(", "));
            }
        }
    }

    /// Counts a line that is no alert.
    pub fn unreadable(&mut self, line: u64) {
        self.unreadable += 1;
        if self.unreadable_lines.len() < NAMED {
            self.unreadable_lines.push(line);
        }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let each = self.responses.iter().map(|counted| {
            let top = counted
                .targets
                .top()
                .into_iter()
                .map(|(target, times)| json!({"target": target, "alerts": times}));
            json!({
                "response": counted.name,
                "fired": counted.fired,
                "by_rule": counted.by_rule,
                "by_group": counted.by_group,
                "by_level": counted.by_level,
                "no_key": counted.no_key,
                "white_listed": counted.white_listed,
                "guarded": counted.guarded,
                "targets": counted.targets.distinct(),
                "targets_exact": counted.targets.exact(),
                "top_targets": top.collect::<Vec<_>>(),
            })
        });
        json!({"totals": {
            "alerts": self.alerts,
            "fired": self.fired,
            "unreadable": self.unreadable,
            "unreadable_lines": self.unreadable_lines,
            "responses": each.collect::<Vec<_>>(),
        }})
    }

    /// For people: a sentence and a table.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = match self.alerts {
            1 => format!("1 alert, {} of them fires a response\n", self.fired),
            alerts => format!("{alerts} alerts, {} of them fire a response\n", self.fired),
        };
        if self.unreadable > 0 {
            let lines: Vec<_> = self.unreadable_lines.iter().map(u64::to_string).collect();
            let more = if self.unreadable > NAMED as u64 { ", ..." } else { "" };
            out.push_str(&format!("{} lines are no alerts: {}{more}\n", self.unreadable, lines.join(", ")));
        }
        out.push('\n');
        let heads = [
            "RESPONSE",
            "FIRED",
            "RULE",
            "GROUP",
            "LEVEL",
            "NO KEY",
            "WHITE LIST",
            "GUARDED",
            "TARGETS",
            "TOP TARGETS",
        ];
        let mut rows = vec![heads.map(str::to_owned)];
        for counted in &self.responses {
            let about = if counted.targets.exact() { "" } else { "~" };
            let top = counted.targets.top().into_iter();
            let top: Vec<_> =
                top.map(|(target, times)| format!("{} ({about}{times})", plain(&target))).collect();
            rows.push([
                counted.name.clone(),
                counted.fired.to_string(),
                counted.by_rule.to_string(),
                counted.by_group.to_string(),
                counted.by_level.to_string(),
                counted.no_key.to_string(),
                counted.white_listed.to_string(),
                counted.guarded.to_string(),
                format!("{about}{}", counted.targets.distinct()),
                top.join(", "),
            ]);
        }
        let mut widths = [0; 10];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &rows {
            // Names and targets to the left, numbers to the right.
            let cell = |(at, (cell, width)): (usize, (&String, usize))| match at {
                0 | 9 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            };
            let cells: Vec<_> = row.iter().zip(widths).enumerate().map(cell).collect();
            out.push_str(cells.join("  ").trim_end());
            out.push('\n');
        }
        out
    }
}

/// How often each target was met: exact up to [`COUNTED`] targets; beyond that
/// those met most (Misra and Gries, 1982) and an estimate of how many there are
/// (Flajolet et al., HyperLogLog, 2007).
#[derive(Default)]
struct Targets {
    times: HashMap<String, u64>,
    /// Taken off every count to make room.
    taken: u64,
    registers: Vec<u8>,
}

impl Targets {
    fn count(&mut self, target: String) {
        self.sketch(&target);
        if let Some(times) = self.times.get_mut(&target) {
            *times += 1;
        } else if self.times.len() < COUNTED {
            self.times.insert(target, 1);
        } else {
            self.taken += 1;
            self.times.retain(|_, times| {
                *times -= 1;
                *times > 0
            });
        }
    }

    fn sketch(&mut self, target: &str) {
        if self.registers.is_empty() {
            self.registers = vec![0; REGISTERS];
        }
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(target);
        let at = usize::try_from(hash % REGISTERS as u64).unwrap_or(0);
        let zeros = u8::try_from((hash / REGISTERS as u64).trailing_zeros().min(52) + 1).unwrap_or(u8::MAX);
        if let Some(register) = self.registers.get_mut(at) {
            *register = zeros.max(*register);
        }
    }

    fn exact(&self) -> bool {
        self.taken == 0
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, positive and far below 2^52"
    )]
    fn distinct(&self) -> u64 {
        if self.exact() {
            return self.times.len() as u64;
        }
        let m = REGISTERS as f64;
        let sum: f64 = self.registers.iter().map(|zeros| (-f64::from(*zeros)).exp2()).sum();
        (0.7213 / (1.0 + 1.079 / m) * m * m / sum) as u64
    }

    fn top(&self) -> Vec<(String, u64)> {
        let mut all: Vec<_> = self.times.iter().collect();
        all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        all.into_iter().take(TOP).map(|(target, times)| (target.clone(), *times)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_targets_are_counted_exactly() {
        let mut targets = Targets::default();
        for n in 0..1_000_u32 {
            targets.count(format!("192.0.2.{}", n % 7));
        }
        targets.count("192.0.2.3".to_owned());
        assert!(targets.exact());
        assert_eq!(targets.distinct(), 7);
        assert_eq!(targets.top().first(), Some(&("192.0.2.3".to_owned(), 144)));
    }

    #[test]
    fn many_targets_are_estimated_and_the_frequent_ones_found() {
        let mut targets = Targets::default();
        for n in 0..200_000_u32 {
            targets.count(n.to_string());
            if n % 4 == 0 {
                targets.count("often".to_owned());
            }
        }
        assert!(!targets.exact() && targets.times.len() <= COUNTED);
        assert!(targets.distinct().abs_diff(200_001) < 12_000, "{}", targets.distinct());
        assert_eq!(targets.top().first().map(|(target, _)| target.as_str()), Some("often"));
    }
}
