//! The calls, on files in memory.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use riposte_policy::config::Mode;
use riposte_policy::grant::{Grants, LinesGrant, Pattern};
use riposte_policy::order::EntryId;

use super::fake::Fake;
use super::*;
use crate::claim::Memory;
use crate::{Backends, Capabilities, Claims, Guard, Phase, Recorder, Session, WouldBe};

struct Bench {
    fake: Arc<Fake>,
    caps: Capabilities,
}

fn bench() -> Bench {
    let fake = Arc::new(Fake::default());
    let backends =
        Backends { lines: Arc::clone(&fake) as _, ..Backends::unavailable(&Refusal::unsupported("no")) };
    let claims: Arc<dyn Claims> = Arc::new(Memory::default());
    Bench { fake, caps: Capabilities::new(claims, backends, Arc::new(Guard::new())) }
}

fn session(entry: i64) -> Session {
    let grant = |file: &str, line: &str| LinesGrant { file: file.into(), lines: vec![Pattern::new(line)] };
    let lines = vec![grant("/etc/hosts.deny", "ALL:*"), grant("/etc/list", "*"), grant("/ipblock/*", "*")];
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: Some(EntryId(entry)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(Grants { lines, ..Grants::default() }),
        record: Recorder::default(),
    }
}

#[tokio::test]
async fn the_last_holder_takes_the_line_away() {
    let Bench { fake, caps } = bench();
    let lines = caps.lines();
    fake.write("/etc/list", "x\n");
    let (one, two) = (session(1), session(2));
    assert_eq!(lines.ensure(&one, "/etc/list", "a").await, Ok(true));
    assert_eq!(lines.ensure(&one, "/etc/list", "a").await, Ok(false));
    assert_eq!(lines.ensure(&two, "/etc/list", "a").await, Ok(false));
    assert_eq!(lines.contains(&two, "/etc/list", "a").await, Ok(true));
    assert_eq!(lines.remove(&one, "/etc/list", "a").await, Ok(true));
    assert_eq!(fake.text("/etc/list").unwrap(), "x\na\n");
    assert_eq!(lines.remove(&two, "/etc/list", "a").await, Ok(true));
    assert_eq!(lines.remove(&two, "/etc/list", "a").await, Ok(false));
    assert_eq!(fake.text("/etc/list").unwrap(), "x\n");
    // What nobody made stays, whoever asks.
    assert_eq!(lines.remove(&one, "/etc/list", "x").await, Ok(false));
    assert_eq!(fake.text("/etc/list").unwrap(), "x\n");
}

#[tokio::test]
async fn what_could_not_be_taken_back_is_not_taken_for_the_state_before() {
    let Bench { fake, caps } = bench();
    let lines = caps.lines();
    fake.write("/etc/list", "x\n");
    let (one, two) = (session(1), session(2));
    assert_eq!(lines.ensure(&one, "/etc/list", "a").await, Ok(true));
    fake.refuse(Some(Refusal::unavailable("there is no space left")));
    assert!(lines.remove(&one, "/etc/list", "a").await.is_err());
    fake.refuse(None);
    assert_eq!(lines.ensure(&two, "/etc/list", "a").await, Ok(false));
    assert_eq!(lines.remove(&one, "/etc/list", "a").await, Ok(true));
    assert_eq!(fake.text("/etc/list").unwrap(), "x\na\n");
    assert_eq!(lines.remove(&two, "/etc/list", "a").await, Ok(true));
    assert_eq!(fake.text("/etc/list").unwrap(), "x\n");
}

#[tokio::test]
async fn what_an_administrator_wrote_stays() {
    let Bench { fake, caps } = bench();
    let lines = caps.lines();
    fake.write("/etc/list", "a\n");
    assert_eq!(lines.ensure(&session(1), "/etc/list", "a").await, Ok(false));
    let _ = lines.remove(&session(1), "/etc/list", "a").await.unwrap();
    assert_eq!(fake.text("/etc/list").unwrap(), "a\n");
}

