//! Clocks that are set by any step, sleep and start anew, against a model that
//! knows the true time.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use riposte_policy::config::Mode;
use riposte_policy::order::{Actor, EntryId};

use super::{MINUTE, Machine, block, in_force, open_entries};
use crate::rule::{By, Scope};
use crate::{Admitted, Cause, Ledger, LedgerError, NewEntry, Standing, Wait};

const YEARS_MS: i64 = 10 * 366 * 86_400_000;
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Clone, Debug)]
enum Deed {
    /// Something new that lasts for so many milliseconds: an entry, a pause, a
    /// mode and an allow.
    Make(i64),
    /// Time passes, awake or asleep.
    Pass(u32),
    /// The wall clock is set, while the engine runs or not.
    Set(i64, bool),
    /// The engine ends and comes back.
    Restart,
    /// The machine is off for so long, and its clock then wrong by so much.
    Reboot(u32, i64),
}

fn step() -> impl Strategy<Value = i64> {
    // A second is drift, not a step.
    let any = prop_oneof![
        3 => -YEARS_MS..YEARS_MS,
        2 => -7_200_000..7_200_000_i64,
    ];
    any.prop_map(|by| if by.abs() <= 2_000 { 0 } else { by })
}

fn deed() -> impl Strategy<Value = Deed> {
    let length = prop_oneof![1..7_200_000_i64, 1..YEARS_MS];
    prop_oneof![
        4 => length.prop_map(Deed::Make),
        4 => (0..4_000_000_u32).prop_map(Deed::Pass),
        4 => (step(), any::<bool>()).prop_map(|(by, runs)| Deed::Set(by, runs)),
        1 => Just(Deed::Restart),
        2 => (0..4_000_000_u32, prop_oneof![2 => Just(0), 1 => step()])
            .prop_map(|(off, wrong)| Deed::Reboot(off, wrong)),
    ]
}

/// What lasts for a time, as the model has it.
struct Lasting {
    id: EntryId,
    name: String,
    length: i64,
    due_boot: i64,
    /// Whether it ended before: an allow, a pause and a mode are gone then.
    over: bool,
}

fn by() -> By {
    By { actor: Actor::User(0), reason: None }
}

async fn make(machine: &Machine, ledger: &Ledger, made: &mut Vec<Lasting>, length: i64) {
    let name = format!("192.0.2.{}", made.len());
    let span = Duration::from_millis(u64::try_from(length).unwrap());
    let id = in_force(ledger, NewEntry { timeout: Some(span), ..block(&name) }).await;
    let scope = Scope { tenant: None, subject: Some(name.clone()) };
    let _ = ledger.allow(&name, Some(span), by()).await.unwrap();
    let _ = ledger.pause(scope.clone(), Some(span), by()).await.unwrap();
    let _ = ledger.set_mode(scope, Some(Mode::Shadow), Some(span), by()).await.unwrap();
    made.push(Lasting { id, name, length, due_boot: machine.boot_ms() + length, over: false });
}

async fn compare(machine: &Machine, ledger: &Ledger, made: &mut [Lasting]) -> Result<(), TestCaseError> {
    let (boot, wall) = (machine.boot_ms(), machine.wall_ms());
    assert_eq!(ledger.prune(DAY, 100).await, Ok(0));
    let allows = ledger.allows().await.unwrap();
    let pauses = ledger.pauses().await.unwrap();
    let modes = ledger.modes().await.unwrap();
    let entries = open_entries(ledger).await;
    for Lasting { id, name, length, due_boot, over } in made {
        let left = (*due_boot - boot).max(0);
        prop_assert!(left <= *length);
        let span = Duration::from_millis(u64::try_from(left).unwrap());
        prop_assert_eq!(ledger.standing("firewall", name), Standing::For(span));
        let listed = entries.iter().find(|entry| entry.id == *id).unwrap();
        prop_assert_eq!(listed.due_boot_ms, Some(*due_boot));
        // What is listed is when it really ends, by the clock on the wall.
        let told = listed.due_ms.unwrap() - (wall + *due_boot - boot);
        prop_assert!(told.abs() <= 2_000, "{} off", told);
        let allowed =
            allows.iter().find(|allow| allow.address == *name).map(|allow| allow.note.until_boot_ms);
        let is_subject = |scope: &Scope| scope.subject.as_ref() == Some(name);
        let paused = pauses.iter().find(|rule| is_subject(&rule.scope)).map(|rule| rule.note.until_boot_ms);
        let moded = modes.iter().find(|rule| is_subject(&rule.scope)).map(|rule| rule.note.until_boot_ms);
        *over |= left == 0;
        let lasts = (!*over).then_some(Some(*due_boot));
        prop_assert_eq!((allowed, paused, moded), (lasts, lasts, lasts));
        let undo = ledger.begin_undo(*id, Cause::Due);
        if left > 0 {
            prop_assert_eq!(undo.await, Err(LedgerError::NotDue { id: *id, due_boot_ms: *due_boot }));
        }
    }
    Ok(())
}

