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

use riposte_capability::process::Unfit;
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
            confinement: Confinement::Default,
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
        native.add(&message(), Way::Riposte, decide).await
    });
    let added = added.await.unwrap().unwrap();
    assert!(matches!(added.said, Said::Keys(_)) && !added.aborted);
    assert!(matches!(&added.ended, Some(Ended { exit: Exit::Code(0), by: By::Itself, .. })));
    assert_eq!(home.log(), format!("{}{}end\n", text(Verb::Add), text(Verb::Continue)));
}

#[tokio::test]
async fn a_program_whose_keys_are_in_force_is_told_to_abort() {
    let home = Home::new();
    let added = speaker(&home).add(&message(), Way::Riposte, async |_| Decision::Abort).await.unwrap();
    assert!(matches!(added.said, Said::Keys(_)) && added.aborted);
    assert_eq!(home.log(), format!("{}{}end\n", text(Verb::Add), text(Verb::Abort)));
}

#[tokio::test]
async fn a_program_may_end_before_it_is_told() {
    let home = Home::new();
    let native = home.shell(&format!("printf '%s\\n' {CHECK_KEYS}; exit 6"), HOUR);
    let added = native.add(&large(), Way::Riposte, async |_| Decision::Continue).await.unwrap();
    assert!(matches!(added.said, Said::Keys(_)) && !added.aborted);
    assert_eq!(at_last(added).await.exit, Exit::Code(6));
}

#[tokio::test]
async fn keys_may_come_before_the_message_is_read() {
    let home = Home::new();
    let native = home.shell(&format!("printf '%s\\n' {CHECK_KEYS}; wc -l > log"), HOUR);
    let added = native.add(&large(), Way::Riposte, async |_| Decision::Continue).await.unwrap();
    assert!(matches!(added.said, Said::Keys(_)) && !added.aborted);
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
        let added = home.native(script, HOUR).add(&message(), Way::Riposte, unasked).await.unwrap();
        assert_eq!(added.said, Said::Nothing);
        assert!(matches!(&added.ended, Some(Ended { exit: Exit::Code(1), .. })), "{added:?}");
        assert_eq!(home.log(), text(Verb::Add));
    }
}

#[tokio::test]
async fn a_program_that_reads_to_the_end_goes_on_after_the_deadline() {
    let home = Home::new();
    let added = home.shell("cat > log", SHORT).add(&message(), Way::Riposte, unasked).await.unwrap();
    assert_eq!(added.said, Said::Nothing);
    assert_eq!(at_last(added).await.exit, Exit::Code(0));
    assert_eq!(home.log(), text(Verb::Add));
}

#[tokio::test]
async fn late_keys_find_nobody_who_waits() {
    let home = Home::new();
    let native = home.shell(&format!("cat > /dev/null; printf '%s\\n' {CHECK_KEYS}; cat > log"), SHORT);
    let added = native.add(&message(), Way::Riposte, unasked).await.unwrap();
    assert_eq!(added.said, Said::Nothing);
    let finished = at_last(added).await;
    assert_eq!(home.log(), "");
    assert_eq!(keys_in(&finished.output.bytes).unwrap(), ["192.0.2.7", "root"]);
}

#[tokio::test]
async fn a_program_that_takes_an_hour_is_left_to_itself() {
    let home = Home::new();
    let added = home.shell("exec sleep 3600", SHORT).add(&large(), Way::Riposte, unasked).await.unwrap();
    assert_eq!(added.said, Said::Nothing);
    let running = added.running.expect("it cannot have ended");
    let finished = running.end().await;
    assert_eq!((finished.exit, finished.by), (Exit::Signal(15), By::Engine));
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_ended() {
    let home = Home::new();
    let mut native = home.shell("exec sleep 3600", HOUR);
    native.deadlines.run = SHORT;
    let added = native.add(&message(), Way::Riposte, unasked).await.unwrap();
    assert!(matches!(&added.ended, Some(Ended { by: By::Deadline, .. })), "{added:?}");
}

#[tokio::test]
async fn a_closed_stdout_is_silence() {
    let home = Home::new();
    let added = home.shell("exec >&-; cat > log", HOUR).add(&message(), Way::Riposte, unasked).await.unwrap();
    assert_eq!(added.said, Said::Nothing);
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
        let added = native.add(&message(), Way::Riposte, unasked).await.unwrap();
        assert_eq!(added.said, Said::OtherLine, "{first}");
        assert!(added.ended.is_some(), "{first}");
        assert_eq!(home.log(), text(Verb::Continue), "{first}");
    }
}

