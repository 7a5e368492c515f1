//! On real account files: a copy of this machine's `/etc`, mounted over it in
//! a mount namespace of the test's own, with the real `usermod`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::disallowed_methods, reason = "the tests play the administrator of a machine of their own")]

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use riposte_policy::user::UserName;

use super::*;
use crate::accounts::Sessions;
use crate::bus::Bus;
use crate::held::Backend;

const ACCOUNTS: [(&str, &str); 8] = [
    ("open", "$6$salt$hash:19000:0:99999:7:::"),
    ("expiring", "$6$salt$hash:19000:0:99999:7::20000:"),
    ("keys-only", "*:19000:0:99999:7:::"),
    ("password-less", ":19000:0:99999:7:::"),
    ("locked", "!$6$salt$hash:19000:0:99999:7:::"),
    ("locked-expired", "!$6$salt$hash:19000:0:99999:7::1:"),
    ("sealed", "!:19000:0:99999:7::0:"),
    ("opened", "$6$salt$hash:19000:0:99999:7:::"),
];

/// Runs a test on a thread of its own, with account files of its own. Without
/// the right to have them the test is skipped, but never in CI.
fn within(test: impl AsyncFnOnce() + Send + 'static) {
    let run = move || {
        if let Err(e) = unshare(CloneFlags::CLONE_NEWNS) {
            assert!(std::env::var("CI").is_err(), "no mount namespace: {e}");
            eprintln!("skipped: needs root ({e})");
            return;
        }
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let etc = tempfile::tempdir().unwrap();
        for file in ["passwd", "shadow", "group", "gshadow", "login.defs", "nsswitch.conf"] {
            if let Ok(bytes) = fs::read(format!("/etc/{file}")) {
                fs::write(etc.path().join(file), bytes).unwrap();
            }
        }
        fs::write(etc.path().join("riposte-test"), "").unwrap();
        mount(Some(etc.path()), "/etc", none, MsFlags::MS_BIND, none).unwrap();
        // From here on /etc is written to. It must be this test's.
        assert!(fs::exists("/etc/riposte-test").unwrap());
        for (number, (name, fields)) in (3_000_001..).zip(ACCOUNTS) {
            append("/etc/passwd", &format!("{name}:x:{number}:{number}::/:/bin/sh\n"));
            append("/etc/shadow", &format!("{name}:{fields}\n"));
        }
        append("/etc/passwd", "shadowless:x:3000100:3000100::/:/bin/sh\n");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    };
    std::thread::spawn(run).join().unwrap();
}

fn append(path: &str, line: &str) {
    fs::write(path, fs::read_to_string(path).unwrap() + line).unwrap();
}

/// The whole line of an account in `/etc/shadow`, without its name.
fn line(user: &str) -> String {
    let text = fs::read_to_string("/etc/shadow").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{user}:")));
    line.unwrap().to_owned()
}

fn others(user: &str) -> Vec<String> {
    let text = fs::read_to_string("/etc/shadow").unwrap();
    text.lines().filter(|line| !line.starts_with(&format!("{user}:"))).map(str::to_owned).collect()
}

#[test]
fn every_kind_of_account_is_locked_and_gets_back_exactly_what_it_was() {
    within(async || {
        for (name, fields) in ACCOUNTS {
            let rest = others(name);
            let prior = Linux.prior(name).await.unwrap();
            assert!(!prior.contains("hash"), "{prior}");
            assert_eq!(Linux.make(name).await, Ok(name != "locked-expired"), "{name}");
            let locked = line(name);
            assert!(locked.starts_with('!') && locked.ends_with(":1:"), "{name}: {locked}");
            assert_eq!(Linux.make(name).await, Ok(false), "{name}");
            assert_eq!(line(name), locked, "{name}");
            for again in 0..2 {
                Linux.restore(name, &prior).await.unwrap();
                assert_eq!(line(name), fields, "{name}, restored {again} times before");
            }
            assert_eq!(others(name), rest, "{name}");
        }
    });
}

