//! The ledger without threads: what a turn does, and what a kill leaves.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Machine, block};
use crate::entry::Filter;
use crate::{
    Admitted, Cause, Disk, Driven, HostDisk, Ledger, LedgerError, Opened, Settings, Standing, State, Turn,
    Wait,
};

fn open(machine: &Machine) -> (Opened, Driven) {
    let disk: Arc<dyn Disk> = Arc::new(HostDisk);
    Ledger::open_driven(&machine.path(), Arc::clone(&machine.clock) as _, Settings::default(), &disk).unwrap()
}

fn look<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Takes turns until the future is ready.
fn drive<F: Future>(driven: &mut Driven, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = look(future.as_mut()) {
            return output;
        }
        assert_ne!(driven.turn(), Turn::Idle, "nothing that it could wait for");
    }
}

#[test]
fn nothing_happens_without_a_turn_and_one_turn_takes_all_that_is_queued() {
    let machine = Machine::new();
    let (opened, mut driven) = open(&machine);
    assert_eq!(driven.turn(), Turn::Idle);
    let mut first = std::pin::pin!(opened.ledger.admit(block("192.0.2.1"), Wait::Durable));
    let mut second = std::pin::pin!(opened.ledger.admit(block("192.0.2.2"), Wait::Applied));
    assert!(look(first.as_mut()).is_pending() && look(second.as_mut()).is_pending());
    assert_eq!(opened.ledger.open_entries(), 0);
    assert_eq!(driven.turn(), Turn::Wrote);
    assert!(matches!(look(first), Poll::Ready(Ok(Admitted::New { .. }))));
    assert!(matches!(look(second), Poll::Ready(Ok(Admitted::New { .. }))));
    assert_eq!(driven.turn(), Turn::Idle);
    assert_eq!(drive(&mut driven, opened.ledger.entries(Filter::default())).unwrap().len(), 2);
}

#[test]
fn what_ends_is_never_behind_what_begins() {
    const MANY: u32 = 5_000;
    let machine = Machine::new();
    let (opened, mut driven) = open(&machine);
    let ledger = opened.ledger;
    let entered = drive(&mut driven, ledger.admit(block("192.0.2.1"), Wait::Durable));
    let Ok(Admitted::New { id, .. }) = entered else { panic!("{entered:?}") };
    assert!(drive(&mut driven, ledger.claim(id, "firewall", "x", None)).is_ok());
    assert!(drive(&mut driven, ledger.added(id, None)).is_ok());
    // More than may be queued, and than a commit takes.
    let mut adds: Vec<_> = (0..MANY)
        .map(|n| Box::pin(ledger.admit(block(&format!("10.0.{}.{}", n / 250, n % 250)), Wait::Durable)))
        .collect();
    assert!(adds.iter_mut().all(|add| look(add.as_mut()).is_pending()));
    let turned = |driven: &mut Driven| assert_eq!(driven.turn(), Turn::Wrote);
    let mut begun = std::pin::pin!(ledger.begin_undo(id, Cause::Recovery));
    assert!(look(begun.as_mut()).is_pending());
    turned(&mut driven);
    assert!(matches!(look(begun), Poll::Ready(Ok(_))), "in the next commit");
    let mut released = std::pin::pin!(ledger.release(id, "firewall", "x"));
    assert!(look(released.as_mut()).is_pending());
    turned(&mut driven);
    assert_eq!(look(released), Poll::Ready(Ok(Standing::Free)));
    let mut undone = std::pin::pin!(ledger.undone(id));
    assert!(look(undone.as_mut()).is_pending());
    turned(&mut driven);
    assert_eq!(look(undone), Poll::Ready(Ok(())));
    let left = adds.iter_mut().map(|add| look(add.as_mut())).filter(Poll::is_pending).count();
    assert!(left > 0, "all that time adds were waiting");
}

#[test]
fn a_future_dropped_before_its_turn_does_nothing() {
    let machine = Machine::new();
    let (opened, mut driven) = open(&machine);
    {
        let mut dropped = std::pin::pin!(opened.ledger.admit(block("192.0.2.1"), Wait::Durable));
        assert!(look(dropped.as_mut()).is_pending());
    }
    assert_eq!(driven.turn(), Turn::Wrote);
    assert_eq!(opened.ledger.open_entries(), 0);
}

