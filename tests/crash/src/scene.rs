//! The machine that is crashed: what is asked of its engine, and how it looked
//! before.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use riposte_tests::{Host, alert};
use serde_json::json;

/// How long what ends soon is in force, in seconds.
pub const SHORT: u64 = 2;

/// The account that is locked; no machine has it but this.
pub const USER: &str = "riposte-crash";

/// The file that is taken away. It has the same path on every scene, since the
/// quarantine names what it keeps after it.
pub const FILE: &str = "/etc/riposte-crash/x";

/// What it holds.
pub const CONTENT: &str = "EICAR";

/// What `/etc/hosts.deny` holds before.
pub const DENY: &str = "# ALL:198.18.0.3 is kept\nALL:198.18.0.33\nsshd: 192.0.2.1\n";

/// Files below `/etc` that responses change.
const CHANGED: [&str; 5] = ["hosts.deny", "passwd", "shadow", "group", "gshadow"];

/// Programs of the old kind. They write down what they do; two of them stop
/// half way while there is a file `hold`.
const PROGRAMS: [(&str, &str); 3] = [("note.sh", ""), ("slow.sh", "add"), ("hang.sh", "delete")];

/// A machine with everything that the built-in responses act on.
pub struct Scene {
    /// The machine.
    pub host: Host,
    before: Vec<(&'static str, String)>,
}

/// What is asked of an engine, and what has to come of it.
#[derive(Clone, Debug)]
pub struct Load {
    /// The configuration.
    pub config: String,
    /// The alerts.
    pub alerts: Vec<String>,
    /// The entries that they lead to: alert and command, each once.
    pub entries: Vec<(String, &'static str)>,
}

impl Scene {
    /// Makes one. Its engine has not run yet.
    #[must_use]
    pub fn new() -> Self {
        let host = Host::with_machine();
        let etc = host.path("machine/etc");
        let append = |name: &str, line: &str| {
            let text = fs::read_to_string(etc.join(name)).unwrap();
            fs::write(etc.join(name), text + line).unwrap();
        };
        append("passwd", &format!("{USER}:x:3000001:3000001::/:/bin/sh\n"));
        append("shadow", &format!("{USER}:$6$salt$hash:19000:0:99999:7::20000:\n"));
        fs::write(etc.join("hosts.deny"), DENY).unwrap();
        fs::create_dir(etc.join("riposte-crash")).unwrap();
        let before = CHANGED.map(|name| (name, fs::read_to_string(etc.join(name)).unwrap())).into();
        for (name, holds) in PROGRAMS {
            host.program(name, &program(holds));
        }
        Self { host, before }
    }

    /// Makes the machine what it was before its engine first ran, but for the
    /// code that was compiled.
    pub fn reset(&self) {
        let home = self.host.path("");
        for name in ["log", "run", "alerts.json", "did", "hold", "machine/notes"] {
            remove(&home.join(name));
        }
        for found in fs::read_dir(home.join("state")).into_iter().flatten().flatten() {
            if !["compiled", "plugins", "versions"].map(Into::into).contains(&found.file_name()) {
                remove(&found.path());
            }
        }
        let etc = self.host.path("machine/etc");
        for (name, text) in &self.before {
            fs::write(etc.join(name), text).unwrap();
        }
        for found in fs::read_dir(etc.join("riposte-crash")).into_iter().flatten().flatten() {
            remove(&found.path());
        }
        let file = etc.join("riposte-crash/x");
        fs::write(&file, CONTENT).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let script = "nft flush ruleset; ip route flush type blackhole; ip -6 route flush type blackhole";
        let _ = self.host.command("sh").args(["-c", script]).output();
        self.host.write("alerts.json", "");
    }

