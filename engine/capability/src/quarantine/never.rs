//! What is never taken, whatever is granted: what this engine or the host
//! needs to go on. An alert names the file, and an alert can be made up.

use std::path::{Path, PathBuf};

use rustix::fs::Stat;

use crate::path::HostPath;
use crate::place::identity;
use crate::refusal::Refusal;

/// Without these nobody logs in, or the host does not start again.
const VITAL: [&str; 16] = [
    "/boot",
    "/etc/crypttab",
    "/etc/fstab",
    "/etc/group",
    "/etc/gshadow",
    "/etc/ld.so.cache",
    "/etc/login.defs",
    "/etc/nsswitch.conf",
    "/etc/pam.d",
    "/etc/passwd",
    "/etc/securetty",
    "/etc/shadow",
    "/etc/ssh/sshd_config",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/systemd",
];

/// Refuses a path that is this engine's own, or vital.
///
/// # Errors
///
/// `denied`.
pub(super) fn judge_path(path: &HostPath, own: &[PathBuf]) -> Result<(), Refusal> {
    let denied = |why: &str| Err(Refusal::denied(format!("{path} is never put in quarantine: {why}")));
    if own.iter().any(|own| path.as_path().starts_with(own)) {
        return denied("it belongs to this engine (guard: own-file)");
    }
    if VITAL.iter().any(|vital| path.as_path().starts_with(vital)) {
        return denied("without it nobody could log in, or the host not start (guard: vital-file)");
    }
    if in_use_by("self", path) || in_use_by("1", path) {
        return denied("this engine or process 1 runs from it (guard: running-file)");
    }
    Ok(())
}

/// Refuses the engine's own program under whatever name.
///
/// # Errors
///
/// `denied`.
pub(super) fn judge_file(path: &HostPath, found: &Stat) -> Result<(), Refusal> {
    let engine = rustix::fs::stat("/proc/self/exe");
    if engine.is_ok_and(|engine| identity(&engine) == identity(found)) {
        return Err(Refusal::denied(format!(
            "{path} is never put in quarantine: it is this engine itself (guard: own-file)"
        )));
    }
    Ok(())
}

/// Whether a process has the file mapped: its program, its libraries. A list
/// that cannot be read protects nothing; the folders above still do.
fn in_use_by(process: &str, path: &HostPath) -> bool {
    let maps = Path::new("/proc").join(process).join("maps");
    #[expect(clippy::disallowed_methods, reason = "this module owns the look at what runs")]
    let Ok(maps) = std::fs::read_to_string(maps) else { return false };
    // Five columns, then the path, which may hold blanks (proc_pid_maps(5)).
    maps.lines()
        .filter_map(|line| line.find('/').and_then(|at| line.get(at..)))
        .any(|mapped| mapped == path.as_str())
}
