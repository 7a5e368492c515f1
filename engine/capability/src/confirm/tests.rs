//! Answers and silence.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Mutex;

use super::*;

/// Answers what it is told to, and remembers what it was asked.
#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) silent: Mutex<Option<String>>,
    pub(crate) asked: Mutex<Vec<Confirm>>,
}

#[async_trait]
impl Probe for Scripted {
    async fn ask(&self, confirm: &Confirm) -> Result<(), String> {
        self.asked.lock().unwrap().push(confirm.clone());
        self.silent.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[cfg(target_os = "linux")]
#[test]
fn ports_answer_or_do_not() {
    crate::namespace::within(async || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let network = Network::new(Arc::new(Guard::new()));
        let tcp = |host: &str, port| Confirm::Tcp { host: host.to_owned(), port };
        assert_eq!(network.ask(&Confirm::None).await, Ok(()));
        assert_eq!(network.ask(&tcp("127.0.0.1", port)).await, Ok(()));
        // Not the port that was just given back: a connection to it may get the
        // same one for its own end, and answer itself.
        let silent = network.ask(&tcp("127.0.0.1", 1)).await.unwrap_err();
        assert!(silent.starts_with("127.0.0.1 port 1 did not answer: "), "{silent}");
        let silent = network.ask(&tcp("no.such.host.invalid", port)).await.unwrap_err();
        assert!(silent.contains("no.such.host.invalid"), "{silent}");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_manager_answers_on_either_port() {
    crate::namespace::within(async || {
        let guard = Arc::new(Guard::new());
        let network = Network::new(Arc::clone(&guard));
        let silent = network.ask(&Confirm::Manager).await.unwrap_err();
        assert!(silent.contains("<riposte><guard><manager>"), "{silent}");
        guard.set(riposte_policy::config::Guarding {
            managers: vec!["127.0.0.1".to_owned()],
            ..riposte_policy::config::Guarding::default()
        });
        let silent = network.ask(&Confirm::Manager).await.unwrap_err();
        assert!(silent.starts_with("the manager (127.0.0.1) did not answer: "), "{silent}");
        let _listener = std::net::TcpListener::bind("127.0.0.1:1515").unwrap();
        assert_eq!(network.ask(&Confirm::Manager).await, Ok(()));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_gateway_answers_on_its_link_or_does_not() {
    crate::namespace::within(async || {
        let network = Network::new(Arc::new(Guard::new()));
        // Nobody to ask.
        assert_eq!(network.ask(&Confirm::Gateway).await, Ok(()));
        // The other end of a cable is asked, and the same without anybody there.
        let cable = crate::namespace::Cable::new("192.0.2.1/24", "192.0.2.254/24");
        cable.here(&["route", "add", "default", "via", "192.0.2.254"]);
        assert_eq!(network.ask(&Confirm::Gateway).await, Ok(()));
        assert_eq!(network.ask(&Confirm::Gateway).await, Ok(()));
        cable.there(&["addr", "flush", "dev", "there"]);
        let silent = network.ask(&Confirm::Gateway).await.unwrap_err();
        assert_eq!(silent, "the gateway (192.0.2.254) does not answer on its link");
    });
}