async fn run(deeds: Vec<Deed>) -> Result<(), TestCaseError> {
    let machine = Machine::new();
    let mut ledger = machine.ledger();
    let mut made: Vec<Lasting> = Vec::new();
    let mut boots = 1;
    for deed in deeds {
        match deed {
            Deed::Make(length) => make(&machine, &ledger, &mut made, length).await,
            Deed::Pass(ms) => machine.clock.advance(Duration::from_millis(u64::from(ms))),
            Deed::Set(by, true) => machine.clock.step_wall(by),
            Deed::Set(by, false) => {
                drop(ledger);
                machine.clock.step_wall(by);
                ledger = machine.ledger();
            }
            Deed::Restart => {
                drop(ledger);
                ledger = machine.ledger();
            }
            Deed::Reboot(off, wrong) => {
                let before = machine.boot_ms();
                drop(ledger);
                boots += 1;
                machine.clock.reboot(&format!("boot-{boots}"), Duration::from_millis(u64::from(off)));
                machine.clock.step_wall(wrong);
                for lasting in &mut made {
                    // By the wall clock, right or wrong, and never more than was given.
                    let left = lasting.due_boot - before - i64::from(off) - wrong;
                    lasting.due_boot = machine.boot_ms() + left.clamp(0, lasting.length);
                }
                ledger = machine.ledger();
            }
        }
        compare(&machine, &ledger, &mut made).await?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Within one start of the machine nothing ends early or late, whatever the
    /// wall clock is set to; over a start it goes by the wall clock, and never
    /// beyond its length.
    #[test]
    fn what_lasts_for_a_time_ends_on_time(deeds in prop::collection::vec(deed(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(deeds))?;
    }
}

/// Commits an offence that ends at once: which.
async fn offend(ledger: &Ledger) -> u32 {
    let Admitted::New { id, offence, .. } = ledger.admit(block("192.0.2.7"), Wait::Applied).await.unwrap()
    else {
        panic!()
    };
    ledger.fail(id, "").await.unwrap();
    offence
}

#[tokio::test]
async fn a_wall_clock_that_is_set_forgets_no_offender_and_keeps_none() {
    for by in [YEARS_MS, -YEARS_MS] {
        let machine = Machine::new();
        let ledger = machine.ledger();
        assert_eq!(offend(&ledger).await, 1);
        machine.clock.step_wall(by);
        let _ = ledger.prune(DAY, 100).await.unwrap();
        assert_eq!(offend(&ledger).await, 2, "{by}");
        // Another engine, after the clock was set while none ran.
        drop(ledger);
        machine.clock.step_wall(-by);
        let ledger = machine.ledger();
        let _ = ledger.prune(DAY, 100).await.unwrap();
        assert_eq!(offend(&ledger).await, 3);
        machine.clock.advance(7 * DAY + MINUTE);
        machine.clock.step_wall(by);
        assert_eq!(offend(&ledger).await, 1, "{by}: a quiet week");
    }
}

#[tokio::test]
async fn an_offender_is_known_over_a_start_of_the_machine_with_whatever_clock() {
    let over = |wrong: i64| async move {
        let machine = Machine::new();
        let ledger = machine.ledger();
        assert_eq!(offend(&ledger).await, 1);
        drop(ledger);
        machine.clock.reboot("boot-2", DAY);
        machine.clock.step_wall(wrong);
        let ledger = machine.ledger();
        let _ = ledger.prune(DAY, 100).await.unwrap();
        (machine, ledger)
    };
    let (machine, ledger) = over(0).await;
    machine.clock.advance(6 * DAY - MINUTE);
    assert_eq!(offend(&ledger).await, 2, "the week is not over");
    let (machine, ledger) = over(0).await;
    machine.clock.advance(6 * DAY + MINUTE);
    assert_eq!(offend(&ledger).await, 1);

    // Wrong when the machine started, and set right soon after.
    let (machine, ledger) = over(YEARS_MS).await;
    machine.clock.advance(5 * MINUTE);
    let _ = ledger.prune(DAY, 100).await.unwrap();
    machine.clock.step_wall(-YEARS_MS);
    assert_eq!(offend(&ledger).await, 2);

    // Set back, and never right again: nobody is kept for ever.
    let (machine, ledger) = over(-YEARS_MS).await;
    assert_eq!(offend(&ledger).await, 2);
    let (machine_2, ledger_2) = over(-YEARS_MS).await;
    machine_2.clock.advance(7 * DAY + MINUTE);
    assert_eq!(offend(&ledger_2).await, 1);
    drop((machine, machine_2));
}

#[tokio::test]
async fn a_clock_set_forward_ages_nothing_that_is_over() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    assert_eq!(offend(&ledger).await, 1);
    assert_eq!(offend(&ledger).await, 2);
    machine.clock.step_wall(YEARS_MS);
    assert_eq!(ledger.prune(90 * DAY, 100).await, Ok(0));
    // The same for an engine that is started with such a clock.
    drop(ledger);
    let ledger = machine.ledger();
    assert_eq!(ledger.prune(90 * DAY, 100).await, Ok(0));
    machine.clock.advance(91 * DAY);
    assert_eq!(ledger.prune(90 * DAY, 100).await, Ok(1), "the newest stays");
}

#[tokio::test]
async fn a_clock_that_stays_set_forward_ages_nothing_at_the_next_start_either() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    assert_eq!(offend(&ledger).await, 1);
    assert_eq!(offend(&ledger).await, 2);
    drop(ledger);
    machine.clock.step_wall(YEARS_MS);
    for start in 0..4 {
        drop(ledger_at(&machine, start).await);
    }
    // Set right again, it ages as before.
    machine.clock.step_wall(-YEARS_MS);
    let ledger = machine.ledger();
    machine.clock.advance(91 * DAY);
    assert!(ledger.prune(90 * DAY, 100).await.unwrap() > 0);
}

