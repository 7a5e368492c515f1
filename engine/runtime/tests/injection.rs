//! Whatever text an attacker puts into an alert reaches no program, file,
//! message or line of a log but as one argument of its own type: 10,000
//! generated values through every built-in response, in the sandbox, with the
//! grants of its own definition. Behind the capabilities stands a host that
//! does all it is told and writes it down.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
mod told;
mod values;

use std::sync::Arc;

use common::invocation;
use riposte_capability::claim::Memory;
use riposte_capability::processes::ProgramName;
use riposte_capability::witness::{Denied, Witness};
use riposte_capability::{Backends, Capabilities, Guard, Refusal};
use riposte_capability::{exec, firewall, http, mail, secret, services};
use riposte_policy::address::{Address, Prefix};
use riposte_policy::config::{Config, Source};
use riposte_policy::diagnostic::acts;
use riposte_policy::order::EntryId;
use riposte_policy::user::UserName;
use riposte_runtime::{Components, Invocation, Kind, Outcome, Plugin, Settings};
use serde_json::{Value, json};
use told::Told;
use values::{VALUES, values};

#[tokio::test]
async fn firewalls_get_addresses() {
    let names = ["firewall-drop", "firewalld-drop"];
    firewalled(&names).await;
}

#[tokio::test]
async fn firewalls_of_other_systems_get_addresses() {
    firewalled(&["ipfw", "pf"]).await;
}

#[tokio::test]
async fn firewalls_of_more_systems_get_addresses() {
    firewalled(&["netsh", "npf"]).await;
}

async fn firewalled(names: &[&str]) {
    for name in names {
        let host = Host::new();
        host.attack(name, "").await;
        let synced = host.firewall.synced();
        for target in &synced {
            let set = target.rsplit_once(' ').unwrap().0;
            assert!(set.bytes().all(|b| b.is_ascii_lowercase() || b"_:".contains(&b)), "{target:?}");
            one_prefix(target.rsplit_once(' ').unwrap().1);
        }
        reached(&synced, name, &["203.0.113.7", "2001:db8::7"]);
    }
}

#[tokio::test]
async fn routes_get_addresses() {
    let host = Host::new();
    host.attack("route-null", "").await;
    let routes = host.routes.told();
    routes.iter().for_each(|target| one_prefix(target));
    reached(&routes, "route-null", &["203.0.113.7", "2001:db8::7"]);
}

#[tokio::test]
async fn lines_are_of_one_shape() {
    let host = Host::new();
    host.attack("host-deny", "").await;
    let told = host.lines.told();
    for target in &told {
        let [file, line] = parts(target);
        assert_eq!(file, "/etc/hosts.deny");
        let address = line.strip_prefix("ALL:").expect(&line);
        match address.strip_prefix('[') {
            Some(v6) => one_address(v6.strip_suffix(']').unwrap()),
            None => one_address(address),
        }
    }
    reached(&told, "host-deny", &["\"ALL:203.0.113.7\"", "\"ALL:[2001:db8::7]\""]);

    let host = Host::new();
    host.attack("ip-customblock", "").await;
    let told = host.lines.told();
    for target in &told {
        let [file, line] = parts(target);
        assert_eq!(file, format!("/ipblock/{line}"));
        one_address(&line);
    }
    reached(&told, "ip-customblock", &["\"/ipblock/203.0.113.7\"", "\"/ipblock/2001:db8::7\""]);
}

#[tokio::test]
async fn accounts_get_names_of_users() {
    let host = Host::new();
    host.attack(
        "disable-account",
        r#"<account users="*" sessions="end"/><config name="sessions" value="end"/>"#,
    )
    .await;
    let told = host.accounts.told();
    for user in &told {
        assert!(user.parse::<UserName>().is_ok(), "{user:?}");
        // Separators of passwd, options and paths, whatever the type says.
        assert!(!user.starts_with(['-', '+', '~']), "{user:?}");
        let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | ',' | '/' | '\\');
        assert!(!user.contains(odd), "{user:?}");
    }
    reached(&told, "disable-account", &["alice", "DOMAIN$"]);
}

