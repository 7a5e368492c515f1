//! What must hold, kept apart from the ledger: from what it answered, and from
//! what its tables show after a start.

mod found;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use riposte_ledger::{Cause, Settled};

pub use self::found::Found;
use self::found::Row;

/// Clocks that differ by less were not set, as far as the ledger goes, and
/// rounding is no fault.
const TOLERANCE_MS: i64 = 2_500;

/// What the ledger owes.
#[derive(Default)]
pub struct Oracle {
    entries: BTreeMap<i64, Known>,
    /// Every number that an order was ever told, also one whose entry was lost
    /// with a failed commit: a component may have told it to others.
    told: BTreeMap<i64, usize>,
    /// Orders that the ledger has an answer to.
    answered: BTreeSet<usize>,
    /// Numbers that somebody asked to undo before anybody was told of an entry
    /// under them: the ledger has heard of it earlier.
    asked: BTreeSet<i64>,
    /// Whether what is over may have been deleted since the start.
    pruned: bool,
    /// Wall clock minus boot-time clock, as due times on the disk may have it.
    offsets: Vec<i64>,
}

#[derive(Clone, Debug)]
struct Known {
    phase: Phase,
    /// Whether it is only taken to be ending: somebody asked before anybody was
    /// told of it, and was not answered yet.
    presumed: bool,
    /// The phase that it would be in, had nobody asked to undo it: that may come
    /// to nothing.
    else_in: Option<Phase>,
    /// Whether the ledger was asked to end it, and may have.
    may_end: bool,
    /// Whether it was asked to record what came of it, which may be over by that.
    settling: bool,
    /// Whether it is over as long as the process runs, and may be by the tables.
    over_in_memory: bool,
    /// What it claims, by effect.
    effects: BTreeSet<String>,
    /// When it is due, in this start of the machine, also after a crash.
    due_boot_ms: Option<i64>,
    /// When it is due as long as the process runs, where that is later.
    prolonged_boot_ms: Option<i64>,
    /// The longest that may be left of it; `None`: it lasts for good.
    length_ms: Option<i64>,
}

/// How far an entry is, as far as anybody was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Intended,
    InForce,
    /// It is being undone, rightly.
    Ending,
    Over,
}

impl Oracle {
    /// An order was told that this is its number.
    pub fn told(&mut self, id: i64, order: usize) -> Vec<String> {
        let before = self.told.insert(id, order);
        before
            .map(|before| format!("number {id} was given to order {before}, and then to {order}"))
            .into_iter()
            .collect()
    }

    /// An order was entered under this number.
    pub fn entered(&mut self, id: i64, order: usize, length: Option<Duration>) -> Vec<String> {
        self.answered.insert(order);
        if self.entries.contains_key(&id) {
            return vec![format!("number {id} was that of an entry, and was given to order {order}")];
        }
        let presumed = self.asked.contains(&id);
        let known = Known {
            phase: if presumed { Phase::Ending } else { Phase::Intended },
            presumed,
            else_in: presumed.then_some(Phase::Intended),
            may_end: false,
            settling: false,
            over_in_memory: false,
            effects: BTreeSet::new(),
            due_boot_ms: None,
            prolonged_boot_ms: None,
            length_ms: length.map(|length| i64::try_from(length.as_millis()).unwrap_or(i64::MAX)),
        };
        self.entries.insert(id, known);
        Vec::new()
    }

    /// The numbers of all entries, by number.
    #[must_use]
    pub fn ids(&self) -> Vec<i64> {
        self.entries.keys().copied().collect()
    }

    /// An order needs no entry of its own.
    pub fn merged(&mut self, order: usize) {
        self.answered.insert(order);
    }

    /// Orders below `orders` that the ledger has forgotten.
    #[must_use]
    pub fn unanswered(&self, orders: usize) -> Vec<usize> {
        (0..orders).filter(|order| !self.answered.contains(order)).collect()
    }

    /// A claim is on the disk.
    pub fn claimed(&mut self, id: i64, key: &str) {
        if let Some(known) = self.entries.get_mut(&id) {
            known.effects.insert(key.to_owned());
        }
    }

    /// A claim is given up.
    pub fn released(&mut self, id: i64, key: &str) -> Vec<String> {
        let Some(known) = self.entries.get_mut(&id) else { return Vec::new() };
        if known.effects.remove(key) && known.phase == Phase::InForce {
            return vec![format!("entry {id} gave up {key} while it was in force")];
        }
        Vec::new()
    }

