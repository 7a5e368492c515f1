//! Processes and units that are never acted on.

use super::Verdict;

/// `PF_KTHREAD` of `linux/sched.h`: a thread of the kernel.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// Units without which there is no init system left to undo anything.
const UNITS: [&str; 8] = [
    "riposte.service",
    "init.scope",
    "-.mount",
    "-.slice",
    "dbus.service",
    "dbus.socket",
    "dbus-broker.service",
    "systemd-logind.service",
];

pub(super) fn judge(process: u32) -> Verdict {
    let never = |rule, detail: &str| Verdict::Never { rule, detail: format!("process {process} {detail}") };
    if process <= 1 {
        return never("first-process", "is the first process: without it the system ends");
    }
    let status = status(process);
    if process == std::process::id() || status.as_ref().is_some_and(|s| s.group == std::process::id()) {
        return never("own-process", "is this engine");
    }
    #[cfg(unix)]
    if std::os::unix::process::parent_id() == process {
        return never("own-parent", "started this engine");
    }
    if status.is_some_and(|status| status.flags & KERNEL_THREAD != 0) {
        return never("kernel-thread", "is a part of the kernel");
    }
    Verdict::Pass
}

pub(super) fn judge_unit(unit: &str) -> Verdict {
    let core = unit.starts_with("systemd-journald.") || unit.starts_with("systemd-udevd.");
    if core || UNITS.contains(&unit) {
        let detail = format!("{unit} is what this machine is kept running with");
        return Verdict::Never { rule: "system-unit", detail };
    }
    Verdict::Pass
}

/// What the kernel says of a process, or of a thread.
struct Status {
    /// The process that a thread belongs to.
    group: u32,
    flags: u64,
}

/// `None` for one that is not there, and on systems without `/proc`.
fn status(process: u32) -> Option<Status> {
    #[expect(clippy::disallowed_methods, reason = "the guard owns the knowledge of what to protect")]
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).ok();
    let status = read("status")?;
    let group = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()?;
    // proc_pid_stat(5): the name ends with the last bracket; flags are the ninth field.
    let stat = read("stat")?;
    let flags = stat.rsplit_once(") ")?.1.split(' ').nth(6)?.parse().ok()?;
    Some(Status { group, flags })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(process: u32) -> Option<&'static str> {
        match judge(process) {
            Verdict::Pass => None,
            Verdict::Never { rule, .. } => Some(rule),
        }
    }

    #[test]
    fn the_engine_and_what_it_stands_on() {
        assert_eq!((rule(0), rule(1)), (Some("first-process"), Some("first-process")));
        assert_eq!(rule(std::process::id()), Some("own-process"));
        assert_eq!(rule(std::os::unix::process::parent_id()), Some("own-parent"));
        assert_eq!(rule(u32::MAX), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_of_the_engine_is_the_engine() {
        let thread = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
        assert_eq!(rule(thread), Some("own-process"));
    }

    #[test]
    fn units_that_undo_needs() {
        assert!(matches!(judge_unit("riposte.service"), Verdict::Never { rule: "system-unit", .. }));
        assert!(matches!(judge_unit("systemd-journald.socket"), Verdict::Never { .. }));
        assert_eq!(judge_unit("nginx.service"), Verdict::Pass);
    }
}
