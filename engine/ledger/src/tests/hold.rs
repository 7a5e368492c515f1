//! Who holds what, and for how long.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use riposte_policy::order::EntryId;

use super::{MINUTE, Machine, ban, block, enter, in_force, state};
use crate::entry::{EffectRow, Held};
use crate::{Admitted, Cause, Ledger, NewEntry, Settled, Standing, State, Wait};

fn by(command: &str, address: &str, timeout: Option<Duration>) -> NewEntry {
    NewEntry { command: command.into(), response: None, timeout, ..block(address) }
}

#[tokio::test]
async fn an_effect_stays_until_the_last_holder_lets_go() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let short = in_force(&ledger, by("a", "192.0.2.7", Some(MINUTE))).await;
    let long = enter(&ledger, by("b", "192.0.2.7", Some(5 * MINUTE))).await;
    assert_eq!(ledger.claim(long, "firewall", "192.0.2.7", None).await, Ok(Standing::For(MINUTE)), "before");
    let _ = ledger.added(long, None).await.unwrap();
    assert_eq!(ledger.standing("firewall", "192.0.2.7"), Standing::For(5 * MINUTE));
    assert_eq!(ledger.standing("routes", "192.0.2.7"), Standing::Free, "another interface");
    let _ = ledger.begin_undo(long, Cause::Recovery).await.unwrap();
    assert_eq!(ledger.release(long, "firewall", "192.0.2.7").await, Ok(Standing::For(MINUTE)));
    assert_eq!(
        ledger.release(long, "firewall", "192.0.2.7").await,
        Ok(Standing::For(MINUTE)),
        "twice is once"
    );
    machine.clock.advance(2 * MINUTE);
    assert_eq!(ledger.standing("firewall", "192.0.2.7"), Standing::For(Duration::ZERO), "overdue, not gone");
    assert_eq!(ledger.release(short, "firewall", "192.0.2.7").await, Ok(Standing::Free));
}

#[tokio::test]
async fn the_first_claim_sets_the_due_time() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, block("192.0.2.7")).await;
    machine.clock.advance(MINUTE);
    let _ = ledger.claim(id, "firewall", "x", None).await.unwrap();
    let due_boot_ms = machine.boot_ms() + 600_000;
    machine.clock.advance(MINUTE);
    let _ = ledger.claim(id, "firewall", "y", None).await.unwrap();
    assert_eq!(ledger.standing("firewall", "y"), Standing::For(9 * MINUTE), "the entry's, not the claim's");
    let Ok(Settled::InForce { due }) = ledger.added(id, None).await else { panic!() };
    assert_eq!(due.boot_ms, due_boot_ms);
}

#[tokio::test]
async fn a_claim_begun_again_after_a_crash_is_new_and_keeps_what_was_there_first() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, block("192.0.2.7")).await;
    let _ = ledger.claim(id, "accounts", "lock eve", Some("open")).await.unwrap();
    drop(ledger);
    let ledger = machine.ledger();
    assert_eq!(ledger.attempt(id).await, Ok(2));
    // What it finds now may be its own work: it neither counts as another's
    // claim nor as the state to restore.
    assert_eq!(ledger.claim(id, "accounts", "lock eve", Some("locked")).await, Ok(Standing::Free));
    assert_eq!(ledger.prior(id, "accounts", "lock eve").await, Ok(Some("open".into())));
}

#[tokio::test]
async fn a_claim_after_a_release_keeps_what_is_there_then() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, block("192.0.2.7")).await;
    let _ = ledger.claim(id, "accounts", "lock eve", Some("open")).await.unwrap();
    assert_eq!(ledger.others(id, "accounts", "lock eve"), Standing::Free);
    assert_eq!(ledger.release(id, "accounts", "lock eve").await, Ok(Standing::Free));
    let _ = ledger.claim(id, "accounts", "lock eve", Some("expired")).await.unwrap();
    assert_eq!(ledger.prior(id, "accounts", "lock eve").await, Ok(Some("expired".into())));
    assert_eq!(ledger.release(id, "accounts", "lock eve").await, Ok(Standing::Free));
    let _ = ledger.claim(id, "accounts", "lock eve", None).await.unwrap();
    assert_eq!(ledger.prior(id, "accounts", "lock eve").await, Ok(Some("expired".into())));
}

