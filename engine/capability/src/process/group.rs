//! A started process and what it started.

use std::future::pending;

use tokio::process::{Child, Command};

use super::Caps;
use super::keep::Exit;

/// A child and its group. The leader is not reaped before the group was
/// signalled for the last time: until then its id cannot mean another group.
///
/// On Windows there is no group: the child alone is ended, and it is not asked
/// first.
pub(super) struct Group(Child);

impl Group {
    pub(super) fn new(child: Child) -> Self {
        Self(child)
    }

    /// Waits for the leader and reaps it. May be dropped and asked again.
    pub(super) async fn wait(&mut self) -> Exit {
        self.0.wait().await.map_or(Exit::Unknown, Exit::from)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Only when the runtime shuts down under a running program; dropping
        // the child then reaps it.
        self.kill();
    }
}

#[cfg(unix)]
mod unix {
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
    use tokio::task::spawn_blocking;

    use super::{Caps, Command, Group, pending};

    impl Group {
        /// The command is to lead a group of its own, under this `argv[0]`.
        pub(crate) fn lead(command: &mut Command, called: Option<&str>) {
            command.process_group(0);
            if let Some(called) = called {
                command.arg0(called);
            }
        }

        /// The leader's id, which is the group's; `None` when it has been reaped.
        fn leader(&self) -> Option<Pid> {
            let id = self.0.id()?;
            Pid::from_raw(i32::try_from(id).ok()?)
        }

        /// Asks all of it to end.
        pub(crate) fn term(&self) {
            self.signal(Signal::TERM);
        }

        /// Ends all of it.
        pub(crate) fn kill(&mut self) {
            self.signal(Signal::KILL);
        }

        fn signal(&self, signal: Signal) {
            if let Some(group) = self.leader() {
                // It fails only when every process of the group is gone.
                let _ = kill_process_group(group, signal);
            }
        }

        /// Waits for the leader's end without reaping it.
        pub(crate) fn gone(&self) -> impl Future<Output = ()> + use<> {
            let leader = self.leader();
            async move {
                let Some(leader) = leader else { return };
                // It blocks a thread, but only while a program is being ended,
                // or for one of the few whose leftovers are: KILL ends both.
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                let wait = move || waitid(WaitId::Pid(leader), options).is_ok();
                // No answer, no haste: then the grace is used up.
                if !matches!(spawn_blocking(wait).await, Ok(true)) {
                    pending::<()>().await;
                }
            }
        }

        /// Sets the limits of a started process. Its first instructions may run
        /// before they hold: they are there against accidents, not as a fence.
        #[cfg(target_os = "linux")]
        pub(crate) fn cap(&self, caps: Caps) {
            use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

            let Some(pid) = self.leader() else { return };
            let wanted = [
                (Resource::Nofile, caps.open_files),
                (Resource::Core, 0),
                (Resource::Fsize, caps.file_size),
                // Not address space: what is only reserved costs nothing.
                (Resource::Data, caps.memory),
                (Resource::Cpu, caps.processor),
            ];
            for (resource, wanted) in wanted.into_iter().filter(|(_, wanted)| *wanted != u64::MAX) {
                // Only root may raise a limit, so no more than the engine's own.
                let most = getrlimit(resource).maximum.unwrap_or(u64::MAX).min(wanted);
                let limit = Rlimit { current: Some(most), maximum: Some(most) };
                // It fails only when the process has ended already.
                let _ = prlimit(Some(pid), resource, limit);
            }
        }

        /// Nobody sets the limits of another process here: those of the engine
        /// hold.
        #[cfg(not(target_os = "linux"))]
        pub(crate) fn cap(&self, _: Caps) {}
    }
}

#[cfg(windows)]
mod windows {
    use super::{Caps, Command, Group, pending};

    impl Group {
        /// There is no group, and a program is called by its path.
        pub(crate) fn lead(_: &mut Command, _: Option<&str>) {}

        /// A program without a window cannot be asked to end.
        pub(crate) fn term(&self) {}

        /// Ends the child.
        pub(crate) fn kill(&mut self) {
            // It fails only when the process has ended already.
            let _ = self.0.start_kill();
        }

        /// Whether it has ended is seen by its outputs alone.
        pub(crate) fn gone(&self) -> impl Future<Output = ()> + use<> {
            pending()
        }

        /// Limits need a job object: those of the engine hold.
        pub(crate) fn cap(&self, _: Caps) {}
    }
}
