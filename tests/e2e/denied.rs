//! What a component may do is what its command grants, argument by argument:
//! components that ask for whatever an alert says, against the real engine and
//! the real effects, from both sides of every limit. After each refusal the
//! next response is served, the host is as it was, and the audit names what
//! was refused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use riposte_tests::{Host, until};
use serde_json::{Value, json};

/// What is to come of one question.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// It is answered, and this is part of the answer's entry: it stays.
    Done,
    /// It is refused with a text of which this is a part.
    Refused(&'static str),
}
use Answer::{Done, Refused};

/// One question: which call, with which texts.
type Ask = (&'static str, &'static str, &'static str, Answer);

/// Asks each of these of the component for `capability`, one after the other.
fn asked(host: &Host, capability: &str, grants: &str, asks: &[Ask]) {
    let name = format!("ask-{capability}");
    host.configure(&format!(
        r#"<global><white_list>203.0.113.0/24</white_list></global>
           <command><name>{name}</name><executable>{name}</executable><timeout_allowed>yes</timeout_allowed>
             <capabilities>{grants}</capabilities></command>
           <active-response><command>{name}</command><location>local</location><rules_id>7</rules_id><timeout>600</timeout></active-response>"#
    ));
    host.plugin(&name, riposte_hostile::component(&name));
    let mut engine = host.start(&[]);
    for (n, (call, a, b, expected)) in asks.iter().enumerate() {
        let id = format!("{capability}.{n}");
        let alert =
            json!({"id": id, "rule": {"id": "7", "level": 9}, "data": {"call": call, "a": a, "b": b}});
        host.alerts(&[alert.to_string()]);
        let mut found = Value::Null;
        until(&format!("{capability} {call} {a:?} {b:?} is answered"), || {
            let entries = host.entries();
            let entry = entries.into_iter().find(|entry| entry["alert"] == id.as_str());
            found = entry.unwrap_or_default();
            ["in-force", "failed", "closed"].iter().any(|state| found["state"] == *state)
        });
        match expected {
            Done => assert_eq!(found["state"], "in-force", "{capability} {call} {a:?} {b:?}: {found}"),
            Refused(part) => {
                assert_eq!(found["state"], "failed", "{capability} {call} {a:?} {b:?}: {found}");
                until("the audit names what was refused", || {
                    host.events("add-failed")
                        .iter()
                        .any(|event| event["detail"].as_str().unwrap_or_default().contains(part))
                });
            }
        }
        assert!(engine.runs());
    }
    let log = engine.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn addresses() {
    let asks: &[Ask] = &[
        ("block", "198.18.0.1", "", Done),
        ("block", "198.18.0.0/24", "", Done),
        ("block", "2001:db8::7", "", Done),
        ("block", "198.18.0.0/23", "", Refused("broader than the command's")),
        ("block", "2001:db8::/64", "", Refused("broader than the command's")),
        ("block", "127.0.0.1", "", Refused("loopback")),
        ("block", "::ffff:127.0.0.1", "", Refused("loopback")),
        ("block", "64:ff9b::7f00:1", "", Refused("loopback")),
        ("block", "2002:7f00:1::", "", Refused("loopback")),
        ("block", "0.0.0.0/0", "", Refused("denied")),
        ("block", "203.0.113.9", "", Refused("white_list")),
        ("block", "::ffff:203.0.113.9", "", Refused("white_list")),
        ("block", "0177.0.0.1", "", Refused("invalid-input")),
        ("block", "0x7f000001", "", Refused("invalid-input")),
        ("block", "2130706433", "", Refused("invalid-input")),
        ("block", "127.1", "", Refused("invalid-input")),
        ("block", "[198.18.0.1]", "", Refused("invalid-input")),
        ("block", "198.18.0.1.", "", Refused("invalid-input")),
        ("block", "198.18.0.1%eth0", "", Refused("invalid-input")),
        ("block", "localhost", "", Refused("invalid-input")),
        ("block", "198.18.0.1 accept", "", Refused("invalid-input")),
        ("block", "198.18.0.1\n", "", Refused("invalid-input")),
        ("block", "198.18.0.1/33", "", Refused("invalid-input")),
        ("block", "", "", Refused("invalid-input")),
    ];
    let host = Host::new();
    asked(&host, "firewall", r#"<firewall widest4="24"/>"#, asks);
    assert_eq!(host.elements("drop4"), ["198.18.0.1"], "and nothing else");
}

#[test]
fn routes() {
    let asks: &[Ask] = &[
        ("blackhole", "198.18.0.1", "", Done),
        ("blackhole", "198.18.0.0/24", "", Refused("broader than the command's")),
        ("blackhole", "127.0.0.1", "", Refused("loopback")),
        ("blackhole", "203.0.113.9", "", Refused("white_list")),
        ("blackhole", "default", "", Refused("invalid-input")),
        ("blackhole", "0.0.0.0/0", "", Refused("denied")),
        ("blackhole", "-4", "", Refused("invalid-input")),
    ];
    let host = Host::new();
    asked(&host, "routes", "<route/>", asks);
    let shown = host.command("ip").args(["route", "show", "type", "blackhole"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.lines().count(), 1, "{shown}");
}

/// Only refusals: nothing of this machine's accounts is touched.
#[test]
fn accounts() {
    let asks: &[Ask] = &[
        ("lock", "root", "", Refused("root")),
        ("lock", "daemon", "", Refused("denied")),
        ("lock", "deploy", "", Refused("denied")),
        ("lock", "-x", "", Refused("invalid-input")),
        ("lock", "--root=/", "", Refused("invalid-input")),
        ("lock", "a b", "", Refused("invalid-input")),
        ("lock", "root\n", "", Refused("invalid-input")),
        ("lock", "root:x", "", Refused("invalid-input")),
        ("lock", "../root", "", Refused("invalid-input")),
        ("lock", "", "", Refused("invalid-input")),
        ("lock", "web-nobody-has-this-name", "", Refused("no such user")),
        ("end-sessions", "web-1", "", Refused("sessions=\"end\"")),
    ];
    asked(&Host::new(), "accounts", r#"<account users="web-* root daemon" except="deploy"/>"#, asks);
}

#[test]
fn services() {
    let asks: &[Ask] = &[
        ("restart", "nginx.service", "", Refused("denied")),
        ("stop", "web.service", "", Refused("denied")),
        ("restart", "../web.service", "", Refused("invalid-input")),
        ("restart", "-web.service", "", Refused("invalid-input")),
        ("restart", "web.service\nnginx.service", "", Refused("invalid-input")),
        ("restart", "", "", Refused("invalid-input")),
    ];
    asked(&Host::new(), "services", r#"<service unit="web.service"/>"#, asks);
}

#[test]
fn lines() {
    let host = Host::new();
    host.write("etc/list", "# kept\n");
    host.write("etc/hosts.deny", "# kept\n");
    host.write("etc/other", "# untouched\n");
    let [file, deny, other, around, link] =
        ["etc/list", "etc/hosts.deny", "etc/other", "etc/../etc/list", "etc/link"]
            .map(|name| leak(&host, name));
    symlink(other, link).unwrap();
    let long: &'static str = Box::leak(format!("ALL: {}", "x".repeat(1020)).into_boxed_str());
    let fits: &'static str = Box::leak(format!("ALL: {}", "x".repeat(1019)).into_boxed_str());
    let asks: &[Ask] = &[
        ("ensure", file, "ALL: 198.18.0.1", Done),
        ("ensure", file, fits, Done),
        ("ensure", file, long, Refused("invalid-input")),
        ("ensure", file, "sshd: 198.18.0.1", Refused("denied")),
        ("ensure", file, "ALL: x\nroot", Refused("invalid-input")),
        ("ensure", file, "ALL: x\0", Refused("invalid-input")),
        ("ensure", other, "ALL: 198.18.0.1", Refused("denied")),
        ("ensure", around, "ALL: 198.18.0.1", Refused("invalid-input")),
        ("ensure", link, "ALL: 198.18.0.1", Refused("")),
        ("ensure", "/etc/passwd", "ALL: 198.18.0.1", Refused("denied")),
        ("ensure", "etc/list", "ALL: 198.18.0.1", Refused("invalid-input")),
        ("ensure", "", "ALL: 198.18.0.1", Refused("invalid-input")),
        // The TCP wrappers run programs and shut everybody out by such lines.
        ("ensure", deny, "ALL: 198.18.0.1", Done),
        ("ensure", deny, "ALL: ALL", Refused("denied")),
        ("ensure", deny, "ALL: 198.18.0.2: spawn /bin/true", Refused("denied")),
        ("ensure", deny, "ALL: 127.0.0.1", Refused("guard: loopback")),
        ("ensure", deny, "ALL: 203.0.113.7", Refused("guard: white_list")),
    ];
    let grants =
        format!(r#"<lines file="{file}" match="ALL:*"/><lines file="{deny}"/><lines file="{link}"/>"#);
    asked(&host, "lines", &grants, asks);
    // This one takes the mark of the entry that made the line.
    let denied = fs::read_to_string(deny).unwrap();
    let lines: Vec<&str> = denied.lines().filter(|line| !line.starts_with("# riposte: entry ")).collect();
    assert_eq!((lines, denied.lines().count()), (vec!["# kept", "ALL: 198.18.0.1"], 3), "{denied}");
    assert_eq!(fs::read_to_string(file).unwrap(), format!("# kept\nALL: 198.18.0.1\n{fits}\n"));
    assert_eq!(fs::read_to_string(other).unwrap(), "# untouched\n");
}

#[test]
fn processes() {
    let host = Host::new();
    let shown = |process: u32| -> &'static str { Box::leak(process.to_string().into_boxed_str()) };
    // The test has started the engine; the other one runs something else.
    let (parent, other) = (shown(std::process::id()), shown(host.pid()));
    let asks: &[Ask] = &[
        ("kill", "1", "systemd", Refused("denied")),
        ("kill", "1", "victim", Refused("denied")),
        ("kill", other, "sshd", Refused("denied")),
        ("kill", "2", "victim", Refused("denied")),
        ("kill", parent, "victim", Refused("own-parent")),
        // It runs something else, which is no failure and no effect.
        ("kill", other, "victim", Done),
        ("kill", "4294967295", "victim", Done),
        ("running", "sshd", "", Refused("denied")),
        ("running", "../victim", "", Refused("")),
    ];
    asked(&host, "processes", r#"<process names="victim"/>"#, asks);
}

#[test]
fn programs() {
    let host = Host::new();
    let written = leak(&host, "written");
    let asks: &[Ask] = &[
        ("run", "/bin/echo", "say|hello there", Done),
        ("run", "/bin/echo", "say|$(touch x); `id` | & > /etc/x", Refused("denied")),
        ("run", "/bin/echo", "say|$(id)", Done),
        ("run", "/bin/echo", "say|-e", Refused("denied")),
        ("run", "/bin/echo", "say", Refused("denied")),
        ("run", "/bin/echo", "say|a|b", Refused("denied")),
        ("run", "/bin/echo", "other|a", Refused("denied")),
        ("run", "/usr/bin/touch", written, Refused("denied")),
        ("run", "/bin/../bin/echo", "say|a", Refused("denied")),
        ("run", "echo", "say|a", Refused("denied")),
        ("run", "/bin/echo", "say|a\0b", Refused("")),
        ("run", "/bin/sh", "-c|id", Refused("denied")),
        ("flood", "/bin/echo", "say", Refused("denied")),
    ];
    asked(&host, "exec", r#"<exec program="/bin/echo" arguments="say *"/>"#, asks);
    assert!(!Path::new(written).exists());
}

#[test]
fn state() {
    let long: &'static str = Box::leak("k".repeat(129).into_boxed_str());
    let fits: &'static str = Box::leak("k".repeat(128).into_boxed_str());
    let asks: &[Ask] = &[
        ("set", "a", "b", Done),
        ("set", fits, "b", Done),
        ("set", long, "b", Refused("invalid-input")),
        ("set", "", "b", Refused("invalid-input")),
        ("set", "a\nb", "c", Refused("invalid-input")),
        ("set", "../../../escape", "c", Done),
        ("set", "/etc/passwd", "c", Done),
        ("fill", "big", "1000", Refused("")),
        ("fill", "big", "100", Done),
        ("fill", "more", "800", Refused("<state size=")),
    ];
    let host = Host::new();
    asked(&host, "state", r#"<state size="1KiB"/>"#, asks);
    assert!(!host.path("escape").exists() && !host.path("state/escape").exists());
}

#[test]
fn secrets() {
    let host = Host::new();
    host.write("secret", "opensesame\n");
    fs::set_permissions(host.path("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    host.write("open", "everybody\n");
    fs::set_permissions(host.path("open"), fs::Permissions::from_mode(0o644)).unwrap();
    symlink(host.path("secret"), host.path("linked")).unwrap();
    let [secret, open, linked, absent] = ["secret", "open", "linked", "absent"].map(|name| leak(&host, name));
    let grants = format!(
        r#"<secret name="good" file="{secret}"/><secret name="open" file="{open}"/>
           <secret name="linked" file="{linked}"/><secret name="absent" file="{absent}"/>"#
    );
    let asks: &[Ask] = &[
        ("get", "good", "", Done),
        ("get", "other", "", Refused("denied")),
        ("get", secret, "", Refused("denied")),
        ("get", "open", "", Refused("")),
        ("get", "linked", "", Refused("")),
        ("get", "absent", "", Refused("")),
    ];
    asked(&host, "secret", &grants, asks);
    for file in ["log/audit.jsonl", "logs/active-responses.log"] {
        assert!(!host.read(file).contains("everybody"), "{file}");
    }
}

#[test]
fn quarantined_files() {
    let host = Host::new();
    for file in ["in/bad", "in/twin", "out/kept", "in/sub/deep"] {
        host.write(file, "content");
    }
    fs::hard_link(host.path("in/twin"), host.path("out/twin")).unwrap();
    symlink(host.path("out/kept"), host.path("in/link")).unwrap();
    symlink(host.path("out"), host.path("in/away")).unwrap();
    let [bad, deep, twin, link, away, kept, around, folder] = [
        "in/bad",
        "in/sub/deep",
        "in/twin",
        "in/link",
        "in/away/kept",
        "out/kept",
        "in/../out/kept",
        "in/sub",
    ]
    .map(|name| leak(&host, name));
    let asks: &[Ask] = &[
        ("put", bad, "", Done),
        ("put", deep, "", Done),
        ("put", twin, "", Refused("")),
        ("put", link, "", Refused("")),
        ("put", away, "", Refused("")),
        ("put", kept, "", Refused("denied")),
        ("put", around, "", Refused("")),
        ("put", folder, "", Refused("")),
        ("put", "/proc/self/exe", "", Refused("denied")),
        ("put", "/etc/passwd", "", Refused("denied")),
        ("put", "in/bad", "", Refused("")),
        ("put", "", "", Refused("")),
    ];
    asked(&host, "quarantine", &format!(r#"<quarantine folders="{}"/>"#, leak(&host, "in")), asks);
    assert!(!Path::new(bad).exists() && !Path::new(deep).exists());
    for kept in [kept, twin] {
        assert_eq!(fs::read_to_string(kept).unwrap(), "content");
    }
}

#[test]
fn folders() {
    let host = Host::new();
    for file in ["read/file", "write/file", "out/file"] {
        host.write(file, "content");
    }
    symlink(host.path("out/file"), host.path("write/link")).unwrap();
    symlink(host.path("out"), host.path("read/away")).unwrap();
    let [r, w, o] = ["read/file", "write/file", "out/file"].map(|name| leak(&host, name));
    let [link, away, new, moved, around, into] =
        ["write/link", "read/away/file", "write/new", "write/moved", "write/../out/file", "read/new"]
            .map(|name| leak(&host, name));
    let asks: &[Ask] = &[
        ("read", r, "", Done),
        ("write", w, "changed", Done),
        ("write", new, "new", Done),
        ("rename", new, moved, Done),
        ("write", r, "changed", Refused("")),
        ("append", r, "changed", Refused("")),
        ("truncate", r, "", Refused("")),
        ("shrink", r, "", Refused("")),
        ("remove", r, "", Refused("")),
        ("make-folder", into, "", Refused("")),
        ("rename", r, moved, Refused("")),
        ("rename", moved, into, Refused("")),
        ("link", r, new, Refused("")),
        ("link", w, into, Refused("")),
        ("read", o, "", Refused("")),
        ("read", link, "", Refused("")),
        ("write", link, "changed", Refused("")),
        ("read", away, "", Refused("")),
        ("write", around, "changed", Refused("")),
        ("read", "/etc/passwd", "", Refused("")),
        ("read", "/proc/self/environ", "", Refused("")),
        ("list", "/", "", Refused("")),
    ];
    let grants = format!(
        r#"<folder path="{}"/><folder path="{}" access="write"/>"#,
        leak(&host, "read"),
        leak(&host, "write")
    );
    asked(&host, "folder", &grants, asks);
    assert_eq!(fs::read_to_string(r).unwrap(), "content");
    assert_eq!(fs::read_to_string(o).unwrap(), "content");
    assert_eq!(fs::read_to_string(moved).unwrap(), "new");
    assert_eq!(fs::metadata(r).unwrap().nlink(), 1);
}

#[test]
fn handles_are_counted() {
    let host = Host::new();
    host.write("read/file", "content");
    let file = leak(&host, "read/file");
    asked(
        &host,
        "folder",
        &format!(r#"<folder path="{}"/>"#, leak(&host, "read")),
        // Who opens without end crashes, and the next is served.
        &[("open-many", file, "", Refused("resource table has no free keys")), ("read", file, "", Done)],
    );
}

/// Two servers in the host's network, of a few lines of Python: what either was
/// asked stands in a file of its own.
const SERVERS: &str = r#"
import http.server, json, sys, threading
class Any(http.server.BaseHTTPRequestHandler):
    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open(sys.argv[1] + str(self.server.server_port), "a") as f:
            f.write(json.dumps([self.command, self.path, len(body), sorted(name.lower() for name in self.headers)]) + "\n")
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "http://127.0.0.1:9090/moved")
        answer = b"x" * (1025 if self.path == "/large" else 1024)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    do_GET = do_POST = do_PUT = do_DELETE = do
for port in [8080, 9090]:
    server = http.server.HTTPServer(("127.0.0.1", port), Any)
    threading.Thread(target=server.serve_forever).start()
open(sys.argv[1] + "ready", "w").close()
"#;

#[test]
fn requests() {
    let host = Host::new();
    host.write("servers.py", SERVERS);
    let mut servers = host.command("python3");
    servers.arg(host.path("servers.py")).arg(host.path("heard-"));
    let mut servers = servers.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the servers listen", || host.path("heard-ready").exists());
    let asks: &[Ask] = &[
        ("send", "GET http://127.0.0.1:8080/", "", Done),
        ("send", "POST http://127.0.0.1:8080/", "body", Done),
        ("headers", "GET http://127.0.0.1:8080/", "X-A: b", Done),
        ("large", "POST http://127.0.0.1:8080/", "1024", Done),
        ("large", "POST http://127.0.0.1:8080/", "1025", Refused("larger than")),
        ("send", "GET http://127.0.0.1:8080/large", "", Refused("the answer is larger")),
        // A redirect is an answer, and where it leads is another request.
        ("send", "GET http://127.0.0.1:8080/moved", "", Done),
        ("send", "GET http://127.0.0.1:9090/moved", "", Refused("do not allow")),
        ("send", "DELETE http://127.0.0.1:8080/", "", Refused("do not allow")),
        ("send", "get http://127.0.0.1:8080/", "", Refused("do not allow")),
        ("send", "GET https://127.0.0.1:8080/", "", Refused("do not allow")),
        ("send", "GET http://evil.example/", "", Refused("do not allow")),
        ("send", "GET http://[::ffff:127.0.0.1]:8080/", "", Refused("do not allow")),
        // Granted by name or address, but not with private="yes".
        ("send", "GET http://localhost:8080/", "", Refused("private or special")),
        ("send", "GET http://10.0.0.1/", "", Refused("private or special")),
        ("send", "GET http://169.254.169.254/latest/", "", Refused("private or special")),
        ("send", "GET http://168.63.129.16/machine/", "", Refused("private or special")),
        ("send", "GET http://[64:ff9b::a9fe:a9fe]/", "", Refused("private or special")),
        ("send", "GET http://127.1:8080/", "", Refused("invalid-input")),
        ("send", "GET http://2130706433:8080/", "", Refused("invalid-input")),
        ("send", "GET http://x:y@127.0.0.1:8080/", "", Refused("invalid-input")),
        ("send", "GET http://127.0.0.1:8080@evil.example/", "", Refused("invalid-input")),
        ("send", "GET http://127.0.0.1:8080/a\r\nX-C: d", "", Refused("invalid-input")),
        ("headers", "GET http://127.0.0.1:8080/", "X-A: b\r\nX-C: d", Refused("invalid-input")),
        ("headers", "GET http://127.0.0.1:8080/", "Host: evil.example", Refused("cannot be sent")),
        ("headers", "GET http://127.0.0.1:8080/", "Transfer-Encoding: chunked", Refused("cannot be sent")),
        ("often", "GET http://127.0.0.1:8080/often", "64", Done),
        ("often", "GET http://127.0.0.1:8080/often", "65", Refused("too many")),
    ];
    let local =
        |host: &str, rest: &str| format!(r#"<http host="{host}" scheme="http" methods="GET POST" {rest}/>"#);
    let grants = [
        local("127.0.0.1", r#"port="8080" private="yes" request="1KiB" response="1KiB""#),
        local("localhost", r#"port="8080""#),
        local("10.0.0.1", ""),
        local("169.254.169.254", ""),
        local("168.63.129.16", ""),
        local("64:ff9b::a9fe:a9fe", ""),
    ];
    asked(&host, "http", &grants.concat(), asks);
    let heard = host.read("heard-8080");
    // 64 and 64; what was too large may have been begun.
    assert_eq!(heard.matches("/often").count(), 128, "{heard}");
    for never in ["DELETE", "x-c", "get\"", "evil"] {
        assert!(!heard.contains(never), "{never}: {heard}");
    }
    assert!(!host.path("heard-9090").exists());
    let _ = servers.kill();
    let _ = servers.wait();
}

/// A path under the host's home that lives as long as the test.
fn leak(host: &Host, name: &str) -> &'static str {
    Box::leak(host.path(name).display().to_string().into_boxed_str())
}