#[tokio::test]
async fn the_state_to_restore_is_that_before_the_first_of_all_claims() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let mut ids = Vec::new();
    for (command, prior) in [("a", "open"), ("b", "locked"), ("c", "locked")] {
        let id = enter(&ledger, by(command, "eve", Some(MINUTE))).await;
        let _ = ledger.claim(id, "accounts", "lock eve", Some(prior)).await.unwrap();
        ids.push(id);
    }
    for id in &ids {
        assert_eq!(ledger.prior(*id, "accounts", "lock eve").await, Ok(Some("open".into())));
    }
    for id in &ids[..2] {
        let _ = ledger.release(*id, "accounts", "lock eve").await.unwrap();
    }
    let held = ledger.held("accounts").await.unwrap();
    let expected =
        Held { target: "lock eve".into(), prior: Some("open".into()), standing: Standing::For(MINUTE) };
    assert_eq!(held, [expected]);
    let _ = ledger.release(ids[2], "accounts", "lock eve").await.unwrap();
    assert!(ledger.held("accounts").await.unwrap().is_empty());
    let id = enter(&ledger, by("d", "eve", Some(MINUTE))).await;
    let _ = ledger.claim(id, "accounts", "lock eve", Some("expired")).await.unwrap();
    assert_eq!(ledger.prior(id, "accounts", "lock eve").await, Ok(Some("expired".into())), "nobody held it");
}

#[tokio::test]
async fn a_claim_tells_what_was_there_before_whoever_found_it() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let first = enter(&ledger, by("a", "eve", Some(MINUTE))).await;
    let _ = ledger.claim(first, "accounts", "lock eve", Some("open")).await.unwrap();
    drop(ledger);
    // The next process finds it made: nobody reads what was there before.
    let ledger = machine.ledger();
    let second = enter(&ledger, by("b", "eve", Some(MINUTE))).await;
    for id in [second, first] {
        let claimed = ledger.claim_telling(id, "accounts", "lock eve", None).await.unwrap();
        assert_eq!(claimed.prior.as_deref(), Some("open"), "{id}");
    }
}

#[tokio::test]
async fn the_same_ban_again_holds_nothing_of_its_own() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let first = in_force(&ledger, ban("192.0.2.7")).await;
    let again = enter(&ledger, ban("192.0.2.7")).await;
    assert_eq!(ledger.claim(again, "firewall", "192.0.2.7", None).await, Ok(Standing::Permanent));
    assert_eq!(ledger.added(again, None).await, Ok(Settled::Done));
    assert!(ledger.effects(again).await.unwrap().is_empty());
    let other = enter(&ledger, by("route-null", "192.0.2.7", None)).await;
    assert_eq!(ledger.claim(other, "firewall", "192.0.2.7", None).await, Ok(Standing::Permanent));
    assert_eq!(ledger.added(other, None).await, Ok(Settled::Permanent), "another command's holds for itself");
    let _ = ledger.begin_undo(first, Cause::Recovery).await.unwrap();
    assert_eq!(ledger.release(first, "firewall", "192.0.2.7").await, Ok(Standing::Permanent));
}

#[tokio::test]
async fn a_ban_that_is_not_yet_in_force_does_not_stand_for_another() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let (first, second) = (enter(&ledger, ban("192.0.2.7")).await, enter(&ledger, ban("192.0.2.7")).await);
    let _ = ledger.claim(first, "firewall", "x", None).await.unwrap();
    let _ = ledger.claim(second, "firewall", "x", None).await.unwrap();
    let _ = ledger.added(second, None).await.unwrap();
    let _ = ledger.begin_undo(first, Cause::Failed).await.unwrap();
    let _ = ledger.release(first, "firewall", "x").await.unwrap();
    ledger.undone(first).await.unwrap();
    assert_eq!(ledger.standing("firewall", "x"), Standing::Permanent);
    assert_eq!(state(&ledger, second).await, State::InForce);
}

