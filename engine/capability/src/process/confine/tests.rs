//! Real programs at each level. What needs root is skipped without it, but
//! never in CI.

#![expect(clippy::disallowed_methods, reason = "tests write the programs that they start")]

use std::path::Path;
use std::process::Command;

use riposte_policy::grant::NewPrivileges;
use tempfile::TempDir;

use super::*;
use crate::process::{Caps, Ended, Exit, Launch, NotStarted};

/// A home with the probe in it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        // Everybody may pass: isolated programs are nobody.
        home.sh("chmod 755 . && mkdir logs && : >logs/active-responses.log && mkdir free && chmod 777 free");
        home
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn at(&self, name: &str) -> String {
        self.root().join(name).display().to_string()
    }

    /// Another process writes files: a descriptor of our own could be inherited
    /// by a program that another test starts just now.
    fn sh(&self, script: &str) {
        let status = Command::new("/bin/sh").args(["-ec", script]).current_dir(self.root()).status().unwrap();
        assert!(status.success(), "{script}");
    }

    fn probe(&self) -> String {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/process/confine/probe.c");
        let status =
            Command::new("cc").arg("-o").arg(self.root().join("probe")).arg(source).status().unwrap();
        assert!(status.success());
        self.at("probe")
    }

    async fn start(&self, by: &Confinement, program: &str, arguments: &[&str]) -> Result<Ended, NotStarted> {
        let program = Program::at(Path::new(program)).unwrap();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let launch =
            Launch { program: &program, arguments: &arguments, root: self.root(), caps: Caps::default() };
        launch.under(by).run(Vec::new()).await
    }

    /// Runs a line of shell; what it wrote, and how it ended.
    async fn shell(&self, by: &Confinement, script: &str) -> (Exit, String) {
        let ended = self.start(by, "/bin/sh", &["-c", script]).await.unwrap();
        let said = [ended.output.bytes, ended.errors.bytes].concat();
        (ended.exit, String::from_utf8(said).unwrap())
    }

    async fn passes(&self, by: &Confinement, script: &str) {
        let (exit, said) = self.shell(by, script).await;
        assert_eq!(exit, Exit::Code(0), "{script}: {said}");
    }

    /// That it fails, after it has passed without any confinement.
    async fn stopped(&self, by: &Confinement, script: &str) {
        let (exit, said) = self.shell(by, script).await;
        assert_ne!(exit, Exit::Code(0), "{by:?}: {script}: {said}");
    }
}

fn confined(write: &[&str], capabilities: &[&str]) -> Confinement {
    Confinement::Confined {
        write: write.iter().map(PathBuf::from).collect(),
        capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(),
        new_privileges: NewPrivileges::Refused,
    }
}

fn isolated(write: &[&str]) -> Confinement {
    Confinement::Isolated { write: write.iter().map(PathBuf::from).collect() }
}

fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(root || std::env::var("CI").is_err(), "CI must not skip what only root can test");
    root
}

fn everything() -> Confinement {
    Confinement::Confined {
        write: vec!["/".into()],
        capabilities: vec!["all".to_owned()],
        new_privileges: NewPrivileges::Allowed,
    }
}

#[tokio::test]
async fn the_calls_that_no_response_needs_are_refused() {
    if !root() {
        return;
    }
    let home = Home::new();
    let probe = home.probe();
    let answers = async |by: &Confinement| {
        let ended = home.start(by, &probe, &[]).await.unwrap();
        assert_eq!(ended.exit, Exit::Code(0), "{ended:?}");
        String::from_utf8(ended.output.bytes).unwrap()
    };
    // Without a filter the kernel looks at what it is asked.
    let free = answers(&everything()).await;
    let refused: Vec<_> = free.lines().filter(|line| line.ends_with(" EPERM")).collect();
    assert!(refused.is_empty(), "refused without a filter: {refused:?}");
    for by in [Confinement::Default, confined(&[], &["sys_admin"])] {
        let refused = answers(&by).await;
        assert_eq!(refused.lines().count(), free.lines().count());
        for line in refused.lines() {
            let (name, answer) = line.split_once(' ').unwrap();
            let expected = match name {
                "fork" => "done",
                "clone3" => "ENOSYS",
                _ => "EPERM",
            };
            assert_eq!(answer, expected, "{by:?}: {name}");
        }
    }
    for line in answers(&isolated(&[])).await.lines() {
        let (name, answer) = line.split_once(' ').unwrap();
        match name {
            "fork" => assert_eq!(answer, "done"),
            "clone3" => assert_eq!(answer, "ENOSYS"),
            // bubblewrap needs these; a nobody gets nowhere with them.
            "mount" | "umount2" | "pivot_root" | "unshare" => assert_ne!(answer, "done", "{name}"),
            name => assert_eq!(answer, "EPERM", "{name}"),
        }
    }
}

#[tokio::test]
async fn privileges_do_not_grow() {
    let home = Home::new();
    let status = "grep -q 'NoNewPrivs:.1' /proc/self/status";
    for by in [Confinement::Default, confined(&[], &[]), isolated(&[])] {
        home.passes(&by, status).await;
    }
    if root() {
        home.stopped(&everything(), status).await;
    }
}

