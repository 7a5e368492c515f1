//! What every carrier owes its users, whichever it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use riposte_policy::Order;
use riposte_policy::config::{Command, Mode, Way};
use riposte_policy::diagnostic::Place;
use riposte_policy::order::Actor;
use riposte_transport::local::Local;
use riposte_transport::route::Identity;
use riposte_transport::{Sign, Transport, Undeliverable};

fn order(agent: &str, alert_id: &str) -> Order {
    let command = Command {
        name: "c".into(),
        executable: "c".into(),
        timeout_allowed: None,
        expect: vec![],
        extra_args: vec![],
        keys: vec![],
        capabilities: None,
        limits: riposte_policy::limit::Limits::default(),
        runtime: None,
        protocol: None,
        place: Place { file: "f".into(), line: 1, column: 1 },
    };
    Order {
        tenant: "default".into(),
        command: Arc::new(command),
        response: None,
        location: "local",
        agent: agent.into(),
        alert: "{}".into(),
        alert_id: alert_id.into(),
        rule_id: "".into(),
        timeout: None,
        offenders: Arc::new([]),
        mode: Mode::Enforce,
        actor: Actor::Alert,
        reason: None,
        source: None,
        message: None,
        key: Way::Riposte,
        offences: Way::Riposte,
    }
}

struct Counted(Arc<AtomicUsize>);

impl Sign for Counted {
    fn decided(self: Box<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn orders_arrive_once_and_in_order() {
    let (transport, mut arriving) = Local::new(Identity::new(&[], false), 2);
    let sending = tokio::spawn(async move {
        for n in 0..100 {
            transport.send(order("000", &n.to_string()), Box::new(())).await.unwrap();
        }
    });
    for n in 0..100 {
        assert_eq!(&*arriving.recv().await.unwrap().order.alert_id, n.to_string());
    }
    sending.await.unwrap();
    assert!(arriving.recv().await.is_none());
}

#[tokio::test]
async fn only_a_decided_order_signs_its_receipt() {
    let signed = Arc::new(AtomicUsize::new(0));
    let (transport, mut arriving) = Local::new(Identity::new(&[], false), 2);
    for n in ["1", "2"] {
        transport.send(order("000", n), Box::new(Counted(Arc::clone(&signed)))).await.unwrap();
    }
    drop(arriving.recv().await.unwrap());
    assert_eq!(signed.load(Ordering::SeqCst), 0);
    arriving.recv().await.unwrap().receipt.decided();
    assert_eq!(signed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_order_for_nobody_is_reported() {
    let signed = Arc::new(AtomicUsize::new(0));
    let (transport, _arriving) = Local::new(Identity::new(&[], false), 2);
    let receipt = Box::new(Counted(Arc::clone(&signed)));
    let refused = transport.send(order("001", "1"), receipt).await.unwrap_err();
    assert_eq!(signed.load(Ordering::SeqCst), 1, "nobody is to do it: that is decided");
    assert_eq!(refused, Undeliverable::NoSuchAgent("001".into()));
    assert!(refused.to_string().contains("--agent-id 001"));
}

#[tokio::test]
async fn a_stopped_receiver_is_reported() {
    let (transport, arriving) = Local::new(Identity::new(&[], false), 2);
    drop(arriving);
    let signed = Arc::new(AtomicUsize::new(0));
    let receipt = Box::new(Counted(Arc::clone(&signed)));
    assert_eq!(transport.send(order("000", "1"), receipt).await, Err(Undeliverable::Stopped));
    assert_eq!(signed.load(Ordering::SeqCst), 0);
}
