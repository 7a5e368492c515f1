//! The processes of this host.

use std::time::Duration;

use async_trait::async_trait;

use super::table::{self, Process};
use super::{Backend, ProgramName};
use crate::refusal::Refusal;

/// How long a process that was told to end may take. The kernel ends it at
/// once, unless it waits for a device.
const END: Duration = Duration::from_secs(5);

/// Ends processes with `pidfd_send_signal`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Linux;

#[async_trait]
impl Backend for Linux {
    async fn running(&self, name: &ProgramName) -> Result<Vec<u32>, Refusal> {
        let numbers = table::numbers()
            .map_err(|e| Refusal::unavailable(format!("the processes of /proc cannot be read: {e}")))?;
        Ok(numbers.into_iter().filter(|number| runs(*number, name)).collect())
    }

    async fn kill(&self, process: u32, name: &ProgramName) -> Result<bool, Refusal> {
        let held = Process::open(process).map_err(|e| {
            Refusal::unavailable(format!("process {process} cannot be held: {}", std::io::Error::from(e)))
        })?;
        let Some(held) = held else { return Ok(false) };
        spared(process)?;
        if !runs(process, name) {
            return Ok(false);
        }
        let told = held.kill().map_err(|e| {
            let why = std::io::Error::from(e);
            Refusal::unavailable(format!("process {process} ({name}) cannot be ended: {why}")).for_good()
        })?;
        if !told {
            return Ok(false);
        }
        match held.ended(END).await {
            Ok(true) => Ok(true),
            Ok(false) => Err(Refusal::timeout(format!(
                "process {process} ({name}) was told to end and has not yet: it may wait for a device"
            ))),
            Err(e) => Err(Refusal::unavailable(format!(
                "process {process} ({name}) was told to end, but its end cannot be seen: {}",
                std::io::Error::from(e)
            ))),
        }
    }

    async fn probe(&self) -> Result<(), Refusal> {
        match Process::open(std::process::id()) {
            Ok(_) => Ok(()),
            Err(e) => Err(Refusal::unsupported(format!(
                "the kernel gives no descriptors of processes ({}): Linux 5.3 does",
                std::io::Error::from(e)
            ))),
        }
    }
}

/// Refuses what is never ended. Asked while the process is held, like its name.
fn spared(process: u32) -> Result<(), Refusal> {
    if table::ancestry().contains(&process) {
        let message = format!("process {process} is never ended: it is the engine, or what started it");
        return Err(Refusal::denied(message));
    }
    if table::status(process).is_some_and(|status| status.kernel) {
        return Err(Refusal::denied(format!(
            "process {process} is never ended: it is a thread of the kernel"
        )));
    }
    Ok(())
}

fn runs(process: u32, name: &ProgramName) -> bool {
    table::program(process).is_some_and(|program| program == name.as_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::path::Path;
    use std::process::{Child, Stdio};

    use super::*;

    /// A process of this test's own. Ended when it is dropped.
    struct Sleeper(Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the test plays somebody who starts a program")]
    fn start(path: &Path) -> Sleeper {
        if !path.exists() {
            std::fs::copy("/bin/sleep", path).unwrap();
        }
        loop {
            match std::process::Command::new(path).arg("1000").stdin(Stdio::null()).spawn() {
                Ok(child) => return Sleeper(child),
                // Another test's process, not yet what it is to run, still has
                // the file open for writing.
                Err(busy) => assert_eq!(busy.kind(), std::io::ErrorKind::ExecutableFileBusy),
            }
        }
    }

    fn name(text: &str) -> ProgramName {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_process_is_ended_by_number_and_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut one = start(&dir.path().join("riposte-test-a"));
        let mut two = start(&dir.path().join("riposte-test-a"));
        let (first, second) = (one.0.id(), two.0.id());
        let mut both = [first, second];
        both.sort_unstable();
        assert_eq!(Linux.running(&name("riposte-test-a")).await.unwrap(), both);
        assert_eq!(Linux.kill(first, &name("riposte-test")).await, Ok(false));
        assert_eq!(Linux.kill(first, &name("sleep")).await, Ok(false));
        assert!(one.0.try_wait().unwrap().is_none());
        assert_eq!(Linux.kill(first, &name("riposte-test-a")).await, Ok(true));
        // Dead, and not yet reaped: it runs nothing.
        assert_eq!(Linux.kill(first, &name("riposte-test-a")).await, Ok(false));
        assert!(!one.0.wait().unwrap().success());
        assert_eq!(Linux.kill(first, &name("riposte-test-a")).await, Ok(false));
        assert_eq!(Linux.running(&name("riposte-test-a")).await.unwrap(), [second]);
        assert!(two.0.try_wait().unwrap().is_none());
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the test plays somebody who removes a program")]
    async fn a_removed_program_keeps_its_name_and_no_file_takes_it() {
        let dir = tempfile::tempdir().unwrap();
        let real = start(&dir.path().join("riposte-test-b"));
        let feigned = start(&dir.path().join("riposte-test-b (deleted)"));
        std::fs::remove_file(dir.path().join("riposte-test-b")).unwrap();
        let (real, feigned) = (real.0.id(), feigned.0.id());
        // The file of this name is another one's now.
        assert_eq!(Linux.kill(real, &name("riposte-test-b (deleted)")).await, Ok(false));
        assert_eq!(Linux.kill(feigned, &name("riposte-test-b")).await, Ok(false));
        assert_eq!(Linux.running(&name("riposte-test-b (deleted)")).await.unwrap(), [feigned]);
        assert_eq!(Linux.kill(real, &name("riposte-test-b")).await, Ok(true));
        assert_eq!(Linux.kill(feigned, &name("riposte-test-b (deleted)")).await, Ok(true));
    }

    #[tokio::test]
    async fn the_engine_and_what_started_it_are_spared() {
        let own = table::ancestry();
        assert_eq!(own.first(), Some(&std::process::id()));
        assert!(own.len() > 1, "{own:?}");
        for process in own {
            let program = table::program(process).unwrap().into_string().unwrap();
            let refusal = Linux.kill(process, &name(&program)).await.unwrap_err();
            assert_eq!(refusal.kind, "denied", "{refusal}");
        }
        // Threads of the kernel, where this machine shows them.
        if table::status(2).is_some_and(|status| status.kernel) {
            assert_eq!(Linux.kill(2, &name("kthreadd")).await.unwrap_err().kind, "denied");
        }
    }
}
