//! Structure comes first: what is not granted is not linked, and while keys
//! are named nothing may be done.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::{Machine, invocation};
use riposte_policy::config::{Config, Source};
use riposte_policy::grant::Grants;
use riposte_runtime::{Failure, LoadError};

/// Every capability with a component of its own, a grant, and a call that
/// makes an effect.
#[rustfmt::skip]
const CAPABILITIES: [(&str, &str, &str); 12] = [
    ("accounts",   r#"<account users="*"/>"#,                                  r#""call":"lock","a":"mallory""#),
    ("exec",       r#"<exec program="/bin/true"/>"#,                           r#""call":"run","a":"/bin/true""#),
    ("firewall",   "<firewall/>",                                              r#""call":"block","a":"192.0.2.7""#),
    ("isolation",  "<isolation/>",                                             r#""call":"isolate""#),
    ("lines",      r#"<lines file="/etc/hosts.deny"/>"#,                       r#""call":"ensure","a":"/etc/hosts.deny","b":"x""#),
    ("mail",       r#"<mail server="localhost" from="a@example.com" to="b@example.com"/>"#, r#""call":"send","a":"x","b":"y""#),
    ("processes",  r#"<process names="*"/>"#,                                  r#""call":"kill","a":"1","b":"x""#),
    ("quarantine", r#"<quarantine folders="/tmp"/>"#,                          r#""call":"put","a":"/tmp/x""#),
    ("routes",     "<route/>",                                                 r#""call":"blackhole","a":"192.0.2.7""#),
    ("secret",     r#"<secret name="x" file="/etc/shadow"/>"#,                 r#""call":"get","a":"x""#),
    ("services",   r#"<service unit="x.service"/>"#,                           r#""call":"restart","a":"x.service""#),
    ("state",      "<state/>",                                                 r#""call":"set","a":"k","b":"v""#),
];

#[test]
fn a_component_without_its_grant_is_not_loaded_whatever_else_is_granted() {
    let machine = Machine::new();
    for (interface, element, _) in CAPABILITIES {
        let others: String = CAPABILITIES
            .iter()
            .filter(|(other, ..)| *other != interface)
            .map(|(_, element, _)| *element)
            .collect();
        for grants in [Grants::default(), grants(&others)] {
            let refused = machine.refused(&format!("ask-{interface}"), grants, true);
            let LoadError::Missing(missing) = &refused else { panic!("{interface}: {refused:?}") };
            assert_eq!(missing.len(), 1, "{interface}: {refused}");
            let name = element.trim_start_matches('<').split([' ', '/']).next().unwrap();
            assert!(refused.to_string().contains(&format!("<{name}")), "{interface}: {refused}");
        }
    }
}

#[tokio::test]
async fn no_capability_acts_while_keys_are_named() {
    let machine = Machine::new();
    for (interface, element, call) in CAPABILITIES {
        let plugin = machine.hostile(&format!("ask-{interface}"), grants(element));
        let alert = format!(r#"{{"id":"1","data":{{"early":"yes",{call}}}}}"#);
        let asked = plugin.keys(&invocation(&alert)).await;
        let Err(Failure::Said { kind, message, .. }) = &asked.result else {
            panic!("{interface}: {asked:?}")
        };
        assert_eq!(kind, "denied", "{interface}: {message}");
        assert!(message.contains("`keys`"), "{interface}: {message}");
        assert!(asked.would_be.is_empty(), "{interface}");
    }
    assert_eq!(machine.firewall.synced(), Vec::<String>::new());
}

/// What WASI gives to everybody is empty.
#[tokio::test]
async fn wasi_without_grants_leads_nowhere() {
    let machine = Machine::new();
    let call = invocation(r#"{"id":"1"}"#);
    for name in ["connect", "listen", "datagram", "lookup", "threads"] {
        let added = machine.hostile(name, Grants::default()).add(&call).await;
        assert!(matches!(added.result, Err(Failure::Said { .. })), "{name}: {added:?}");
    }
    let told = machine.hostile("environment", Grants::default()).add(&call).await;
    assert_eq!(told.result, Ok(Vec::new()), "no variables, no arguments");
    for _ in 0..2 {
        let remembered = machine.hostile("remembers", Grants::default()).add(&call).await;
        assert_eq!(remembered.result, Ok(b"0".to_vec()), "nothing stays from one call to the next");
    }
    for asked in [
        r#""call":"read","a":"/etc/passwd""#,
        r#""call":"read","a":"etc/passwd""#,
        r#""call":"read","a":"/proc/self/environ""#,
        r#""call":"list","a":"/""#,
        r#""call":"list","a":".""#,
        r#""call":"write","a":"/tmp/x","b":"y""#,
        r#""call":"rename","a":"/etc/passwd","b":"/etc/passwd2""#,
        r#""call":"link","a":"/etc/passwd","b":"/tmp/passwd""#,
        r#""call":"make-folder","a":"/tmp/x""#,
        r#""call":"open-many","a":"/dev/null""#,
    ] {
        let alert = format!(r#"{{"id":"1","data":{{{asked}}}}}"#);
        let added = machine.hostile("ask-folder", Grants::default()).add(&invocation(&alert)).await;
        assert!(matches!(added.result, Err(Failure::Said { .. })), "{asked}: {added:?}");
    }
}

#[tokio::test]
async fn floods_of_output_are_cut() {
    let machine = Machine::new();
    let limits =
        riposte_policy::limit::Limits { cpu: std::time::Duration::from_millis(100), ..Default::default() };
    for name in ["flood-output", "flood-empty"] {
        let added = machine.limited(name, Grants::default(), &limits).add(&invocation(r#"{"id":"1"}"#)).await;
        assert!(matches!(added.result, Err(Failure::CpuLimit { .. })), "{name}: {added:?}");
        let kept: usize = added.log.iter().map(|line| line.text.len()).sum();
        assert!((1..10_000).contains(&kept), "{name}: {kept} bytes");
    }
}

/// The grants of these elements, as an operator writes them.
fn grants(elements: &str) -> Grants {
    let text = format!(
        "<command><name>x</name><executable>x.wasm</executable><capabilities>{elements}</capabilities></command>"
    );
    let config = Config::read(&[Source::new("ossec.conf", &text)]);
    config.commands[0].capabilities.clone().unwrap_or_default()
}