#[tokio::test]
async fn files_are_taken_from_granted_folders() {
    let host = Host::new();
    host.attack("quarantine-file", "").await;
    let told = host.quarantine.told();
    for path in &told {
        absolute(path);
        let folders = ["/home/", "/root/", "/srv/", "/tmp/", "/var/tmp/", "/var/www/"];
        assert!(folders.iter().any(|folder| path.starts_with(folder)), "{path:?}");
        assert!(path.split('/').skip(1).all(|part| !matches!(part, "" | "." | "..")), "{path:?}");
    }
    reached(&told, "quarantine-file", &["/tmp/eicar.com", "/home/bob/a b;$(id).exe"]);
}

#[tokio::test]
async fn programs_get_arguments_and_no_options() {
    let host = Host::new();
    host.attack("yara-scan", "").await;
    host.attack("kaspersky", "").await;
    let runs = host.exec.runs();
    for run in &runs {
        let head: &[&str] = match run.program.to_str().unwrap() {
            "/usr/bin/yara" => &["-w", "-N", "/etc/riposte/yara.rules"],
            "/opt/kaspersky/kesl/bin/kesl-control" => &["--scan-file"],
            other => panic!("{other}"),
        };
        let (from_the_alert, ours) = run.arguments.split_last().unwrap();
        assert_eq!(ours, head);
        absolute(from_the_alert);
        assert!(run.input.is_empty());
    }
    for program in ["yara", "kesl-control"] {
        let of = runs.iter().filter(|run| run.program.ends_with(program));
        let paths: Vec<_> = of.map(|run| run.arguments.last().unwrap().clone()).collect();
        reached(&paths, program, &["/tmp/eicar.com", "/home/bob/a b;$(id).exe"]);
    }
}

#[tokio::test]
async fn processes_get_names_of_programs() {
    let host = Host::new();
    host.attack("kill-process", "").await;
    let told = host.processes.told();
    for name in &told {
        let name = name.split_once(' ').unwrap().1;
        assert!(name.parse::<ProgramName>().is_ok() && !name.contains(char::is_control), "{name:?}");
        assert!(!matches!(name, "sshd" | "systemd"), "{name:?}");
    }
    reached(&told, "kill-process", &["4242 xmrig", "4711 xmrig"]);
}

