//! The dialogue with real scripts, in the shapes that are out there.
//!
//! Where a script answers, the deadline is an hour and never passes; where it
//! does not, the deadline is short, and what happened is asserted, not when.

#![expect(clippy::disallowed_methods, reason = "tests write the programs that they start")]

use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;

use riposte_capability::process::{By, Exit, Unfit};
use tempfile::TempDir;

use super::*;

const CHECK_KEYS: &str = r#"'{"version":1,"origin":{"name":"t","module":"active-response"},"command":"check_keys","parameters":{"keys":["192.0.2.7","root"]}}'"#;
const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(100);

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for folder in ["active-response/bin", "logs"] {
            std::fs::create_dir_all(home.path(folder)).unwrap();
            std::fs::set_permissions(home.path(folder), Permissions::from_mode(0o750)).unwrap();
        }
        home
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// A native program with this text, whose first line is waited for so long.
    /// It is written by another process: see the tests of `process`.
    fn native(&self, text: &str, answer: Duration) -> NativeProgram {
        let status = Command::new("/bin/sh")
            .args(["-c", r#"printf %s "$1" > "$2" && chmod 750 "$2""#, "sh", text])
            .arg(self.path("active-response/bin/script"))
            .status()
            .unwrap();
        assert!(status.success());
        NativeProgram {
            program: Program::resolve(&self.path("active-response/bin"), "script").unwrap(),
            root: self.0.path().to_owned(),
            deadlines: Deadlines { answer, ..Deadlines::default() },
        }
    }

    /// A program in the shell's language.
    fn shell(&self, text: &str, answer: Duration) -> NativeProgram {
        self.native(&format!("#!/bin/bash\n{text}\n"), answer)
    }

    /// What the script wrote to `log`, in its working directory.
    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }
}

