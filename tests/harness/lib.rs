//! End to end: the real binary, a real kernel firewall, a private network
//! namespace for each test.
//!
//! Nothing here waits for a length of time: [`until`] looks again until
//! something is so, and gives up only when it never will be.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on has failed; it plays the user, with programs and files of its own"
)]

pub mod stock;
pub mod units;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A machine of its own: a network namespace and a folder for everything else.
pub struct Host {
    dir: TempDir,
    /// Holds the namespace open; ends when the test does.
    holder: Child,
    view: View,
}

/// What of the machine's files a host sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    /// The machine's own.
    Shared,
    /// A copy of `/etc` and an empty `/run`, in a mount namespace.
    Private,
}

impl Host {
    /// Makes one.
    #[must_use]
    pub fn new() -> Self {
        Self::with(View::Shared)
    }

    /// Makes one with `/etc` and `/run` of its own, for what acts on accounts
    /// and units. Below [`Host::path`] they are `machine/etc` and `machine/run`.
    /// Programs start in `/` there, whatever folder they are started from.
    #[must_use]
    pub fn with_machine() -> Self {
        Self::with(View::Private)
    }

    fn with(view: View) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut unshare = Command::new("unshare");
        if !is_root() {
            unshare.arg("--map-root-user");
        }
        let mut script = "ip link set lo up && echo up && exec cat".to_owned();
        if view == View::Private {
            unshare.arg("--mount");
            // What cannot be copied without root is not needed without root.
            // Nothing is started unless the marker shows that /etc is the copy.
            script = format!(
                "mkdir -p machine/run/dbus && {{ cp -a /etc machine/etc 2>/dev/null; touch machine/etc/riposte-test; }} \
                 && mount --bind machine/etc /etc && mount --bind machine/run /run \
                 && test -e /etc/riposte-test && {script}"
            );
        }
        let mut holder = unshare
            .args(["--net", "--", "sh", "-c", &script])
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("these tests need unshare (util-linux); run make test, which installs it");
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(
            line, "up\n",
            "these tests need network namespaces and ip (iproute2): run make test as root"
        );
        let host = Self { dir, holder, view };
        fs::create_dir_all(host.path("etc")).unwrap();
        fs::create_dir_all(host.path("active-response/bin")).unwrap();
        fs::set_permissions(host.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        host
    }

    /// A process in this host's network, by its number.
    #[must_use]
    pub fn holder(&self) -> u32 {
        self.holder.id()
    }

    /// A path under this host's home.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file under this host's home.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes the configuration.
    pub fn configure(&self, xml: &str) {
        self.write("etc/ossec.conf", format!("<ossec_config>\n{xml}\n</ossec_config>\n"));
    }

    /// Installs a native program.
    pub fn program(&self, name: &str, text: &str) {
        let name = format!("active-response/bin/{name}");
        self.write(&name, text);
        fs::set_permissions(self.path(&name), fs::Permissions::from_mode(0o750)).unwrap();
    }

    /// Installs a component.
    pub fn plugin(&self, name: &str, wasm: &[u8]) {
        self.write(&format!("state/plugins/{name}.wasm"), wasm);
        for folder in ["state", "state/plugins"] {
            fs::set_permissions(self.path(folder), fs::Permissions::from_mode(0o700)).unwrap();
        }
    }

    /// Appends alerts to `alerts.json`.
    pub fn alerts(&self, alerts: &[String]) {
        let mut file =
            fs::OpenOptions::new().create(true).append(true).open(self.path("alerts.json")).unwrap();
        file.write_all((alerts.join("\n") + "\n").as_bytes()).unwrap();
    }

