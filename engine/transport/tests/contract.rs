//! What every carrier owes its users, whichever it is.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the other side"
)]

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::Order;
use riposte_policy::config::{Command, Mode, Way};
use riposte_policy::diagnostic::Place;
use riposte_policy::grant::Confinement;
use riposte_policy::order::Actor;
use riposte_transport::local::{Delivered, Local};
use riposte_transport::route::Identity;
use riposte_transport::routed::Routed;
use riposte_transport::wazuh::agents::Agents;
use riposte_transport::wazuh::ar_queue::ArQueue;
use riposte_transport::{Receipt, Sign, Transport, Undeliverable};
use tokio::sync::mpsc::Receiver;

fn order(agent: &str, alert_id: &str) -> Order {
    let command = Command {
        confinement: Confinement::Default,
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
        alert: format!(r#"{{"id":"{alert_id}"}}"#).into(),
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

fn counted(signed: &Arc<AtomicUsize>) -> Receipt {
    Box::new(Counted(Arc::clone(signed)))
}

/// The receiving side of a carrier, as the suite plays it.
#[async_trait]
trait Receiving: Send {
    /// Takes one order, decides it, and says which alert it was for.
    async fn take(&mut self) -> String;
    /// An agent that this side stands for.
    fn agent(&self) -> &'static str;
}

struct InMemory(Receiver<Delivered>);

#[async_trait]
impl Receiving for InMemory {
    async fn take(&mut self) -> String {
        let delivered = self.0.recv().await.unwrap();
        delivered.receipt.decided();
        delivered.order.alert_id.to_string()
    }

    fn agent(&self) -> &'static str {
        "000"
    }
}

/// Plays Wazuh's network daemon.
struct Remoted {
    socket: tokio::net::UnixDatagram,
    path: PathBuf,
    folder: tempfile::TempDir,
}

impl Remoted {
    async fn datagram(&self) -> String {
        let mut bytes = vec![0; 70_000];
        let length = self.socket.recv(&mut bytes).await.unwrap();
        bytes.truncate(length);
        assert_eq!(bytes.pop(), Some(0), "a datagram ends with NUL");
        String::from_utf8(bytes).unwrap()
    }
}

#[async_trait]
impl Receiving for Remoted {
    async fn take(&mut self) -> String {
        let text = self.datagram().await;
        let (header, json) = text.split_once('{').unwrap();
        assert_eq!(header, "(local_source) [] NRN 001 ");
        let message: serde_json::Value = serde_json::from_str(&format!("{{{json}")).unwrap();
        message["parameters"]["alert"]["id"].as_str().unwrap().to_owned()
    }

    fn agent(&self) -> &'static str {
        "001"
    }
}

impl Drop for Remoted {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn local() -> (Local, InMemory) {
    let (carrier, receiver) = Local::new(Identity::new(&[], false), 2);
    (carrier, InMemory(receiver))
}

fn ar_queue() -> (ArQueue, Remoted) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ar");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::UnixDatagram::from_std(socket).unwrap();
    let agents = Agents::new(folder.path().join("no-wdb"), Some("4.9".parse().unwrap()));
    let carrier = ArQueue::new(path.clone(), "".into(), Arc::new(agents));
    (carrier.patient(1_000_000, Duration::from_millis(1)), Remoted { socket, path, folder })
}

fn routed() -> (Routed<Local, Local>, InMemory) {
    let (here, receiver) = Local::new(Identity::new(&[], false), 2);
    let (there, _) = Local::new(Identity::new(&[], false), 2);
    (Routed::new(Identity::new(&[], false), here, there), InMemory(receiver))
}

async fn orders_arrive_once_and_in_order<T: Transport + 'static, R: Receiving>(
    (transport, mut receiving): (T, R),
) {
    let agent = receiving.agent();
    let sending = tokio::spawn(async move {
        for n in 0..100 {
            transport.send(order(agent, &n.to_string()), Box::new(())).await.unwrap();
        }
    });
    for n in 0..100 {
        assert_eq!(receiving.take().await, n.to_string());
    }
    sending.await.unwrap();
}

async fn a_decided_order_signs_its_receipt_once<T: Transport, R: Receiving>(
    (transport, mut receiving): (T, R),
) {
    let signed = Arc::new(AtomicUsize::new(0));
    transport.send(order(receiving.agent(), "1"), counted(&signed)).await.unwrap();
    assert_eq!(receiving.take().await, "1");
    assert_eq!(signed.load(Ordering::SeqCst), 1);
}

async fn an_order_for_nobody_is_decided<T: Transport, R: Receiving>((transport, _receiving): (T, R)) {
    let signed = Arc::new(AtomicUsize::new(0));
    let refused = transport.send(order("nobody", "1"), counted(&signed)).await.unwrap_err();
    assert_eq!(signed.load(Ordering::SeqCst), 1, "nobody is to do it: that is decided");
    let (Undeliverable::NoSuchAgent(who) | Undeliverable::NoNumber(who)) = refused else {
        panic!("{refused}")
    };
    assert_eq!(who, "nobody");
}

