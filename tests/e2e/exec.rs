//! The drop-in program, called by something that plays `wazuh-execd`'s side of
//! the pipe, with and without a running engine.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays wazuh-execd"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use riposte_tests::{Ended, Host, binary, fixture, until};

const CONFIG: &str = "<command><name>other</name><executable>firewall-drop</executable></command>
    <active-response><command>other</command><location>local</location><rules_id>1</rules_id></active-response>";

/// A host with Wazuh's folders and links to the binary in place of its programs.
fn host(names: &[&str]) -> Host {
    let host = Host::new();
    host.configure("");
    host.write("logs/active-responses.log", "");
    for name in names {
        symlink(binary(), host.path(&format!("active-response/bin/{name}"))).unwrap();
    }
    host
}

fn message(verb: &str, address: &str) -> String {
    format!(
        r#"{{"version":1,"origin":{{"name":"node01","module":"wazuh-execd"}},"command":"{verb}","parameters":{{"extra_args":[],"alert":{{"rule":{{"level":5,"id":"5715"}},"data":{{"srcip":"{address}"}}}},"program":"active-response/bin/firewall-drop"}}}}"#
    ) + "\n"
}

fn check_keys(name: &str, address: &str) -> String {
    format!(
        r#"{{"version":1,"origin":{{"name":"{name}","module":"active-response"}},"command":"check_keys","parameters":{{"keys":["{address}"]}}}}"#
    ) + "\n"
}

/// `wazuh-execd`: starts `active-response/bin/NAME` from its home with nothing
/// but that name, and keeps the pipes.
struct Execd {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Execd {
    fn start(host: &Host, name: &str, message: &str) -> Self {
        Self::spawn(called(host, name), message)
    }

    fn spawn(mut command: Command, message: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        // One that ended before it read everything has said why.
        let _ = stdin.write_all(message.as_bytes());
        Self { child, stdin: Some(stdin), stdout }
    }

