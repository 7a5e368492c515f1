//! Clocks that are set, machines that are started again.

use std::time::Duration;

use super::{MINUTE, Machine, ban, block, enter, entry, in_force};
use crate::rule::{By, Scope};
use crate::{Cause, LedgerError, Standing, State};

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn within_one_start_the_wall_clock_changes_nothing() {
    for step in [-1_000 * HOUR_MS, 1_000 * HOUR_MS] {
        let machine = Machine::new();
        let ledger = machine.ledger();
        let id = in_force(&ledger, block("192.0.2.7")).await;
        machine.clock.step_wall(step);
        machine.clock.advance(4 * MINUTE);
        assert_eq!(ledger.standing("firewall", "192.0.2.7"), Standing::For(6 * MINUTE));
        drop(ledger);
        let opened = machine.open();
        assert!(opened.recovery.is_empty());
        assert_eq!((opened.pending.len(), opened.pending[0].due_boot_ms), (1, machine.boot_ms() + 360_000));
        let due = entry(&opened.ledger, id).await.due_ms;
        assert_eq!(due, Some(machine.wall_ms() + 360_000), "the wall time moves along");
    }
}

#[tokio::test]
async fn a_reboot_counts_the_time_the_machine_was_off() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.7")).await;
    machine.clock.advance(MINUTE);
    drop(ledger);
    machine.clock.reboot("boot-2", 4 * MINUTE);
    let opened = machine.open();
    assert_eq!((opened.pending[0].id, opened.pending[0].due_boot_ms), (id, 300_000));
    assert_eq!(opened.ledger.standing("firewall", "192.0.2.7"), Standing::For(5 * MINUTE));
    drop(opened);
    machine.clock.reboot("boot-3", 6 * MINUTE);
    let opened = machine.open();
    assert!(opened.pending.is_empty());
    assert_eq!(opened.recovery[0].id, id, "overdue");
    assert!(opened.ledger.begin_undo(id, Cause::Due).await.is_ok());
}

#[tokio::test]
async fn a_clock_set_back_over_a_reboot_extends_nothing_beyond_its_length() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let _ = in_force(&ledger, block("192.0.2.7")).await;
    drop(ledger);
    machine.clock.reboot("boot-2", MINUTE);
    machine.clock.step_wall(-1_000 * HOUR_MS);
    let opened = machine.open();
    assert_eq!(opened.pending[0].due_boot_ms, 600_000);
    // The clock is right again, and the machine starts once more.
    drop(opened);
    machine.clock.advance(4 * MINUTE);
    machine.clock.step_wall(1_000 * HOUR_MS);
    drop(machine.open());
    machine.clock.reboot("boot-3", MINUTE);
    assert_eq!(machine.open().pending[0].due_boot_ms, 300_000);
}

#[tokio::test]
async fn a_clock_that_was_wrong_when_it_began_does_not_end_it_early() {
    let machine = Machine::new();
    machine.clock.step_wall(-200_000 * HOUR_MS);
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.7")).await;
    // The time arrives from the network. The next commit, at the latest the
    // last one, brings the due times along.
    machine.clock.step_wall(200_000 * HOUR_MS);
    drop(ledger);
    machine.clock.reboot("boot-2", MINUTE);
    let opened = machine.open();
    assert_eq!((opened.pending[0].id, opened.pending[0].due_boot_ms), (id, 540_000));
}

#[tokio::test]
async fn an_extended_entry_may_last_as_long_as_the_longer() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let _ = in_force(&ledger, block("192.0.2.7")).await;
    let longer = crate::NewEntry { timeout: Some(60 * MINUTE), ..block("192.0.2.7") };
    let _ = ledger.admit(longer, crate::Wait::Durable).await.unwrap();
    drop(ledger);
    machine.clock.reboot("boot-2", MINUTE);
    assert_eq!(machine.open().pending[0].due_boot_ms, 59 * 60_000);
}

#[tokio::test]
async fn what_begins_after_a_reboot_is_due_by_its_clock() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, block("192.0.2.7")).await;
    drop(ledger);
    machine.clock.reboot("boot-2", MINUTE);
    let opened = machine.open();
    assert_eq!((opened.recovery[0].id, opened.recovery[0].state), (id, State::Intended));
    let _ = opened.ledger.claim(id, "firewall", "x", None).await.unwrap();
    let _ = opened.ledger.added(id, None).await.unwrap();
    assert_eq!(
        opened.ledger.begin_undo(id, Cause::Due).await,
        Err(LedgerError::NotDue { id, due_boot_ms: 600_000 })
    );
    drop(opened);
    machine.clock.reboot("boot-3", MINUTE);
    assert_eq!(machine.open().pending[0].due_boot_ms, 540_000);
}

#[tokio::test]
async fn the_longest_lengths_are_no_trouble() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, crate::NewEntry { timeout: Some(Duration::MAX), ..block("192.0.2.7") }).await;
    assert!(
        matches!(ledger.standing("firewall", "192.0.2.7"), Standing::For(left) if left > 36_000 * 24 * 60 * MINUTE)
    );
    machine.clock.step_wall(i64::MAX / 4);
    assert!(ledger.begin_undo(id, Cause::Due).await.is_err());
    drop(ledger);
    machine.clock.reboot("boot-2", MINUTE);
    let opened = machine.open();
    assert_eq!(opened.pending.len() + opened.recovery.len(), 1);
}

#[tokio::test]
async fn recovery_lists_undoing_then_overdue_then_intended() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let intended = enter(&ledger, block("192.0.2.1")).await;
    let overdue = in_force(&ledger, block("192.0.2.2")).await;
    let undoing = in_force(&ledger, block("192.0.2.3")).await;
    let banned = in_force(&ledger, ban("192.0.2.4")).await;
    let _ = ledger.begin_undo(undoing, Cause::Recovery).await.unwrap();
    let closed = enter(&ledger, block("192.0.2.5")).await;
    ledger.fail(closed, "").await.unwrap();
    machine.clock.advance(5 * MINUTE);
    let later = in_force(&ledger, block("192.0.2.6")).await;
    let sooner = in_force(&ledger, crate::NewEntry { timeout: Some(6 * MINUTE), ..block("192.0.2.7") }).await;
    drop(ledger);
    machine.clock.advance(5 * MINUTE);
    let opened = machine.open();
    let found: Vec<_> = opened.recovery.iter().map(|entry| entry.id).collect();
    assert_eq!(found, [undoing, overdue, intended]);
    let pending: Vec<_> = opened.pending.iter().map(|pending| pending.id).collect();
    assert_eq!(pending, [sooner, later]);
    assert_eq!(opened.ledger.standing("firewall", "192.0.2.4"), Standing::Permanent, "{banned}");
}

#[tokio::test]
async fn a_pause_ends_on_time_over_a_reboot_with_a_wrong_clock() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let by = By { actor: riposte_policy::order::Actor::User(0), reason: None };
    ledger.pause(Scope::default(), Some(10 * MINUTE), by).await.unwrap();
    drop(ledger);
    machine.clock.reboot("boot-2", MINUTE);
    machine.clock.step_wall(-HOUR_MS);
    let ledger = machine.ledger();
    assert_eq!(ledger.pauses().await.unwrap()[0].note.until_boot_ms, Some(600_000));
    machine.clock.advance(10 * MINUTE);
    assert!(ledger.pauses().await.unwrap().is_empty());
}
