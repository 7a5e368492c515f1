//! What the tracer wrote.

use std::process::{Child, Command, Stdio};

use riposte_tests::{Host, text};

use crate::engine::{Engine, fresh, kill, soon};
use crate::point::{Point, Selector};

/// The calls that are looked at. Left out: what changes nothing outside the
/// process (mmap, futex, clock_gettime, epoll_wait and the like), since a kill
/// there is the same as one at the next call of this list; and mmap's stores to
/// the wal-index, which SQLite makes anew after a crash.
pub const CALLS: [&str; 33] = [
    "pwrite64",
    "write",
    "writev",
    "fdatasync",
    "fsync",
    "ftruncate",
    "openat",
    "openat2",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "fallocate",
    "sendmsg",
    "sendto",
    "recvmsg",
    "recvfrom",
    "fcntl",
    "flock",
    "mkdir",
    "mkdirat",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "pread64",
    "read",
    "clone3",
    "connect",
    "bind",
];

/// A tracer at work.
pub struct Tracer {
    child: Option<Child>,
    /// Where it writes.
    pub log: std::path::PathBuf,
    said: std::path::PathBuf,
}

/// The command of a tracer that fails one call.
pub fn injecting(host: &Host, point: &Point) -> (Command, Tracer) {
    let (mut command, tracer) = tracing(host);
    let Point { call, number, fault, .. } = point;
    command.args(["-e", &format!("trace={call}"), "-e"]);
    command.arg(format!("inject={call}:{}:when={number}", fault.injection()));
    match &point.selector {
        Selector::Main | Selector::Thread(_) => {}
        Selector::Any => drop(command.args(["-f", "-Y"])),
        Selector::File(name) => drop(command.args(["-f", "-Y", "-P", &with_home(host, name)])),
    }
    (command, tracer)
}

/// The command of a tracer that only looks. `data`: how much of what is
/// written it shows.
pub fn looking(host: &Host, calls: &[&str], data: usize) -> (Command, Tracer) {
    let (mut command, tracer) = tracing(host);
    command.args(["-f", "-Y", "-y", "-ttt", "-s", &data.to_string()]);
    command.args(["-e", &format!("trace={}", calls.join(","))]);
    (command, tracer)
}

fn tracing(host: &Host) -> (Command, Tracer) {
    let (log, said) = (fresh(host, "trace"), fresh(host, "tracer"));
    let mut command = host.command("strace");
    command.arg("-o").arg(&log);
    (command, Tracer { child: None, log, said })
}

impl Tracer {
    /// Attaches to a running engine and waits until it has.
    ///
    /// # Errors
    ///
    /// When the tracer cannot: there is no such thread, or it is forbidden.
    pub fn attach(
        &mut self,
        mut command: Command,
        engine: &Engine,
        selector: &Selector,
    ) -> Result<(), String> {
        let threads = match selector {
            Selector::Thread(name) => engine.threads(name),
            Selector::Main | Selector::File(_) | Selector::Any => vec![engine.pid],
        };
        if threads.is_empty() {
            return Err(format!("no thread {selector}"));
        }
        for thread in &threads {
            command.args(["-p", &thread.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(&self.said).unwrap());
        let mut child = command.spawn().unwrap();
        let attached = soon(|| {
            let said = text(&self.said);
            if said.matches(" attached").count() >= threads.len() {
                return Some(Ok(()));
            }
            child.try_wait().unwrap().map(|_| Err(said))
        });
        self.child = Some(child);
        attached.unwrap_or_else(|| Err("strace does not attach".into()))
    }

    /// Lets go, if it was attached, and returns what it wrote.
    pub fn end(mut self) -> String {
        if let Some(mut child) = self.child.take() {
            if child.try_wait().unwrap().is_none() {
                kill(child.id(), rustix::process::Signal::INT);
            }
            let _ = child.wait();
        }
        text(&self.log)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill(child.id(), rustix::process::Signal::INT);
            let _ = child.wait();
        }
    }
}

fn with_home(host: &Host, name: &str) -> String {
    match name.strip_prefix("~/") {
        Some(rest) => host.path(rest).display().to_string(),
        None => name.to_owned(),
    }
}

/// Whether a line tells of the end of a program that the engine had started.
#[must_use]
pub fn is_program_killed(line: &str) -> bool {
    let Some((who, "+++ killed by SIGKILL +++")) = line.split_once("> ") else { return false };
    let name = who.split_once('<').map_or("", |(_, name)| name);
    !crate::sweep::THREADS.contains(&name)
}

/// One call of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The thread that made it.
    pub thread: u32,
    /// The thread's name.
    pub name: String,
    /// The call.
    pub call: String,
    /// The file it is about, by its descriptor or else by name.
    pub file: Option<String>,
    /// The line where it begins.
    pub begins: usize,
    /// The line where it ends; the last line, when it does not.
    pub ends: usize,
    /// All of its text.
    pub text: String,
}