#[tokio::test]
async fn common_work_goes_on_by_default() {
    let home = Home::new();
    let by = Confinement::Default;
    for script in [
        "echo line >>logs/active-responses.log && sed -i s/line/other/ logs/active-responses.log",
        "python3 -c 'import subprocess, threading; t = threading.Thread(target=print); t.start(); t.join(); subprocess.run([\"true\"], check=True)'",
        "f=$(mktemp) && (sleep 0 & wait) && rm \"$f\"",
        "awk 'BEGIN { print 1 }' | grep -q 1",
    ] {
        home.passes(&by, script).await;
    }
}

#[test]
fn a_firewall_script_works_by_default_and_with_one_privilege() {
    crate::namespace::within(async || {
        let home = Home::new();
        let block = "iptables -w -A INPUT -s 192.0.2.7 -j DROP && iptables -w -D INPUT -s 192.0.2.7 -j DROP";
        home.passes(&Confinement::Default, block).await;
        home.passes(&confined(&["/run"], &["net_admin", "net_raw"]), block).await;
        home.stopped(&confined(&["/run"], &[]), block).await;
        home.stopped(&isolated(&[]), block).await;
    });
}

/// The starter thread sees the network that it was made in, and a program
/// belongs where its caller is.
#[tokio::test]
async fn a_program_starts_where_its_caller_is() {
    let here = std::fs::read_link("/proc/self/ns/net").unwrap();
    let (exit, said) = Home::new().shell(&Confinement::Default, "readlink /proc/self/ns/net").await;
    assert_eq!((exit, Path::new(said.trim())), (Exit::Code(0), here.as_path()));
    crate::namespace::within(async move || {
        let there = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        assert_ne!(here, there);
        for by in [Confinement::Default, confined(&[], &[])] {
            let (_, said) = Home::new().shell(&by, "readlink /proc/self/ns/net").await;
            assert_eq!(Path::new(said.trim()), there, "{by:?}");
        }
    });
}

#[tokio::test]
async fn a_confined_program_writes_what_is_listed() {
    let home = Home::new();
    home.sh("echo kept >outside && mkdir listed && : >listed/old && : >file");
    let by = confined(&[&home.at("listed"), &home.at("file")], &[]);
    for script in [
        "echo x >listed/new && echo y >>listed/old && rm listed/new && mkdir -p listed/a/b",
        "echo x >file",
        "echo x >>logs/active-responses.log",
        "cat outside /etc/passwd >/dev/null && ls / >/dev/null",
    ] {
        home.passes(&by, script).await;
    }
    for script in [
        "echo x >outside",
        "echo x >new",
        "rm outside",
        "mv outside listed/",
        "ln outside listed/hard",
        "mkdir folder",
        "echo x >logs/other.log",
        "truncate -s 0 outside",
        "python3 -c 'import os; os.truncate(\"outside\", 0)'",
        "ln -s ../outside listed/link && echo x >listed/link",
        "echo x >/tmp/riposte-never",
        "mount -t tmpfs none listed",
    ] {
        home.stopped(&by, script).await;
    }
    assert_eq!(std::fs::read_to_string(home.at("outside")).unwrap(), "kept\n");
    // Nothing at all but the log, when nothing is listed.
    home.stopped(&confined(&[], &[]), "echo x >file").await;
}

#[tokio::test]
async fn a_confined_program_has_the_privileges_that_are_listed() {
    if !root() {
        return;
    }
    let home = Home::new();
    home.sh("echo theirs >theirs && chown 1:1 theirs && chmod 600 theirs");
    let files = [home.at("")];
    let write = &[files[0].as_str()];
    let change = "chown 2:2 theirs && chown 1:1 theirs";
    home.passes(&confined(write, &["chown"]), change).await;
    home.stopped(&confined(write, &[]), change).await;
    home.passes(&confined(write, &["dac_override"]), "echo x >>theirs").await;
    home.stopped(&confined(write, &["chown"]), "echo x >>theirs").await;
    // What it starts gets no more.
    home.stopped(&confined(write, &[]), "sh -c 'sh -c \"chown 2:2 theirs\"'").await;
    let (_, sets) = home.shell(&confined(write, &["net_admin"]), "grep ^Cap /proc/self/status").await;
    for line in sets.lines() {
        let (name, value) = line.split_once(":\t").unwrap();
        let expected = if ["CapPrm", "CapEff", "CapBnd"].contains(&name) { 1 << 12 } else { 0 };
        assert_eq!(u64::from_str_radix(value, 16), Ok(expected), "{line}");
    }
}