#[tokio::test]
async fn effects_are_listed_in_the_order_they_were_made() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, block("192.0.2.7")).await;
    for target in ["z", "a", "m"] {
        let _ = ledger.claim(id, "lines", target, None).await.unwrap();
    }
    let _ = ledger.release(id, "lines", "a").await.unwrap();
    let row = |target: &str, released| EffectRow {
        interface: "lines".into(),
        target: target.into(),
        prior: None,
        released,
    };
    assert_eq!(ledger.effects(id).await.unwrap(), [row("z", false), row("a", true), row("m", false)]);
    let _ = ledger.claim(id, "lines", "a", None).await.unwrap();
    assert_eq!(ledger.standing("lines", "a"), Standing::For(10 * MINUTE), "taken up again");
}

#[derive(Clone, Debug)]
enum Deed {
    /// Enter by this command, for so many minutes or for good, claim these.
    Make(u8, u8, Option<u16>, Vec<u8>),
    /// Make in force.
    Add(usize),
    Release(usize, u8),
    /// Undo wholly.
    Undo(usize),
    Pass(u16),
    Reopen,
}

fn deed() -> impl Strategy<Value = Deed> {
    let lasts = prop::option::weighted(0.8, 1..60_u16);
    let targets = prop::collection::vec(0..4_u8, 0..4);
    prop_oneof![
        6 => (0..3_u8, 0..3_u8, lasts, targets).prop_map(|(c, k, l, t)| Deed::Make(c, k, l, t)),
        4 => any::<usize>().prop_map(Deed::Add),
        2 => (any::<usize>(), 0..4_u8).prop_map(|(n, t)| Deed::Release(n, t)),
        3 => any::<usize>().prop_map(Deed::Undo),
        2 => (0..30_u16).prop_map(Deed::Pass),
        1 => Just(Deed::Reopen),
    ]
}

/// An entry as the model has it.
#[derive(Clone, Debug)]
struct Modelled {
    who: (u8, u8),
    length: Option<i64>,
    /// When it ends; `None` before it holds anything, and for good.
    due: Option<i64>,
    state: State,
    held: Vec<u8>,
}

/// The model: every entry in a list, every answer by looking at all of them.
#[derive(Default)]
struct Model {
    entries: BTreeMap<EntryId, Modelled>,
}

impl Model {
    fn standing(&self, target: u8, except: Option<EntryId>, now: i64) -> Standing {
        let holders =
            || self.entries.iter().filter(|(id, entry)| Some(**id) != except && entry.held.contains(&target));
        if holders().any(|(_, entry)| entry.length.is_none()) {
            return Standing::Permanent;
        }
        match holders().filter_map(|(_, entry)| entry.due).max() {
            Some(due) => Standing::For(Duration::from_millis(u64::try_from(due - now).unwrap_or(0))),
            None => Standing::Free,
        }
    }

    fn nth(&self, nth: usize, state: State) -> Option<EntryId> {
        let of: Vec<EntryId> =
            self.entries.iter().filter(|(_, entry)| entry.state == state).map(|(id, _)| *id).collect();
        of.get(nth.checked_rem(of.len())?).copied()
    }
}