    /// An entry was carried out.
    pub fn settled(&mut self, id: i64, settled: Settled) {
        let Some(known) = self.entries.get_mut(&id) else { return };
        let phase = match settled {
            Settled::InForce { .. } | Settled::Permanent => Phase::InForce,
            Settled::Done => Phase::Over,
        };
        // Somebody may undo it already, who was answered later and heard earlier.
        match (known.phase, known.else_in) {
            (Phase::Intended, _) => known.phase = phase,
            (_, Some(Phase::Intended)) => known.else_in = Some(phase),
            _ => return,
        }
        if let Settled::InForce { due } = settled {
            known.due_boot_ms = Some(due.boot_ms);
        }
    }

    /// A later end was written. Another alert may have moved it since, and been
    /// answered before this was heard.
    pub fn written(&mut self, id: i64, due_boot_ms: i64, boot_ms: i64) {
        let Some(known) = self.entries.get_mut(&id) else { return };
        known.due_boot_ms = known.due_boot_ms.max(Some(due_boot_ms));
        known.length_ms = known.length_ms.max(Some(due_boot_ms - boot_ms));
    }

    /// An alert for what is in force was answered: it ends then, not before.
    pub fn extended(&mut self, id: i64, due_boot_ms: i64, boot_ms: i64) -> Vec<String> {
        let Some(known) = self.entries.get_mut(&id) else { return Vec::new() };
        let before = known.due_boot_ms;
        known.due_boot_ms = before.max(Some(due_boot_ms));
        known.length_ms = known.length_ms.max(Some(due_boot_ms - boot_ms));
        match before {
            Some(before) if due_boot_ms < before => {
                vec![format!(
                    "entry {id} was to end at {before}, and ends at {due_boot_ms} after one more alert"
                )]
            }
            _ => Vec::new(),
        }
    }

    /// An alert for what is in force was answered from memory: as long as the
    /// process runs, it does not end before.
    pub fn prolonged(&mut self, id: i64, due_boot_ms: i64) {
        if let Some(known) = self.entries.get_mut(&id) {
            known.prolonged_boot_ms = known.prolonged_boot_ms.max(Some(due_boot_ms));
        }
    }

    /// The process has ended, and with it what only its memory knew.
    pub fn ended(&mut self) {
        self.entries.values_mut().for_each(|known| known.prolonged_boot_ms = None);
    }

    /// What an entry holds.
    pub fn effects(&self, id: i64) -> Vec<String> {
        self.entries.get(&id).map(|known| known.effects.iter().cloned().collect()).unwrap_or_default()
    }

    /// The ledger lets an entry be undone.
    pub fn undo_begun(&mut self, id: i64, cause: &Cause, boot_ms: i64) -> Vec<String> {
        let Some(known) = self.entries.get_mut(&id) else { return Vec::new() };
        let early = known.phase == Phase::InForce && known.lasts(boot_ms);
        let wrong = match cause {
            Cause::Due if early => {
                vec![format!("entry {id} is due at {:?}, and is undone at {boot_ms}", known.due())]
            }
            Cause::Recovery if known.phase == Phase::InForce => {
                vec![format!("entry {id} was in force, and a start found it half undone")]
            }
            _ => Vec::new(),
        };
        known.ends();
        wrong
    }

    /// The ledger is asked to end it, or to let it be undone, or was and said no.
    pub fn may_end(&mut self, id: i64, may: bool) {
        if let Some(known) = self.entries.get_mut(&id) {
            known.may_end = may;
        }
    }

    /// The ledger is asked to record what came of it, or has answered.
    pub fn settling(&mut self, id: i64, is: bool) {
        if let Some(known) = self.entries.get_mut(&id) {
            known.settling = is;
        }
    }

    /// Somebody asked to undo it, and may not have been answered.
    pub fn asked(&mut self, id: i64) {
        match self.entries.get_mut(&id) {
            Some(known) => {
                let phase = known.else_in.unwrap_or(known.phase);
                known.ends();
                known.else_in = Some(phase);
            }
            None => drop(self.asked.insert(id)),
        }
    }

    /// Whoever asked was told that nothing was begun.
    pub fn not_asked(&mut self, id: i64) {
        self.asked.remove(&id);
        if let Some(known) = self.entries.get_mut(&id)
            && let Some(phase) = known.else_in.take()
        {
            (known.phase, known.presumed, known.may_end) = (phase, false, false);
        }
    }

    /// Whoever asked was told that there is nothing to undo.
    pub fn gone(&mut self, id: i64) {
        self.asked.remove(&id);
        if let Some(known) = self.entries.get_mut(&id).filter(|known| known.presumed) {
            let phase = known.else_in.take().unwrap_or(Phase::Intended);
            (known.phase, known.presumed) = (phase, false);
        }
    }

