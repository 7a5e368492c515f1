//! Programs of this host.

use std::path::Path;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{Backend, Output, Run};
use crate::process::{By, Caps, Exit, Launch, Leftovers, NotStarted, Program};
use crate::refusal::Refusal;

/// Programs running at a time; others wait, within the time of their component.
const AT_A_TIME: usize = 4;

/// The real thing.
#[derive(Debug)]
pub struct Programs {
    room: Semaphore,
}

impl Default for Programs {
    fn default() -> Self {
        Self { room: Semaphore::new(AT_A_TIME) }
    }
}

#[async_trait]
impl Backend for Programs {
    async fn run(&self, run: Run) -> Result<Output, Refusal> {
        let Run { program, arguments, input, confinement } = run;
        // Never closed, so never refused.
        let _room = self.room.acquire().await;
        let program = Program::at(&program).map_err(|unfit| not_started(&NotStarted::Unfit(unfit)))?;
        // Nothing of the engine lies at the root of the file system. The time
        // is the component's: when it is over, this future is dropped.
        let caps = Caps { leftovers: Leftovers::End, ..Caps::default() };
        let launch = Launch { program: &program, arguments: &arguments, root: Path::new("/"), caps };
        let ended = launch.under(&confinement).run(input).await.map_err(|error| not_started(&error))?;
        let path = program.path().display();
        let status = match (ended.exit, ended.by) {
            (_, By::Deadline) => {
                return Err(Refusal::timeout(format!("{path} was ended: it ran for half an hour")));
            }
            (_, By::Engine) | (Exit::Unknown, _) => {
                return Err(Refusal::unavailable(format!("{path} was ended: the engine stops")));
            }
            (Exit::Code(code), By::Itself) => code,
            (Exit::Signal(signal), By::Itself) => signal.saturating_neg(),
        };
        let truncated = ended.output.dropped > 0 || ended.errors.dropped > 0;
        Ok(Output { status, stdout: ended.output.bytes, stderr: ended.errors.bytes, truncated })
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

fn not_started(error: &NotStarted) -> Refusal {
    match error {
        // What the host lacks now it may have later: memory, processes.
        NotStarted::Refused { .. } => Refusal::unavailable(error.to_string()),
        error => Refusal::failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use riposte_policy::grant::Confinement;

    use super::*;

    fn sh(script: &str) -> Run {
        Run {
            program: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned(), "a b;c".to_owned()],
            input: b"input".to_vec(),
            confinement: Confinement::Default,
        }
    }

    #[tokio::test]
    async fn it_gets_its_words_and_its_input_and_nothing_else() {
        let programs = Programs::default();
        let output = programs.run(sh("echo \"$0\"; pwd; env | sort; cat >&2; exit 3")).await.unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        // The shell sets PWD itself.
        let lines: Vec<&str> = stdout.lines().filter(|line| !line.starts_with("PWD=")).collect();
        assert_eq!(lines[..2], ["a b;c", "/"]);
        assert_eq!(lines[2..], ["LANG=C.UTF-8".to_owned(), format!("PATH={}", crate::process::PATH)]);
        assert_eq!((output.status, output.stderr, output.truncated), (3, b"input".to_vec(), false));
        let output = programs.run(sh("head -c 100000 /dev/zero; kill -9 $$")).await.unwrap();
        assert_eq!((output.status, output.stdout.len(), output.truncated), (-9, 64 << 10, true));
    }

    #[tokio::test]
    async fn it_is_confined_as_its_grant_says() {
        let confinement = Confinement::Confined {
            write: Vec::new(),
            capabilities: Vec::new(),
            new_privileges: riposte_policy::grant::NewPrivileges::Refused,
        };
        let run = Run { confinement, ..sh("echo x >/tmp/riposte-exec-never") };
        assert_ne!(Programs::default().run(run).await.unwrap().status, 0);
        assert!(!Path::new("/tmp/riposte-exec-never").exists());
    }

    #[tokio::test]
    async fn it_ends_with_the_call() {
        let folder = tempfile::tempdir().unwrap();
        let pipe: PathBuf = folder.path().join("alive");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        let script = format!("(exec 3>{0}; echo up >&3; exec sleep 3600) & wait", pipe.display());
        let programs = std::sync::Arc::new(Programs::default());
        let running = tokio::spawn({
            let programs = std::sync::Arc::clone(&programs);
            async move { programs.run(sh(&script)).await }
        });
        let (tell, up) = tokio::sync::oneshot::channel();
        let gone = tokio::task::spawn_blocking(move || {
            use std::io::Read;
            #[expect(clippy::disallowed_methods, reason = "the test listens to its own pipe")]
            let mut pipe = std::fs::File::open(pipe).unwrap();
            let mut line = [0; 3];
            pipe.read_exact(&mut line).unwrap();
            tell.send(()).unwrap();
            // Ends only when nobody holds the pipe any more.
            pipe.read_to_end(&mut Vec::new()).unwrap();
        });
        up.await.unwrap();
        running.abort();
        gone.await.unwrap();
        // Its room is free again.
        assert_eq!(programs.room.available_permits(), AT_A_TIME);
    }

    #[tokio::test]
    async fn what_it_left_in_the_background_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe: PathBuf = folder.path().join("alive");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        let script = format!("exec 3>{}; sleep 3600 & echo done", pipe.display());
        let gone = tokio::task::spawn_blocking(move || {
            #[expect(clippy::disallowed_methods, reason = "the test listens to its own pipe")]
            std::fs::read(pipe).unwrap();
        });
        let output = Programs::default().run(sh(&script)).await.unwrap();
        assert_eq!((output.status, output.stdout), (0, b"done\n".to_vec()));
        // Ends only when nobody holds the pipe any more.
        gone.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_not_there_fails_with_what_mends_it() {
        let run = Run { program: "/no/such/program".into(), ..sh("") };
        let refusal = Programs::default().run(run).await.unwrap_err();
        assert_eq!(refusal.kind, "failed");
        assert!(refusal.message.contains("put the program in place"), "{refusal}");
    }
}
