//! Wazuh's way, after the sequences that its agent was seen to go through.

use std::time::Duration;

use riposte_policy::config::{Mode, Way};
use riposte_policy::order::EntryId;

use super::crash::killed;
use super::{Machine, block, enter, entry, in_force, open_entries, state};
use crate::entry::Kind;
use crate::ledger::Offences;
use crate::{
    Admitted, Cause, Ledger, LedgerError, NewEntry, Rekeyed, Settled, Standing, State, Wait, WouldBe,
};

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A program's response of `seconds`, that is known by nothing yet.
pub(super) fn program(name: &str, seconds: u64) -> NewEntry {
    NewEntry {
        command: format!("{name}{seconds}").into(),
        response: Some(format!("{name}{seconds}#1").into()),
        keys: Vec::new(),
        kind: Kind::Native,
        timeout: Some(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs),
        message: Some(format!(r#"{{"command":"{name}{seconds}"}}"#).into()),
        program: name.into(),
        key: Way::Wazuh,
        offences: Way::Wazuh,
        ..block("")
    }
}

/// The same done by a component, which says its keys first.
fn component(address: &str, seconds: u64) -> NewEntry {
    NewEntry { keys: vec![address.into()], kind: Kind::Reversible, ..program("firewall-drop", seconds) }
}

/// An order, as far as the answer to the program.
pub(super) async fn order(ledger: &Ledger, new: NewEntry, keys: &[&str]) -> (EntryId, Rekeyed) {
    let id = enter(ledger, new).await;
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    (id, ledger.rekey(id, keys).await.unwrap())
}

/// An order that is done, to its end: the entry and when that is due.
pub(super) async fn done(ledger: &Ledger, new: NewEntry, keys: &[&str]) -> (EntryId, i64) {
    let (id, Rekeyed::Continue { .. }) = order(ledger, new, keys).await else { panic!("not new") };
    let Ok(Settled::InForce { due }) = ledger.added(id, None).await else { panic!("not in force") };
    (id, due.wall_ms)
}

/// An order for what is in force: which, and when that is due now.
async fn aborted(ledger: &Ledger, new: NewEntry, keys: &[&str]) -> (EntryId, i64) {
    match order(ledger, new, keys).await {
        (asking, Rekeyed::InForce { existing, due: Some(due) }) => {
            assert_eq!(state(ledger, asking).await, State::Merged);
            (existing, due.wall_ms)
        }
        other => panic!("{other:?}"),
    }
}

async fn undo(ledger: &Ledger, id: EntryId) {
    let undo = ledger.begin_undo(id, Cause::Due).await.unwrap();
    for effect in undo.effects {
        let _ = ledger.release(id, &effect.interface, &effect.target).await.unwrap();
    }
    ledger.undone(id).await.unwrap();
}

/// Whether it is refused to undo `id` by its time now, and not a second later.
async fn is_due_in_a_second(machine: &Machine, ledger: &Ledger, id: EntryId) {
    let refused = ledger.begin_undo(id, Cause::Due).await;
    assert!(matches!(refused, Err(LedgerError::NotDue { .. })), "{refused:?}");
    machine.clock.advance(SECOND);
    undo(ledger, id).await;
}

#[tokio::test]
async fn five_seconds_end_after_six() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let start = machine.wall_ms();
    let (id, due) = done(&ledger, program("firewall-drop", 5), &["3.3.3.3"]).await;
    assert_eq!(due, start + 6_000);
    machine.clock.advance(5 * SECOND);
    is_due_in_a_second(&machine, &ledger, id).await;
    assert!(open_entries(&ledger).await.is_empty());
}

#[tokio::test]
async fn time_counts_in_whole_seconds_from_the_order_whatever_the_program_takes() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    machine.clock.advance(Duration::from_millis(700));
    let order = machine.wall_ms() - 700;
    let id = enter(&ledger, program("slow", 5)).await;
    machine.clock.advance(2 * SECOND);
    let _ = ledger.rekey(id, vec!["k".into()]).await.unwrap();
    machine.clock.advance(SECOND);
    let Ok(Settled::InForce { due }) = ledger.added(id, None).await else { panic!() };
    assert_eq!((due.wall_ms, due.boot_ms), (order + 6_000, 1_006_000));
    assert_eq!(entry(&ledger, id).await.due_boot_ms, Some(1_006_000));
}

