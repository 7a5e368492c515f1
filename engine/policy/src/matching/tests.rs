//! What fires, both ways, and what is said about it.

use proptest::prelude::*;

use super::*;
use crate::config::{Location, Mode};

fn response(level: Option<u8>, groups: &[&str], rules: &[u32]) -> Arc<Response> {
    Arc::new(Response {
        name: "block#1".into(),
        command: "block".into(),
        location: Location::LOCAL,
        matching: Way::Riposte,
        level,
        groups: groups.iter().map(ToString::to_string).collect(),
        pattern: None,
        rules: rules.to_vec(),
        timeout: None,
        offenders: [].into(),
        mode: Mode::Enforce,
        place: crate::diagnostic::Place { file: "f".into(), line: 1, column: 1 },
    })
}

fn fires(responses: &[Arc<Response>], alert: &str) -> Vec<usize> {
    Index::new(responses).fires(&Alert::parse(alert.as_bytes()).unwrap())
}

#[test]
fn what_a_response_did_fires_only_what_names_its_rule() {
    let responses = [response(Some(3), &["active_response"], &[]), response(Some(3), &[], &[651])];
    let alert = |decoder: &str| {
        format!(
            r#"{{"rule":{{"id":"651","level":3,"groups":["active_response"]}},"decoder":{{"name":"{decoder}"}}}}"#
        )
    };
    for decoder in ["ar_log", "ar_log_json"] {
        let alert = alert(decoder);
        assert_eq!(fires(&responses, &alert), [1]);
        let parsed = Alert::parse(alert.as_bytes()).unwrap();
        assert_eq!(explain(&responses[0], &parsed), Why::OfAResponse);
        assert_eq!(explain(&responses[1], &parsed), Why::Fires(vec![Match::Rule(651)]));
    }
    assert_eq!(fires(&responses, &alert("sshd")), [0, 1]);
    let wazuh =
        |response: &Arc<Response>| Arc::new(Response { matching: Way::Wazuh, ..(**response).clone() });
    assert_eq!(fires(&responses.each_ref().map(wazuh), &alert("ar_log")), [1]);
}

