//! What has to be known without asking SQLite: which entries are open, under
//! which keys, and who holds which effect until when.
//!
//! A million entries have to fit beside everything else on a small machine, so
//! an entry is 64 bytes here, an effect 32, and both are found through tables
//! of 4-byte slots. Keys and targets are kept as 128-bit fingerprints under
//! secrets that are drawn at each start: whoever chooses the keys, an attacker
//! too, cannot choose two that collide.

mod claimed;
mod later;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use riposte_policy::config::Mode;
use riposte_policy::order::{EntryId, Source};
use slab::Slab;

use crate::entry::{Standing, State, duration};
use crate::error::LedgerError;

pub(crate) use later::Later;

/// A key or a target, as short as it can be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Print([u64; 2]);

/// Until when an entry lasts. The order is that of how long it holds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Term {
    /// So many milliseconds from its first effect on.
    After(i64),
    /// Until this time since the machine was started, in milliseconds.
    At(i64),
    /// For good.
    Never,
}

/// An open entry.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) id: EntryId,
    pub(crate) key: Print,
    pub(crate) term: Term,
    held: Slots,
    command: u32,
    pub(crate) state: State,
    pub(crate) mode: Mode,
}

impl Live {
    /// Whether the same key may not be opened twice. What lasts for good is
    /// not deduplicated: it leaves nothing that would end.
    fn is_unique(&self) -> bool {
        self.term != Term::Never
    }

    /// What is in force is due at its time and not before, and what is for good
    /// never: the number may be that of another entry, which was not kept.
    pub(crate) fn refuse_unless_due(&self, boot_ms: i64) -> Result<(), LedgerError> {
        let id = self.id;
        match (self.state, self.term) {
            (State::InForce, Term::At(due_boot_ms)) if due_boot_ms > boot_ms => {
                Err(LedgerError::NotDue { id, due_boot_ms })
            }
            (from @ State::InForce, Term::Never) => {
                Err(LedgerError::Illegal { id, from, to: State::Undoing })
            }
            _ => Ok(()),
        }
    }

    /// How many effects it holds.
    pub(crate) fn holds(&self) -> u32 {
        match &self.held {
            Slots::None => 0,
            Slots::One(_) => 1,
            Slots::Many(many) => narrow(many.len()),
        }
    }
}

/// The effects that an entry holds; nearly always one.
#[expect(clippy::box_collection, reason = "the box halves what each of a million entries takes")]
#[derive(Clone, Debug)]
enum Slots {
    None,
    One(u32),
    Many(Box<Vec<u32>>),
}

struct Target {
    print: Print,
    holders: Holders,
}

/// The entries that hold an effect; nearly always one. Many are kept by their
/// end, so that neither a claim nor a question takes longer for their number.
#[expect(clippy::box_collection, reason = "the box halves what each of a million targets takes")]
enum Holders {
    One(u32),
    Many(Box<BTreeSet<(Term, u32)>>),
}

