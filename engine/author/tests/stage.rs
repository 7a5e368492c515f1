//! Scenarios played against real components: each capability once, with the
//! text of its call and the answer that reaches the component, and the ends that
//! a call can come to.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed unwrap is a failed test; it writes files"
)]

use riposte_author::scenario::{self, Played, Scenario, ScenarioError, Stage, show};
use serde_json::{Value, json};

/// The scenario of this JSON.
fn scenario(value: &Value) -> Result<Scenario, ScenarioError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.json");
    std::fs::write(&file, json!({"scenarios": [value]}).to_string()).unwrap();
    scenario::read(&file).map(|mut all| all.remove(0))
}

fn played(stage: &Stage, component: &str, value: &Value) -> Played {
    let subject = stage.subject(component, riposte_hostile::component(component).to_vec()).unwrap();
    stage.play(&subject, &scenario(value).unwrap()).unwrap()
}

fn stage() -> Stage {
    Stage::new(None).unwrap()
}

/// What the component is asked to do, what it is seen to do, and what it gets
/// for it. The answer of the host is the usual one.
#[rustfmt::skip]
const CALLS: [(&str, &str, &str, &str, &str, &str); 29] = [
    ("firewall", "block", "192.0.2.7", "", "firewall.block 192.0.2.7", "true"),
    ("firewall", "unblock", "192.0.2.7", "", "firewall.unblock 192.0.2.7", "false"),
    ("firewall", "blocked", "192.0.2.7", "", "firewall.blocked 192.0.2.7", "false"),
    ("routes", "blackhole", "192.0.2.7", "", "routes.blackhole 192.0.2.7", "true"),
    ("routes", "restore", "192.0.2.7", "", "routes.restore 192.0.2.7", "false"),
    ("accounts", "lock", "mallory", "", "accounts.lock mallory", "true"),
    ("accounts", "locked", "mallory", "", "accounts.locked mallory", "false"),
    ("accounts", "end-sessions", "mallory", "", "accounts.end-sessions mallory", "0"),
    ("services", "restart", "a.service", "", "services.restart a.service", "()"),
    ("services", "reload", "a.service", "", "services.reload a.service", "()"),
    ("services", "start", "a.service", "", "services.start a.service", "true"),
    ("services", "stop", "a.service", "", "services.stop a.service", "false"),
    ("lines", "ensure", "/etc/hosts.deny", "ALL:192.0.2.7", "lines.ensure /etc/hosts.deny ALL:192.0.2.7", "true"),
    ("lines", "remove", "/etc/hosts.deny", "ALL:192.0.2.7", "lines.remove /etc/hosts.deny ALL:192.0.2.7", "false"),
    ("processes", "running", "xmrig", "", "processes.running xmrig", "[]"),
    ("processes", "kill", "7", "xmrig", "processes.kill 7 xmrig", "false"),
    ("exec", "run", "/usr/bin/yara", "-r|/srv/a b", "exec.run /usr/bin/yara -r /srv/a b", "Output { status: 0, stdout: [], stderr: [], truncated: false }"),
    ("state", "get", "k", "", "state.get k", "None"),
    ("state", "set", "k", "v", "state.set k v", "()"),
    ("state", "remove", "k", "", "state.remove k", "false"),
    ("secret", "get", "hook", "", "secret.get hook", "\"hunter2\""),
    ("quarantine", "put", "/srv/x", "", "quarantine.put /srv/x", "true"),
    ("quarantine", "holds", "/srv/x", "", "quarantine.holds /srv/x", "false"),
    ("isolation", "isolate", "", "", "isolation.isolate host", "true"),
    ("isolation", "release", "", "", "isolation.release host", "false"),
    ("isolation", "isolated", "", "", "isolation.isolated host", "false"),
    ("mail", "send", "subject", "text", "mail.send subject text", "()"),
    ("http", "send", "POST https://example.com/x?y", "body", "http.send POST https://example.com/x?y body", "200"),
    ("http", "headers", "GET https://example.com:8443/", "X-Key: a b|Accept: c", "http.send GET https://example.com:8443/ X-Key: a b Accept: c", "200"),
];

#[test]
fn every_capability_is_recorded_and_answered() {
    let stage = stage();
    for (interface, call, a, b, text, answer) in CALLS {
        let played = played(
            &stage,
            &format!("ask-{interface}"),
            &json!({
                "name": text, "call": "add",
                "alert": {"id": "1", "data": {"call": call, "a": a, "b": b}},
                "secrets": {"hook": "hunter2"},
                "expect": {"calls": [text], "receipt": answer}
            }),
        );
        assert!(played.passed(), "{}", show::text(&played));
    }
}

#[test]
fn nothing_but_names_while_keys_are_asked_for() {
    let stage = stage();
    for (interface, call, a, b, text, _) in CALLS {
        let result = match (interface, call) {
            ("state", "get") => json!("ok"),
            _ => json!({"kind": "denied", "retry": false}),
        };
        let calls = match interface {
            // Refused before it is a request.
            "http" => json!([]),
            _ => json!([text]),
        };
        let played = played(
            &stage,
            &format!("ask-{interface}"),
            &json!({
                "name": text, "call": "keys",
                "alert": {"id": "1", "data": {"call": call, "a": a, "b": b, "early": "yes"}},
                "expect": {"result": result, "calls": calls}
            }),
        );
        assert!(played.passed(), "{}", show::text(&played));
    }
}

