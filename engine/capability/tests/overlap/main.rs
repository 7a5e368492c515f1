//! Who blocks what until when, with the real ledger and the real calls over a
//! host that is only remembered, against a list that is searched.
//!
//! Entries of several tenants, commands, agents and ways act on targets that
//! they share or that overlap. They come into force, are extended, end, fail,
//! are undone by hand, in whatever order; clocks are set, and the engine ends
//! and comes back. After each step the host shows an effect exactly when
//! somebody holds it, until the last of them lets go, and at the end it is as
//! it was before.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed unwrap is a failed test")]

mod host;
mod model;

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use riposte_capability::{Capabilities, Effect, Phase, Recorder, Refusal, Session};
use riposte_ledger::entry::Kind;
use riposte_ledger::{Admitted, Cause, LedgerError, NewEntry, Settled, Wait};
use riposte_policy::config::{Mode, Way};
use riposte_policy::order::{Actor, EntryId};

use crate::host::Host;
use crate::model::{Held, Key, Model, Modelled, Place};

/// One step.
#[derive(Clone, Debug)]
enum Deed {
    Alert {
        who: u8,
        on: u8,
        minutes: Option<u8>,
        way: Way,
        mode: Mode,
        targets: Vec<u8>,
    },
    /// The next effect of one that is under way; the host refuses it.
    Act(usize, bool),
    Added(usize),
    /// It failed, or somebody wants it undone.
    Undo(usize, bool),
    /// What is due begins to be undone.
    Due,
    /// One effect of one that is being undone is taken back; the host refuses.
    Reverse(usize, bool),
    Undone(usize),
    Pass(u8),
    Set(i32),
    /// The engine ends and comes back; the machine too.
    Again(bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    let targets = prop::collection::vec(0..4_u8, 1..3);
    let way = prop_oneof![3 => Just(Way::Riposte), 1 => Just(Way::Wazuh)];
    let mode = prop_oneof![6 => Just(Mode::Enforce), 1 => Just(Mode::Shadow)];
    let minutes = prop::option::weighted(0.85, 1..40_u8);
    let refused = || prop::bool::weighted(0.15);
    prop_oneof![
        8 => (0..8_u8, 0..2_u8, minutes, way, mode, targets).prop_map(
            |(who, on, minutes, way, mode, targets)| Deed::Alert { who, on, minutes, way, mode, targets }
        ),
        8 => (any::<usize>(), refused()).prop_map(|(nth, refused)| Deed::Act(nth, refused)),
        5 => any::<usize>().prop_map(Deed::Added),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(nth, failed)| Deed::Undo(nth, failed)),
        3 => Just(Deed::Due),
        6 => (any::<usize>(), refused()).prop_map(|(nth, refused)| Deed::Reverse(nth, refused)),
        4 => any::<usize>().prop_map(Deed::Undone),
        4 => (0..30_u8).prop_map(Deed::Pass),
        1 => any::<i32>().prop_map(Deed::Set),
        2 => prop::bool::weighted(0.3).prop_map(Deed::Again),
    ]
}

/// The addresses that responses are asked to block; the line of the first is in
/// the file before any response writes it.
const ADDRESSES: [&str; 2] = ["192.0.2.7", "192.0.2.8"];

fn place(asked: u8, wide: bool) -> Place {
    match (asked, wide) {
        (0 | 1, true) => Place::Blocked("192.0.2.0/24"),
        (0 | 1, false) => Place::Blocked(ADDRESSES[usize::from(asked)]),
        _ => Place::Line(usize::from(asked) - 2),
    }
}

/// An alert for one of eight: two tenants, commands and agents.
fn order(who: u8, on: u8, minutes: Option<u8>, way: Way, mode: Mode) -> (NewEntry, Key) {
    let (tenant, command, agent) = (who & 1, who >> 1 & 1, who >> 2 & 1);
    let minutes = minutes.map(|minutes| u64::from(minutes) * 60);
    let new = NewEntry {
        tenant: tenant.to_string().into(),
        command: command.to_string().into(),
        response: None,
        location: "local",
        agent: agent.to_string().into(),
        keys: vec![on.to_string()],
        kind: Kind::Reversible,
        timeout: minutes.map(Duration::from_secs),
        offenders: [].into(),
        alert: "{}".into(),
        alert_id: "1".into(),
        rule_id: "1".into(),
        definition: "".into(),
        digest: None,
        mode,
        actor: Actor::Alert,
        reason: None,
        source: None,
        message: None,
        program: "program".into(),
        key: way,
        offences: Way::Riposte,
    };
    let key = match way {
        Way::Riposte => Key { tenant, command: Some((command, agent)), on, mode },
        Way::Wazuh => Key { tenant, command: None, on, mode },
    };
    (new, key)
}