async fn make(
    ledger: &Ledger,
    model: &mut Model,
    now: i64,
    who: (u8, u8),
    minutes: Option<u16>,
    targets: &[u8],
) -> Result<(), TestCaseError> {
    let timeout = minutes.map(|minutes| u32::from(minutes) * MINUTE);
    let length = minutes.map(|minutes| i64::from(minutes) * 60_000);
    let new = by(&who.0.to_string(), &who.1.to_string(), timeout);
    let known = model.entries.iter_mut().find(|(_, entry)| {
        length.is_some() && entry.who == who && entry.length.is_some() && entry.state.is_open()
    });
    let id = match (ledger.admit(new, Wait::Durable).await.unwrap(), known) {
        (Admitted::New { id, .. }, None) => id,
        (Admitted::UnderWay { id, extended }, Some((same, entry))) => {
            let before = (entry.due, entry.length);
            match entry.due {
                Some(_) => entry.due = entry.due.max(length.map(|length| now + length)),
                None => entry.length = entry.length.max(length),
            }
            let longer = before != (entry.due, entry.length);
            prop_assert_eq!((id, entry.state, extended), (*same, State::Intended, longer));
            return Ok(());
        }
        (Admitted::InForce { id, due, extended }, Some((same, entry))) => {
            let later = entry.due.max(length.map(|length| now + length));
            prop_assert_eq!((id, entry.state, extended), (*same, State::InForce, later != entry.due));
            prop_assert_eq!(Some(due.boot_ms), later);
            entry.due = later;
            return Ok(());
        }
        (admitted, known) => return Err(TestCaseError::fail(format!("{admitted:?} but {known:?}"))),
    };
    model.entries.insert(id, Modelled { who, length, due: None, state: State::Intended, held: Vec::new() });
    for target in targets {
        let standing = ledger.claim(id, "i", &target.to_string(), None).await.unwrap();
        prop_assert_eq!(standing, model.standing(*target, Some(id), now));
        let banned = length.is_none()
            && model.entries.iter().any(|(other, entry)| {
                *other != id
                    && entry.who == who
                    && entry.length.is_none()
                    && entry.state == State::InForce
                    && entry.held.contains(target)
            });
        let entry = model.entries.get_mut(&id).unwrap();
        if !banned && !entry.held.contains(target) {
            entry.held.push(*target);
        }
        if !banned {
            entry.due = entry.due.or(length.map(|length| now + length));
        }
    }
    Ok(())
}

async fn add(ledger: &Ledger, model: &mut Model, now: i64, id: EntryId) -> Result<(), TestCaseError> {
    let entry = model.entries.get_mut(&id).unwrap();
    entry.due = entry.due.or(entry.length.map(|length| now + length));
    entry.state = State::InForce;
    match ledger.added(id, None).await.unwrap() {
        Settled::InForce { due } => prop_assert_eq!(Some(due.boot_ms), entry.due),
        Settled::Permanent => prop_assert!(entry.length.is_none() && !entry.held.is_empty()),
        Settled::Done => {
            prop_assert!(entry.length.is_none() && entry.held.is_empty());
            model.entries.remove(&id);
        }
    }
    Ok(())
}

async fn run(deeds: Vec<Deed>) -> Result<(), TestCaseError> {
    let machine = Machine::new();
    let mut ledger = machine.ledger();
    let mut model = Model::default();
    for deed in deeds {
        let now = machine.boot_ms();
        match deed {
            Deed::Make(command, key, minutes, targets) => {
                make(&ledger, &mut model, now, (command, key), minutes, &targets).await?;
            }
            Deed::Add(nth) => {
                if let Some(id) = model.nth(nth, State::Intended) {
                    add(&ledger, &mut model, now, id).await?;
                }
            }
            Deed::Release(nth, target) => {
                if let Some(id) = model.nth(nth, State::InForce) {
                    let standing = ledger.release(id, "i", &target.to_string()).await.unwrap();
                    model.entries.get_mut(&id).unwrap().held.retain(|held| *held != target);
                    prop_assert_eq!(standing, model.standing(target, None, now));
                }
            }
            Deed::Undo(nth) => {
                if let Some(id) = model.nth(nth, State::InForce) {
                    let undo = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
                    let mut held: Vec<u8> = Vec::new();
                    for effect in undo.effects.iter().filter(|effect| !effect.released) {
                        held.push(effect.target.parse().unwrap());
                        prop_assert!(ledger.undone(id).await.is_err());
                        let _ = ledger.release(id, "i", &effect.target).await.unwrap();
                    }
                    prop_assert_eq!(&held, &model.entries[&id].held);
                    ledger.undone(id).await.unwrap();
                    model.entries.remove(&id);
                }
            }
            Deed::Pass(minutes) => machine.clock.advance(u32::from(minutes) * MINUTE),
            Deed::Reopen => {
                drop(ledger);
                ledger = machine.ledger();
            }
        }
        let now = machine.boot_ms();
        for target in 0..4 {
            prop_assert_eq!(ledger.standing("i", &target.to_string()), model.standing(target, None, now));
        }
        prop_assert_eq!(ledger.open_entries(), model.entries.len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Many entries on few targets, in any order, over restarts.
    #[test]
    fn holders_are_counted_as_a_list_would(deeds in prop::collection::vec(deed(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(deeds))?;
    }
}