#[tokio::test]
async fn a_confined_program_signals_its_own_alone() {
    if !root() {
        return;
    }
    let home = Home::new();
    let mut other = Command::new("/bin/sleep").arg("3600").spawn().unwrap();
    let signal = format!("kill -0 {}", other.id());
    home.passes(&Confinement::Default, &signal).await;
    home.passes(&confined(&[], &["kill"]), &signal).await;
    home.stopped(&confined(&[], &[]), &signal).await;
    home.passes(&confined(&[], &[]), "sleep 60 & kill $!").await;
    home.stopped(&isolated(&[]), &signal).await;
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn an_isolated_program_is_a_nobody_by_itself() {
    if !root() {
        return;
    }
    let home = Home::new();
    home.sh("echo secret >secret && chmod 600 secret && : >open && chmod 666 open");
    let by = isolated(&[&home.at("free")]);
    for script in [
        "test \"$(id -u):$(id -g)\" = 65534:65534 && test \"$(id -G)\" = 65534",
        "echo x >free/new && cat free/new",
        "echo x >/tmp/own && test \"$(ls /tmp | grep -vc tmp)\" = 1",
        "test \"$(ls -d /proc/[0-9]* | wc -l)\" -lt 10",
        "! grep -q : /proc/net/dev || ! grep -v 'lo:' /proc/net/dev | grep -q :",
        "test -z \"$(ls /run)\"",
        "grep -q 'CapBnd:.0000000000000000' /proc/self/status",
        "grep -q 'CapEff:.0000000000000000' /proc/self/status",
        "python3 -c 'print(1)'",
    ] {
        home.passes(&by, script).await;
    }
    for script in [
        "cat secret",
        "cat /etc/shadow",
        // Everybody might, but for the read-only view.
        "echo x >open",
        "unshare -U true",
        "unshare -m true",
        "echo x >/etc/riposte-never",
    ] {
        home.stopped(&by, script).await;
    }
    assert_eq!(std::fs::read_to_string(home.at("free/new")).unwrap(), "x\n");
    assert!(!Path::new("/tmp/own").exists());
}

/// As Wazuh installs them: for root and a group, and nobody else.
#[tokio::test]
async fn an_isolated_program_takes_its_files_group() {
    if !root() {
        return;
    }
    let home = Home::new();
    home.sh("printf '#!/bin/sh\\nid -g\\n' >program && chmod 750 program && chgrp 4321 program");
    home.sh("chgrp 4321 . && chmod 750 .");
    let ended = home.start(&isolated(&[]), &home.at("program"), &[]).await.unwrap();
    assert_eq!((ended.exit, ended.output.bytes), (Exit::Code(0), b"4321\n".to_vec()), "{:?}", ended.errors);

    home.sh("chgrp 0 program");
    let error = home.start(&isolated(&[]), &home.at("program"), &[]).await.unwrap_err();
    assert!(error.to_string().contains(&format!("chmod o+rx {}", home.at("program"))), "{error}");
}

#[tokio::test]
async fn an_isolated_program_is_ended_with_all_that_it_started() {
    if !root() {
        return;
    }
    let home = Home::new();
    home.sh("mkfifo -m 666 free/alive");
    let script = "setsid sh -c 'exec 3>free/alive; echo up; exec sleep 3600' & wait";
    let program = Program::at(Path::new("/bin/sh")).unwrap();
    let arguments = ["-c".to_owned(), script.to_owned()];
    let caps = Caps { grace: std::time::Duration::from_millis(10), ..Caps::default() };
    let launch = Launch { program: &program, arguments: &arguments, root: home.root(), caps };
    let by = isolated(&[&home.at("free")]);
    let mut running = launch.under(&by).start().unwrap();
    let pipe = home.at("free/alive");
    let gone = tokio::task::spawn_blocking(move || std::fs::read(pipe));
    assert_eq!(running.first_line().await, crate::process::FirstLine::Line(b"up".to_vec()));
    running.end().await;
    // The pipe ends only when nobody holds it any more.
    gone.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_a_program_says_and_hears_passes() {
    let home = Home::new();
    let program = Program::at(Path::new("/bin/cat")).unwrap();
    for by in [Confinement::Default, confined(&[], &[]), isolated(&[])] {
        let launch = Launch { program: &program, arguments: &[], root: home.root(), caps: Caps::default() };
        let ended = launch.under(&by).run(b"line\n".to_vec()).await.unwrap();
        assert_eq!((ended.exit, ended.output.bytes), (Exit::Code(0), b"line\n".to_vec()), "{by:?}");
        let (exit, _) = home.shell(&by, "exit 7").await;
        assert_eq!(exit, Exit::Code(7), "{by:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_refused_before_anything_starts() {
    let home = Home::new();
    let program = Program::at(Path::new("/bin/sh")).unwrap();
    for by in [confined(&["/no/such/folder"], &[]), isolated(&["/no/such/folder"])] {
        let why = examine(&by, &program, home.root()).unwrap_err();
        assert!(
            matches!(&why, Unconfinable::NoPath { path, .. } if path == Path::new("/no/such/folder")),
            "{why}"
        );
        let error = home.start(&by, "/bin/sh", &["-c", "echo x >free/ran"]).await.unwrap_err();
        assert!(matches!(error, NotStarted::Unconfined { .. }), "{error}");
    }
    assert!(!home.root().join("free/ran").exists());
    for by in [Confinement::Default, confined(&["/"], &[]), isolated(&[])] {
        assert_eq!(examine(&by, &program, home.root()), Ok(Strength::Whole), "{by:?}");
    }
}