#[test]
fn what_an_administrator_did_meanwhile_stays() {
    within(async || {
        let prior = Linux.prior("open").await.unwrap();
        Linux.make("open").await.unwrap();
        let set = ["usermod", "--password", "$6$new$hash", "--expiredate", "30000", "--", "open"];
        run(&set.map(str::to_owned)).await.unwrap();
        let theirs = line("open");
        Linux.restore("open", &prior).await.unwrap();
        assert_eq!(line("open"), theirs);
        // One that was removed has nothing to give back.
        let prior = Linux.prior("opened").await.unwrap();
        Linux.make("opened").await.unwrap();
        for file in ["/etc/passwd", "/etc/shadow"] {
            let text = fs::read_to_string(file).unwrap();
            let kept: Vec<_> = text.lines().filter(|line| !line.starts_with("opened:")).collect();
            fs::write(file, kept.join("\n") + "\n").unwrap();
        }
        assert_eq!(Linux.restore("opened", &prior).await, Ok(()));
    });
}

#[test]
fn a_half_made_lock_is_completed_and_a_half_undone_one_too() {
    within(async || {
        let prior = Linux.prior("expiring").await.unwrap();
        run(&["usermod", "--lock", "--", "expiring"].map(str::to_owned)).await.unwrap();
        assert_eq!(Linux.make("expiring").await, Ok(true));
        run(&["usermod", "--unlock", "--", "expiring"].map(str::to_owned)).await.unwrap();
        Linux.restore("expiring", &prior).await.unwrap();
        assert_eq!(line("expiring"), "$6$salt$hash:19000:0:99999:7::20000:");
    });
}

#[test]
fn nobody_and_held_files_are_said_to_be_so() {
    within(async || {
        for absent in ["nobody-here", "ope", "OPEN"] {
            let refusal = Linux.prior(absent).await.unwrap_err();
            assert_eq!((refusal.kind, refusal.retry), ("no-key", false), "{refusal}");
        }
        assert_eq!(Linux.prior("shadowless").await.unwrap_err().kind, "unsupported");
        let before = fs::read_to_string("/etc/shadow").unwrap();
        // A lock file of a process that is there: this one.
        fs::write("/etc/shadow.lock", std::process::id().to_string() + "\0").unwrap();
        let refusal = Linux.make("open").await.unwrap_err();
        assert_eq!((refusal.kind, refusal.retry), ("unavailable", true), "{refusal}");
        assert_eq!(fs::read_to_string("/etc/shadow").unwrap(), before);
        fs::remove_file("/etc/shadow.lock").unwrap();
        assert_eq!(Linux.make("open").await, Ok(true));
    });
}

#[test]
fn what_a_user_runs_is_ended_and_nothing_else() {
    within(async || {
        let start = |uid: &str| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", uid, "--regid", uid, "--clear-groups", "--", "sh", "-c"]);
            command.args(["sleep 1000 & echo up; wait"]).stdin(Stdio::null()).stdout(Stdio::piped());
            let mut child = command.process_group(0).spawn().unwrap();
            let mut line = String::new();
            let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
            std::io::BufRead::read_line(&mut out, &mut line).unwrap();
            assert_eq!(line, "up\n");
            child
        };
        let mut theirs = start("3000001");
        let mut other = start("3000002");
        let sessions = Processes::new(Bus::at("unix:path=/etc/no-bus-here"));
        let user: UserName = "open".parse().unwrap();
        let account = sessions.account(&user).await.unwrap();
        assert_eq!((account.uid, account.names), (3_000_001, vec![user]));
        assert_eq!(sessions.end(account.uid).await, Ok(2));
        assert!(!theirs.wait().unwrap().success());
        assert_eq!(sessions.end(account.uid).await, Ok(0));
        assert!(other.try_wait().unwrap().is_none());
        assert_eq!(sessions.end(3_000_002).await, Ok(2));
        other.wait().unwrap();
        for spared in [0, rustix::process::getuid().as_raw()] {
            assert_eq!(sessions.end(spared).await.unwrap_err().kind, "denied");
        }
        let nobody = "nobody-here".parse().unwrap();
        assert_eq!(sessions.account(&nobody).await.unwrap_err().kind, "no-key");
    });
}