fn message() -> Message {
    Message::of_parts("n1", &[], r#"{"data":{"srcip":"192.0.2.7"}}"#, "script")
}

/// A message whose alert is over a pipe's size.
fn large() -> Message {
    let alert = format!(r#"{{"full_log":"{}"}}"#, "x".repeat(1 << 20));
    Message::of_parts("n1", &[], &alert, "script")
}

fn text(verb: Verb) -> String {
    message().line(verb)
}

/// For a program that gives no keys.
async fn unasked(keys: Vec<String>) -> Decision {
    panic!("it gave keys: {keys:?}")
}

/// The end of a program that may or may not have gone on alone.
async fn at_last(added: Added) -> Ended {
    match (added.ended, added.running) {
        (Some(ended), _) => ended,
        (None, Some(mut running)) => running.finished().await,
        (None, None) => panic!("neither"),
    }
}

fn speaker(home: &Home) -> NativeProgram {
    home.shell(
        &format!(
            "read -r a; printf '%s\\n' {CHECK_KEYS}; read -r b; printf '%s\\n' \"$a\" \"$b\" > log\nread -r c || echo end >> log"
        ),
        HOUR,
    )
}

#[tokio::test]
async fn a_program_that_gives_keys_is_told_to_continue() {
    let home = Home::new();
    let native = speaker(&home);
    // In a task: the future can be sent between threads.
    let added = tokio::spawn(async move {
        let decide = async |keys: Vec<String>| {
            tokio::task::yield_now().await;
            assert_eq!(keys, ["192.0.2.7", "root"]);
            Decision::Continue
        };
        native.add(&message(), decide).await
    });
    let added = added.await.unwrap().unwrap();
    assert!(added.spoke && !added.aborted);
    assert!(matches!(&added.ended, Some(Ended { exit: Exit::Code(0), by: By::Itself, .. })));
    assert_eq!(home.log(), format!("{}{}end\n", text(Verb::Add), text(Verb::Continue)));
}

#[tokio::test]
async fn a_program_whose_keys_are_in_force_is_told_to_abort() {
    let home = Home::new();
    let added = speaker(&home).add(&message(), async |_| Decision::Abort).await.unwrap();
    assert!(added.spoke && added.aborted);
    assert_eq!(home.log(), format!("{}{}end\n", text(Verb::Add), text(Verb::Abort)));
}

#[tokio::test]
async fn a_program_may_end_before_it_is_told() {
    let home = Home::new();
    let native = home.shell(&format!("printf '%s\\n' {CHECK_KEYS}; exit 6"), HOUR);
    let added = native.add(&large(), async |_| Decision::Continue).await.unwrap();
    assert!(added.spoke && !added.aborted);
    assert_eq!(at_last(added).await.exit, Exit::Code(6));
}

#[tokio::test]
async fn keys_may_come_before_the_message_is_read() {
    let home = Home::new();
    let native = home.shell(&format!("printf '%s\\n' {CHECK_KEYS}; wc -l > log"), HOUR);
    let added = native.add(&large(), async |_| Decision::Continue).await.unwrap();
    assert!(added.spoke && !added.aborted);
    assert_eq!(at_last(added).await.exit, Exit::Code(0));
    assert_eq!(home.log().trim(), "2");
}

#[tokio::test]
async fn a_silent_program_that_reads_one_line_ends_by_itself() {
    let home = Home::new();
    for script in [
        "#!/bin/bash\nread -r line\nprintf '%s\\n' \"$line\" > log\nexit 1\n",
        "#!/usr/bin/env python3\nimport sys\nline = sys.stdin.readline()\nopen('log', 'w').write(line)\nsys.exit(1)\n",
    ] {
        let added = home.native(script, HOUR).add(&message(), unasked).await.unwrap();
        assert!(!added.spoke);
        assert!(matches!(&added.ended, Some(Ended { exit: Exit::Code(1), .. })), "{added:?}");
        assert_eq!(home.log(), text(Verb::Add));
    }
}

#[tokio::test]
async fn a_program_that_reads_to_the_end_goes_on_after_the_deadline() {
    let home = Home::new();
    let added = home.shell("cat > log", SHORT).add(&message(), unasked).await.unwrap();
    assert!(!added.spoke);
    assert_eq!(at_last(added).await.exit, Exit::Code(0));
    assert_eq!(home.log(), text(Verb::Add));
}

#[tokio::test]
async fn late_keys_find_nobody_who_waits() {
    let home = Home::new();
    let native = home.shell(&format!("cat > /dev/null; printf '%s\\n' {CHECK_KEYS}; cat > log"), SHORT);
    let added = native.add(&message(), unasked).await.unwrap();
    assert!(!added.spoke);
    let finished = at_last(added).await;
    assert_eq!(home.log(), "");
    assert_eq!(keys_in(&finished.output.bytes).unwrap(), ["192.0.2.7", "root"]);
}

#[tokio::test]
async fn a_program_that_takes_an_hour_is_left_to_itself() {
    let home = Home::new();
    let added = home.shell("exec sleep 3600", SHORT).add(&large(), unasked).await.unwrap();
    assert!(!added.spoke);
    let running = added.running.expect("it cannot have ended");
    let finished = running.end().await;
    assert_eq!((finished.exit, finished.by), (Exit::Signal(15), By::Engine));
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_ended() {
    let home = Home::new();
    let mut native = home.shell("exec sleep 3600", HOUR);
    native.deadlines.run = SHORT;
    let added = native.add(&message(), unasked).await.unwrap();
    assert!(matches!(&added.ended, Some(Ended { by: By::Deadline, .. })), "{added:?}");
}

#[tokio::test]
async fn a_closed_stdout_is_silence() {
    let home = Home::new();
    let added = home.shell("exec >&-; cat > log", HOUR).add(&message(), unasked).await.unwrap();
    assert!(!added.spoke);
    assert!(added.ended.is_some());
    assert_eq!(home.log(), text(Verb::Add));
}

#[tokio::test]
async fn any_other_line_is_told_to_continue() {
    let home = Home::new();
    for first in
        ["echo hello", "printf no-line-feed; exec >&-", "echo '{\"command\":\"check_keys\"}'", "echo"]
    {
        let native = home.shell(&format!("{first}; read -r a; cat > log"), HOUR);
        let added = native.add(&message(), unasked).await.unwrap();
        assert!(!added.spoke, "{first}");
        assert!(added.ended.is_some(), "{first}");
        assert_eq!(home.log(), text(Verb::Continue), "{first}");
    }
}

#[tokio::test]
async fn a_flood_is_another_line() {
    let home = Home::new();
    let native = home.shell("head -c 10000000 /dev/zero; read -r a; cat > log; exit 3", HOUR);
    let added = native.add(&message(), unasked).await.unwrap();
    assert!(!added.spoke);
    let finished = at_last(added).await;
    assert_eq!(finished.exit, Exit::Code(3));
    assert_eq!(finished.output.bytes.len() as u64 + finished.output.dropped, 10_000_000);
    assert_eq!(home.log(), text(Verb::Continue));
}

#[tokio::test]
async fn a_program_that_dies_at_once_is_reported() {
    let home = Home::new();
    let added = home.shell("echo why >&2; kill -9 $$", HOUR).add(&large(), unasked).await.unwrap();
    assert!(!added.spoke);
    let finished = at_last(added).await;
    assert_eq!((finished.exit, finished.by), (Exit::Signal(9), By::Itself));
    assert_eq!(finished.errors.bytes, b"why\n");
}

#[tokio::test]
async fn a_delete_is_one_line_and_its_exit_is_reported() {
    let home = Home::new();
    let native = home.shell("echo ignored; cat > log; exit 3", HOUR);
    let ended = native.delete(&message()).await.unwrap();
    assert_eq!((ended.exit, ended.by), (Exit::Code(3), By::Itself));
    assert_eq!(home.log(), text(Verb::Delete));

    let mut native = home.shell("exec sleep 3600", HOUR);
    native.deadlines.delete = SHORT;
    assert_eq!(native.delete(&message()).await.unwrap().by, By::Deadline);
}

#[tokio::test]
async fn a_cancelled_add_leaves_nothing_running() {
    let home = Home::new();
    let alive = home.path("alive");
    assert!(Command::new("mkfifo").arg(&alive).status().unwrap().success());
    // The child in the background holds the pipe open for as long as it lives.
    let native =
        home.shell(&format!("(exec 3>alive; printf '%s\\n' {CHECK_KEYS}; exec sleep 3600) & wait"), HOUR);
    let (tell, gone) = channel();
    let holder = alive.clone();
    std::thread::spawn(move || {
        let mut nothing = Vec::new();
        std::fs::File::open(holder).unwrap().read_to_end(&mut nothing).unwrap();
        tell.send(())
    });
    let (asked, was_asked) = tokio::sync::oneshot::channel();
    let add = tokio::spawn(async move {
        let forever = async |_| {
            asked.send(()).unwrap();
            std::future::pending().await
        };
        native.add(&message(), forever).await
    });
    was_asked.await.unwrap();
    add.abort();
    assert!(add.await.unwrap_err().is_cancelled());
    let gone = tokio::task::spawn_blocking(move || gone.recv_timeout(Duration::from_secs(60)));
    gone.await.unwrap().expect("the child in the background lives on");
}

#[tokio::test]
async fn an_old_program_finds_its_arguments() {
    let home = Home::new();
    let native = home.shell("echo \"$@\" > log", HOUR);
    let positional =
        Positional { alert_id: "1.2".to_owned(), rule_id: "5710".to_owned(), ..Positional::default() };
    let old = message().with_positional(&positional);
    let _ = native.add(&old, unasked).await.unwrap();
    assert_eq!(home.log(), "add - - 1.2 5710 - -\n");
    let _ = native.delete(&old).await.unwrap();
    assert_eq!(home.log(), "delete - - 1.2 5710 - -\n");
}

#[tokio::test]
async fn a_program_that_others_may_write_is_not_started() {
    let home = Home::new();
    let native = home.shell("echo > log", HOUR);
    std::fs::set_permissions(native.program.path(), Permissions::from_mode(0o777)).unwrap();
    let refused = native.add(&message(), unasked).await.unwrap_err();
    assert!(matches!(refused, NotStarted::Unfit(Unfit::Writable { .. })));
    assert!(!Path::new(&home.path("log")).exists());
}

/// One of the example scripts, in place.
fn example(home: &Home, name: &str, answer: Duration) -> NativeProgram {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scripts").join(name);
    let to = home.path("active-response/bin");
    assert!(Command::new("install").args(["-m", "750"]).arg(from).arg(&to).status().unwrap().success());
    NativeProgram {
        program: Program::resolve(&to, name).unwrap(),
        root: home.0.path().to_owned(),
        deadlines: Deadlines { answer, ..Deadlines::default() },
    }
}

fn response_log(home: &Home) -> String {
    std::fs::read_to_string(home.path("logs/active-responses.log")).unwrap()
}

#[tokio::test]
async fn the_example_scripts_are_served() {
    for name in ["note.sh", "note.py"] {
        let home = Home::new();
        let native = example(&home, name, HOUR);
        let added = native.add(&message(), unasked).await.unwrap();
        assert_eq!(at_last(added).await.exit, Exit::Code(0));
        assert_eq!(native.delete(&message()).await.unwrap().exit, Exit::Code(0));
        let log = response_log(&home);
        let lines: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
        assert_eq!(lines, ["would block 192.0.2.7", "would unblock 192.0.2.7"]);
    }

    let home = Home::new();
    let native = example(&home, "keys.py", HOUR);
    let _ = native.add(&message(), async |_| Decision::Continue).await.unwrap();
    let _ = native.add(&message(), async |_| Decision::Abort).await.unwrap();
    let _ = native.delete(&message()).await.unwrap();
    assert_eq!(
        response_log(&home),
        "keys.py: added 192.0.2.7\nkeys.py: was told to abort 192.0.2.7\nkeys.py: deleted 192.0.2.7\n"
    );

    let home = Home::new();
    let added = example(&home, "drain.sh", SHORT).add(&message(), unasked).await.unwrap();
    assert_eq!(at_last(added).await.exit, Exit::Code(0));
    assert_eq!(response_log(&home), format!("drain.sh: {}", text(Verb::Add)));

    let home = Home::new();
    let added = example(&home, "hour.sh", SHORT).add(&message(), unasked).await.unwrap();
    assert_eq!(added.running.expect("it takes an hour").end().await.by, By::Engine);
}