#[tokio::test]
async fn under_wazuhs_way_another_line_is_an_answer_without_keys() {
    let home = Home::new();
    for (first, said) in [
        ("echo blocking now", Said::OtherLine),
        ("printf no-line-feed; exec >&-", Said::OtherLine),
        (
            r#"echo '{"version":1,"origin":{},"command":"check_keys","parameters":{"keys":[]}}'"#,
            Said::Keys(Vec::new()),
        ),
    ] {
        for (decision, verb) in [(Decision::Continue, Verb::Continue), (Decision::Abort, Verb::Abort)] {
            let native = home.shell(&format!("{first}; read -r a; cat > log"), HOUR);
            let decide = async |keys: Vec<String>| {
                assert!(keys.is_empty());
                decision
            };
            let added = native.add(&message(), Way::Wazuh, decide).await.unwrap();
            assert_eq!(added.said, said, "{first}");
            assert_eq!(added.aborted, decision == Decision::Abort);
            assert_eq!(at_last(added).await.exit, Exit::Code(0));
            assert_eq!(home.log(), text(verb), "{first}");
        }
    }
    // Silence is no answer there either.
    let added = home.shell("read -r a", HOUR).add(&message(), Way::Wazuh, unasked).await.unwrap();
    assert_eq!(added.said, Said::Nothing);
}

#[tokio::test]
async fn status_255_without_a_word_is_a_refusal() {
    let home = Home::new();
    for (script, refused) in [
        ("read -r a; exit 255", true),
        ("exit 255", true),
        ("read -r a; exit 1", false),
        ("read -r a; echo said; exit 255", false),
        ("read -r a", false),
    ] {
        let decide = async |_| Decision::Continue;
        let added = home.shell(script, HOUR).add(&message(), Way::Wazuh, decide).await.unwrap();
        assert_eq!(added.refused_its_input(), refused, "{script}: {added}");
    }
}

#[tokio::test]
async fn only_the_first_answer_counts() {
    let home = Home::new();
    let other = CHECK_KEYS.replace("192.0.2.7", "198.51.100.1");
    for script in [
        format!("read -r a; printf '%s\\n' {CHECK_KEYS} {other}; cat > log"),
        format!("read -r a; echo first; printf '%s\\n' {CHECK_KEYS}; cat > log"),
    ] {
        let asked = std::cell::RefCell::new(Vec::new());
        let decide = async |keys: Vec<String>| {
            asked.borrow_mut().extend(keys);
            Decision::Continue
        };
        let added = home.shell(&script, HOUR).add(&message(), Way::Riposte, decide).await.unwrap();
        assert_eq!(at_last(added).await.exit, Exit::Code(0));
        assert!(!asked.borrow().contains(&"198.51.100.1".to_owned()), "{script}");
        assert_eq!(home.log(), text(Verb::Continue), "{script}");
    }
}

#[tokio::test]
async fn a_line_without_its_end_is_waited_for_and_then_left() {
    let home = Home::new();
    let native = home.shell("printf %s unfinished; cat > log", SHORT);
    let added = native.add(&message(), Way::Riposte, unasked).await.unwrap();
    assert_eq!(added.said, Said::Nothing);
    assert_eq!(at_last(added).await.exit, Exit::Code(0));
    assert_eq!(home.log(), text(Verb::Add), "it found the end of its stdin");
}

#[tokio::test]
async fn a_child_that_keeps_stdout_open_holds_nobody_up() {
    let home = Home::new();
    let native = home.shell("read -r a; sleep 3600 & echo $! > log", HOUR);
    let added = native.add(&message(), Way::Riposte, unasked).await.unwrap();
    assert!(matches!(&added.ended, Some(Ended { exit: Exit::Code(0), by: By::Itself, .. })), "{added:?}");
    // It was left alone.
    assert!(Command::new("kill").arg(home.log().trim()).status().unwrap().success());
}

#[tokio::test]
async fn a_program_that_ignores_its_end_is_killed() {
    let home = Home::new();
    let native = home.shell("trap '' TERM; echo up; while :; do sleep 3600; done", SHORT);
    let added = native.add(&large(), Way::Riposte, unasked).await.unwrap();
    let mut running = added.running.expect("it cannot have ended");
    let _ = running.first_line().await;
    let ended = running.end().await;
    assert_eq!((ended.exit, ended.by), (Exit::Signal(9), By::Engine));
}

#[tokio::test]
async fn megabytes_on_both_outputs_are_read_and_dropped() {
    let home = Home::new();
    let native = home.shell("read -r a; head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero", HOUR);
    let added = native.add(&message(), Way::Riposte, unasked).await.unwrap();
    let ended = at_last(added).await;
    for kept in [&ended.output, &ended.errors] {
        assert_eq!(kept.bytes.len() as u64 + kept.dropped, 3_000_000);
    }
}