#[tokio::test]
async fn the_same_again_is_aborted_and_begins_anew_with_the_first_message() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let start = machine.wall_ms();
    let (id, _) = done(&ledger, program("firewall-drop", 5), &["3.3.3.3"]).await;
    machine.clock.advance(3 * SECOND);
    let second = NewEntry {
        alert: "{}".into(),
        message: Some("{\"second\":true}".into()),
        agent: "007".into(),
        ..program("firewall-drop", 5)
    };
    assert_eq!(aborted(&ledger, second, &["3.3.3.3"]).await, (id, start + 9_000));
    machine.clock.advance(5 * SECOND);
    drop(ledger);
    let opened = machine.open();
    assert_eq!(opened.pending.len(), 1);
    let ledger = opened.ledger;
    let kept = entry(&ledger, id).await;
    assert_eq!(kept.message.as_deref(), Some(r#"{"command":"firewall-drop5"}"#));
    assert_eq!(kept.alert.as_deref(), Some(r#"{"srcip":""}"#));
    is_due_in_a_second(&machine, &ledger, id).await;
    assert_eq!(entry(&ledger, id).await.message, None, "kept as long as it is needed");
}

#[tokio::test]
async fn what_was_answered_survives_a_kill_at_every_step() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let ends = machine.boot_ms() + 61_000;
    let id = enter(&ledger, repeated(program("p", 60))).await;
    let found = killed(&machine).open();
    assert_eq!((found.recovery[0].id, found.recovery[0].due_boot_ms), (id, Some(ends)));
    let said = ledger.rekey(id, vec!["k".into()]).await.unwrap();
    let found = killed(&machine).open();
    assert_eq!(entry(&found.ledger, id).await.keys, ["k"]);
    assert_eq!(found.ledger.rekey(id, vec!["k".into()]).await, Ok(said), "begun again, not counted again");
    let _ = ledger.added(id, None).await.unwrap();
    machine.clock.advance(2 * SECOND);
    let (same, _) = aborted(&ledger, repeated(program("p", 5)), &["k"]).await;
    let found = killed(&machine).open();
    assert_eq!((same, found.pending[0].id, found.pending[0].due_boot_ms), (id, id, ends + 2_000));
    assert!(found.recovery.is_empty(), "who asked was merged");
    let (_, said) = order(&found.ledger, repeated(program("p", 5)), &["k"]).await;
    assert!(matches!(said, Rekeyed::InForce { due: Some(_), .. }), "{said:?}");
    assert_eq!(entry(&found.ledger, id).await.offence, 3);
}

#[tokio::test]
async fn what_lasts_for_good_is_never_the_same() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let for_good = || NewEntry { offenders: [SECOND].into(), ..program("firewall-drop", 0) };
    for _ in 0..2 {
        let (id, said) = order(&ledger, for_good(), &["3.3.3.3"]).await;
        assert!(matches!(said, Rekeyed::Continue { timeout: None, .. }), "{said:?}");
        assert_eq!(ledger.added(id, None).await, Ok(Settled::Done));
    }
    assert!(open_entries(&ledger).await.is_empty());
    // And it counted for nothing.
    let timed = NewEntry { offenders: [SECOND].into(), ..program("firewall-drop", 60) };
    let (_, said) = order(&ledger, timed, &["3.3.3.3"]).await;
    assert!(matches!(said, Rekeyed::Continue { offence: 1, .. }), "{said:?}");
}

#[tokio::test]
async fn several_keys_make_one_whatever_their_boundaries() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let (id, _) = done(&ledger, program("custom-multi", 60), &["10.0.0.1", "root"]).await;
    assert_eq!(aborted(&ledger, program("custom-multi", 60), &["10.0.0.1-root"]).await.0, id);
    assert_eq!(entry(&ledger, id).await.keys, ["10.0.0.1", "root"]);
    for (new, keys) in [
        (program("custom-multi", 60), &["10.0.0.1"][..]),
        (program("custom", 60), &["10.0.0.1", "root"]),
        (NewEntry { tenant: "acme".into(), ..program("custom-multi", 60) }, &["10.0.0.1", "root"]),
        (NewEntry { key: Way::Riposte, ..program("custom-multi", 60) }, &["10.0.0.1", "root"]),
    ] {
        let (_, said) = order(&ledger, new, keys).await;
        assert!(matches!(said, Rekeyed::Continue { .. }), "{said:?}");
    }
}