/// What these do has nothing of the alert.
#[tokio::test]
async fn restarts_and_isolation_take_nothing_of_the_alert() {
    let host = Host::new();
    for name in ["restart-wazuh", "restart-ossec"] {
        host.attack(name, "").await;
    }
    host.attack("restart", r#"<service unit="nginx.service"/><config name="unit" value="nginx.service"/>"#)
        .await;
    host.attack("isolate-host", "").await;
    let mut done = host.services.done();
    done.sort_unstable();
    done.dedup();
    assert_eq!(done, ["restart nginx.service", "restart wazuh-agent.service"]);
    let told = host.isolation.told();
    assert!(!told.is_empty() && told.iter().all(|target| target == "host"), "{told:?}");
}

#[tokio::test]
async fn requests_carry_the_alert_as_json() {
    let host = Host::new();
    host.secrets.put("/etc/riposte/secrets/slack", "https://hooks.slack.com/services/T0/B0/x");
    host.attack("slack", "").await;
    let sent = host.http.sent();
    assert_eq!(sent.len(), VALUES);
    for one in &sent {
        assert_eq!(one.line, "POST https://hooks.slack.com:443/services/T0/B0/x");
        plain_headers(&one.headers);
        let said: Value = serde_json::from_slice(&one.body).unwrap();
        let [attachment] = said["attachments"].as_array().unwrap().as_slice() else { panic!("{said}") };
        let known = ["color", "fields", "pretext", "text", "title", "ts"];
        assert!(attachment.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{said}");
        // Slack reads `<...>` as a link or a call to everybody.
        assert!(!one.body.contains(&b'<'), "{said}");
    }
    let bodies: Vec<_> = sent.iter().map(|one| String::from_utf8_lossy(&one.body).into_owned()).collect();
    reached(&bodies, "slack", &["203.0.113.7", "$(id)", "&lt;!channel"]);
}

#[tokio::test]
async fn webhooks_carry_the_alert_as_it_is() {
    let host = Host::new();
    host.secrets.put("/etc/riposte/secrets/url", "https://hooks.example.com/in");
    let grants = r#"<http host="hooks.example.com"/><secret name="url" file="/etc/riposte/secrets/url"/>"#;
    host.attack("webhook", grants).await;
    let sent = host.http.sent();
    assert_eq!(sent.len(), VALUES);
    for (one, (n, value)) in sent.iter().zip(values().iter().enumerate()) {
        assert_eq!(one.line, "POST https://hooks.example.com:443/in");
        plain_headers(&one.headers);
        assert_eq!(serde_json::from_slice::<Value>(&one.body).unwrap(), alert(n, value));
    }
}

#[tokio::test]
async fn mail_is_one_subject_and_known_lines() {
    let host = Host::new();
    host.attack("mail", r#"<mail server="mx.example.com" from="a@example.com" to="b@example.com"/>"#).await;
    let sent = host.mail.sent();
    assert_eq!(sent.len(), VALUES);
    for letter in &sent {
        assert!(!letter.subject.contains(char::is_control), "{:?}", letter.subject);
        assert!(letter.subject.starts_with("[level 7, "), "{:?}", letter.subject);
        assert!(!letter.text.contains(|c: char| c.is_control() && !"\n\t".contains(c)), "{:?}", letter.text);
        let mut heads = Vec::new();
        for line in letter.text.lines().filter(|line| !line.is_empty() && !line.starts_with("    ")) {
            heads.push(line.split_once(':').expect(line).0);
        }
        let known =
            ["Rule", "Level", "Description", "Agent", "Agent ID", "Location", "Source", "User", "File"];
        assert_eq!(heads, [&known[..], &["Alert", "Log"]].concat(), "{:?}", letter.text);
    }
    let texts: Vec<_> = sent.iter().map(|letter| letter.text.clone()).collect();
    reached(&texts, "mail", &["Source: 203.0.113.7", "User: alice\n", "$(id)"]);
}

/// All are attacked, also the next one that is added.
#[test]
fn no_response_is_left_out() {
    let source = include_str!("injection.rs");
    for builtin in riposte_plugins::builtins() {
        assert!(source.contains(&format!("\"{}\"", builtin.name)), "{} is not attacked", builtin.name);
    }
}

/// What an attacker may write must not look like a fault of the response: after
/// a few of these it is suspended. As long as an alert may be, and longer still
/// when it is quoted.
#[tokio::test]
async fn the_longest_values_are_no_fault() {
    let host = Host::new();
    host.secrets.put("/etc/riposte/secrets/slack", "https://hooks.slack.com/services/T0/B0/x");
    for name in [
        "firewall-drop",
        "host-deny",
        "disable-account",
        "quarantine-file",
        "yara-scan",
        "kill-process",
        "slack",
    ] {
        let plugin = host.load(name, "");
        for value in ["\u{7f}".repeat(900_000), format!("/tmp/{}", "x".repeat(900_000)), "\n".repeat(300_000)]
        {
            let alert = match name {
                "quarantine-file" | "yara-scan" => json!({"syscheck": {"path": value}}),
                "kill-process" => json!({"data": {"audit": {"exe": value}}}),
                "slack" => json!({"full_log": value}),
                "disable-account" => json!({"data": {"dstuser": value}}),
                _ => json!({"data": {"srcip": value}}),
            };
            called(&plugin, &invocation(&alert.to_string())).await;
        }
    }
    let mail =
        host.load("mail", r#"<mail server="mx.example.com" from="a@example.com" to="b@example.com"/>"#);
    let lines = "\n".repeat(16 << 10);
    let alert = json!({
        "id": lines, "location": lines, "full_log": lines, "data": {"srcip": lines, "dstuser": lines},
        "rule": {"id": lines, "level": 7, "description": lines}, "agent": {"id": lines, "name": lines},
        "syscheck": {"path": lines},
    });
    assert_eq!(mail.run(&invocation(&alert.to_string())).await.result, Ok(()));
}

/// A host that does all that it is told, and writes it down.
struct Host {
    components: Components,
    firewall: Arc<firewall::fake::Fake>,
    routes: Arc<Told>,
    accounts: Arc<Told>,
    lines: Arc<Told>,
    quarantine: Arc<Told>,
    isolation: Arc<Told>,
    processes: Arc<Told>,
    exec: Arc<exec::fake::Fake>,
    services: Arc<services::fake::Fake>,
    secrets: Arc<secret::fake::Fake>,
    mail: Arc<mail::fake::Fake>,
    http: Arc<http::fake::Fake>,
}

impl Host {
    fn new() -> Self {
        let claims = Arc::new(Memory::default());
        let firewall = Arc::new(firewall::fake::Fake::new(Arc::clone(&claims) as _));
        let told = Arc::<Told>::default;
        let (routes, accounts, lines, quarantine) = (told(), told(), told(), told());
        let (isolation, processes) = (told(), told());
        let (exec, secrets) = (Arc::<exec::fake::Fake>::default(), Arc::<secret::fake::Fake>::default());
        let (mail, http) = (Arc::<mail::fake::Fake>::default(), Arc::<http::fake::Fake>::default());
        let units = ["nginx.service", "wazuh-agent.service"].map(|unit| (unit, services::fake::Runs::Yes));
        let services = Arc::new(services::fake::Fake::new(&units));
        let backends = Backends {
            firewall: Arc::clone(&firewall) as _,
            routes: Arc::clone(&routes) as _,
            accounts: Arc::clone(&accounts) as _,
            sessions: Arc::clone(&accounts) as _,
            lines: Arc::clone(&lines) as _,
            quarantine: Arc::clone(&quarantine) as _,
            isolation: Arc::clone(&isolation) as _,
            services: Arc::clone(&services) as _,
            processes: Arc::clone(&processes) as _,
            exec: Arc::clone(&exec) as _,
            secrets: Arc::clone(&secrets) as _,
            mail: Arc::clone(&mail) as _,
            http: Arc::clone(&http) as _,
            ..Backends::unavailable(&Refusal::unsupported("not on this host"))
        };
        let capabilities =
            Capabilities::new(claims, backends, Arc::new(Guard::new())).with_witness(Arc::new(OneLine));
        let components = Components::new(&Settings::default(), Arc::new(capabilities)).unwrap();
        Self {
            components,
            firewall,
            routes,
            accounts,
            lines,
            quarantine,
            isolation,
            processes,
            exec,
            services,
            secrets,
            mail,
            http,
        }
    }

    /// Sends all values through a built-in, with these grants, or with those of
    /// its definition.
    async fn attack(&self, name: &str, grants: &str) {
        let plugin = self.load(name, grants);
        for (n, value) in values().iter().enumerate() {
            let mut call = Invocation { arguments: Arc::new([]), ..invocation(&alert(n, value).to_string()) };
            call.entry = Some(EntryId(i64::try_from(n).unwrap() + 1));
            // What `<keys>` found comes another way. They are no keys when they
            // hold control characters or are long, and then there is no call.
            if n % 3 == 0 && riposte_policy::Keys::new(&[value]).is_ok() {
                call.keys = Arc::new([value.trim().to_owned()]);
            }
            called(&plugin, &call).await;
        }
    }

    fn load(&self, name: &str, grants: &str) -> Arc<Plugin> {
        let builtin = riposte_plugins::builtins().iter().find(|builtin| builtin.name == name).unwrap();
        let own = format!(
            "<command><name>x</name><executable>x</executable><capabilities>{grants}</capabilities></command>"
        );
        let text = if grants.is_empty() { builtin.definition } else { &own };
        let config = Config::read(&[Source::new("ossec.conf", text)]);
        let command = &config.commands[0];
        let grants = Arc::new(command.capabilities.clone().unwrap_or_default());
        self.components.load(name, builtin.wasm, &grants, &command.limits, false).unwrap()
    }
}

/// All that the engine would call, and `add` and `delete` also when it would
/// not. Nothing that comes back breaks a line.
async fn called(plugin: &Plugin, call: &Invocation) {
    if plugin.kind() == Kind::Oneshot {
        return printable(&plugin.run(call).await);
    }
    let keys = plugin.keys(call).await;
    printable(&keys);
    if let Ok(keys) = keys.result {
        let keys = keys.unwrap();
        assert!(keys.as_slice().iter().all(|key| !key.contains(char::is_control)), "{keys:?}");
    }
    let added = plugin.add(call).await;
    printable(&added);
    printable(&plugin.delete(call, added.result.ok()).await);
}

fn printable<T>(outcome: &Outcome<T>) {
    for line in &outcome.log {
        assert!(!line.text.contains(acts), "{line:?}");
    }
    if let Err(failure) = &outcome.result {
        assert!(!failure.is_fault(), "{failure}");
        let said = failure.to_string();
        assert!(!said.contains(acts) && said.len() < 50_000, "{said:?}");
    }
}

/// What the operator reads about refusals is one line each.
struct OneLine;

impl Witness for OneLine {
    fn denied(&self, denied: &Denied<'_>) {
        let why = denied.why.to_string();
        assert!(!why.contains(char::is_control), "{why:?}");
    }

    fn overridden(&self, rule: &str, target: &str, _: &str) {
        panic!("{rule} {target}");
    }

    fn unconfirmed(&self, denied: &Denied<'_>) {
        panic!("{denied:?}");
    }
}

/// Without this a host that is never told anything would pass.
fn reached(told: &[String], name: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.iter().any(|one| one.contains(part)), "{name}: {part:?} is not among {}", told.len());
    }
}

/// A file and a line, as one target holds both.
fn parts(target: &str) -> [String; 2] {
    serde_json::from_str(target).unwrap()
}

fn one_prefix(text: &str) {
    assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
}

fn one_address(text: &str) {
    assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
}

fn absolute(path: &str) {
    assert!(path.starts_with('/') && !path.contains(char::is_control), "{path:?}");
}

fn plain_headers(headers: &[(String, String)]) {
    for (name, value) in headers {
        assert!(
            ["connection", "content-length", "content-type", "host"].contains(&name.as_str()),
            "{name}: {value}"
        );
        assert!(!value.contains(char::is_control) && value.len() < 100, "{name}: {value:?}");
    }
}

/// An alert that says the value wherever a built-in reads.
fn alert(n: usize, value: &str) -> Value {
    let (pid, program) = if n.is_multiple_of(2) { ("4242", value) } else { (value, "/usr/bin/xmrig") };
    // One of the places for a file at a time: the first one wins.
    let file =
        if n.is_multiple_of(4) { json!({"virustotal": {"source": {"file": value}}}) } else { json!({}) };
    let mut data =
        json!({"srcip": value, "dstuser": value, "url": value, "audit": {"pid": pid, "exe": program}});
    data.as_object_mut().unwrap().extend(file.as_object().unwrap().clone());
    json!({
        "id": value, "location": value, "full_log": value, "data": data,
        "rule": {"id": value, "level": 7, "description": value},
        "agent": {"id": value, "name": value},
        "syscheck": {"path": value},
    })
}
