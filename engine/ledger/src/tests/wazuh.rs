//! Wazuh's way, after the sequences that its agent was seen to go through.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use riposte_policy::config::{Mode, Way};
use riposte_policy::order::{EntryId, Source};

use super::{Machine, block, enter, entry, in_force, open_entries, state};
use crate::entry::{Filter, Kind};
use crate::ledger::Offences;
use crate::{
    Admitted, Cause, Handed, Ledger, LedgerError, NewEntry, Rekeyed, Settled, Standing, State, Wait, WouldBe,
};

const SECOND: Duration = Duration::from_secs(1);

/// A program's response of `seconds`, that is known by nothing yet.
fn program(name: &str, seconds: u64) -> NewEntry {
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
async fn order(ledger: &Ledger, new: NewEntry, keys: &[&str]) -> (EntryId, Rekeyed) {
    let id = enter(ledger, new).await;
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    (id, ledger.rekey(id, keys).await.unwrap())
}

/// An order that is done, to its end: the entry and when that is due.
async fn done(ledger: &Ledger, new: NewEntry, keys: &[&str]) -> (EntryId, i64) {
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
async fn what_is_under_way_is_not_begun_twice() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let (first, _) = order(&ledger, program("p", 60), &["k"]).await;
    machine.clock.advance(10 * SECOND);
    let (_, said) = order(&ledger, program("p", 5), &["k"]).await;
    assert_eq!(said, Rekeyed::InForce { existing: first, due: None });
    let Ok(Settled::InForce { due }) = ledger.added(first, None).await else { panic!() };
    assert_eq!(due.boot_ms, machine.boot_ms() + 6_000, "from the last order");

    // Once the kernel was told how long, that stays.
    let held = enter(&ledger, component("3.3.3.3", 60)).await;
    let _ = ledger.claim(held, "firewall", "x", None).await.unwrap();
    machine.clock.advance(10 * SECOND);
    assert_eq!(
        ledger.admit(component("3.3.3.3", 600), Wait::Applied).await,
        Ok(Admitted::UnderWay { id: held })
    );
    assert_eq!(ledger.standing("firewall", "x"), Standing::For(51 * SECOND));
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
fn repeated(new: NewEntry) -> NewEntry {
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

#[tokio::test]
async fn what_would_be_is_said_and_nothing_done() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let new = || NewEntry { keys: vec!["3.3.3.3".into()], ..repeated(program("firewall-drop", 60)) };
    for _ in 0..2 {
        let said = ledger.would_be(new()).await;
        assert_eq!(said, Ok(WouldBe::New { timeout: Some(60 * SECOND), offence: 1 }));
    }
    let (id, due_ms) = done(&ledger, new(), &["3.3.3.3"]).await;
    machine.clock.advance(20 * SECOND);
    let Ok(WouldBe::InForce { id: same, due }) = ledger.would_be(new()).await else { panic!() };
    assert_eq!((same, due.wall_ms), (id, machine.wall_ms() + 61_000));
    assert_eq!(entry(&ledger, id).await.due_ms, Some(due_ms), "not moved");
    let _ = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
    assert_eq!(ledger.would_be(new()).await, Ok(WouldBe::Undoing { id }));
    ledger.undone(id).await.unwrap();
    let said = ledger.would_be(new()).await;
    assert_eq!(said, Ok(WouldBe::New { timeout: Some(60 * SECOND), offence: 2 }));

    // In our way too.
    let source = Source { input: 1, offset: 5, ordinal: 0 };
    let own = || NewEntry { source: Some(source), ..block("192.0.2.7") };
    let id = enter(&ledger, own()).await;
    assert_eq!(ledger.would_be(own()).await, Ok(WouldBe::Handled));
    assert_eq!(ledger.would_be(block("192.0.2.7")).await, Ok(WouldBe::UnderWay { id }));
    let few = crate::Settings { per_command: 1, ..crate::Settings::default() };
    ledger.configure(few).await.unwrap();
    assert_eq!(ledger.would_be(block("192.0.2.8")).await, Ok(WouldBe::Full { limit: 1 }));
    assert_eq!(open_entries(&ledger).await.len(), 1);
}

#[tokio::test]
async fn what_is_handed_over_is_written_down_once_and_undone_elsewhere() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let few = crate::Settings { per_command: 0, ..crate::Settings::default() };
    ledger.configure(few).await.unwrap();
    let source = Source { input: 1, offset: 5, ordinal: 0 };
    let new = || NewEntry { source: Some(source), agent: "003".into(), ..program("firewall-drop", 60) };
    let Ok(Handed::Over { id }) = ledger.handed_over(new()).await else { panic!() };
    assert_eq!(ledger.handed_over(new()).await, Ok(Handed::Handled));
    let without = NewEntry { source: None, ..new() };
    assert!(matches!(ledger.handed_over(without).await, Ok(Handed::Over { .. })), "nothing is the same");
    drop(ledger);

    let opened = machine.open();
    assert!(opened.recovery.is_empty() && opened.pending.is_empty());
    let ledger = opened.ledger;
    assert_eq!(ledger.open_entries(), 0);
    let found = entry(&ledger, id).await;
    assert_eq!((found.state, found.closed_ms), (State::HandedOver, Some(machine.wall_ms())));
    assert_eq!((found.timeout_ms, found.due_ms), (Some(60_000), None));
    let cause = Cause::Asked { actor: riposte_policy::order::Actor::User(0), reason: None };
    let error = ledger.begin_undo(id, cause).await.unwrap_err();
    let agent = "003".to_owned();
    assert_eq!(error, LedgerError::HandedOver { id, agent, command: "firewall-drop60".into() });
    assert!(!error.is_storage() && error.to_string().contains("only be undone there"), "{error}");
    let missing = ledger.begin_undo(EntryId(99), Cause::Recovery).await;
    assert_eq!(missing, Err(LedgerError::NoSuchEntry(EntryId(99))));
    let all = ledger.entries(Filter::default()).await.unwrap();
    let json = serde_json::to_value(&all[0]).unwrap();
    assert_eq!(json["state"], "handed-over");
}

#[tokio::test]
async fn a_message_outlives_the_process() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let message = r#"{"version":1,"command":"x"}"#;
    let id = in_force(&ledger, NewEntry { message: Some(message.into()), ..block("192.0.2.7") }).await;
    drop(ledger);
    let ledger = machine.ledger();
    assert_eq!(entry(&ledger, id).await.message.as_deref(), Some(message));
    assert_eq!(open_entries(&ledger).await[0].message, None, "not in lists");
    let undo = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
    assert_eq!(undo.entry.message.as_deref(), Some(message));
}