#[tokio::test]
async fn a_program_of_ossecs_has_arguments_and_an_empty_stdin() {
    let home = Home::new();
    let mut command = fixture::command(&[]);
    command.keys.clear();
    command.protocol = Some(riposte_policy::config::Protocol::Argv);
    let message = Message::new(&fixture::order(command, fixture::ALERT), "script");
    // It reads to the end of its stdin, and whatever it writes is no answer.
    let script = format!("wc -c > log; echo \"$@\" >> log; printf '%s\\n' {CHECK_KEYS}");
    let native = home.shell(&script, HOUR);
    let added = native.add(&message, Way::Wazuh, unasked).await.unwrap();
    assert_eq!((&added.said, added.ended.is_some()), (&Said::Nothing, true));
    assert_eq!(home.log(), "0\nadd - 192.0.2.7 1510376401.0 5710 web?1 - -a\n");
    assert_eq!(native.delete(&message).await.unwrap().exit, Exit::Code(0));
    assert_eq!(home.log(), "0\ndelete - 192.0.2.7 1510376401.0 5710 web?1 - -a\n");
}

#[tokio::test]
async fn a_program_of_wazuh_5_is_enabled_and_disabled() {
    let home = Home::new();
    let mut command = fixture::command(&[]);
    command.protocol = Some(riposte_policy::config::Protocol::Five);
    let message = Message::new(&fixture::order(command, fixture::ALERT), "script");
    let native = speaker(&home);
    let added = native.add(&message, Way::Riposte, async |_| Decision::Continue).await.unwrap();
    assert!(matches!(added.said, Said::Keys(_)));
    assert_eq!(home.log(), format!("{}{}end\n", message.line(Verb::Add), message.line(Verb::Continue)));
    let native = home.shell("cat > log", HOUR);
    assert_eq!(native.delete(&message).await.unwrap().exit, Exit::Code(0));
    assert!(home.log().ends_with("\"command\":\"disable\"}\n"));
}

#[tokio::test]
async fn a_flood_is_another_line() {
    let home = Home::new();
    let native = home.shell("head -c 10000000 /dev/zero; read -r a; cat > log; exit 3", HOUR);
    let added = native.add(&message(), Way::Riposte, unasked).await.unwrap();
    assert_eq!(added.said, Said::OtherLine);
    let finished = at_last(added).await;
    assert_eq!(finished.exit, Exit::Code(3));
    assert_eq!(finished.output.bytes.len() as u64 + finished.output.dropped, 10_000_000);
    assert_eq!(home.log(), text(Verb::Continue));
}

#[tokio::test]
async fn a_program_that_dies_at_once_is_reported() {
    let home = Home::new();
    let added =
        home.shell("echo why >&2; kill -9 $$", HOUR).add(&large(), Way::Riposte, unasked).await.unwrap();
    assert_eq!(added.said, Said::Nothing);
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
        native.add(&message(), Way::Riposte, forever).await
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
    let old = message().with_positional(positional);
    let _ = native.add(&old, Way::Riposte, unasked).await.unwrap();
    assert_eq!(home.log(), "add - - 1.2 5710 - -\n");
    let _ = native.delete(&old).await.unwrap();
    assert_eq!(home.log(), "delete - - 1.2 5710 - -\n");
}

#[tokio::test]
async fn a_program_that_others_may_write_is_not_started() {
    let home = Home::new();
    let native = home.shell("echo > log", HOUR);
    std::fs::set_permissions(native.program.path(), Permissions::from_mode(0o777)).unwrap();
    let refused = native.add(&message(), Way::Riposte, unasked).await.unwrap_err();
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
        confinement: Confinement::Default,
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
        let added = native.add(&message(), Way::Riposte, unasked).await.unwrap();
        assert_eq!(at_last(added).await.exit, Exit::Code(0));
        assert_eq!(native.delete(&message()).await.unwrap().exit, Exit::Code(0));
        let log = response_log(&home);
        let lines: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
        assert_eq!(lines, ["would block 192.0.2.7", "would unblock 192.0.2.7"]);
    }

    let home = Home::new();
    let native = example(&home, "keys.py", HOUR);
    let _ = native.add(&message(), Way::Riposte, async |_| Decision::Continue).await.unwrap();
    let _ = native.add(&message(), Way::Riposte, async |_| Decision::Abort).await.unwrap();
    let _ = native.delete(&message()).await.unwrap();
    assert_eq!(
        response_log(&home),
        "keys.py: added 192.0.2.7\nkeys.py: was told to abort 192.0.2.7\nkeys.py: deleted 192.0.2.7\n"
    );

    let home = Home::new();
    let added = example(&home, "drain.sh", SHORT).add(&message(), Way::Riposte, unasked).await.unwrap();
    assert_eq!(at_last(added).await.exit, Exit::Code(0));
    assert_eq!(response_log(&home), format!("drain.sh: {}", text(Verb::Add)));

    let home = Home::new();
    let added = example(&home, "hour.sh", SHORT).add(&message(), Way::Riposte, unasked).await.unwrap();
    assert_eq!(added.running.expect("it takes an hour").end().await.by, By::Engine);
}