#[tokio::test]
async fn refusals_say_what_would_allow_it_and_leave_no_trace() {
    let Bench { fake, caps } = bench();
    let lines = caps.lines();
    let good = session(1);
    let keys = Session { phase: Phase::Keys, entry: None, ..good.clone() };
    let ungranted = Session { grants: Arc::default(), ..good.clone() };
    for (session, file, line, kind, words) in [
        (&good, "etc/list", "a", "invalid-input", "does not begin"),
        (&good, "/etc/../etc/list", "a", "invalid-input", "`..`"),
        (&good, "/etc//list", "a", "invalid-input", "empty part"),
        (&good, "/etc/list\0", "a", "invalid-input", "control character"),
        (&good, "/etc/list", "a\nb", "invalid-input", "line end"),
        (&good, "/etc/list", "", "invalid-input", "empty"),
        (&good, "/etc/lis", "a", "denied", r#"<lines file="/etc/lis"/>"#),
        (&good, "/etc/list/x", "a", "denied", "<lines"),
        (&good, "/etc/pass\"wd", "a", "denied", r#"<lines file="/etc/pass&quot;wd"/>"#),
        (&good, "/ipblock", "a", "denied", "<lines"),
        (&good, "/ipblock/a/b", "a", "denied", "<lines"),
        (&good, "/etc/hosts.deny", "sshd:192.0.2.7", "denied", "`match`"),
        (&good, "/etc/hosts.deny", "ALL:ALL", "denied", "DAEMONS : ADDRESS"),
        (&good, "/etc/hosts.deny", "ALL:127.0.0.1", "denied", "guard: loopback"),
        (&good, "/ipblock/hosts.deny", "ALL:127.0.0.1", "denied", "guard: loopback"),
        (&ungranted, "/etc/list", "a", "denied", "<lines"),
        (&keys, "/etc/list", "a", "denied", "`keys`"),
    ] {
        let refusal = lines.ensure(session, file, line).await.unwrap_err();
        assert_eq!(refusal.kind, kind, "{file} {line}: {refusal}");
        assert!(refusal.message.contains(words), "{file} {line}: {refusal}");
        assert!(fake.text(file).is_none());
    }
    assert_eq!(lines.remove(&keys, "/etc/list", "a").await.unwrap_err().kind, "denied");
    assert_eq!(lines.contains(&keys, "/etc/list", "a").await.unwrap_err().kind, "denied");
    assert_eq!(lines.contains(&ungranted, "/etc/list", "a").await.unwrap_err().kind, "denied");
    assert_eq!(lines.ensure(&good, "/ipblock/192.0.2.7", "192.0.2.7").await, Ok(true));
    // What became protected can still be taken out.
    assert_eq!(lines.ensure(&good, "/etc/hosts.deny", "ALL:192.0.2.7").await, Ok(true));
    caps.guard().set_allows(vec!["192.0.2.7".parse().unwrap()]);
    assert_eq!(lines.remove(&good, "/etc/hosts.deny", "ALL:192.0.2.7").await, Ok(true));
}

#[tokio::test]
async fn shadow_believes_itself_and_writes_nothing() {
    let Bench { fake, caps } = bench();
    let lines = caps.lines();
    let shadow = Session { mode: Mode::Shadow, entry: None, ..session(1) };
    assert_eq!(lines.contains(&shadow, "/etc/list", "a").await, Ok(false));
    assert_eq!(lines.ensure(&shadow, "/etc/list", "a").await, Ok(true));
    assert_eq!(lines.contains(&shadow, "/etc/list", "a").await, Ok(true));
    assert_eq!(lines.remove(&shadow, "/etc/list", "a").await, Ok(true));
    assert_eq!(lines.contains(&shadow, "/etc/list", "a").await, Ok(false));
    let effect = crate::Effect { interface: INTERFACE, target: r#"["/etc/list","a"]"#.to_owned() };
    assert_eq!(shadow.record.recorded(), [WouldBe::Made(effect.clone()), WouldBe::Undone(effect)]);
    assert!(fake.text("/etc/list").is_none());
}

#[tokio::test]
async fn the_engine_takes_it_back_without_the_component() {
    let Bench { fake, caps } = bench();
    caps.lines().ensure(&session(1), "/etc/list", "a").await.unwrap();
    let effect = crate::Effect { interface: INTERFACE, target: r#"["/etc/list","a"]"#.to_owned() };
    assert_eq!(caps.reverse(EntryId(1), &effect).await, Ok(true));
    assert!(fake.text("/etc/list").is_none());
}

#[test]
fn a_line_is_one_line() {
    for text in ["a", "ALL : 192.0.2.7", "ü", "a\"b\\c", "#"] {
        assert_eq!(Line::parse(text).unwrap().as_str(), text);
    }
    let long = "x".repeat(LONGEST + 1);
    for text in ["", " ", " a", "a ", "a\nb", "a\r", "a\0b", "a\tb", "a\u{85}b", "\u{a0}a", &long] {
        assert_eq!(Line::parse(text).unwrap_err().kind, "invalid-input", "{text:?}");
    }
    assert!(Line::parse(&long[1..]).is_ok());
}

#[test]
fn targets_read_back() {
    for (file, line) in [("/etc/hosts.deny", "ALL:192.0.2.7"), ("/a b", "c \",\" d"), ("/a", "b c")] {
        let target = target(file, &Line::parse(line).unwrap());
        let (f, l) = parts(&target).unwrap();
        assert_eq!((f.as_str(), l.as_str()), (file, line));
    }
    for wrong in ["", "[]", "[\"/a\"]", "[\"/a\",\"b\",\"c\"]", "/a b", "[\"/a\",\"\"]"] {
        assert!(parts(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_state_before_reads_back() {
    let prior = Prior { file: File::Missing, line: Presence::Absent };
    assert_eq!(prior.stored(), r#"{"file":"missing","line":"absent"}"#);
    assert_eq!(Prior::read(&prior.stored()).unwrap(), prior);
    assert_eq!(Prior::read("present").unwrap_err().kind, "unsupported");
}