#[tokio::test]
async fn without_keys_the_program_alone_is_the_key() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let start = machine.wall_ms();
    let (id, _) = done(&ledger, program("custom-multi", 60), &[]).await;
    machine.clock.advance(SECOND);
    assert_eq!(aborted(&ledger, program("custom-multi", 60), &[]).await, (id, start + 62_000));
    machine.clock.advance(60 * SECOND);
    is_due_in_a_second(&machine, &ledger, id).await;
}

#[tokio::test]
async fn the_newest_timeout_wins_also_when_it_is_shorter() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let start = machine.wall_ms();
    let (id, _) = done(&ledger, program("firewall-drop", 600), &["3.3.3.3"]).await;
    let _ = ledger.flush().await;
    machine.clock.advance(10 * SECOND);
    assert_eq!(aborted(&ledger, program("firewall-drop", 5), &["3.3.3.3"]).await, (id, start + 16_000));
    assert_eq!(entry(&ledger, id).await.timeout_ms, Some(5_000));
    machine.clock.advance(5 * SECOND);
    is_due_in_a_second(&machine, &ledger, id).await;
}

#[tokio::test]
async fn a_component_is_told_from_others_at_once_and_what_it_holds_follows() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, component("3.3.3.3", 600)).await;
    assert_eq!(ledger.standing("firewall", "3.3.3.3"), Standing::For(601 * SECOND));
    machine.clock.advance(10 * SECOND);
    let said = ledger.admit(component("3.3.3.3", 5), Wait::Applied).await;
    assert!(matches!(said, Ok(Admitted::InForce { id: same, extended: true, .. }) if same == id), "{said:?}");
    assert_eq!(ledger.standing("firewall", "3.3.3.3"), Standing::For(6 * SECOND), "shorter");
    let said = ledger.admit(component("3.3.3.3", 5), Wait::Applied).await;
    assert!(matches!(said, Ok(Admitted::InForce { extended: false, .. })), "in the same second: {said:?}");
    drop(ledger);
    machine.clock.advance(5 * SECOND);
    let ledger = machine.ledger();
    assert_eq!(ledger.standing("firewall", "3.3.3.3"), Standing::For(SECOND), "after a restart");
    is_due_in_a_second(&machine, &ledger, id).await;
    // A program of the same name is the same.
    let id = in_force(&ledger, component("3.3.3.3", 600)).await;
    assert_eq!(aborted(&ledger, program("firewall-drop", 60), &["3.3.3.3"]).await.0, id);
}

#[tokio::test]
async fn what_two_hold_stays_as_long_as_the_longer_also_when_one_is_shortened() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let (first, second) = (component("3.3.3.3", 600), component("4.4.4.4", 60));
    for new in [&first, &second] {
        let id = enter(&ledger, new.clone()).await;
        let _ = ledger.claim(id, "firewall", "drop", None).await.unwrap();
        let _ = ledger.added(id, None).await.unwrap();
    }
    assert_eq!(ledger.standing("firewall", "drop"), Standing::For(601 * SECOND));
    let shorter = NewEntry { timeout: Some(5 * SECOND), ..first };
    let _ = ledger.admit(shorter, Wait::Applied).await.unwrap();
    assert_eq!(ledger.standing("firewall", "drop"), Standing::For(61 * SECOND), "the other's");
}

#[tokio::test]
async fn a_clock_that_is_set_and_a_machine_that_is_started_anew_change_no_end() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let start = machine.wall_ms();
    let (id, _) = done(&ledger, program("p", 60), &["k"]).await;
    let begun = enter(&ledger, program("q", 60)).await;
    machine.clock.step_wall(7_200_000);
    ledger.flush().await.unwrap();
    for id in [id, begun] {
        let found = entry(&ledger, id).await;
        assert_eq!((found.due_ms, found.due_boot_ms), (Some(start + 7_261_000), Some(1_061_000)));
    }
    drop(ledger);
    machine.clock.reboot("boot-2", 20 * SECOND);
    let opened = machine.open();
    assert_eq!((opened.pending[0].id, opened.pending[0].due_boot_ms), (id, 41_000));
    let ledger = opened.ledger;
    // Begun again, it still counts from its order.
    let _ = ledger.rekey(begun, vec!["k".into()]).await.unwrap();
    let Ok(Settled::InForce { due }) = ledger.added(begun, None).await else { panic!() };
    assert_eq!((due.wall_ms, due.boot_ms), (start + 7_261_000, 41_000));
}