    /// A process in this host's network, by which others can name it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A program in this host's network.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        let pid = self.holder.id();
        if !is_root() {
            command.arg(format!("--user=/proc/{pid}/ns/user")).arg("--preserve-credentials");
        }
        command.arg(format!("--net=/proc/{pid}/ns/net"));
        if self.view == View::Private {
            command.arg(format!("--mount=/proc/{pid}/ns/mnt"));
        }
        command.arg("--").arg(program);
        command
    }

    /// Runs `riposte` to its end: its exit code, standard output and error.
    #[must_use]
    pub fn riposte(&self, arguments: &[&str]) -> Ended {
        let output = self.riposte_command(arguments).stdin(Stdio::null()).output().unwrap();
        Ended::from(output)
    }

    /// `riposte` with this home, ready to be started.
    #[must_use]
    pub fn riposte_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(binary());
        command.args(arguments).env("XDG_CACHE_HOME", self.path("cache"));
        if !arguments.contains(&"--home") {
            command.arg("--home").arg(self.dir.path());
        }
        command
    }

    /// Starts the engine on `alerts.json` and waits until it is ready.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Engine {
        self.start_in("run", arguments, &[])
    }

    /// The same with these variables in its environment.
    #[must_use]
    pub fn start_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Engine {
        self.start_in("run", arguments, environment)
    }

    /// Starts the engine on a machine whose boot-time clock is so many seconds
    /// further than that of the others here: it was asleep for so long.
    #[must_use]
    pub fn start_ahead(&self, seconds: u32) -> Engine {
        let mut command = self.command("unshare");
        command.args(["--time", "--boottime", &seconds.to_string()]).arg("--");
        command.arg(binary()).arg("run").arg("--home").arg(self.dir.path());
        command.arg("--alerts").arg(self.path("alerts.json")).args(["--log", "debug"]);
        Engine::start(command)
    }

    /// The same in another role.
    #[must_use]
    pub fn start_as(&self, role: &str, arguments: &[&str]) -> Engine {
        self.start_in(role, arguments, &[])
    }

    fn start_in(&self, role: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Engine {
        if !self.path("alerts.json").exists() {
            self.write("alerts.json", "");
        }
        let alerts = self.path("alerts.json");
        let mut command = self.riposte_command(&[role]);
        command.arg("--alerts").arg(&alerts).args(["--log", "debug"]).args(arguments);
        command.envs(environment.iter().copied());
        Engine::start(command)
    }

    /// The same, saying no more than `level` has it: a flood would fill the log.
    #[must_use]
    pub fn start_saying(&self, level: &str, arguments: &[&str]) -> Engine {
        let alerts = self.path("alerts.json");
        let mut command = self.riposte_command(&["run"]);
        command.arg("--alerts").arg(&alerts).args(["--log", level]).args(arguments);
        Engine::start_when(command, || self.is_answered())
    }

    /// The same, with a standard error of which nothing is read here.
    #[must_use]
    pub fn start_unheard(&self, stderr: impl Into<Stdio>) -> Engine {
        let mut command = self.riposte_command(&["run"]);
        command.arg("--alerts").arg(self.path("alerts.json")).args(["--log", "info"]);
        let child = command.stdin(Stdio::null()).stderr(stderr).spawn().unwrap();
        Engine { child, log: Arc::default() }.awaited(|_| self.is_answered())
    }

    /// The same, without waiting until it is ready: it may have to wait itself.
    #[must_use]
    pub fn start_at_once(&self) -> Engine {
        let mut command = self.riposte_command(&["run"]);
        command.arg("--alerts").arg(self.path("alerts.json")).args(["--log", "info"]);
        Engine::start_when(command, || true)
    }

    /// Whether an engine answers.
    fn is_answered(&self) -> bool {
        self.riposte(&["status"]).code == 0
    }

    /// Starts the engine in place of `wazuh-execd`, in a home of Wazuh's that
    /// is this host's, and waits until it is ready.
    #[must_use]
    pub fn execd(&self, arguments: &[&str]) -> Engine {
        let mut command = self.riposte_command(&["execd"]);
        command.arg("--root").arg(self.dir.path()).args(["--log", "debug"]).args(arguments);
        Engine::start(command)
    }

    /// Runs the engine over `alerts.json` with `--once`.
    #[must_use]
    pub fn once(&self, arguments: &[&str]) -> Ended {
        let alerts = self.path("alerts.json").display().to_string();
        let mut all = vec!["run", "--once", "--alerts", &alerts];
        all.extend(arguments);
        self.riposte(&all)
    }

    /// Elements of one of the engine's sets in this host's kernel.
    #[must_use]
    pub fn elements(&self, set: &str) -> Vec<String> {
        let output =
            self.command("nft").args(["-j", "list", "set", "inet", "riposte", set]).output().unwrap();
        if !output.status.success() {
            return Vec::new();
        }
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let objects = json["nftables"].as_array().unwrap();
        let elements = objects.iter().find_map(|object| object["set"]["elem"].as_array());
        let value = |element: &Value| match element {
            Value::String(address) => address.clone(),
            element => element["elem"]["val"].as_str().map_or_else(|| element.to_string(), str::to_owned),
        };
        elements.map(|elements| elements.iter().map(value).collect()).unwrap_or_default()
    }

    /// What `riposte list` says, over all entries.
    #[must_use]
    pub fn entries(&self) -> Vec<Value> {
        let listed = self.riposte(&["list", "--all", "--offline", "--json"]);
        assert_eq!(listed.code, 0, "{listed:?}");
        listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How many entries are in each of these states.
    #[must_use]
    pub fn count(&self, state: &str) -> usize {
        self.entries().iter().filter(|entry| entry["state"] == state).count()
    }

    /// What a file under this home holds.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        text(&self.path(name))
    }

    /// The whole audit: files that are full, then the one that is written.
    #[must_use]
    pub fn audit(&self) -> String {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut files: Vec<_> = fs::read_dir(self.path("log")).into_iter().flatten().map(name).collect();
        // Full ones have the number of their first line in their names.
        files.retain(|name| name.starts_with("audit.0") && name.ends_with(".jsonl"));
        files.sort();
        files.push("audit.jsonl".to_owned());
        files.iter().map(|name| self.read(&format!("log/{name}"))).collect()
    }

    /// The audit events of one kind.
    #[must_use]
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let audit = self.audit();
        let events = audit.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["kind"] == kind).collect()
    }
}