    /// The one line that execd reads.
    fn first_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    fn answer(&mut self, line: &str) {
        self.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    /// Closes the pipe and waits; what else the program wrote.
    fn end(mut self) -> Ended {
        drop(self.stdin.take());
        let (mut out, mut err) = (String::new(), String::new());
        self.stdout.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ended { code, out, err }
    }
}

fn called(host: &Host, name: &str) -> Command {
    let mut command = host.command(format!("active-response/bin/{name}"));
    command.current_dir(host.path(""));
    command
}

/// Runs the program on an input that ends.
fn run(host: &Host, name: &str, input: &str) -> Ended {
    Execd::start(host, name, input).end()
}

fn add(host: &Host, name: &str, address: &str) {
    let mut execd = Execd::start(host, name, &message("add", address));
    assert_eq!(execd.first_line(), check_keys(name, address));
    execd.answer(&message("continue", address));
    let ended = execd.end();
    assert_eq!((ended.code, &*ended.out, &*ended.err), (0, "", ""), "{ended:?}");
}

/// The texts of Wazuh's log, without time and name, which are checked.
fn log(host: &Host, name: &str) -> Vec<String> {
    let log = host.read("logs/active-responses.log");
    log.lines()
        .map(|line| {
            let (time, rest) = line.split_at(19);
            assert!(
                time.bytes().zip(*b"dddd/dd/dd dd:dd:dd").all(|(b, s)| b == s || b.is_ascii_digit()),
                "{line}"
            );
            rest.strip_prefix(&format!(" active-response/bin/{name}: "))
                .unwrap_or_else(|| panic!("{line}"))
                .to_owned()
        })
        .collect()
}

fn dialogue(host: &Host, name: &str, address: &str) {
    add(host, name, address);
    assert_eq!(host.elements("drop4"), [address]);
    let expected = [
        "Starting",
        &message("add", address),
        &check_keys(name, address),
        &message("continue", address),
        "Ended",
    ];
    assert_eq!(log(host, name), expected.map(|line| line.trim_end().to_owned()));
    let ended = run(host, name, &message("delete", address));
    assert_eq!((ended.code, &*ended.out, &*ended.err), (0, "", ""), "{ended:?}");
    assert!(host.elements("drop4").is_empty());
    assert_eq!(log(host, name)[5..], ["Starting", message("delete", address).trim_end(), "Ended"]);
    // What is not there is undone too.
    assert_eq!(run(host, name, &message("delete", address)).code, 0);
}

#[test]
fn add_continue_delete_without_an_engine() {
    let host = host(&["firewall-drop"]);
    dialogue(&host, "firewall-drop", "198.18.0.7");
    assert!(!host.path("state/ledger.db").exists(), "the ledger is the engine's alone");
    // Nothing ends by itself: the caller owns the rollback.
    add(&host, "firewall-drop", "198.18.0.8");
    let set = host.command("nft").args(["list", "set", "inet", "riposte", "drop4"]).output().unwrap();
    let set = String::from_utf8_lossy(&set.stdout).into_owned();
    assert!(set.contains("198.18.0.8") && !set.contains("expires"), "{set}");
}

#[test]
fn add_continue_delete_with_an_engine() {
    let host = host(&["firewall-drop"]);
    host.configure(CONFIG);
    let _engine = host.start(&[]);
    dialogue(&host, "firewall-drop", "198.18.0.7");
    let entries = host.entries();
    assert_eq!(entries.len(), 1, "{entries:?}");
    let entry = &entries[0];
    assert_eq!((&entry["actor"], &entry["state"]), (&"uid:0".into(), &"closed".into()), "{entry}");
    assert!(entry["due"].is_null() && entry["command"] == "other", "{entry}");
    assert!(entry["reason"].as_str().unwrap().contains("active-response/bin/firewall-drop"), "{entry}");

    // In force it stays listed, without an end; the same again makes no second entry.
    add(&host, "firewall-drop", "198.18.0.9");
    add(&host, "firewall-drop", "198.18.0.9");
    until("it is on the disk", || host.count("in-force") == 1);
    assert_eq!(host.entries().len(), 2);
    // What somebody else put there is not the caller's to take.
    assert_eq!(host.riposte(&["add", "other", "--srcip", "198.18.0.10"]).code, 0);
    assert_eq!(run(&host, "firewall-drop", &message("delete", "198.18.0.10")).code, 0);
    assert_eq!(host.elements("drop4").len(), 2);
    // An operator's switches count here as well.
    assert_eq!(host.riposte(&["pause", "--all"]).code, 0);
    let mut execd = Execd::start(&host, "firewall-drop", &message("add", "198.18.0.11"));
    assert_eq!(execd.first_line(), check_keys("firewall-drop", "198.18.0.11"));
    execd.answer(&message("continue", "198.18.0.11"));
    let ended = execd.end();
    assert_eq!(ended.code, 255);
    assert!(ended.err.contains("paused"), "{ended:?}");
    assert!(log(&host, "firewall-drop").last().unwrap().contains("paused"));
}

#[test]
fn the_engine_needs_no_command_for_it() {
    let host = host(&["firewall-drop"]);
    let engine = host.start(&[]);
    add(&host, "firewall-drop", "198.18.0.7");
    until("it is on the disk", || host.count("in-force") == 1);
    engine.kill();
    // The next engine undoes what the last one was handed.
    let _engine = host.start(&[]);
    assert_eq!(run(&host, "firewall-drop", &message("delete", "198.18.0.7")).code, 0);
    assert!(host.elements("drop4").is_empty());
    assert_eq!(host.count("closed"), 1);
}

fn answers(host: &Host) {
    let name = "firewall-drop";
    let count = |text: &str| log(host, name).iter().filter(|line| *line == text).count();
    let mut execd = Execd::start(host, name, &message("add", "198.18.0.7"));
    assert_eq!(execd.first_line(), check_keys(name, "198.18.0.7"));
    execd.answer(&message("abort", "198.18.0.7"));
    assert_eq!(execd.end().code, 0);
    assert_eq!(count("Aborted"), 1);
    for (answer, text) in [
        ("nonsense\n", "Invalid input format"),
        (&*message("enable", "198.18.0.7"), "Invalid value of 'command'"),
        ("{}\n", "Invalid input format"),
    ] {
        let mut execd = Execd::start(host, name, &message("add", "198.18.0.7"));
        assert_eq!(execd.first_line(), check_keys(name, "198.18.0.7"));
        execd.answer(answer);
        assert_eq!(execd.end().code, 255, "{answer}");
        assert_eq!(log(host, name).last().unwrap(), text);
    }
    assert!(host.elements("drop4").is_empty(), "nothing of that was to act");

    // As in the guide: one line, then the end of the input.
    let ended = run(host, name, &message("add", "198.18.0.8"));
    assert_eq!((ended.code, &*ended.out), (0, &*check_keys(name, "198.18.0.8")), "{ended:?}");
    assert!(ended.err.contains("nobody answered check_keys: acting all the same"), "{ended:?}");
    assert_eq!(host.elements("drop4"), ["198.18.0.8"]);
    let mut strict = called(host, name);
    strict.arg("--strict");
    let ended = Execd::spawn(strict, &message("add", "198.18.0.9")).end();
    assert_eq!((ended.code, &*ended.out), (255, &*check_keys(name, "198.18.0.9")), "{ended:?}");
    assert_eq!(host.elements("drop4"), ["198.18.0.8"]);
    assert_eq!(log(host, name).last().unwrap(), "Cannot read input from stdin");

    // Both lines at once, and more than a message on the line.
    let both =
        message("add", "198.18.0.10").replace("}\n", "} }}junk\n") + &message("continue", "198.18.0.10");
    assert_eq!(run(host, name, &both).code, 0);
    assert_eq!(host.elements("drop4").len(), 2);
    // What is guarded is refused, whoever asks.
    let ended = run(host, name, &message("add", "127.0.0.1"));
    assert_eq!(ended.code, 255);
    assert!(ended.err.contains("loopback"), "{ended:?}");
    assert!(log(host, name).last().unwrap().contains("loopback"));
}

#[test]
fn answers_without_an_engine() {
    answers(&host(&["firewall-drop"]));
}

#[test]
fn answers_with_an_engine() {
    let host = host(&["firewall-drop"]);
    let _engine = host.start(&[]);
    answers(&host);
}

fn two_at_once(host: &Host) {
    let name = "firewall-drop";
    let mut both: Vec<Execd> = ["198.18.0.1", "198.18.0.2", "198.18.0.2"]
        .map(|address| Execd::start(host, name, &message("add", address)))
        .into_iter()
        .collect();
    for (execd, address) in both.iter_mut().zip(["198.18.0.1", "198.18.0.2", "198.18.0.2"]) {
        assert_eq!(execd.first_line(), check_keys(name, address));
    }
    for (execd, address) in both.iter_mut().zip(["198.18.0.1", "198.18.0.2", "198.18.0.2"]) {
        execd.answer(&message("continue", address));
    }
    both.into_iter().for_each(|execd| assert_eq!(execd.end().code, 0));
    let mut blocked = host.elements("drop4");
    blocked.sort();
    assert_eq!(blocked, ["198.18.0.1", "198.18.0.2"]);
    let undo = |address| Execd::start(host, name, &message("delete", address));
    let undos = [undo("198.18.0.1"), undo("198.18.0.2")];
    undos.into_iter().for_each(|execd| assert_eq!(execd.end().code, 0));
    until("both are gone", || host.elements("drop4").is_empty());
}

#[test]
fn two_at_once_without_an_engine() {
    two_at_once(&host(&["firewall-drop"]));
}

#[test]
fn two_at_once_with_an_engine() {
    let host = host(&["firewall-drop"]);
    let _engine = host.start(&[]);
    two_at_once(&host);
}

#[test]
fn historic_names_and_the_word_exec() {
    let host = host(&["firewall-drop.sh"]);
    dialogue(&host, "firewall-drop.sh", "198.18.0.7");
    // An engine runs the built-in where such a link is its own executable, too.
    host.configure(&CONFIG.replace("<executable>firewall-drop<", "<executable>firewall-drop.sh<"));
    let checked = host.riposte(&["check", "--json"]);
    assert!(checked.out.contains("executable-builtin"), "{checked:?}");

    let root = host.path("").display().to_string();
    let mut named = host.riposte_command(&["exec", "block-ip", "--root", &root]);
    named.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended =
        Execd::spawn(named, &(message("add", "198.18.0.8") + &message("continue", "198.18.0.8"))).end();
    assert_eq!((ended.code, &*ended.out), (0, &*check_keys("block-ip", "198.18.0.8")), "{ended:?}");
    // Strict by the configuration.
    host.configure("<riposte><exec_strict>yes</exec_strict></riposte>");
    let named = host.riposte_command(&["exec", "firewall-drop", "--root", &root]);
    assert_eq!(Execd::spawn(named, &message("add", "198.18.0.9")).end().code, 255);
    assert_eq!(host.elements("drop4"), ["198.18.0.8"]);
    let help = host.riposte(&["exec", "--help"]);
    assert!(help.out.contains("The caller owns the rollback"), "{help:?}");

    symlink(binary(), host.path("active-response/bin/no-such-thing")).unwrap();
    let ended = run(&host, "no-such-thing", &message("add", "198.18.0.9"));
    assert_eq!(ended.code, 255);
    assert!(ended.err.contains("there are: ") && ended.err.contains("firewall-drop"), "{ended:?}");
}

#[test]
fn every_class_of_bad_input() {
    let host = host(&["firewall-drop"]);
    let classes: Vec<serde_json::Value> =
        serde_json::from_str(&fixture("compat/stdin/classes.json")).unwrap();
    assert!(classes.len() >= 15);
    for class in &classes {
        host.write("logs/active-responses.log", "");
        let ended = run(&host, "firewall-drop", class["input"].as_str().unwrap());
        assert_eq!(ended.out, "", "{class}");
        assert_eq!(i64::from(ended.code), class["exit"].as_i64().unwrap(), "{class}: {ended:?}");
        let log = log(&host, "firewall-drop");
        assert_eq!(log.first().map(String::as_str), Some("Starting"), "{class}");
        assert_eq!(log.last().map(String::as_str), class["log"].as_str(), "{class}");
        assert!(ended.err.starts_with("riposte: firewall-drop: "), "{ended:?}");
    }
    let long = message("add", "198.18.0.7").replace("node01", &"x".repeat(80_000));
    assert_eq!(run(&host, "firewall-drop", &long).code, 255);
    assert!(host.elements("drop4").is_empty());
}

#[test]
fn the_corpus_of_bad_input() {
    let Some(corpus) = std::env::var_os("RIPOSTE_CORPUS").map(PathBuf::from) else {
        return println!("skipped: set RIPOSTE_CORPUS");
    };
    let folder = corpus.join("wazuh/bad");
    let expected = std::fs::read_to_string(folder.join("EXPECTED.tsv")).unwrap();
    let host = host(&["firewall-drop"]);
    let mut seen = 0;
    for line in expected.lines().filter(|line| line.starts_with("stdin-")) {
        let [file, who, text] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        if ["disable-account", "kaspersky"].iter().any(|name| who.starts_with(name)) {
            println!("skipped: {file}: {who} are not built in");
            continue;
        }
        let text = text.split("  (").next().unwrap();
        host.write("logs/active-responses.log", "");
        let ended = run(&host, "firewall-drop", &riposte_tests::text(&folder.join(file)));
        assert_eq!((ended.code, &*ended.out), (255, ""), "{file}: {ended:?}");
        let log = log(&host, "firewall-drop");
        assert_eq!(log.last().map(String::as_str), Some(text), "{file}");
        seen += 1;
    }
    assert!(seen >= 5);
}

#[test]
fn without_rights_it_says_so() {
    let host = host(&["firewall-drop"]);
    // Nobody's own view of the same namespace: nothing may be changed there.
    let link = host.path("active-response/bin/firewall-drop");
    let mut nobody = host.command("setpriv");
    nobody.args([
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
    ]);
    nobody.arg("--").arg(Path::new(&link)).current_dir(host.path(""));
    let ended = Execd::spawn(nobody, &message("add", "198.18.0.7")).end();
    if ended.err.contains("setpriv")
        || ended.err.contains("Permission denied (os error 13)") && ended.code == 127
    {
        return println!("skipped: {}", ended.err);
    }
    assert_eq!(ended.code, 255, "{ended:?}");
    assert!(ended.err.contains("firewall") || ended.err.contains("nftables"), "{ended:?}");
    assert!(host.elements("drop4").is_empty());
}