#[tokio::test]
async fn what_is_under_way_is_not_begun_twice() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let (first, _) = order(&ledger, program("p", 60), &["k"]).await;
    machine.clock.advance(10 * SECOND);
    let (_, said) = order(&ledger, program("p", 5), &["k"]).await;
    assert_eq!(said, Rekeyed::InForce { existing: first, due: None });
    let Ok(Settled::InForce { due }) = ledger.added(first, None).await else { panic!() };
    assert_eq!(due.boot_ms, machine.boot_ms() + 6_000, "from the last order");

    // Also where the kernel was told how long: it is told anew.
    let held = enter(&ledger, component("3.3.3.3", 60)).await;
    let _ = ledger.claim(held, "firewall", "x", None).await.unwrap();
    machine.clock.advance(10 * SECOND);
    assert_eq!(
        ledger.admit(component("3.3.3.3", 600), Wait::Applied).await,
        Ok(Admitted::UnderWay { id: held, extended: true })
    );
    assert_eq!(ledger.standing("firewall", "x"), Standing::For(601 * SECOND));
}

#[tokio::test]
async fn what_is_being_undone_is_waited_for_and_counts_once() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let listed = || NewEntry { offenders: [300 * SECOND].into(), ..program("p", 60) };
    let (id, _) = done(&ledger, listed(), &["k"]).await;
    let _ = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
    let asking = enter(&ledger, listed()).await;
    for _ in 0..3 {
        assert_eq!(ledger.rekey(asking, vec!["k".into()]).await, Ok(Rekeyed::Undoing { existing: id }));
    }
    ledger.undone(id).await.unwrap();
    let said = ledger.rekey(asking, vec!["k".into()]).await;
    assert_eq!(said, Ok(Rekeyed::Continue { timeout: Some(300 * SECOND), offence: 2 }));
    // Said again, as after a crash, it is the same order still.
    drop(ledger);
    let ledger = machine.ledger();
    assert_eq!(ledger.rekey(asking, vec!["k".into()]).await, said);
}

#[tokio::test]
async fn a_program_that_says_nothing_is_like_none_and_ends_on_time() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let mut silent = Vec::new();
    for _ in 0..2 {
        let id = enter(&ledger, program("silent", 5)).await;
        let _ = ledger.added(id, None).await.unwrap();
        silent.push(id);
    }
    drop(ledger);
    let opened = machine.open();
    assert_eq!(opened.pending.iter().map(|pending| pending.id).collect::<Vec<_>>(), silent);
    let ledger = opened.ledger;
    let (third, _) = done(&ledger, program("silent", 5), &[]).await;
    machine.clock.advance(6 * SECOND);
    for id in [silent[0], silent[1], third] {
        undo(&ledger, id).await;
    }
}

/// Wazuh's list of 1, 5 and 10 minutes.
pub(super) fn repeated(new: NewEntry) -> NewEntry {
    NewEntry { offenders: [60 * SECOND, 300 * SECOND, 600 * SECOND].into(), ..new }
}

#[tokio::test]
async fn hits_while_it_is_in_force_count_and_lengthen() {
    for (name, is_program) in [("program", true), ("component", false)] {
        let machine = Machine::new();
        let mut ledger = machine.ledger();
        let start = machine.wall_ms();
        let hit = async |ledger: &Ledger| match is_program {
            true => match order(ledger, repeated(program("firewall-drop", 60)), &["3.3.3.3"]).await {
                (id, Rekeyed::Continue { .. }) => drop(ledger.added(id, None).await.unwrap()),
                (_, said) => assert!(matches!(said, Rekeyed::InForce { .. })),
            },
            false => match ledger.admit(repeated(component("3.3.3.3", 60)), Wait::Durable).await.unwrap() {
                Admitted::New { id, .. } => drop(ledger.added(id, None).await.unwrap()),
                said => assert!(matches!(said, Admitted::InForce { .. }), "{said:?}"),
            },
        };
        for (at, due, offence) in
            [(0, 61, 1), (20, 81, 2), (30, 331, 3), (40, 641, 4), (50, 651, 5), (700, 1_301, 6)]
        {
            while machine.wall_ms() < start + at * 1_000 {
                if machine.wall_ms() == start + 651_000 {
                    undo(&ledger, open_entries(&ledger).await[0].id).await;
                }
                machine.clock.advance(SECOND);
            }
            hit(&ledger).await;
            drop(ledger);
            ledger = machine.ledger();
            let open = open_entries(&ledger).await;
            assert_eq!(open.len(), 1, "{name} at {at}");
            assert_eq!(
                (open[0].due_ms, open[0].offence),
                (Some(start + due * 1_000), offence),
                "{name} at {at}"
            );
        }
    }
}

