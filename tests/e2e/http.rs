//! slack, webhook and mail, against servers of the test in the host's own
//! network, through the real engine.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user and the servers"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use riposte_tests::{Host, alert, until};

/// A server in the host's network, of a few lines of Python: what it was sent
/// stands in a file, one JSON value a line.
struct Server {
    child: Child,
    heard: PathBuf,
}

const HTTP: &str = r#"
import http.server, json, sys
class Post(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open(sys.argv[2], "a") as f:
            f.write(json.dumps({"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}, "body": body}) + "\n")
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
        else:
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Post)
open(sys.argv[2], "a").close()
server.serve_forever()
"#;

const SMTP: &str = r#"
import json, socketserver, sys
class Post(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write((text + "\r\n").encode())
    def handle(self):
        self.say("220 test")
        commands, message, inside = [], [], False
        for line in self.rfile:
            line = line.decode().rstrip("\r\n")
            if inside and line != ".":
                message.append(line)
                continue
            if line == "QUIT":
                self.say("221 bye")
                return
            if inside:
                inside = False
                with open(sys.argv[2], "a") as f:
                    f.write(json.dumps({"commands": commands, "message": message}) + "\n")
                self.say("250 taken")
                continue
            commands.append(line)
            inside = line == "DATA"
            self.say("354 go on" if inside else "250 fine")
server = socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), Post)
open(sys.argv[2], "a").close()
server.serve_forever()
"#;

impl Server {
    fn start(host: &Host, name: &str, program: &str, port: &str) -> Self {
        host.write(&format!("{name}.py"), program);
        let (script, heard) = (host.path(&format!("{name}.py")), host.path(&format!("{name}.jsonl")));
        let mut command: Command = host.command("python3");
        let child = command.arg(script).arg(port).arg(&heard).stdin(Stdio::null()).spawn().unwrap();
        let server = Self { child, heard };
        until("the server listens", || server.heard.exists());
        server
    }

    fn heard(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.heard).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A secret in a file as the engine wants it.
fn secret(host: &Host, name: &str, value: &str) -> String {
    host.write(name, value);
    let path = host.path(name);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn configuration(name: &str, capabilities: &str, rest: &str) -> String {
    format!(
        "<command><name>{name}</name><executable>{name}</executable><timeout_allowed>no</timeout_allowed>{rest}{capabilities}</command>
         <active-response><command>{name}</command><location>local</location><rules_id>5712</rules_id></active-response>"
    )
}

#[test]
fn slack_and_webhook_post_to_the_hosts_that_are_granted() {
    let host = Host::new();
    let server = Server::start(&host, "web", HTTP, "8080");
    let hook = secret(&host, "secrets/hook", "http://127.0.0.1:8080/services/T0/secret-path\n");
    let token = secret(&host, "secrets/token", "Bearer secret-token\n");
    let http = r#"<http host="127.0.0.1" scheme="http" port="8080" private="yes"/>"#;
    let slack = format!(r#"<capabilities>{http}<secret name="hook" file="{hook}"/></capabilities>"#);
    let webhook = format!(
        r#"<capabilities>{http}<config name="url" value="http://127.0.0.1:8080/hook"/><secret name="token" file="{token}"/></capabilities>"#
    );
    host.configure(&(configuration("slack", &slack, "") + &configuration("webhook", &webhook, "")));
    let engine = host.start(&[]);
    host.alerts(&[alert(1, r#""srcip":"198.18.0.1","evil":"<!channel>\" \u001b""#)]);
    until("both have posted", || server.heard().len() == 2);
    let heard = server.heard();
    let of = |path: &str| heard.iter().find(|request| request["path"] == path).unwrap();

    let slack: serde_json::Value =
        serde_json::from_str(of("/services/T0/secret-path")["body"].as_str().unwrap()).unwrap();
    let attachment = &slack["attachments"][0];
    assert_eq!(attachment["title"], "sshd: brute force");
    assert_eq!(attachment["color"], "danger");
    assert_eq!(attachment["fields"][0]["value"], "(000) - host");

    let webhook = of("/hook");
    assert_eq!(webhook["headers"]["authorization"], "Bearer secret-token");
    assert_eq!(webhook["headers"]["host"], "127.0.0.1:8080");
    let posted: serde_json::Value = serde_json::from_str(webhook["body"].as_str().unwrap()).unwrap();
    assert_eq!(posted["rule"]["id"], "5712");
    assert_eq!(posted["data"]["evil"], "<!channel>\" \u{1b}");

    until("both are done", || host.count("done") == 2);
    let told = engine.log() + &host.read("log/audit.jsonl");
    for secret in ["secret-path", "secret-token"] {
        assert!(!told.contains(secret), "{secret} is in the log or the audit");
    }
}

#[test]
fn a_private_address_a_redirect_and_another_host_are_failures_that_say_why() {
    let host = Host::new();
    let server = Server::start(&host, "web", HTTP, "8080");
    let token = secret(&host, "secrets/token", "Bearer secret-token");
    let webhook = |url: &str, http: &str| {
        configuration(
            "webhook",
            &format!(
                r#"<capabilities>{http}<config name="url" value="{url}"/><secret name="token" file="{token}"/></capabilities>"#
            ),
            "",
        )
    };
    let open = r#"<http host="127.0.0.1" scheme="http" port="8080" private="yes"/>"#;
    let closed = r#"<http host="127.0.0.1" scheme="http" port="8080"/>"#;
    for (n, (url, http, why)) in [
        ("http://127.0.0.1:8080/", closed, r#"private="yes""#),
        ("http://localhost:8080/", open, r#"<http host="localhost" scheme="http" port="8080"/>"#),
        ("http://169.254.169.254/latest", open, "no request to http://169.254.169.254 is granted"),
        ("http://127.0.0.1:8080/moved", open, "the server answered 302"),
    ]
    .into_iter()
    .enumerate()
    {
        host.configure(&webhook(url, http));
        let engine = host.start(&[]);
        host.alerts(&[alert(u32::try_from(n).unwrap() + 1, r#""srcip":"198.18.0.1""#)]);
        until("it failed", || host.events("failed").len() == n + 1);
        let told = engine.log() + &host.events("failed")[n].to_string();
        assert!(told.contains(why), "{url}: {told}");
        engine.stop();
    }
    assert_eq!(server.heard().len(), 1, "only the redirect was asked for, and nothing behind it");
}

#[test]
fn what_is_not_granted_is_said_before_any_alert() {
    let host = Host::new();
    host.configure(&configuration("webhook", "", ""));
    let checked = host.riposte(&["check", "--json"]);
    let found = checked.json().to_string();
    assert!(found.contains("component-refused") && found.contains("<http host="), "{found}");
}

#[test]
fn mail_goes_to_the_recipients_of_the_grant_with_the_facts() {
    let host = Host::new();
    let server = Server::start(&host, "post", SMTP, "2525");
    let grant = r#"<capabilities><mail server="127.0.0.1" port="2525" from="riposte@example.com" to="admin@example.com"/></capabilities>"#;
    // Under its historic name.
    host.configure(&configuration("mail-test", grant, ""));
    let _engine = host.start(&[]);
    host.alerts(&[alert(1, r#""srcip":"198.18.0.1","dstuser":"root\r\n.\r\nRCPT TO:<evil@example.com>""#)]);
    until("the mail is there", || !server.heard().is_empty());
    let heard = &server.heard()[0];
    let lines = |name: &str| -> Vec<String> {
        heard[name].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    };
    let (commands, message) = (lines("commands"), lines("message"));
    assert!(commands.contains(&"MAIL FROM:<riposte@example.com>".to_owned()), "{commands:?}");
    assert_eq!(
        commands.iter().filter(|line| line.starts_with("RCPT")).collect::<Vec<_>>(),
        ["RCPT TO:<admin@example.com>"]
    );
    assert!(message.contains(&"Subject: [level 10, host] sshd: brute force".to_owned()), "{message:?}");
    assert!(message.contains(&"Rule: 5712".to_owned()), "{message:?}");
    until("it is done", || host.count("done") == 1);
}

#[test]
fn shadow_sends_nothing_and_says_what_it_would_have_sent() {
    let host = Host::new();
    let server = Server::start(&host, "web", HTTP, "8080");
    let hook = secret(&host, "secrets/hook", "http://127.0.0.1:8080/services/secret-path");
    let slack = format!(
        r#"<capabilities><http host="127.0.0.1" scheme="http" port="8080" private="yes"/><secret name="hook" file="{hook}"/></capabilities>"#
    );
    host.configure(&configuration("slack", &slack, ""));
    let engine = host.start(&["--shadow"]);
    host.alerts(&[alert(1, r#""srcip":"198.18.0.1""#)]);
    let said = || engine.log() + &host.read("log/audit.jsonl");
    until("it says what it would have sent", || said().contains("http POST http://127.0.0.1:8080"));
    assert!(!said().contains("secret-path"));
    assert_eq!(server.heard(), Vec::<serde_json::Value>::new());
}