#[test]
fn a_kill_does_nothing_of_what_is_queued_and_an_end_does_all() {
    let machine = Machine::new();
    let (opened, mut driven) = open(&machine);
    let ledger = opened.ledger;
    let entered = drive(&mut driven, ledger.admit(block("192.0.2.1"), Wait::Durable));
    let Ok(Admitted::New { id, .. }) = entered else { panic!("{entered:?}") };
    let mut queued = std::pin::pin!(ledger.claim(id, "firewall", "x", None));
    assert!(look(queued.as_mut()).is_pending());
    drop(driven);
    assert_eq!(look(queued), Poll::Ready(Err(LedgerError::Stopped)));
    assert!(matches!(look(std::pin::pin!(ledger.flush())), Poll::Ready(Err(LedgerError::Stopped))));

    let (opened, driven) = open(&machine);
    assert_eq!(opened.recovery[0].state, State::Intended);
    assert_eq!(opened.ledger.standing("firewall", "x"), Standing::Free);
    let mut queued = std::pin::pin!(opened.ledger.claim(id, "firewall", "x", None));
    assert!(look(queued.as_mut()).is_pending());
    driven.close();
    assert_eq!(look(queued), Poll::Ready(Ok(Standing::Free)));
    let (opened, _driven) = open(&machine);
    assert_ne!(opened.ledger.standing("firewall", "x"), Standing::Free);
}

#[test]
fn positions_wait_for_a_commit_or_for_their_time() {
    let machine = Machine::new();
    let (opened, mut driven) = open(&machine);
    let ledger = opened.ledger;
    let identity = crate::input::FileIdentity { dev: 1, ino: 2, head_hash: [0; 32], head_len: 0 };
    let input = drive(&mut driven, ledger.new_input("a", identity, 0)).unwrap();
    ledger.mark(input, 10);
    assert_eq!(driven.turn(), Turn::Idle, "alone it waits");
    assert!(driven.is_waiting());
    assert_eq!(driven.write_marks(), Turn::Wrote);
    assert!(!driven.is_waiting());
    assert_eq!(driven.write_marks(), Turn::Idle);
    assert_eq!(drive(&mut driven, ledger.inputs("a")).unwrap()[0].offset, 10);
}

/// Whoever is told that nobody holds an effect any more takes it off the host:
/// it must not be held again because the commit that was to tell of it failed.
#[test]
fn what_an_undo_was_told_stays_so_when_the_commit_fails() {
    let machine = Machine::new();
    let (opened, mut driven) = open(&machine);
    let ledger = opened.ledger;
    let entered = drive(&mut driven, ledger.admit(block("192.0.2.1"), Wait::Durable));
    let Ok(Admitted::New { id, .. }) = entered else { panic!("{entered:?}") };
    assert!(drive(&mut driven, ledger.claim(id, "firewall", "x", None)).is_ok());
    assert!(drive(&mut driven, ledger.added(id, None)).is_ok());
    machine.clock.advance(11 * super::MINUTE);
    let other = rusqlite::Connection::open(machine.path()).unwrap();
    super::crash::sabotage_commits(&other, "UPDATE OF released ON effect");
    let mut begun = std::pin::pin!(ledger.begin_undo(id, Cause::Due));
    let mut released = std::pin::pin!(ledger.release(id, "firewall", "x"));
    assert!(look(begun.as_mut()).is_pending() && look(released.as_mut()).is_pending());
    assert_eq!(driven.turn(), Turn::Failed);
    assert!(matches!(look(begun), Poll::Ready(Ok(_))));
    assert_eq!(look(released), Poll::Ready(Ok(Standing::Free)));
    assert_eq!((ledger.standing("firewall", "x"), ledger.owed()), (Standing::Free, 1));
    other.execute_batch("DROP TRIGGER sabotage").unwrap();
    // Nobody extends what is being taken off the host.
    let again = drive(&mut driven, ledger.admit(block("192.0.2.1"), Wait::Durable));
    assert_eq!(again, Ok(Admitted::Undoing { id }));
    assert_eq!(ledger.owed(), 0);
    assert!(drive(&mut driven, ledger.effects(id)).unwrap().iter().all(|effect| effect.released));
    assert_eq!(drive(&mut driven, ledger.undone(id)), Ok(()));
    let over = drive(&mut driven, ledger.entry(id)).unwrap().unwrap();
    assert_eq!((over.state, over.cause.as_deref()), (State::Closed, Some("due")));
}