impl Host {
    /// How often what is told by audit events of one kind happened: one event
    /// may stand for several.
    #[must_use]
    pub fn happened(&self, kind: &str) -> u64 {
        self.events(kind).iter().map(|event| event["count"].as_u64().unwrap_or(1)).sum()
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A running engine. Dropped: killed.
pub struct Engine {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Engine {
    /// Starts it and waits until it says that it is ready.
    #[must_use]
    pub fn start(command: Command) -> Self {
        Self::start_when(command, || false)
    }

    /// Starts it and waits until it says that it is ready, or it is so.
    fn start_when(mut command: Command, mut ready: impl FnMut() -> bool) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, stderr) = (Arc::clone(&log), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = lines.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, log }.awaited(|engine| engine.log().contains("ready") || ready())
    }

    fn awaited(mut self, mut ready: impl FnMut(&Self) -> bool) -> Self {
        until("the engine is ready", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the engine ended with {status}:\n{}", self.log());
            }
            ready(&self)
        });
        self
    }

    /// The number of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal and waits for its end: the exit code.
    pub fn end(mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        until("the engine has ended", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code()
    }

    /// What it said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for its end.
    pub fn stop(mut self) {
        self.signal("TERM");
        until("the engine has stopped", || self.child.try_wait().unwrap().is_some());
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Whether it is still running.
    #[must_use]
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("--- the engine said at last:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that ran to its end.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Ended {
    /// Its standard output as one JSON value.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Looks again until `so`. A condition that never comes true fails the test
/// after two minutes; how long one takes is never judged.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An alert of sshd as Wazuh writes it: rule 5712, level 10.
#[must_use]
pub fn sshd(id: u32, srcip: &str) -> String {
    alert(id, &format!(r#""srcip":"{srcip}","srcuser":"admin""#))
}

/// The same with other `data`.
#[must_use]
pub fn alert(id: u32, data: &str) -> String {
    format!(
        concat!(
            r#"{{"timestamp":"2026-11-20T10:00:00.000+0000","rule":{{"level":10,"description":"sshd: brute force","#,
            r#""id":"5712","mitre":{{"id":["T1110"]}},"firedtimes":1,"frequency":8,"mail":false,"#,
            r#""groups":["syslog","sshd","authentication_failures"],"pci_dss":["11.4","10.2.4"]}},"#,
            r#""agent":{{"id":"000","name":"host"}},"manager":{{"name":"host"}},"id":"1763632800.{}","#,
            r#""full_log":"Nov 20 10:00:00 host sshd[1]: Failed password for invalid user admin","#,
            r#""predecoder":{{"program_name":"sshd","timestamp":"Nov 20 10:00:00","hostname":"host"}},"#,
            r#""decoder":{{"parent":"sshd","name":"sshd"}},"data":{{{}}},"location":"/var/log/auth.log"}}"#
        ),
        id, data
    )
}

/// The `n`th address of 198.18.0.0/15, which is set aside for tests.
#[must_use]
pub fn address(n: u32) -> String {
    std::net::Ipv4Addr::from(0xc612_0000 + n).to_string()
}

/// The binary under test: beside this test's own.
#[must_use]
pub fn binary() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let binary = folder.join("riposte");
    assert!(binary.is_file(), "{} is not there: run cargo build --workspace first", binary.display());
    binary
}

/// What a file holds; nothing when it is not there.
#[must_use]
pub fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A file of this folder.
#[must_use]
pub fn fixture(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Whether this is root, here.
#[must_use]
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| {
        use std::os::unix::fs::MetadataExt;
        found.uid() == 0
    })
}
