//! The played host: what it keeps, what it answers, what it refuses.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use riposte_policy::config::Mode;

use super::*;
use crate::session::{Phase, Recorder};

fn session(phase: Phase) -> Session {
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: None,
        phase,
        mode: Mode::Enforce,
        grants: Arc::default(),
        record: Recorder::default(),
    }
}

fn texts(rehearsal: &Rehearsal) -> Vec<String> {
    rehearsal.calls().iter().map(ToString::to_string).collect()
}

#[test]
fn it_answers_like_a_host_on_which_nothing_is_held() {
    let (host, session) = (Rehearsal::default(), session(Phase::Effects));
    let ask = |name: &str, target: &str| host.call::<bool>(&session, name, &[target.as_bytes()]);
    assert_eq!(ask("firewall.unblock", "192.0.2.7"), Ok(false));
    assert_eq!(ask("firewall.block", "192.0.2.7"), Ok(true));
    assert_eq!(ask("firewall.block", "192.0.2.7"), Ok(false));
    assert_eq!(ask("firewall.blocked", "192.0.2.7"), Ok(true));
    assert_eq!(ask("routes.blackholed", "192.0.2.7"), Ok(false));
    assert_eq!(host.call::<()>(&session, "state.set", &[b"k", &[0xff]]), Ok(()));
    assert_eq!(host.call(&session, "state.get", &[b"k"]), Ok(Some(vec![0xff])));
    let calls = texts(&host);
    assert_eq!(calls[0], "firewall.unblock 192.0.2.7");
    assert_eq!(calls[5], "state.set k \u{fffd}");
    assert!(texts(&host).is_empty());
    host.begin(Scene::default());
    assert_eq!(host.call(&session, "state.get", &[b"k"]), Ok(None::<Vec<u8>>));
}

#[test]
fn what_every_host_refuses_is_refused_and_kept() {
    let host = Rehearsal::default();
    let refused = |name: &str, arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().map(|text| text.as_bytes()).collect();
        host.call::<bool>(&session(Phase::Effects), name, &arguments).unwrap_err().kind
    };
    assert_eq!(refused("firewall.block", &["-j ACCEPT"]), "invalid-input");
    assert_eq!(refused("firewall.block", &["192.0.2.7\n"]), "invalid-input");
    assert_eq!(refused("firewall.block", &["127.0.0.1"]), "denied");
    assert_eq!(refused("lines.ensure", &["etc/x", "a"]), "invalid-input");
    assert_eq!(refused("lines.ensure", &["/etc/x", "a\nb"]), "invalid-input");
    assert_eq!(refused("accounts.lock", &["-rf"]), "invalid-input");
    assert_eq!(texts(&host).len(), 6);
    let keys = session(Phase::Keys);
    let denied = host.call::<bool>(&keys, "firewall.block", &[b"192.0.2.7"]).unwrap_err();
    assert_eq!(denied.kind, "denied");
    assert!(host.call::<Option<Vec<u8>>>(&keys, "state.get", &[b"k"]).is_ok());
}

#[test]
fn arranged_answers_are_given_in_turn() {
    let (host, session) = (Rehearsal::default(), session(Phase::Effects));
    let said = Said { kind: "odd".into(), message: "no".into(), retry: true };
    let first = vec![Answer::Error(said.clone()), Answer::Changed(true)];
    let answers = BTreeMap::from([
        ("firewall.block".to_owned(), first),
        ("firewall.block 192.0.2.9".to_owned(), vec![Answer::Changed(false)]),
        ("firewall.blocked".to_owned(), vec![Answer::Number(1)]),
    ]);
    host.begin(Scene { answers, ..Scene::default() });
    let ask = |name: &str, target: &str| host.call::<bool>(&session, name, &[target.as_bytes()]);
    assert_eq!(ask("firewall.block", "192.0.2.9"), Ok(false));
    assert_eq!(ask("firewall.block", "192.0.2.7"), Err(said));
    assert_eq!(ask("firewall.block", "192.0.2.7"), Ok(true));
    assert_eq!(ask("firewall.block", "anything"), Ok(true));
    assert!(ask("firewall.blocked", "192.0.2.7").unwrap_err().message.contains("arranged"));
}

#[test]
fn a_request_is_known_by_its_text() {
    let request = Request {
        line: "POST https://example.com/x".into(),
        headers: vec![("content-type".into(), "text/plain".into())],
        body: b"a b".to_vec(),
    };
    for (text, is) in [
        ("http.send POST https://example.com/x Content-Type: text/plain a b", true),
        ("http.send POST https://example.com/x content-type: text/plain a b", true),
        ("http.send POST https://example.com/x content-type: Text/plain a b", false),
        ("http.send POST https://example.com/x a b", false),
        ("http.send POST https://example.com/x", false),
    ] {
        assert_eq!(Called::Http(request.clone()).is(text), is, "{text}");
    }
    let bare = Request { headers: Vec::new(), body: Vec::new(), ..request };
    assert_eq!(bare.to_string(), "http.send POST https://example.com/x");
    assert!(
        Called::Http(bare.clone()).is(&bare.to_string()) && bare.is("http.send POST https://example.com/x ")
    );
}

#[test]
fn every_function_has_its_kind() {
    for function in answer::FUNCTIONS {
        assert_eq!(super::function(function.name).unwrap().kind, function.kind);
    }
}

#[test]
fn what_is_asked_without_end_takes_no_memory_without_end() {
    let (host, session) = (Rehearsal::default(), session(Phase::Effects));
    let large = vec![b'x'; 1 << 20];
    let set = || host.call::<()>(&session, "state.set", &[b"k", &large]);
    let refused = (0..200).find_map(|_| set().err()).expect("200 MiB were kept");
    assert_eq!(refused.kind, "denied");
    assert!(refused.message.contains("64 MiB"), "{refused}");
    assert!(texts(&host).iter().map(String::len).sum::<usize>() <= KEPT);
    // Neither do many that are small.
    host.begin(Scene::default());
    let blocked = || host.call::<bool>(&session, "firewall.blocked", &[b"192.0.2.7"]);
    assert!((0..1_000_000).any(|_| blocked().is_err()));
    // The next scene has its own.
    host.begin(Scene::default());
    assert_eq!(set(), Ok(()));
}
