//! Real programs in a temporary home.

#![expect(clippy::disallowed_methods, reason = "tests write the programs that they start")]

use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal};

use super::*;

/// A home with `active-response/bin` below it, removed with the test.
struct Home(PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Home {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let home = Self(std::env::temp_dir().join(format!("riposte-process-{}-{count}", std::process::id())));
        std::fs::create_dir_all(home.bin()).unwrap();
        std::fs::set_permissions(home.bin(), Permissions::from_mode(0o750)).unwrap();
        home
    }

    fn root(&self) -> &Path {
        &self.0
    }

    fn bin(&self) -> PathBuf {
        self.root().join("active-response/bin")
    }

    /// Writes a file through another process: a descriptor of our own that is
    /// open for writing could be inherited by a program that another test
    /// starts just now, and the kernel then refuses to execute the file.
    fn file(&self, name: &str, mode: u32, text: &str) -> PathBuf {
        let path = self.bin().join(name);
        let status = Command::new("/bin/sh")
            .args(["-c", r#"printf %s "$1" > "$2" && chmod "$3" "$2""#, "sh", text])
            .arg(&path)
            .arg(format!("{mode:o}"))
            .status()
            .unwrap();
        assert!(status.success());
        path
    }

    fn program(&self, text: &str) -> Program {
        self.file("program", 0o750, &format!("#!/bin/sh\n{text}\n"));
        Program::resolve(&self.bin(), "program").unwrap()
    }

    fn unfit(&self, name: &str) -> Unfit {
        Program::resolve(&self.bin(), name).unwrap_err()
    }

    /// Starts a script with its own caps.
    fn start(&self, text: &str, caps: Caps) -> Running {
        let program = self.program(text);
        Launch { program: &program, arguments: &[], root: self.root(), caps }.start().unwrap()
    }

    /// A program that waits for a child in its group, which ignores TERM. `up`
    /// on stdout says that the child lives; it holds the pipe `alive` open.
    fn parent(&self) -> (Running, Alive) {
        let alive = Alive::new(self.root().join("alive"));
        let text =
            format!("(trap '' TERM; exec 3>{}; echo up; exec sleep 3600) &\nwait", alive.path.display());
        (self.start(&text, short()), alive)
    }
}

/// A named pipe that a process holds open as long as it lives.
struct Alive {
    path: PathBuf,
    gone: oneshot::Receiver<()>,
}

impl Alive {
    fn new(path: PathBuf) -> Self {
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (tell, gone) = oneshot::channel();
        let pipe = path.clone();
        std::thread::spawn(move || {
            let mut nothing = Vec::new();
            std::fs::File::open(pipe).unwrap().read_to_end(&mut nothing).unwrap();
            tell.send(())
        });
        Self { path, gone }
    }

    /// Returns once no process holds the pipe any more.
    async fn has_gone(self) {
        tokio::time::timeout(Duration::from_secs(60), self.gone)
            .await
            .expect("the process lives on")
            .unwrap();
    }
}

fn short() -> Caps {
    Caps { grace: Duration::from_millis(10), ..Caps::default() }
}

fn line(text: &str) -> FirstLine {
    FirstLine::Line(text.as_bytes().to_vec())
}

async fn run(program: &str, arguments: &[&str]) -> Ended {
    let program = Program::at(Path::new(program)).unwrap();
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let launch = Launch { program: &program, arguments: &arguments, root: Path::new("/"), caps: short() };
    launch.run(Vec::new()).await.unwrap()
}

#[test]
fn names_that_leave_the_folder_are_no_names() {
    let home = Home::new();
    for name in ["", ".", "..", "../program", "/bin/sh", "a/../../b", "a\nb", "a\0b"] {
        assert!(matches!(home.unfit(name), Unfit::Name { .. }), "{name:?}");
    }
}

#[test]
fn an_unfit_file_is_named_with_what_mends_it() {
    let home = Home::new();
    assert!(home.unfit("absent").to_string().contains("is not there"));

    let path = home.file("plain", 0o640, "#!/bin/sh\n");
    assert!(home.unfit("plain").to_string().ends_with(&format!("chmod 750 {}", path.display())));

    let path = home.file("open file", 0o757, "#!/bin/sh\n");
    assert_eq!(home.unfit("open file"), Unfit::Writable { path: path.clone(), mode: 0o757 });
    assert!(home.unfit("open file").to_string().ends_with(&format!("chmod go-w '{}'", path.display())));

    home.file("windows", 0o750, "#!/bin/bash\r\nexit 0\r\n");
    assert!(home.unfit("windows").to_string().contains(r"sed -i 's/\r$//' "));
    home.file("windows-env", 0o750, "#!/usr/bin/env python3\r\n");
    assert!(matches!(home.unfit("windows-env"), Unfit::CarriageReturn { .. }));

    home.file("perl", 0o750, "#! /no/such/perl -w\n");
    assert!(home.unfit("perl").to_string().contains("`/no/such/perl`"));

    std::fs::create_dir(home.bin().join("folder")).unwrap();
    assert!(matches!(home.unfit("folder"), Unfit::NotAFile { .. }));
}

#[test]
fn a_file_of_somebody_else_is_unfit() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can give a file away.
    }
    let home = Home::new();
    let path = home.file("theirs", 0o750, "#!/bin/sh\n");
    std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
    assert_eq!(home.unfit("theirs"), Unfit::Owner { path: path.clone(), uid: 65534 });
    assert!(home.unfit("theirs").to_string().ends_with(&format!("chown root {}", path.display())));
}