    /// Whether an entry is being undone, or over.
    #[must_use]
    pub fn is_ending(&self, id: i64) -> bool {
        self.entries
            .get(&id)
            .is_some_and(|known| known.may_end || known.settling || known.phase >= Phase::Ending)
    }

    /// An entry is over.
    pub fn over(&mut self, id: i64) {
        if let Some(known) = self.entries.get_mut(&id) {
            (known.phase, known.else_in) = (Phase::Over, None);
            known.effects.clear();
        }
    }

    /// An entry is over, and that is not written yet.
    pub fn over_in_memory(&mut self, id: i64) {
        if let Some(known) = self.entries.get_mut(&id) {
            known.over_in_memory = true;
        }
    }

    /// What was over long ago, as far as the clock goes, is deleted.
    pub fn pruned(&mut self) {
        self.pruned = true;
    }

    /// The engine took an effect off the host.
    pub fn removed(&self, key: &str) -> Vec<String> {
        let needs = |known: &&Known| known.phase < Phase::Ending && known.effects.contains(key);
        let needing = self.entries.iter().filter(|(_, known)| needs(known));
        needing
            .map(|(id, known)| format!("{key} was taken away while entry {id} needs it: {known:?}"))
            .collect()
    }

    /// The kernel dropped an effect by itself.
    pub fn expired(&self, key: &str, boot_ms: i64) -> Vec<String> {
        let needs = |known: &&Known| {
            known.phase == Phase::InForce && known.effects.contains(key) && known.lasts(boot_ms)
        };
        let needing = self.entries.iter().filter(|(_, known)| needs(known));
        needing
            .map(|(id, known)| format!("the kernel dropped {key}, which entry {id} needs: {known:?}"))
            .collect()
    }

    /// Effects that must be on the host by now.
    #[must_use]
    pub fn needed(&self, boot_ms: i64) -> BTreeSet<String> {
        let in_force =
            self.entries.values().filter(|known| known.phase == Phase::InForce && known.lasts(boot_ms));
        in_force.flat_map(|known| known.effects.iter().cloned()).collect()
    }

    /// A commit succeeded, or may have, with this offset of the clocks.
    pub fn committed(&mut self, offset_ms: i64, surely: bool) {
        if surely {
            self.offsets.clear();
        }
        if !self.offsets.contains(&offset_ms) {
            self.offsets.push(offset_ms);
        }
    }

    /// Compares with what a start found, before anything is done, and goes on
    /// from there. `rebooted`: due times are those of another start now.
    pub fn started(
        &mut self,
        found: &Found,
        rebooted: Option<i64>,
        boot_ms: i64,
        offset_ms: i64,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        // Who asked went with the process.
        self.asked.clear();
        for (id, known) in &mut self.entries {
            let row = found.rows.iter().find(|row| row.id == *id);
            match (row, known.phase) {
                (Some(row), _) => {
                    wrong.extend(known.check(row, found, rebooted, &self.offsets, boot_ms, offset_ms));
                }
                (None, Phase::Over) => {}
                (None, _) if known.over_in_memory && self.pruned => known.phase = Phase::Over,
                (None, _) => wrong.push(format!("entry {id} is lost: {known:?}")),
            }
        }
        for row in &found.rows {
            self.answered.extend(row.order.and_then(|order| usize::try_from(order).ok()));
            // Nobody was told of it; from now on it counts like the others.
            let known = self.entries.entry(row.id).or_insert_with(|| Known {
                phase: Phase::Intended,
                presumed: false,
                else_in: None,
                may_end: false,
                settling: false,
                over_in_memory: false,
                effects: BTreeSet::new(),
                due_boot_ms: None,
                prolonged_boot_ms: None,
                length_ms: None,
            });
            known.adopt(row, found);
        }
        (self.offsets, self.pruned) = (vec![offset_ms], false);
        wrong
    }
}

impl Known {
    /// When it is due; `None`: never.
    fn due(&self) -> Option<i64> {
        self.due_boot_ms.map(|due| due.max(self.prolonged_boot_ms.unwrap_or(due)))
    }

    /// Whether it is not due yet.
    fn lasts(&self, boot_ms: i64) -> bool {
        self.due().is_none_or(|due| due > boot_ms)
    }

    fn ends(&mut self) {
        self.phase = self.phase.max(Phase::Ending);
        (self.presumed, self.else_in) = (false, None);
    }