fn session(id: EntryId, entry: &Modelled) -> Session {
    Session {
        offence: entry.offence,
        command: "test".into(),
        tenant: "default".into(),
        entry: (entry.key.mode == Mode::Enforce).then_some(id),
        phase: Phase::Effects,
        mode: entry.key.mode,
        grants: host::grants(),
        record: Recorder::default(),
    }
}

async fn act(caps: &Capabilities, session: &Session, asked: u8) -> Result<bool, Refusal> {
    match asked {
        0 | 1 => caps.firewall().block(session, ADDRESSES[usize::from(asked)]).await,
        _ => caps.lines().ensure(session, host::FILE, host::LINES[usize::from(asked) - 2]).await,
    }
}

/// What is run, and what it is compared with.
struct Run {
    host: Host,
    model: Model,
}

impl Run {
    async fn alert(&mut self, (new, key): (NewEntry, Key), targets: Vec<u8>) -> Result<(), TestCaseError> {
        let (now, length) =
            (self.host.now(), new.timeout.map(|span| i64::try_from(span.as_millis()).unwrap()));
        let way = new.key;
        let admitted = self.host.ledger().admit(new, Wait::Durable).await.unwrap();
        let known = self.model.same(&key, length);
        match (admitted, known) {
            (Admitted::New { id, offence, .. }, None) => {
                let (due, length) = match way {
                    Way::Wazuh => (length.map(|length| now + length + 1_000), length),
                    Way::Riposte => (None, length),
                };
                let entry = Modelled::new(key, length, due, offence, targets);
                self.model.entries.insert(id, entry);
            }
            (Admitted::Undoing { id }, Some(same)) => {
                prop_assert!(id == same && self.model.entries[&id].held == Held::Undoing);
            }
            (Admitted::UnderWay { id, extended }, Some(same)) => {
                prop_assert!(id == same && self.model.entries[&id].held == Held::UnderWay);
                let moved = self.model.extend(id, way, now, length.unwrap());
                prop_assert_eq!(extended, moved);
                self.follow(id, extended).await;
            }
            (Admitted::InForce { id, due, extended }, Some(same)) => {
                prop_assert!(id == same && self.model.entries[&id].held == Held::InForce);
                let moved = self.model.extend(id, way, now, length.unwrap());
                prop_assert_eq!((extended, Some(due.boot_ms)), (moved, self.model.entries[&id].due));
                self.follow(id, extended).await;
            }
            (admitted, known) => return Err(TestCaseError::fail(format!("{admitted:?} but {known:?}"))),
        }
        Ok(())
    }

    /// What the engine does when a due time has moved.
    async fn follow(&mut self, id: EntryId, extended: bool) {
        if extended {
            let effects = self.host.ledger().effects(id).await.unwrap();
            let known = |row: &riposte_ledger::entry::EffectRow| {
                Capabilities::recorded(&row.interface, &row.target).unwrap()
            };
            let effects: Vec<Effect> = effects.iter().map(known).collect();
            self.host.caps.settle(&effects).await.unwrap();
        }
    }

    async fn act(&mut self, id: EntryId, refused: bool) -> Result<(), TestCaseError> {
        let now = self.host.now();
        let entry = &self.model.entries[&id];
        let Some(asked) = entry.planned.first().copied() else { return Ok(()) };
        let session = session(id, entry);
        let place = place(asked, entry.offence >= host::WIDEN);
        let shadow = entry.key.mode == Mode::Shadow;
        self.host.refuse(refused);
        let made = act(&self.host.caps, &session, asked).await;
        self.host.refuse(false);
        if shadow {
            prop_assert!(made.is_ok() || refused);
            self.model.entries.get_mut(&id).unwrap().planned.remove(0);
            return Ok(());
        }
        prop_assert_eq!(made.is_err(), refused, "{:?}", made);
        // A block is claimed before the host is asked; a line that nobody holds
        // has to be read first.
        let blocks = matches!(place, Place::Blocked(_));
        if !refused || blocks || self.model.until(&place).is_some() {
            self.model.claim(id, &place, now);
        }
        if refused {
            if blocks {
                self.model.unsettled(place);
            }
            self.undo(id, Cause::Failed).await?;
        } else {
            self.model.settled(&place);
            self.model.entries.get_mut(&id).unwrap().planned.remove(0);
        }
        Ok(())
    }