    /// What a file below `/etc` held before.
    #[must_use]
    pub fn before(&self, name: &str) -> &str {
        self.before.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

/// Every kind of effect, several at a time, two on one target.
#[must_use]
pub fn everything(long: u64) -> Load {
    let mut load = Load { config: String::new(), alerts: Vec::new(), entries: Vec::new() };
    let mut number = 0;
    let responses = [
        ("firewall-drop", "firewall-drop", "5712", SHORT, ""),
        ("firewall-long", "firewall-drop", "5712", long, ""),
        ("host-deny", "host-deny", "5713", SHORT, ""),
        ("disable-account", "disable-account", "5714", SHORT, ""),
        ("route-null", "route-null", "5715", SHORT, ""),
        ("quarantine-file", "quarantine-file", "554", SHORT, QUARANTINE),
        ("note", "note.sh", "5716", SHORT, ""),
    ];
    for (command, executable, rule, timeout, rest) in responses {
        load.config.push_str(&response(command, executable, rule, timeout, rest));
    }
    let mut add = |rule: &str, text: &dyn Fn(u32) -> String, commands: &[&'static str]| {
        number += 1;
        load.alerts.push(text(number).replace("\"5712\"", &format!("\"{rule}\"")));
        load.entries.extend(commands.iter().map(|command| (format!("1763632800.{number}"), *command)));
    };
    let from = |address: &'static str| move |n| alert(n, &format!(r#""srcip":"{address}""#));
    add("5712", &from("198.18.0.1"), &["firewall-drop", "firewall-long"]);
    add("5712", &from("198.18.0.2"), &["firewall-drop", "firewall-long"]);
    add("5713", &from("198.18.0.3"), &["host-deny"]);
    add("5713", &from("198.18.0.4"), &["host-deny"]);
    add("5714", &|n| alert(n, &format!(r#""dstuser":"{USER}""#)), &["disable-account"]);
    add("5715", &from("198.18.0.5"), &["route-null"]);
    add("554", &syscheck, &["quarantine-file"]);
    add("5716", &from("198.18.0.6"), &["note"]);
    load
}

/// The same, with what a start can find besides: one entry whose program has
/// not answered, one whose delete has not ended.
#[must_use]
pub fn everything_and_held(long: u64) -> Load {
    let mut load = everything(long);
    for (n, command, executable, rule) in [(90, "slow", "slow.sh", "5717"), (91, "hang", "hang.sh", "5718")] {
        let limits = r#"<limits answer="60s"/>"#;
        load.config.push_str(&response(command, executable, rule, long, limits));
        let text = alert(n, &format!(r#""srcip":"198.18.0.{n}""#));
        load.alerts.push(text.replace("\"5712\"", &format!("\"{rule}\"")));
        load.entries.push((format!("1763632800.{n}"), command));
    }
    load
}

const QUARANTINE: &str = r#"<capabilities><quarantine folders="/etc/riposte-crash"/></capabilities>"#;

fn response(command: &str, executable: &str, rule: &str, timeout: u64, rest: &str) -> String {
    format!(
        "<command><name>{command}</name><executable>{executable}</executable>\
         <timeout_allowed>yes</timeout_allowed>{rest}</command>\n\
         <active-response><command>{command}</command><location>local</location><rules_id>{rule}</rules_id>\
         <timeout>{timeout}</timeout></active-response>\n"
    )
}

fn syscheck(n: u32) -> String {
    json!({"id": format!("1763632800.{n}"), "rule": {"level": 7, "id": "554"},
           "agent": {"id": "000", "name": "host"}, "syscheck": {"path": FILE, "event": "added"}})
    .to_string()
}

fn program(holds: &str) -> String {
    let holding = match holds {
        "" => String::new(),
        verb => format!("[ $verb = {verb} ] && while [ -e hold ]; do sleep 0.1; done\n"),
    };
    format!(
        "#!/bin/sh\nread -r line\n\
         verb=add; case $line in *'\"command\":\"delete\"'*) verb=delete;; esac\n\
         key=${{line#*'\"srcip\":\"'}}; key=${{key%%'\"'*}}\n\
         echo $verb $key >>did\n{holding}exit 0\n"
    )
}

/// Removes a file or a folder, if it is there.
fn remove(path: &Path) {
    let gone = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    if let Err(error) = gone
        && error.kind() != std::io::ErrorKind::NotFound
    {
        panic!("{}: {error}", path.display());
    }
}