#[test]
fn any_trigger_fires() {
    let responses = [
        response(Some(10), &["sshd"], &[5710]),
        response(None, &["authentication_failed", "pci_dss_11.4"], &[]),
        response(Some(3), &[], &[]),
        response(None, &[], &[5710, 5711]),
    ];
    let fires = |alert| fires(&responses, alert);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":2}}"#), [0; 0]);
    assert_eq!(fires(r#"{"rule":{"id":"5710","level":2}}"#), [0, 3]);
    assert_eq!(fires(r#"{"rule":{"id":5711,"level":2}}"#), [3]);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":10}}"#), [0, 2]);
    assert_eq!(fires(r#"{"rule":{"id":"5710","level":20,"groups":["sshd"]}}"#), [0, 2, 3]);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":2,"groups":["SSHD"," Authentication_Failed"]}}"#), [0, 1]);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":2,"groups":["sshd_x","ssh"]}}"#), [0; 0]);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":2,"pci_dss":["10.2","11.4"]}}"#), [1]);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":2,"gdpr":["11.4"]}}"#), [0; 0]);
    // Without a level nothing is reached, but the rest counts.
    assert_eq!(fires(r#"{"rule":{"id":"5711"}}"#), [3]);
    // Level 0 is how Wazuh silences a rule.
    assert_eq!(fires(r#"{"rule":{"id":"5710","level":0,"groups":["sshd"]}}"#), [0; 0]);
}

#[test]
fn it_says_why() {
    let why = |response: &Response, alert: &str| {
        explain(response, &Alert::parse(alert.as_bytes()).unwrap()).to_string()
    };
    let all = response(Some(10), &["sshd"], &[5710]);
    assert_eq!(
        why(&all, r#"{"rule":{"id":"5710","level":12,"groups":["SSHD"]}}"#),
        "fires: rule 5710 is in rules_id; group \"SSHD\" is in rules_group; rule level 12 reaches level 10"
    );
    assert_eq!(
        why(&all, r#"{"rule":{"id":"1","level":3,"groups":["web"]}}"#),
        "does not fire: rule \"1\" is not in rules_id 5710; none of the rule's groups \"web\" is in rules_group sshd; \
         rule level 3 is below level 10"
    );
    assert_eq!(
        why(&all, r#"{"rule":{"id":"5710","level":0}}"#),
        "does not fire: rules of level 0 never fire a response"
    );
}

/// A response that fires as Wazuh 4.x has it.
fn wazuh(level: Option<u8>, pattern: Option<&str>, rules: &[u32]) -> Arc<Response> {
    let mut response = Response::clone(&response(level, &[], rules));
    response.matching = Way::Wazuh;
    response.pattern = pattern.map(|text| Pattern::new(text).unwrap_or_else(|_| Pattern::never(text)));
    Arc::new(response)
}

#[test]
fn wazuh_asks_for_level_and_group() {
    let responses = [
        wazuh(Some(10), Some("sshd,|pci_dss_11.4,"), &[5710]),
        wazuh(None, Some("web"), &[]),
        wazuh(Some(3), None, &[]),
        wazuh(Some(3), Some(r"\n"), &[]),
        wazuh(Some(18), None, &[]),
    ];
    let fires = |alert| fires(&responses, alert);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":10}}"#), [2]);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":9,"groups":["sshd"]}}"#), [2]);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":10,"groups":["syslog","sshd"]}}"#), [0, 2]);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":12,"groups":["x"],"pci_dss":["11.4"]}}"#), [0, 2]);
    assert_eq!(fires(r#"{"rule":{"id":"5710","level":1}}"#), [0]);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":2,"groups":["Web_attack"]}}"#), [1]);
    assert_eq!(fires(r#"{"rule":{"id":"1","level":20}}"#), [2, 4]);
    // Without a level there is none that could be above 0.
    assert_eq!(fires(r#"{"rule":{"id":"5710","groups":["sshd","web"]}}"#), [0; 0]);
    assert_eq!(fires(r#"{"rule":{"id":"5710","level":0,"groups":["sshd"]}}"#), [0; 0]);
}

#[test]
fn it_says_why_in_the_terms_of_wazuh() {
    let why = |response: &Response, alert: &str| {
        explain(response, &Alert::parse(alert.as_bytes()).unwrap()).to_string()
    };
    let both = wazuh(Some(10), Some("sshd,"), &[]);
    assert_eq!(
        why(&both, r#"{"rule":{"id":"1","level":12,"groups":["syslog","sshd"]}}"#),
        "fires: rules_group \"sshd,\" is found in the groups \"syslog,sshd,\"; rule level 12 reaches level 10"
    );
    assert_eq!(
        why(&both, r#"{"rule":{"id":"1","level":12,"groups":["web"]}}"#),
        "does not fire: rules_group \"sshd,\" is not found in the groups \"web,\"; \
         rule level 12 reaches level 10, but Wazuh 4.x asks for both level and rules_group"
    );
    assert_eq!(
        why(&both, r#"{"rule":{"id":"1","level":3,"groups":["sshd"]}}"#),
        "does not fire: rule level 3 is below level 10; \
         rules_group \"sshd,\" is found in the groups \"sshd,\", but Wazuh 4.x asks for both level and rules_group"
    );
    assert_eq!(
        why(&both, r#"{"rule":{"id":"1"}}"#),
        "does not fire: the rule has no level, and Wazuh 4.x takes that for level 0"
    );
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[abAB]{1,2}", Just("pci_dss_1".to_owned()), Just("x".repeat(70))]
}

proptest! {
    #[test]
    fn the_index_agrees_with_the_explanation(
        triggers in prop::collection::vec(
            (any::<bool>(), prop::option::of(1_u8..=16), prop::collection::vec(word(), 0..3), prop::collection::vec(1_u32..6, 0..3)), 0..8,
        ),
        (rule, level) in (0_u32..7, prop::option::of(0_u8..20)),
        groups in prop::collection::vec(word(), 0..4),
        controls in prop::collection::vec("[12]", 0..2),
    ) {
        let responses: Vec<_> = triggers.iter().map(|(of_wazuh, level, groups, rules)| {
            if *of_wazuh {
                let pattern = (!groups.is_empty()).then(|| groups.join("|"));
                return wazuh(*level, pattern.as_deref(), rules);
            }
            let groups: Vec<String> = groups.iter().map(|group| group.to_ascii_lowercase()).collect();
            response(*level, &groups.iter().map(String::as_str).collect::<Vec<_>>(), rules)
        }).collect();
        let alert = serde_json::json!({"rule": {"id": rule, "level": level, "groups": groups, "pci_dss": controls}}).to_string();
        let alert = Alert::parse(alert.as_bytes()).unwrap();
        let explained: Vec<usize> = (0..responses.len())
            .filter(|position| matches!(explain(&responses[*position], &alert), Why::Fires(_)))
            .collect();
        prop_assert_eq!(Index::new(&responses).fires(&alert), explained);
    }
}