    async fn added(&mut self, id: EntryId) -> Result<(), TestCaseError> {
        let now = self.host.now();
        let settled = self.host.ledger().added(id, None).await.unwrap();
        let entry = self.model.entries.get_mut(&id).unwrap();
        entry.held = Held::InForce;
        let shadow = entry.key.mode == Mode::Shadow;
        if let (Some(length), None) = (entry.length, entry.due) {
            entry.due = Some(now + length);
        }
        match settled {
            Settled::InForce { due } => prop_assert_eq!(Some(due.boot_ms), entry.due),
            Settled::Permanent => prop_assert!(entry.length.is_none() && !entry.holds.is_empty()),
            Settled::Done => {
                prop_assert!(shadow || entry.length.is_none() && entry.holds.is_empty());
                self.model.entries.remove(&id);
            }
        }
        Ok(())
    }

    async fn undo(&mut self, id: EntryId, cause: Cause) -> Result<(), TestCaseError> {
        let due = cause == Cause::Due;
        let entry = self.model.entries.get_mut(&id).unwrap();
        match self.host.ledger().begin_undo(id, cause).await {
            Ok(_) => entry.held = Held::Undoing,
            Err(LedgerError::NotDue { due_boot_ms, .. }) => {
                prop_assert!(due && entry.due == Some(due_boot_ms) && due_boot_ms > self.host.now());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
        // What is being undone makes nothing any more.
        if self.model.entries[&id].held == Held::Undoing {
            let late = session(id, &self.model.entries[&id]);
            let made = act(&self.host.caps, &late, 0).await;
            prop_assert!(made.is_err() || late.mode == Mode::Shadow);
        }
        Ok(())
    }

    async fn reverse(&mut self, id: EntryId, refused: bool) -> Result<(), TestCaseError> {
        let Some(place) = self.model.entries[&id].holds.first().copied() else { return Ok(()) };
        if let (Place::Blocked(_), false, 0) = (place, refused, id.0 % 2) {
            return self.unblock(id).await;
        }
        self.host.refuse(refused);
        let reversed = self.host.caps.reverse(id, &place.effect()).await;
        self.host.refuse(false);
        if refused {
            // Where somebody else holds the line, nothing has to be restored.
            let alone = self.model.holders(&place).count() == 1;
            prop_assert!(reversed.is_err() || (matches!(place, Place::Line(_)) && !alone));
            if let Err(refusal) = reversed {
                let failures = self.host.ledger().undo_failed(id, &refusal.message).await.unwrap();
                prop_assert_eq!(failures, self.model.failed(id));
                // The claim on a line goes when its text is back, that on a block first.
                if let Place::Blocked(_) = place {
                    self.model.release(id, &place);
                    self.model.unsettled(place);
                }
                return Ok(());
            }
        } else {
            prop_assert!(reversed.is_ok(), "{:?}", reversed);
            self.model.settled(&place);
        }
        self.model.release(id, &place);
        Ok(())
    }

    /// As its component takes it back: each address that it was asked to block.
    async fn unblock(&mut self, id: EntryId) -> Result<(), TestCaseError> {
        let session = session(id, &self.model.entries[&id]);
        for address in ADDRESSES {
            let done = self.host.caps.firewall().unblock(&session, address).await;
            prop_assert!(done.is_ok(), "{:?}", done);
        }
        for place in Place::ALL.iter().filter(|place| matches!(place, Place::Blocked(_))) {
            self.model.release(id, place);
            self.model.settled(place);
        }
        Ok(())
    }

    /// As the engine ends an undo: every effect that was recorded is reversed
    /// once more, then the entry is over.
    async fn undone(&mut self, id: EntryId) -> Result<(), TestCaseError> {
        if !self.model.entries[&id].holds.is_empty() {
            let early = self.host.ledger().undone(id).await;
            let refused = matches!(early, Err(LedgerError::StillHeld { .. }));
            prop_assert!(refused, "{:?}", early);
            return Ok(());
        }
        for row in self.host.ledger().effects(id).await.unwrap() {
            let effect = Capabilities::recorded(&row.interface, &row.target).unwrap();
            self.host.caps.reverse(id, &effect).await.unwrap();
            self.model.settled(&Place::of(&effect));
        }
        self.host.ledger().undone(id).await.unwrap();
        self.model.entries.remove(&id);
        Ok(())
    }

    async fn again(&mut self, reboot: bool) {
        let before = self.host.now();
        self.host.restart(reboot);
        if reboot {
            self.model.rebooted(before, self.host.now());
        }
        self.host.repair().await;
        self.model.unsettled.retain(|place| matches!(place, Place::Line(_)));
    }

    async fn step(&mut self, deed: Deed) -> Result<(), TestCaseError> {
        match deed {
            Deed::Alert { who, on, minutes, way, mode, targets } => {
                self.alert(order(who, on, minutes, way, mode), targets).await?;
            }
            Deed::Act(nth, refused) => {
                if let Some(id) = self.model.nth(nth, Held::UnderWay) {
                    self.act(id, refused).await?;
                }
            }
            Deed::Added(nth) => {
                if let Some(id) = self.model.nth(nth, Held::UnderWay) {
                    self.added(id).await?;
                }
            }
            Deed::Undo(nth, failed) => {
                let of = if failed { Held::UnderWay } else { Held::InForce };
                let asked = Cause::Asked { actor: Actor::User(0), reason: None };
                if let Some(id) = self.model.nth(nth, of) {
                    self.undo(id, if failed { Cause::Failed } else { asked }).await?;
                }
            }
            Deed::Due => {
                for id in self.model.all(Held::InForce) {
                    if self.model.entries[&id].length.is_some() {
                        self.undo(id, Cause::Due).await?;
                    }
                }
            }
            Deed::Reverse(nth, refused) => {
                if let Some(id) = self.model.nth(nth, Held::Undoing) {
                    self.reverse(id, refused).await?;
                }
            }
            Deed::Undone(nth) => {
                if let Some(id) = self.model.nth(nth, Held::Undoing) {
                    self.undone(id).await?;
                }
            }
            Deed::Pass(minutes) => self.host.clock.advance(Duration::from_secs(60) * u32::from(minutes)),
            // Less is no step, but drift.
            Deed::Set(-2..=2) => {}
            Deed::Set(seconds) => self.host.clock.step_wall(i64::from(seconds) * 1_000),
            Deed::Again(reboot) => self.again(reboot).await,
        }
        self.compare()
    }

    /// The host shows what the model says, and for as long.
    fn compare(&self) -> Result<(), TestCaseError> {
        let now = self.host.now();
        prop_assert_eq!(self.host.ledger().open_entries(), self.model.entries.len());
        for place in Place::ALL.iter().filter(|place| !self.model.unsettled.contains(place)) {
            let until = self.model.until(place);
            match place {
                Place::Line(nth) => {
                    let shown = self.host.shows_line(*nth);
                    prop_assert_eq!(shown, until.is_some() || host::WAS_THERE[*nth], "{:?}", place);
                }
                Place::Blocked(prefix) => match (self.host.shows(prefix), until) {
                    (None, None) => {}
                    (Some(shown), Some(until)) if shown == until.map(|due| due + host::GRACE_MS) => {}
                    // The kernel gave up on what is overdue, or was told of it when it was.
                    (_, Some(Some(due))) if due <= now => {}
                    (shown, until) => {
                        return Err(TestCaseError::fail(format!(
                            "{prefix} shows {shown:?}, claimed until {until:?}"
                        )));
                    }
                },
            }
        }
        Ok(())
    }

    /// Everything is undone: the host is as it was.
    async fn end(&mut self) -> Result<(), TestCaseError> {
        let all: Vec<EntryId> = self.model.entries.keys().copied().collect();
        for id in all {
            if self.model.entries[&id].held != Held::Undoing {
                self.undo(id, Cause::Recovery).await?;
            }
            while !self.model.entries[&id].holds.is_empty() {
                self.reverse(id, false).await?;
            }
            self.undone(id).await?;
        }
        self.compare()?;
        prop_assert!(self.model.unsettled.is_empty(), "{:?}", self.model.unsettled);
        prop_assert!(Place::ALL.iter().all(|place| self.model.until(place).is_none()));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn an_effect_ends_with_the_last_who_holds_it(deeds in prop::collection::vec(deed(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut run = Run { host: Host::new(), model: Model::default() };
            for deed in deeds {
                run.step(deed).await?;
            }
            run.end().await
        })?;
    }
}