#[tokio::test]
async fn offences_are_of_the_program_and_its_keys_and_never_lapse_but_can_be_forgotten() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let hit = async |new: NewEntry| match order(&ledger, repeated(new), &["3.3.3.3", "22"]).await {
        (id, Rekeyed::Continue { offence, .. }) => {
            ledger.fail(id, "no such program").await.unwrap();
            offence
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(hit(program("p", 60)).await, 1);
    assert_eq!(hit(NewEntry { agent: "7".into(), response: None, ..program("p", 5) }).await, 2, "the same");
    assert_eq!(hit(NewEntry { tenant: "acme".into(), ..program("p", 60) }).await, 1);
    assert_eq!(hit(program("q", 60)).await, 1);
    assert_eq!(hit(NewEntry { offences: Way::Riposte, ..program("p", 60) }).await, 1, "counted apart");
    machine.clock.advance(SECOND * 86_400 * 365);
    let _ = ledger.prune(Duration::ZERO, 100).await.unwrap();
    assert_eq!(hit(program("p", 60)).await, 3);
    assert_eq!(ledger.forget_offences(Offences::Target("22".into())).await, Ok(3), "ours has lapsed");
    assert_eq!(hit(program("p", 60)).await, 1);
    assert_eq!(ledger.forget_offences(Offences::Keys(vec!["3.3.3.3".into()])).await, Ok(0));
    assert_eq!(ledger.forget_offences(Offences::All).await, Ok(1));
}

#[tokio::test]
async fn shadows_and_lists_of_nothing_count_nothing() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let shadow = || NewEntry { mode: Mode::Shadow, ..repeated(component("3.3.3.3", 60)) };
    for _ in 0..2 {
        let id = enter(&ledger, shadow()).await;
        assert_eq!(ledger.added(id, None).await, Ok(Settled::Done));
    }
    for _ in 0..2 {
        let id = enter(&ledger, component("3.3.3.3", 60)).await;
        ledger.fail(id, "").await.unwrap();
    }
    let would_be = ledger.would_be(repeated(component("3.3.3.3", 60))).await;
    assert_eq!(would_be, Ok(WouldBe::New { timeout: Some(60 * SECOND), offence: 1 }));
}

#[tokio::test]
async fn the_two_ways_can_be_mixed() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    // Our key, Wazuh's counting: an order for what is in force counts, and
    // moves the end only to a later time.
    let ours = || NewEntry { key: Way::Riposte, keys: vec!["a".into()], ..repeated(program("p", 60)) };
    let id = enter(&ledger, ours()).await;
    let said = ledger.rekey(id, vec!["a".into()]).await;
    assert_eq!(said, Ok(Rekeyed::Continue { timeout: Some(60 * SECOND), offence: 1 }));
    assert_eq!(ledger.rekey(id, vec!["a".into()]).await, said, "once");
    let _ = ledger.added(id, None).await.unwrap();
    for length in [60, 300, 600, 600] {
        let said = ledger.admit(ours(), Wait::Applied).await;
        let Ok(Admitted::InForce { due, .. }) = said else { panic!("{said:?}") };
        assert_eq!(due.boot_ms, machine.boot_ms() + length * 1_000);
    }
    // Wazuh's key, our counting: an order for what is in force counts for
    // nothing, and begins it anew.
    let theirs = || NewEntry { offences: Way::Riposte, ..repeated(component("b", 600)) };
    let id = in_force(&ledger, theirs()).await;
    machine.clock.advance(SECOND);
    let said = ledger.admit(NewEntry { timeout: Some(5 * SECOND), ..theirs() }, Wait::Applied).await;
    let Ok(Admitted::InForce { due, .. }) = said else { panic!("{said:?}") };
    assert_eq!(due.boot_ms, machine.boot_ms() + 6_000);
    machine.clock.advance(6 * SECOND);
    undo(&ledger, id).await;
    let said = ledger.would_be(theirs()).await;
    assert_eq!(said, Ok(WouldBe::New { timeout: Some(60 * SECOND), offence: 2 }));
}