/// Another start under a wrong clock, which is written down with all that is new.
async fn ledger_at(machine: &Machine, start: u32) -> Ledger {
    if start.is_multiple_of(2) {
        machine.clock.reboot(&format!("boot-{start}"), MINUTE);
    }
    let ledger = machine.ledger();
    let before = ledger.entries(crate::entry::Filter::default()).await.unwrap().len();
    assert_eq!(ledger.prune(90 * DAY, 100).await, Ok(0), "start {start}");
    machine.clock.advance(DAY);
    assert_eq!(ledger.prune(90 * DAY, 100).await, Ok(0), "start {start}");
    let _ = offend(&ledger).await;
    assert_eq!(ledger.entries(crate::entry::Filter::default()).await.unwrap().len(), before + 1);
    ledger
}

#[tokio::test]
async fn what_is_under_way_keeps_its_end_over_a_step_and_a_start_of_the_machine() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = super::enter(&ledger, block("192.0.2.7")).await;
    let _ = ledger.claim(id, "firewall", "192.0.2.7", None).await.unwrap();
    machine.clock.step_wall(-YEARS_MS);
    drop(ledger);
    machine.clock.reboot("boot-2", MINUTE);
    let ledger = machine.ledger();
    assert_eq!(ledger.standing("firewall", "192.0.2.7"), Standing::For(9 * MINUTE));
}