#[derive(Clone, Debug)]
enum Step {
    /// An order of this program under this key, so long at first.
    Hit { program: usize, key: usize, seconds: u64, is_program: bool },
    /// Time passes, in milliseconds.
    Pass(u64),
    /// What is due is undone.
    Sweep,
    /// The engine is killed and starts again.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let hit = (0..2_usize, 0..3_usize, prop::sample::select(vec![0_u64, 1, 5, 30]), any::<bool>());
    prop_oneof![
        5 => hit.prop_map(|(program, key, seconds, is_program)| Step::Hit { program, key, seconds, is_program }),
        3 => (0..9_000_u64).prop_map(Step::Pass),
        3 => Just(Step::Sweep),
        1 => Just(Step::Restart),
    ]
}

/// What Wazuh's agent keeps, and does with it: a list with a timeout, and a
/// table of counters, by key. Times are in whole seconds.
#[derive(Default)]
struct Execd {
    list: HashMap<String, (i64, i64)>,
    counters: HashMap<String, usize>,
}

impl Execd {
    const OFFENDERS: [i64; 2] = [2, 10];

    /// Whether the program is let go on.
    fn order(&mut self, now: i64, key: &str, timeout: i64) -> bool {
        if timeout == 0 {
            return true;
        }
        let mut ttl = timeout;
        if let Some(counter) = self.counters.get_mut(key) {
            let last = Self::OFFENDERS.len() - 1;
            ttl = Self::OFFENDERS[(*counter).min(last)];
            *counter = (*counter + 1).min(last + 1);
        } else {
            self.counters.insert(key.to_owned(), 0);
        }
        self.list.insert(key.to_owned(), (now, ttl)).is_none()
    }

    fn sweep(&mut self, now: i64) {
        self.list.retain(|_, (added, ttl)| now - *added <= *ttl);
    }
}

/// What is open: each key, and when it ends in seconds.
fn open_keys(list: &HashMap<String, (i64, i64)>) -> Vec<(String, i64)> {
    let mut all: Vec<_> = list.iter().map(|(key, (added, ttl))| (key.clone(), added + ttl + 1)).collect();
    all.sort();
    all
}

async fn agrees_with_execd(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let machine = Machine::new();
    let mut ledger = machine.ledger();
    let mut execd = Execd::default();
    for step in steps {
        let now = machine.wall_ms() / 1_000;
        match step {
            Step::Hit { program: nth, key, seconds, is_program } => {
                let (name, key) = (["p", "p-k0"][nth], format!("k{key}"));
                let goes_on = execd.order(now, &format!("{name}-{key}"), i64::try_from(seconds).unwrap());
                let new = NewEntry {
                    offenders: Execd::OFFENDERS.map(|s| Duration::from_secs(s.unsigned_abs())).into(),
                    ..program(name, seconds)
                };
                let new_id = if is_program {
                    match order(&ledger, new, &[&key]).await {
                        (id, Rekeyed::Continue { .. }) => Some(id),
                        (_, said) => {
                            prop_assert!(matches!(said, Rekeyed::InForce { due: Some(_), .. }), "{:?}", said);
                            None
                        }
                    }
                } else {
                    let new = NewEntry { keys: vec![key], kind: Kind::Reversible, ..new };
                    match ledger.admit(new, Wait::Durable).await.unwrap() {
                        Admitted::New { id, .. } => Some(id),
                        said => {
                            prop_assert!(matches!(said, Admitted::InForce { .. }), "{:?}", said);
                            None
                        }
                    }
                };
                prop_assert_eq!(new_id.is_some(), goes_on);
                if let Some(id) = new_id {
                    let _ = ledger.added(id, None).await.unwrap();
                }
            }
            Step::Pass(ms) => machine.clock.advance(Duration::from_millis(ms)),
            Step::Sweep => {
                execd.sweep(now);
                for open in open_entries(&ledger).await {
                    match ledger.begin_undo(open.id, Cause::Due).await {
                        Ok(_) => ledger.undone(open.id).await.unwrap(),
                        Err(error) => {
                            let is_early = matches!(error, LedgerError::NotDue { .. });
                            prop_assert!(is_early, "{}", error);
                        }
                    }
                }
            }
            Step::Restart => {
                drop(ledger);
                ledger = machine.ledger();
            }
        }
        let mut open: Vec<_> = open_entries(&ledger)
            .await
            .iter()
            .map(|open| {
                let name = open.command.trim_end_matches(char::is_numeric);
                let name = if name == "p-k" { "p-k0" } else { name };
                (format!("{name}-{}", open.keys[0]), open.due_ms.unwrap() / 1_000)
            })
            .collect();
        open.sort();
        prop_assert_eq!(open, open_keys(&execd.list));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_agent_does(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(agrees_with_execd(steps))?;
    }
}
