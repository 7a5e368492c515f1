//! Whether the kernel may write pages of this process to swap.
//!
//! Who resets memory by the kernel's page map must know: wasmtime looks for
//! pages that are written and present, so that one which was swapped out during
//! a call would keep what the call has left there, for the next one to read
//! (bytecodealliance/wasmtime, pull request 14357).

use std::path::Path;

/// Whether this process is never swapped out: nothing is swapped to, or a
/// control group forbids it. What cannot be read counts as a yes to swapping.
///
/// Asked once. Who adds swap to a running machine restarts the engine, or has
/// it under a group with `memory.swap.max` of 0, as the unit of systemd is.
pub(crate) fn never() -> bool {
    never_in(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
}

fn never_in(proc: &Path, groups: &Path) -> bool {
    let no_swap = read(&proc.join("swaps")).is_some_and(|swaps| swaps.lines().nth(1).is_none());
    no_swap || forbidden(proc, groups)
}

/// Whether the control group of this process, or one above it, has no swap.
fn forbidden(proc: &Path, groups: &Path) -> bool {
    let own = read(&proc.join("self/cgroup")).unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
    let Some(own) = own else { return false };
    // The path is relative to what this process may see of the groups: `..`
    // would lead out of it.
    let own = Path::new(own);
    if own.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
        return false;
    }
    own.ancestors()
        .any(|group| read(&groups.join(group).join("memory.swap.max")).is_some_and(|most| most.trim() == "0"))
}

#[expect(clippy::disallowed_methods, reason = "files of the kernel's, which this module owns")]
fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    const HEADER: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    /// A kernel that says this.
    struct Kernel(tempfile::TempDir);

    impl Kernel {
        fn new(files: &[(&str, &str)]) -> Self {
            let kernel = Self(tempfile::tempdir().unwrap());
            for (path, text) in files {
                kernel.says(path, text);
            }
            kernel
        }

        #[expect(clippy::disallowed_methods, reason = "a test writes files")]
        fn says(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn never(&self) -> bool {
            never_in(&self.0.path().join("proc"), &self.0.path().join("groups"))
        }
    }

    #[test]
    fn without_swap_nothing_is_swapped() {
        assert!(Kernel::new(&[("proc/swaps", HEADER)]).never());
        let swap = format!("{HEADER}/dev/zram0 partition 1024 0 100\n");
        assert!(!Kernel::new(&[("proc/swaps", &swap)]).never());
        // Nobody says anything.
        assert!(!Kernel::new(&[]).never());
    }

    #[test]
    fn a_control_group_forbids_it() {
        let swap = format!("{HEADER}/swapfile file 1024 0 -2\n");
        let kernel = Kernel::new(&[
            ("proc/swaps", &swap),
            ("proc/self/cgroup", "4:memory:/other\n0::/system.slice/riposte.service\n"),
            ("groups/system.slice/riposte.service/memory.swap.max", "max\n"),
        ]);
        assert!(!kernel.never());
        kernel.says("groups/system.slice/memory.swap.max", "0\n");
        assert!(kernel.never(), "the group above");
        kernel.says("groups/system.slice/memory.swap.max", "1048576\n");
        assert!(!kernel.never(), "a little is too much");
        kernel.says("groups/system.slice/riposte.service/memory.swap.max", "0\n");
        assert!(kernel.never());
        // A group that this process cannot see.
        kernel.says("proc/self/cgroup", "0::/../system.slice/riposte.service\n");
        assert!(!kernel.never());
        // The first version has none of this.
        kernel.says("proc/self/cgroup", "4:memory:/system.slice/riposte.service\n");
        assert!(!kernel.never());
    }
}