#[test]
fn what_the_host_answers_reaches_the_component() {
    let stage = stage();
    let refused = json!({"error": {"kind": "odd", "message": "not now", "retry": true}});
    for (component, call, a, host, expect) in [
        (
            "ask-firewall",
            "block",
            "192.0.2.7",
            json!({"firewall.block": refused}),
            json!({"result": {"kind": "odd", "message": "not now", "retry": true}}),
        ),
        (
            "ask-firewall",
            "block",
            "192.0.2.7",
            json!({"firewall.block": {"ok": false}}),
            json!({"receipt": "false"}),
        ),
        (
            "ask-firewall",
            "block",
            "-j ACCEPT",
            json!({}),
            json!({"result": {"kind": "invalid-input"}, "calls": ["firewall.block -j ACCEPT"]}),
        ),
        ("ask-firewall", "block", "127.0.0.1", json!({}), json!({"result": {"kind": "denied"}})),
        (
            "ask-processes",
            "running",
            "xmrig",
            json!({"processes.running": {"ok": [4, 5]}}),
            json!({"receipt": "[4, 5]"}),
        ),
        (
            "ask-accounts",
            "end-sessions",
            "eve",
            json!({"accounts.end-sessions": {"ok": 3}}),
            json!({"receipt": "3"}),
        ),
        ("ask-state", "get", "k", json!({"state.get": {"ok": "v"}}), json!({"receipt": "Some([118])"})),
        (
            "ask-exec",
            "run",
            "/bin/x",
            json!({"exec.run": {"code": -9, "stdout": "o"}}),
            json!({"receipt": "Output { status: -9, stdout: [111], stderr: [], truncated: false }"}),
        ),
        ("ask-secret", "get", "other", json!({}), json!({"result": {"kind": "denied"}})),
        (
            "ask-http",
            "send",
            "GET https://example.com/",
            json!({"http.send": {"status": 404}}),
            json!({"receipt": "404"}),
        ),
        (
            "ask-http",
            "send",
            "GET https://example.com/",
            json!({"http.send": {"error": {"kind": "timeout"}}}),
            json!({"result": {"kind": "timeout", "retry": true}}),
        ),
        (
            "ask-http",
            "send",
            "GET ftp://example.com/",
            json!({}),
            json!({"result": {"kind": "invalid-input"}, "calls": []}),
        ),
    ] {
        let scenario = json!({
            "name": call, "call": "add", "host": host, "expect": expect,
            "alert": {"id": "1", "data": {"call": call, "a": a}},
        });
        let played = played(&stage, component, &scenario);
        assert!(played.passed(), "{}", show::text(&played));
    }
}

#[test]
fn folders_are_seen_and_only_read() {
    let stage = stage();
    for (call, a, result) in [
        ("read", "/srv/in/deep/file", json!({"receipt": "\"text\""})),
        ("list", "/srv/in", json!({"receipt": "2"})),
        ("read", "/etc/passwd", json!({"result": "error"})),
        ("write", "/srv/in/new", json!({"result": "error"})),
        ("remove", "/srv/in/b", json!({"result": "error"})),
    ] {
        let scenario = json!({
            "name": call, "call": "add", "expect": result,
            "folders": {"/srv/in": {"deep/file": "text", "b": ""}},
            "alert": {"id": "1", "data": {"call": call, "a": a}},
        });
        let played = played(&stage, "ask-folder", &scenario);
        assert!(played.passed(), "{}", show::text(&played));
    }
}

#[test]
fn every_end_is_told_apart() {
    let stage = stage();
    for (component, call, result) in [
        ("loop-add", "add", json!({"limit": "cpu"})),
        ("grow-memory", "add", json!({"limit": "memory"})),
        ("trap-add", "add", json!("trap")),
        ("exits", "add", json!("trap")),
        ("oneshot", "run", json!("ok")),
        ("remembers", "add", json!("ok")),
    ] {
        let right = json!({"name": "n", "call": call, "alert": {"id": "1"}, "times": 2, "expect": {"result": result}});
        let right = played(&stage, component, &right);
        assert!(right.passed(), "{component}: {}", show::text(&right));
        let wrong = json!({"name": "n", "call": call, "alert": {"id": "1"}, "expect": {"result": {"kind": "no-key"}}});
        let wrong = played(&stage, component, &wrong);
        assert!(show::text(&wrong).contains("expected  error no-key"), "{}", show::text(&wrong));
        assert_eq!(show::value(&wrong)["passed"], false);
    }
}

#[test]
fn differences_name_what_was_expected_and_what_came() {
    let stage = stage();
    let scenario = json!({
        "name": "all wrong", "call": "add", "alert": {"id": "1", "data": {"call": "block", "a": "192.0.2.7"}},
        "expect": {"calls": ["firewall.block 192.0.2.8", "x"], "receipt": "no", "log": ["said"], "memory": "1B", "cpu": "0ms"}
    });
    let played = played(&stage, "ask-firewall", &scenario);
    let text = show::text(&played);
    for words in [
        "FAIL  all wrong",
        "receipt  expected  \"no\"\n               came      \"true\"",
        "calls    expected  firewall.block 192.0.2.8\n                         x\n               came      firewall.block 192.0.2.7",
        "log      expected  said\n               came      (nothing)",
        "memory   expected  at most 1 B",
        "cpu      expected  at most 0ns",
    ] {
        assert!(text.contains(words), "{text}\nis to contain\n{words}");
    }
}

#[test]
fn what_is_no_plugin_is_refused_before_anything_runs() {
    let stage = stage();
    let refused = |bytes: &[u8]| stage.subject("x", bytes.to_vec()).map(|_| ()).unwrap_err().to_string();
    assert!(refused(b"\0asm\x01\0\0\0").contains("core module"));
    assert!(refused(b"text").contains("no WebAssembly component"));
}