/// All open entries.
pub(crate) struct Index {
    secrets: [RandomState; 2],
    lives: Slab<Live>,
    by_id: HashTable<u32>,
    by_key: HashTable<u32>,
    targets: Slab<Target>,
    by_target: HashTable<u32>,
    commands: HashMap<(Arc<str>, Arc<str>), u32>,
    open: Vec<u64>,
    total: u64,
    /// Per file of alerts: the last place from which one was admitted before
    /// the position that was stored. Up to there, alerts are met again.
    replayed: HashMap<i64, u64>,
    later: Later,
    /// What is claimed since the last commit.
    claimed: Vec<(EntryId, Print)>,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            secrets: [RandomState::new(), RandomState::new()],
            lives: Slab::new(),
            by_id: HashTable::new(),
            by_key: HashTable::new(),
            targets: Slab::new(),
            by_target: HashTable::new(),
            commands: HashMap::new(),
            open: Vec::new(),
            total: 0,
            replayed: HashMap::new(),
            later: Later::new(),
            claimed: Vec::new(),
        }
    }

    /// Up to where each file of alerts is read for the second time.
    pub(crate) fn replay(&mut self, files: impl IntoIterator<Item = (i64, u64)>) {
        self.replayed = files.into_iter().collect();
    }

    /// Whether the alert at `source` may have been admitted before.
    pub(crate) fn is_replayed(&self, source: Source) -> bool {
        self.replayed.get(&source.input).is_some_and(|last| source.offset <= *last)
    }

    /// The key of an entry. Shadows have keys of their own: they neither hold
    /// up nor extend what is done.
    pub(crate) fn key(&self, tenant: &str, command: &str, agent: &str, keys: &[String], mode: Mode) -> Print {
        self.print(&(tenant, command, agent, keys, mode))
    }

    /// The key of an entry in Wazuh's way: its text, of whatever command and
    /// agent. The bytes in front, here and below, are in no text, so that no
    /// two ways meet.
    pub(crate) fn wazuh_key(&self, tenant: &str, key: &str, mode: Mode) -> Print {
        self.print(&(0xfe_u8, tenant, key, mode))
    }

    /// The key of an entry whose program has yet to name its keys: like none.
    pub(crate) fn unnamed(&self, id: EntryId) -> Print {
        self.print(&(0xfd_u8, id))
    }

    pub(crate) fn target(&self, interface: &str, target: &str) -> Print {
        self.print(&(interface, target))
    }

    fn print(&self, what: &impl Hash) -> Print {
        Print([self.secrets[0].hash_one(what), self.secrets[1].hash_one(what)])
    }

    pub(crate) fn get(&self, id: EntryId) -> Option<&Live> {
        self.lives.get(self.slot(id)? as usize)
    }

    /// The open entry under `key`, of those that last for a time.
    pub(crate) fn by_key(&self, key: Print) -> Option<&Live> {
        let is = |slot: &u32| self.has(*slot, |live| live.key == key && live.is_unique());
        let slot = self.by_key.find(key.0[0], is)?;
        self.lives.get(*slot as usize)
    }

    /// Whether an entry in force under `key`, other than `except`, holds an
    /// effect for good.
    pub(crate) fn is_held_for_good(&self, key: Print, target: Print, except: EntryId) -> bool {
        let lives = self.by_key.iter_hash(key.0[0]).filter_map(|slot| self.lives.get(*slot as usize));
        let mut others = lives.filter(|live| live.key == key && live.id != except && !live.is_unique());
        others.any(|live| live.state == State::InForce && self.holds(live.id, target))
    }

    /// How many entries are open: of this command, and in all. Shadows do not count.
    pub(crate) fn counts(&self, tenant: &Arc<str>, command: &Arc<str>) -> (u64, u64) {
        let of_command = self
            .commands
            .get(&(Arc::clone(tenant), Arc::clone(command)))
            .and_then(|number| self.open.get(*number as usize));
        (of_command.copied().unwrap_or(0), self.total)
    }

    /// All open entries.
    pub(crate) fn ids(&self) -> Vec<EntryId> {
        self.lives.iter().map(|(_, live)| live.id).collect()
    }

    /// Where this index is not as `read`, which comes from the tables, in
    /// sentences. Keys and targets have other prints there: they are counted.
    pub(crate) fn differences(&self, read: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (_, live) in &self.lives {
            let Some(other) = read.get(live.id) else {
                found.push(format!("entry {} is remembered as {}, and not open", live.id, live.state));
                continue;
            };
            if (live.state, live.term, live.mode) != (other.state, other.term, other.mode) {
                found.push(format!(
                    "entry {} is remembered as {} {:?}, and is {} {:?}",
                    live.id, live.state, live.term, other.state, other.term
                ));
            }
            if live.holds() != other.holds() {
                let (here, there) = (live.holds(), other.holds());
                found.push(format!(
                    "entry {} is remembered to hold {here} effects, and holds {there}",
                    live.id
                ));
            }
        }
        for (_, other) in read.lives.iter().filter(|(_, other)| self.get(other.id).is_none()) {
            found.push(format!("entry {} is {}, and not remembered", other.id, other.state));
        }
        found
    }

    /// Number of open entries, shadows included.
    pub(crate) fn len(&self) -> usize {
        self.lives.len()
    }

    /// Enters an open entry.
    #[expect(clippy::too_many_arguments, reason = "a row of a table")]
    pub(crate) fn insert(
        &mut self,
        id: EntryId,
        tenant: &Arc<str>,
        command: &Arc<str>,
        key: Print,
        term: Term,
        state: State,
        mode: Mode,
    ) {
        let command = self.command(tenant, command);
        if mode == Mode::Enforce {
            self.total += 1;
            if let Some(open) = self.open.get_mut(command as usize) {
                *open += 1;
            }
        }
        let live = Live { id, key, term, held: Slots::None, command, state, mode };
        let slot = narrow(self.lives.insert(live));
        let lives = &self.lives;
        self.by_id.insert_unique(hash_id(id), slot, |slot| of(lives, *slot, |live| hash_id(live.id)));
        self.by_key.insert_unique(key.0[0], slot, |slot| of(lives, *slot, |live| live.key.0[0]));
    }

    /// Forgets an entry that was closed, and what it held.
    pub(crate) fn remove(&mut self, id: EntryId) {
        let Some(slot) = self.slot(id) else { return };
        for target in self.held(slot) {
            self.let_go(slot, target);
        }
        self.unlist_key(slot);
        if let Ok(found) = self.by_id.find_entry(hash_id(id), |other| *other == slot) {
            found.remove();
        }
        if let Some(live) = self.lives.try_remove(slot as usize)
            && live.mode == Mode::Enforce
        {
            self.total = self.total.saturating_sub(1);
            if let Some(open) = self.open.get_mut(live.command as usize) {
                *open = open.saturating_sub(1);
            }
        }
    }

    pub(crate) fn set_state(&mut self, id: EntryId, state: State) {
        if let Some(live) = self.live_mut(id) {
            live.state = state;
        }
    }

    /// Changes the key of an entry, and how long it is to last.
    pub(crate) fn set_key(&mut self, id: EntryId, key: Print, term: Term) {
        let Some(slot) = self.slot(id) else { return };
        self.unlist_key(slot);
        self.set_term(id, term);
        if let Some(live) = self.lives.get_mut(slot as usize) {
            live.key = key;
        }
        let lives = &self.lives;
        self.by_key.insert_unique(key.0[0], slot, |slot| of(lives, *slot, |live| live.key.0[0]));
    }

    /// Changes until when an entry, and with it all it holds, lasts.
    pub(crate) fn set_term(&mut self, id: EntryId, term: Term) {
        let Some(slot) = self.slot(id) else { return };
        let Some(live) = self.lives.get_mut(slot as usize) else { return };
        let before = std::mem::replace(&mut live.term, term);
        for target in self.held(slot) {
            if let Some(Target { holders: Holders::Many(many), .. }) = self.targets.get_mut(target as usize)
                && many.remove(&(before, slot))
            {
                many.insert((term, slot));
            }
        }
    }

    /// Records that an entry holds an effect. Twice is once.
    pub(crate) fn hold(&mut self, id: EntryId, print: Print) {
        let Some(slot) = self.slot(id) else { return };
        let Some(term) = self.lives.get(slot as usize).map(|live| live.term) else { return };
        let target = match self.find_target(print) {
            Some(target) => {
                let Some(found) = self.targets.get_mut(target as usize) else { return };
                match &mut found.holders {
                    Holders::One(holder) if *holder == slot => return,
                    Holders::One(holder) => {
                        let other = *holder;
                        let others = self.lives.get(other as usize).map(|live| live.term);
                        let mut many = BTreeSet::from([(term, slot)]);
                        many.extend(others.map(|term| (term, other)));
                        found.holders = Holders::Many(Box::new(many));
                    }
                    Holders::Many(many) => {
                        if !many.insert((term, slot)) {
                            return;
                        }
                    }
                }
                target
            }
            None => {
                let target = narrow(self.targets.insert(Target { print, holders: Holders::One(slot) }));
                let targets = &self.targets;
                self.by_target.insert_unique(print.0[0], target, |target| {
                    targets.get(*target as usize).map_or(0, |target| target.print.0[0])
                });
                target
            }
        };
        if let Some(live) = self.lives.get_mut(slot as usize) {
            match &mut live.held {
                Slots::None => live.held = Slots::One(target),
                Slots::One(first) => live.held = Slots::Many(Box::new(vec![*first, target])),
                Slots::Many(many) => many.push(target),
            }
        }
    }

    /// Records that an entry no longer holds an effect.
    pub(crate) fn release(&mut self, id: EntryId, print: Print) {
        if let Some(slot) = self.slot(id)
            && let Some(target) = self.find_target(print)
        {
            self.let_go(slot, target);
        }
    }

    /// Whether an entry holds an effect.
    pub(crate) fn holds(&self, id: EntryId, print: Print) -> bool {
        let (Some(slot), Some(target)) = (self.slot(id), self.find_target(print)) else { return false };
        let Some(live) = self.lives.get(slot as usize) else { return false };
        match &live.held {
            Slots::None => false,
            Slots::One(held) => *held == target,
            Slots::Many(held) => held.contains(&target),
        }
    }

    /// Who holds an effect, longest last.
    pub(crate) fn holders(&self, print: Print) -> impl DoubleEndedIterator<Item = &Live> {
        let (one, many) = match self.find_target(print).and_then(|target| self.targets.get(target as usize)) {
            Some(Target { holders: Holders::One(slot), .. }) => (Some(*slot), None),
            Some(Target { holders: Holders::Many(many), .. }) => (None, Some(many)),
            None => (None, None),
        };
        let many = many.into_iter().flat_map(|many| many.iter().map(|(_, slot)| *slot));
        one.into_iter().chain(many).filter_map(|slot| self.lives.get(slot as usize))
    }

    /// How long an effect is to stay, over all who hold it but `except`.
    pub(crate) fn standing(&self, print: Print, except: Option<EntryId>, boot_ms: i64) -> Standing {
        match self.holders(print).rfind(|live| Some(live.id) != except).map(|live| live.term) {
            None => Standing::Free,
            Some(Term::Never) => Standing::Permanent,
            Some(Term::At(due)) => Standing::For(duration(due.saturating_sub(boot_ms))),
            Some(Term::After(length)) => Standing::For(duration(length)),
        }
    }

    fn let_go(&mut self, slot: u32, target: u32) {
        if let Some(live) = self.lives.get_mut(slot as usize) {
            match &mut live.held {
                Slots::One(held) if *held == target => live.held = Slots::None,
                Slots::Many(held) => {
                    held.retain(|held| *held != target);
                    if held.is_empty() {
                        live.held = Slots::None;
                    }
                }
                Slots::None | Slots::One(_) => {}
            }
        }
        let Some(term) = self.lives.get(slot as usize).map(|live| live.term) else { return };
        let Some(found) = self.targets.get_mut(target as usize) else { return };
        let free = match &mut found.holders {
            Holders::One(holder) => *holder == slot,
            Holders::Many(many) => {
                many.remove(&(term, slot));
                if let (1, Some((_, last))) = (many.len(), many.first()) {
                    found.holders = Holders::One(*last);
                }
                false
            }
        };
        if free {
            let hash = found.print.0[0];
            if let Ok(found) = self.by_target.find_entry(hash, |other| *other == target) {
                found.remove();
            }
            self.targets.try_remove(target as usize);
        }
    }

    fn unlist_key(&mut self, slot: u32) {
        if let Some(key) = self.lives.get(slot as usize).map(|live| live.key)
            && let Ok(found) = self.by_key.find_entry(key.0[0], |other| *other == slot)
        {
            found.remove();
        }
    }

    fn held(&self, slot: u32) -> Vec<u32> {
        match self.lives.get(slot as usize).map(|live| &live.held) {
            Some(Slots::One(held)) => vec![*held],
            Some(Slots::Many(held)) => held.to_vec(),
            Some(Slots::None) | None => Vec::new(),
        }
    }

    fn command(&mut self, tenant: &Arc<str>, command: &Arc<str>) -> u32 {
        let next = narrow(self.open.len());
        *self.commands.entry((Arc::clone(tenant), Arc::clone(command))).or_insert_with(|| {
            self.open.push(0);
            next
        })
    }

    fn slot(&self, id: EntryId) -> Option<u32> {
        self.by_id.find(hash_id(id), |slot| self.has(*slot, |live| live.id == id)).copied()
    }

    fn find_target(&self, print: Print) -> Option<u32> {
        let is = |slot: &u32| self.targets.get(*slot as usize).is_some_and(|target| target.print == print);
        self.by_target.find(print.0[0], is).copied()
    }

    fn live_mut(&mut self, id: EntryId) -> Option<&mut Live> {
        let slot = self.slot(id)?;
        self.lives.get_mut(slot as usize)
    }

    fn has(&self, slot: u32, test: impl FnOnce(&Live) -> bool) -> bool {
        self.lives.get(slot as usize).is_some_and(test)
    }
}

fn of(lives: &Slab<Live>, slot: u32, hash: impl FnOnce(&Live) -> u64) -> u64 {
    lives.get(slot as usize).map_or(0, hash)
}

/// Numbers are given in turn by the ledger itself: mixing them is enough.
#[expect(clippy::cast_sign_loss, reason = "only the bits matter")]
fn hash_id(id: EntryId) -> u64 {
    (id.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

/// Slots are four bytes. The limit on open entries is far below that; past
/// it, the ledger refuses rather than wraps.
fn narrow(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}
