//! What an operator settled.

use riposte_policy::config::Mode;
use riposte_policy::order::Actor;

use super::{MINUTE, Machine};
use crate::rule::{By, Scope};

fn by(reason: &str) -> By {
    By { actor: Actor::User(1_000), reason: Some(reason.into()) }
}

fn command(name: &str) -> Scope {
    Scope { tenant: None, subject: Some(name.into()) }
}

#[tokio::test]
async fn an_allow_lasts_as_long_as_it_says_and_outlives_a_restart() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let made = ledger.allow("192.0.2.0/24", Some(10 * MINUTE), by("scanner")).await.unwrap();
    assert_eq!(made.note.until_ms, Some(machine.wall_ms() + 600_000));
    let _ = ledger.allow("198.51.100.1", None, by("office")).await.unwrap();
    drop(ledger);
    let ledger = machine.ledger();
    let allows = ledger.allows().await.unwrap();
    assert_eq!(allows[0], made);
    assert_eq!((allows[1].address.as_str(), allows[1].note.until_ms), ("198.51.100.1", None));
    assert_eq!(allows[1].note.by, by("office"));
    machine.clock.advance(10 * MINUTE);
    assert_eq!(ledger.allows().await.unwrap().len(), 1);
    assert_eq!(ledger.disallow("192.0.2.0/24").await, Ok(None), "it had ended");
    assert_eq!(ledger.disallow("198.51.100.1").await.unwrap().unwrap().address, "198.51.100.1");
    assert!(ledger.allows().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_allow_made_again_replaces_the_first() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let _ = ledger.allow("192.0.2.1", Some(MINUTE), by("a")).await.unwrap();
    let second = ledger.allow("192.0.2.1", None, by("b")).await.unwrap();
    machine.clock.advance(2 * MINUTE);
    assert_eq!(ledger.allows().await.unwrap(), [second]);
}

#[tokio::test]
async fn a_pause_holds_until_it_is_taken_back_or_over() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let all = ledger.pause(Scope::default(), None, by("maintenance")).await.unwrap();
    let one = ledger.pause(command("firewall-drop"), Some(MINUTE), by("noise")).await.unwrap();
    assert_eq!(ledger.pauses().await.unwrap(), [all.clone(), one]);
    machine.clock.advance(MINUTE);
    assert_eq!(ledger.pauses().await.unwrap(), std::slice::from_ref(&all));
    assert_eq!(ledger.resume(command("firewall-drop")).await, Ok(None));
    let acme = Scope { tenant: Some("acme".into()), subject: None };
    assert_eq!(ledger.resume(acme).await, Ok(None), "another scope");
    assert_eq!(ledger.resume(Scope::default()).await, Ok(Some(all)));
    assert!(ledger.pauses().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_mode_replaces_the_configurations_until_it_is_taken_back() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let scope = command("firewall-drop#2");
    assert_eq!(ledger.set_mode(scope.clone(), Some(Mode::Shadow), None, by("try")).await, Ok(None));
    let before =
        ledger.set_mode(scope.clone(), Some(Mode::Enforce), Some(MINUTE), by("go")).await.unwrap().unwrap();
    assert_eq!((before.mode, before.scope), (Mode::Shadow, scope.clone()));
    let modes = ledger.modes().await.unwrap();
    assert_eq!((modes.len(), modes[0].mode, &modes[0].note.by), (1, Mode::Enforce, &by("go")));
    assert_eq!(ledger.set_mode(scope, None, None, by("back")).await.unwrap().unwrap().mode, Mode::Enforce);
    assert!(ledger.modes().await.unwrap().is_empty());
}