async fn a_stopped_receiver_leaves_the_receipt_unsigned<T: Transport, R: Receiving>(
    (transport, receiving): (T, R),
) -> Undeliverable {
    let agent = receiving.agent();
    drop(receiving);
    let signed = Arc::new(AtomicUsize::new(0));
    let undelivered = transport.send(order(agent, "1"), counted(&signed)).await.unwrap_err();
    assert_eq!(signed.load(Ordering::SeqCst), 0);
    undelivered
}

#[tokio::test]
async fn local_keeps_the_contract() {
    orders_arrive_once_and_in_order(local()).await;
    a_decided_order_signs_its_receipt_once(local()).await;
    an_order_for_nobody_is_decided(local()).await;
    assert_eq!(a_stopped_receiver_leaves_the_receipt_unsigned(local()).await, Undeliverable::Stopped);
}

#[tokio::test]
async fn the_ar_queue_keeps_the_contract() {
    orders_arrive_once_and_in_order(ar_queue()).await;
    a_decided_order_signs_its_receipt_once(ar_queue()).await;
    an_order_for_nobody_is_decided(ar_queue()).await;
    let (carrier, peer) = ar_queue();
    let carrier = (carrier.patient(3, Duration::ZERO), peer);
    let undelivered = a_stopped_receiver_leaves_the_receipt_unsigned(carrier).await;
    assert!(matches!(undelivered, Undeliverable::Unreachable { .. }), "{undelivered}");
}

#[tokio::test]
async fn routes_keep_the_contract() {
    orders_arrive_once_and_in_order(routed()).await;
    a_decided_order_signs_its_receipt_once(routed()).await;
    an_order_for_nobody_is_decided(routed()).await;
    assert_eq!(a_stopped_receiver_leaves_the_receipt_unsigned(routed()).await, Undeliverable::Stopped);
}

#[tokio::test]
async fn an_order_that_is_not_decided_signs_nothing() {
    let signed = Arc::new(AtomicUsize::new(0));
    let (transport, mut arriving) = Local::new(Identity::new(&[], false), 2);
    transport.send(order("000", "1"), counted(&signed)).await.unwrap();
    drop(arriving.recv().await.unwrap());
    assert_eq!(signed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_order_for_nobody_names_the_options() {
    let (transport, _arriving) = Local::new(Identity::new(&[], false), 2);
    let refused = transport.send(order("001", "1"), Box::new(())).await.unwrap_err();
    assert!(refused.to_string().contains("--agent-id 001"));
}

#[tokio::test]
async fn other_agents_are_reached_there() {
    let (here, mut near) = Local::new(Identity::new(&[], false), 2);
    let (there, mut far) = Local::new(Identity::new(&[], true), 2);
    let routed = Routed::new(Identity::new(&[], false), here, there);
    routed.send(order("000", "here"), Box::new(())).await.unwrap();
    routed.send(order("004", "there"), Box::new(())).await.unwrap();
    routed.send(Order { location: "all", ..order("000", "all") }, Box::new(())).await.unwrap();
    assert_eq!(&*near.recv().await.unwrap().order.alert_id, "here");
    assert_eq!(&*far.recv().await.unwrap().order.alert_id, "there");
    assert_eq!(&*far.recv().await.unwrap().order.alert_id, "all");
}

#[tokio::test]
async fn a_daemon_that_comes_back_gets_what_was_waiting() {
    let (carrier, peer) = ar_queue();
    let path = peer.path.clone();
    let folder = peer.folder.path().to_owned();
    std::fs::remove_file(&path).unwrap();
    // Sending is polled first, and finds nobody.
    let (sent, back) = tokio::join!(biased; carrier.send(order("001", "late"), Box::new(())), async {
        assert!(!path.exists() && folder.exists());
        tokio::net::UnixDatagram::bind(&path).unwrap()
    });
    sent.unwrap();
    let mut bytes = [0; 1024];
    let length = back.recv(&mut bytes).await.unwrap();
    assert!(String::from_utf8_lossy(&bytes[..length]).contains(r#"{"id":"late"}"#));
}

#[tokio::test]
async fn what_goes_over_the_socket() {
    let (carrier, peer) = ar_queue();
    let mut full = order("7", "1795165200.1");
    full.location = "defined-agent";
    full.timeout = Some(Duration::from_secs(60));
    carrier.send(full, Box::new(())).await.unwrap();
    assert_eq!(
        peer.datagram().await,
        r#"(local_source) [] NNS 007 {"version":1,"origin":{"name":"","module":"wazuh-analysisd"},"command":"c60","parameters":{"extra_args":[],"alert":{"id":"1795165200.1"}}}"#
    );
}