    fn check(
        &self,
        row: &Row,
        found: &Found,
        rebooted: Option<i64>,
        offsets: &[i64],
        boot_ms: i64,
        offset_ms: i64,
    ) -> Vec<String> {
        let id = row.id;
        let mut wrong = Vec::new();
        let lost = |what: &str| format!("entry {id} {what} after a start: {self:?}, found {}", row.state);
        match self.phase {
            Phase::Over if !row.closed => wrong.push(lost("was over, and is open")),
            _ if self.may_end || self.settling => {}
            Phase::Intended | Phase::InForce if row.closed => wrong.push(lost("was open, and is over")),
            Phase::InForce if row.state != "in-force" => wrong.push(lost("was in force, and is not")),
            Phase::Intended if row.state == "undoing" => {
                wrong.push(lost("was intended, and is being undone"));
            }
            _ => {}
        }
        if self.phase < Phase::Ending && !self.may_end && !self.settling {
            for key in &self.effects {
                if !found.holds.contains(&(id, key.clone())) {
                    wrong.push(lost(&format!("holds {key} no more")));
                }
            }
        }
        if let (Phase::InForce, Some(due), Some(row_due)) = (self.phase, self.due_boot_ms, row.due_boot) {
            let length = self.length_ms.unwrap_or(0).max(0);
            // However long overdue: it is to be undone now.
            let left = (row_due - boot_ms).max(0);
            let least = match rebooted {
                None => due - boot_ms,
                // By the wall clock, as it was when the last commit saw it.
                Some(_) => {
                    let by_wall = |offset: &i64| (due + offset) - (boot_ms + offset_ms);
                    let left = offsets.iter().map(by_wall).min().unwrap_or(0);
                    // It was clamped by a start that may have got no further.
                    left.clamp(0, length) - boot_ms - TOLERANCE_MS
                }
            };
            if left < least {
                wrong.push(lost(&format!("has {left} ms left, and is to have {least}")));
            }
            if left > length.max(row.length.unwrap_or(0)) + TOLERANCE_MS {
                wrong.push(lost(&format!("has {left} ms left, and was given {length}")));
            }
        }
        wrong
    }

    fn adopt(&mut self, row: &Row, found: &Found) {
        self.phase = match row.state.as_str() {
            "intended" => Phase::Intended,
            "in-force" => Phase::InForce,
            "undoing" => Phase::Ending,
            _ => Phase::Over,
        };
        (self.may_end, self.settling, self.presumed, self.else_in) = (false, false, false, None);
        self.over_in_memory = false;
        (self.due_boot_ms, self.prolonged_boot_ms) = (row.due_boot, None);
        self.length_ms = row.length;
        self.effects =
            found.holds.iter().filter(|(id, _)| *id == row.id).map(|(_, key)| key.clone()).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

    fn found(state: &str) -> Found {
        let row = Row {
            id: 1,
            state: state.to_owned(),
            length: Some(60_000),
            due_boot: None,
            closed: false,
            order: Some(0),
        };
        Found { rows: vec![row], holds: BTreeSet::new() }
    }

    #[test]
    fn who_asks_for_an_undo_may_be_heard_before_who_made_the_entry_is_answered() {
        let mut oracle = Oracle::default();
        oracle.asked(1);
        assert_eq!(oracle.entered(1, 0, MINUTE), [""; 0]);
        assert!(oracle.is_ending(1));
        assert_eq!(oracle.started(&found("undoing"), None, 0, 0), [""; 0]);

        // Nobody asked here.
        let mut oracle = Oracle::default();
        assert_eq!(oracle.entered(1, 0, MINUTE), [""; 0]);
        assert_eq!(oracle.started(&found("undoing"), None, 0, 0).len(), 1);
    }

    #[test]
    fn who_asked_and_was_told_that_there_is_none_has_asked_for_nothing() {
        for answered_first in [true, false] {
            let mut oracle = Oracle::default();
            oracle.asked(1);
            if answered_first {
                oracle.gone(1);
            }
            assert_eq!(oracle.entered(1, 0, MINUTE), [""; 0]);
            oracle.gone(1);
            oracle.claimed(1, "firewall drop 192.0.2.7");
            assert_eq!(oracle.removed("firewall drop 192.0.2.7").len(), 1, "{answered_first}");
        }
    }

    #[test]
    fn a_number_is_told_once() {
        let mut oracle = Oracle::default();
        assert_eq!(oracle.told(1, 0), [""; 0]);
        assert_eq!(oracle.told(2, 1), [""; 0]);
        assert_eq!(oracle.told(1, 2).len(), 1);
    }
}