#[test]
fn a_folder_that_others_may_write_makes_all_in_it_unfit() {
    let home = Home::new();
    let below = home.bin().join("below");
    std::fs::create_dir(&below).unwrap();
    home.file("below/program", 0o750, "#!/bin/sh\n");
    home.file("program", 0o750, "#!/bin/sh\n");
    symlink("below/program", home.bin().join("link")).unwrap();
    std::fs::set_permissions(&below, Permissions::from_mode(0o770)).unwrap();
    assert!(matches!(home.unfit("below/program"), Unfit::Writable { mode: 0o770, .. }));
    assert!(matches!(home.unfit("link"), Unfit::Writable { mode: 0o770, .. }));
    assert!(Program::resolve(&home.bin(), "program").is_ok());

    std::fs::set_permissions(home.bin(), Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(home.unfit("program"), Unfit::Writable { path: home.bin(), mode: 0o1777 });
}

#[test]
fn links_are_followed_as_long_as_they_stay_in_the_folder() {
    let home = Home::new();
    let path = home.file("program", 0o750, "#!/bin/sh\n");
    symlink("program", home.bin().join("inside")).unwrap();
    symlink("../../bin/sh", home.bin().join("outside")).unwrap();
    symlink("/bin/sh", home.bin().join("absolute")).unwrap();
    symlink(&path, home.bin().join("absolute-inside")).unwrap();
    symlink("nothing", home.bin().join("dangling")).unwrap();
    symlink("loop", home.bin().join("loop")).unwrap();
    assert!(Program::resolve(&home.bin(), "inside").is_ok());
    for name in ["outside", "absolute", "absolute-inside", "loop"] {
        assert!(matches!(home.unfit(name), Unfit::Escapes { .. }), "{name}");
    }
    assert!(matches!(home.unfit("dangling"), Unfit::Missing { .. }));
}

#[tokio::test]
async fn a_program_is_examined_again_before_each_start() {
    let home = Home::new();
    let program = home.program("exit 0");
    std::fs::set_permissions(program.path(), Permissions::from_mode(0o777)).unwrap();
    let launch = Launch { program: &program, arguments: &[], root: home.root(), caps: short() };
    assert!(matches!(launch.start(), Err(NotStarted::Unfit(Unfit::Writable { .. }))));
}

#[tokio::test]
async fn the_kernels_refusal_is_explained() {
    let home = Home::new();
    for (line, found) in [
        ("#!/usr/bin/env no-such-program-here", false),
        ("#!/usr/bin/env -S no-such-program-here -u", false),
        // Without -S all of it is one name.
        ("#!/usr/bin/env sh -u", false),
        ("#!/usr/bin/env sh", true),
        ("#! /usr/bin/env  -S sh -u ", true),
        ("#!/usr/bin/env A=b sh", true),
    ] {
        home.file("through-env", 0o750, &format!("{line}\n"));
        match Program::resolve(&home.bin(), "through-env") {
            Ok(_) => assert!(found, "{line}"),
            Err(unfit) => assert!(matches!(unfit, Unfit::NotOnPath { .. }) && !found, "{line}: {unfit}"),
        }
    }

    home.file("binary", 0o750, "\u{1}\u{2}of no machine\n");
    let program = Program::resolve(&home.bin(), "binary").unwrap();
    let launch = Launch { program: &program, arguments: &[], root: home.root(), caps: short() };
    let error = launch.start().unwrap_err();
    assert!(matches!(error, NotStarted::NoFormat { .. }), "{error}");

    let program = home.program("exit 0");
    let gone = home.root().join("gone");
    let launch = Launch { program: &program, arguments: &[], root: &gone, caps: short() };
    assert_eq!(launch.start().unwrap_err(), NotStarted::NoRoot { root: gone.clone() });

    let long = ["x".repeat(4 << 20)];
    let launch = Launch { program: &program, arguments: &long, root: home.root(), caps: short() };
    assert!(matches!(launch.start(), Err(NotStarted::TooLong { .. })));
}

#[tokio::test]
async fn a_script_without_a_first_line_is_the_shells() {
    let home = Home::new();
    for text in
        ["echo \"$0 $1\"\n", "\n# no first line\necho \"$0 $1\"\n", "\u{feff}# marked\necho \"$0 $1\"\n"]
    {
        home.file("text", 0o750, text);
        let program = Program::resolve(&home.bin(), "text").unwrap();
        assert!(program.runs_by_shell());
        let add = ["add".to_owned()];
        let whole = program.path().display().to_string();
        for (arguments, called) in [(&[][..], "active-response/bin/text "), (&add, &format!("{whole} add"))] {
            let launch = Launch { program: &program, arguments, root: home.root(), caps: short() };
            let ended = launch.run(Vec::new()).await.unwrap();
            assert_eq!((ended.exit, &*ended.output.bytes), (Exit::Code(0), format!("{called}\n").as_bytes()));
        }
    }
    home.file("empty", 0o750, "");
    let program = Program::resolve(&home.bin(), "empty").unwrap();
    let launch = Launch { program: &program, arguments: &[], root: home.root(), caps: short() };
    assert_eq!(launch.run(Vec::new()).await.unwrap().exit, Exit::Code(0));
    assert!(!home.program("exit 0").runs_by_shell());
}

#[tokio::test]
async fn a_script_is_called_as_wazuh_calls_it() {
    let home = Home::new();
    let mut running = home.start("echo \"$0 $# $(pwd -P)\"", short());
    let root = home.root().canonicalize().unwrap();
    assert_eq!(
        running.first_line().await,
        line(&format!("active-response/bin/program 0 {}", root.display()))
    );
    assert_eq!(running.finished().await.exit, Exit::Code(0));
}

#[tokio::test]
async fn from_another_root_a_script_is_called_by_its_path() {
    let (home, other) = (Home::new(), Home::new());
    let program = home.program("echo \"$0\"");
    other.file("program", 0o750, "#!/bin/sh\necho not this one\n");
    let mut running =
        Launch { program: &program, arguments: &[], root: other.root(), caps: short() }.start().unwrap();
    assert_eq!(running.first_line().await, line(&program.path().display().to_string()));
}

#[tokio::test]
async fn a_binary_is_called_as_wazuh_calls_it_and_with_arguments_as_ossec_does() {
    let home = Home::new();
    let copied = Command::new("cp").arg("/bin/cat").arg(home.bin().join("cat")).status().unwrap();
    assert!(copied.success());
    let program = Program::resolve(&home.bin(), "cat").unwrap();
    let whole = program.path().display().to_string();
    let dash = ["-".to_owned()];
    for (arguments, called) in [(&[][..], "active-response/bin/cat\0"), (&dash, &format!("{whole}\0-\0"))] {
        let launch = Launch { program: &program, arguments, root: home.root(), caps: short() };
        let mut running = launch.start().unwrap();
        // Its name is readable only once it runs.
        running.say(b"up\n".to_vec());
        assert_eq!(running.first_line().await, line("up"));
        let found = std::fs::read(format!("/proc/{}/cmdline", running.id())).unwrap();
        assert_eq!(found, called.as_bytes());
    }
}

#[tokio::test]
async fn a_program_gets_two_variables_and_no_descriptor() {
    let finished = run("/usr/bin/env", &[]).await;
    let listed = String::from_utf8(finished.output.bytes).unwrap();
    let mut variables: Vec<&str> = listed.lines().collect();
    variables.sort_unstable();
    assert_eq!(variables, [format!("LANG={LANG}"), format!("PATH={PATH}")]);

    let home = Home::new();
    let secret = home.root().join("secret");
    let _open = std::fs::File::create(&secret).unwrap();
    let finished = run("/bin/ls", &["-l", "/proc/self/fd"]).await;
    let listed = String::from_utf8(finished.output.bytes).unwrap();
    assert!(listed.contains("pipe:"), "{listed}");
    assert!(!listed.contains(secret.to_str().unwrap()), "{listed}");
}

#[tokio::test]
async fn a_program_leads_its_own_group_within_its_limits() {
    let home = Home::new();
    let caps = Caps { open_files: 64, file_size: 4096, memory: 1 << 30, processor: 60, ..short() };
    let running = home.start("echo up; sleep 3600", caps);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.id())).unwrap();
    assert_eq!(stat.split(' ').nth(4), Some(running.id().to_string().as_str()), "{stat}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.id())).unwrap();
    for (name, value) in [
        ("Max open files", "64"),
        ("Max file size", "4096"),
        ("Max core file size", "0"),
        ("Max data size", "1073741824"),
        ("Max cpu time", "60"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let columns: Vec<&str> = line.trim_start_matches(name).split_whitespace().collect();
        assert_eq!(columns.get(..2), Some([value, value].as_slice()), "{limits}");
    }
}

#[test]
fn this_program_is_fit_wherever_it_lies() {
    let this = Program::this().unwrap();
    assert_eq!((this.again().as_ref(), this.name()), (Ok(&this), "riposte"));
}

#[tokio::test]
async fn what_is_said_arrives_in_order_and_then_ends() {
    let home = Home::new();
    let mut running = home.start("cat; echo end >&2; exit 3", short());
    running.say(b"one\n".to_vec());
    running.say(vec![b'x'; 1 << 20]);
    running.hang_up();
    assert_eq!(running.first_line().await, line("one"));
    let finished = running.finished().await;
    assert_eq!((finished.exit, finished.by), (Exit::Code(3), By::Itself));
    assert_eq!(finished.output.bytes.len(), 64 << 10);
    assert_eq!(finished.output.dropped, (1 << 20) + 4 - (64 << 10));
    assert_eq!(finished.errors.bytes, b"end\n");
    assert_eq!(running.finished().await, finished);
}

#[tokio::test]
async fn a_program_that_does_not_read_is_no_obstacle() {
    let home = Home::new();
    let mut running = home.start("exit 4", short());
    running.say(vec![b'x'; 1 << 20]);
    assert_eq!(running.first_line().await, FirstLine::Nothing);
    assert_eq!(running.finished().await.exit, Exit::Code(4));
    running.say(b"nobody hears this".to_vec());
}

#[tokio::test]
async fn a_first_line_need_not_be_finished() {
    let home = Home::new();
    let mut running = home.start("printf unfinished; exec >&-; exec sleep 3600", short());
    assert_eq!(running.first_line().await, line("unfinished"));

    let mut running = home.start("exec >&-; exec sleep 3600", short());
    assert_eq!(running.first_line().await, FirstLine::Nothing);

    let mut running = home.start("head -c 100000 /dev/zero; exec sleep 3600", short());
    assert_eq!(running.first_line().await, FirstLine::Line(vec![0; 64 << 10]));
}

#[tokio::test]
async fn what_a_program_leaves_running_is_not_waited_for() {
    let home = Home::new();
    let mut running = home.start("sleep 3600 & echo $!; exit 0", short());
    let finished = running.finished().await;
    assert_eq!((finished.exit, finished.by), (Exit::Code(0), By::Itself));
    let left = String::from_utf8(finished.output.bytes).unwrap().trim().parse().unwrap();
    // It lives: ending what has ended by itself touches nothing.
    assert_eq!(running.end().await.by, By::Itself);
    rustix::process::kill_process(Pid::from_raw(left).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn the_end_is_that_of_the_whole_group() {
    let home = Home::new();
    let (mut running, alive) = home.parent();
    assert_eq!(running.first_line().await, line("up"));
    let finished = running.end().await;
    assert_eq!((finished.exit, finished.by), (Exit::Signal(15), By::Engine));
    alive.has_gone().await;
}

#[tokio::test]
async fn dropping_ends_the_group_and_reaps() {
    let home = Home::new();
    let (mut running, alive) = home.parent();
    assert_eq!(running.first_line().await, line("up"));
    let mut progress = running.progress.clone();
    drop(running);
    alive.has_gone().await;
    let finished = progress.wait_for(|progress| progress.finished.is_some()).await.unwrap().finished.clone();
    assert_eq!(finished.unwrap().by, By::Engine);
}

#[test]
fn the_group_ends_with_the_runtime() {
    let home = Home::new();
    let engine = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (running, alive) = engine.block_on(async {
        let (mut running, alive) = home.parent();
        assert_eq!(running.first_line().await, line("up"));
        (running, alive)
    });
    drop(engine);
    let after = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    after.block_on(async move {
        alive.has_gone().await;
        let mut running = running;
        assert_eq!(running.finished().await.exit, Exit::Unknown);
    });
}

#[tokio::test]
async fn a_program_that_ignores_term_is_killed() {
    let home = Home::new();
    let mut running = home.start("trap '' TERM; echo up; sleep 3600", short());
    assert_eq!(running.first_line().await, line("up"));
    assert_eq!(running.end().await.exit, Exit::Signal(9));
}

#[tokio::test]
async fn the_grace_is_there_to_clean_up() {
    let home = Home::new();
    // Never used up: it is over when the group is gone.
    let caps = Caps { grace: Duration::from_secs(3600), ..Caps::default() };
    let mut running =
        home.start("trap 'echo cleaned; exit 5' TERM; echo up; while :; do sleep 0.01; done", caps);
    assert_eq!(running.first_line().await, line("up"));
    let finished = running.end().await;
    assert_eq!(finished.output.bytes, b"up\ncleaned\n");
    assert_eq!(finished.exit, Exit::Code(5));
}

#[tokio::test]
async fn a_program_that_runs_too_long_is_ended() {
    let home = Home::new();
    let mut running = home.start("sleep 3600", Caps { run: Duration::from_millis(1), ..short() });
    let finished = running.finished().await;
    assert_eq!((finished.exit, finished.by), (Exit::Signal(15), By::Deadline));
}

#[tokio::test]
async fn waiting_can_be_broken_off() {
    let home = Home::new();
    let running = home.start("exec sleep 3600", short());
    let (stop, stopped) = oneshot::channel::<()>();
    drop(stop);
    assert_eq!(running.wait_or(stopped).await.by, By::Engine);

    let running = home.start("exit 3", short());
    assert_eq!(running.wait_or(std::future::pending::<()>()).await.exit, Exit::Code(3));
}

#[test]
fn an_end_is_told_in_one_short_line() {
    let errors = Kept { bytes: format!("\n \x1b[31m{}\nmore\n", "x".repeat(500)).into_bytes(), dropped: 0 };
    let ended = Ended { exit: Exit::Code(3), by: By::Deadline, output: Kept::default(), errors };
    let told = ended.to_string();
    assert!(told.starts_with("exit code 3, after the time that it may run, stderr: "), "{told}");
    assert!(told.len() < 300 && !told.contains(char::is_control), "{told}");

    let ended =
        Ended { exit: Exit::Signal(9), by: By::Itself, output: Kept::default(), errors: Kept::default() };
    assert_eq!(ended.to_string(), "ended by signal 9");
}