/// Reads a trace made by [`looking`].
#[must_use]
pub fn calls(log: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let last = log.lines().count();
    for (at, line) in log.lines().enumerate() {
        let Some((who, rest)) = line.split_once('>') else { continue };
        let Some((thread, name)) = who.split_once('<') else { continue };
        let Ok(thread) = thread.trim().parse::<u32>() else { continue };
        // The time, then the call.
        let Some((_, what)) = rest.trim_start().split_once(' ') else { continue };
        if let Some(resumed) = what.strip_prefix("<... ") {
            let open = calls.iter_mut().rev().find(|call| call.thread == thread && call.ends == last);
            if let Some(call) = open {
                call.ends = at;
                call.text.push_str(resumed);
            }
            continue;
        }
        let Some((call, arguments)) = what.split_once('(') else { continue };
        if call.starts_with("---") || call.starts_with("+++") {
            continue;
        }
        let ends = if what.ends_with("<unfinished ...>") { last } else { at };
        let (name, call, file) = (name.to_owned(), call.to_owned(), file(call, arguments));
        calls.push(Call { thread, name, call, file, begins: at, ends, text: what.to_owned() });
    }
    calls
}

/// The file by its descriptor, or by its name where the call takes one.
fn file(call: &str, arguments: &str) -> Option<String> {
    let takes_name = call.contains("at") && !matches!(call, "fdatasync" | "ftruncate" | "fallocate")
        || matches!(call, "unlink" | "rename" | "link" | "mkdir" | "execve");
    if takes_name {
        let quoted = arguments.split_once('"')?.1;
        return quoted.split_once('"').map(|(name, _)| name.to_owned());
    }
    let number = arguments.trim_start_matches(|c: char| c.is_ascii_digit());
    let name = number.strip_prefix('<')?;
    name.split_once('>').map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_with_their_files_and_their_ends() {
        let log = concat!(
            "7<ledger> 1.5 pwrite64(9</x/ledger.db-wal>, \"a <b> c\", 4096, 0 <unfinished ...>\n",
            "8<tokio-rt-worker> 1.6 renameat(38</etc>, \"a\", 38</etc>, \"b\") = 0\n",
            "7<ledger> 1.7 <... pwrite64 resumed>) = 4096\n",
            "7<ledger> 1.8 fsync(9</x/ledger.db-wal>) = 0\n",
            "8<usermod> 1.9 +++ killed by SIGKILL +++\n",
        );
        let calls = calls(log);
        let seen: Vec<_> = calls
            .iter()
            .map(|call| (call.call.as_str(), call.file.as_deref(), call.begins, call.ends))
            .collect();
        assert_eq!(
            seen,
            [
                ("pwrite64", Some("/x/ledger.db-wal"), 0, 2),
                ("renameat", Some("a"), 1, 1),
                ("fsync", Some("/x/ledger.db-wal"), 3, 3)
            ]
        );
        assert!(is_program_killed("8<usermod> +++ killed by SIGKILL +++"));
        assert!(!is_program_killed("8<ledger> +++ killed by SIGKILL +++"));
    }
}
