//! Which command a name of `ar.conf`, or a `!name`, means on this host.
//!
//! The manager says which program and for how long; what that program may do
//! is settled by this host's own files alone.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use riposte_policy::Config;
use riposte_policy::config::{Command, Runtime};
use riposte_policy::diagnostic::Place;
use riposte_policy::grant::Confinement;
use riposte_policy::limit::Limits;
use riposte_transport::wazuh::ar_conf;

/// The commands that were made, by name: this host's files do not define them.
#[derive(Debug, Default)]
pub struct Made(HashMap<String, Arc<Command>>);

impl Made {
    /// The command for the name `wire` with the program that the manager
    /// means: this host's own definition for that program, else for that name,
    /// else one that grants nothing.
    pub fn command(&mut self, wire: &str, program: &str, timeout: Duration, host: &Config) -> Arc<Command> {
        let base = wire.strip_suffix(&timeout.as_secs().to_string()).filter(|base| !base.is_empty());
        let base = base.unwrap_or(wire);
        let literal = || host.commands.iter().filter(|command| command.executable == program);
        let own = || host.commands.iter().filter(|command| means(&command.executable, program));
        let named = |name: &str| host.commands.iter().find(|command| &*command.name == name);
        let is_base = |command: &&Arc<Command>| &*command.name == base;
        let defined = literal().find(is_base).or_else(|| literal().next());
        let defined = defined.or_else(|| own().find(is_base)).or_else(|| own().next());
        if let Some(defined) = defined.or_else(|| named(base)).or_else(|| named(wire)) {
            return Arc::clone(defined);
        }
        // Two programs of one name keep their names apart; names that differ in
        // the timeout alone are one command.
        let name = match self.0.get(base) {
            Some(other) if other.executable != program => wire,
            _ => base,
        };
        let timed = !timeout.is_zero();
        if let Some(made) = self.0.get(name)
            && made.executable == program
            && (made.timeout_allowed == Some(true) || !timed)
        {
            return Arc::clone(made);
        }
        let made = Arc::new(made(name, program, timed));
        self.0.insert(name.to_owned(), Arc::clone(&made));
        made
    }
}

fn made(name: &str, program: &str, timed: bool) -> Command {
    Command {
        name: name.into(),
        executable: program.to_owned(),
        timeout_allowed: Some(timed),
        expect: Vec::new(),
        extra_args: Vec::new(),
        keys: Vec::new(),
        capabilities: None,
        limits: Limits::default(),
        confinement: Confinement::default(),
        // A program in a folder of its own is never a built-in one.
        runtime: program.contains('/').then_some(Runtime::Native),
        protocol: None,
        place: Place { file: ar_conf::PATH.into(), line: 1, column: 1 },
    }
}

/// Whether a definition of this host runs this program.
#[must_use]
pub fn defines(host: &Config, program: &str) -> bool {
    host.commands.iter().any(|command| means(&command.executable, program))
}

/// Whether an executable of this host's files is meant by a program of the
/// manager's: the same name in the same folder, where one of them may leave
/// the extension out, or this host has a component for it. `block.sh` is not
/// `block.py`, and not `team/block.sh`.
fn means(executable: &str, program: &str) -> bool {
    let (ours, theirs) = (Path::new(executable), Path::new(program));
    let extension = |path: &Path| path.extension().map(std::ffi::OsStr::to_owned);
    let (a, b) = (extension(ours), extension(theirs));
    ours.parent() == theirs.parent()
        && ours.file_stem() == theirs.file_stem()
        && (a == b || a.is_none() || b.is_none() || a.is_some_and(|a| a == "wasm"))
}

#[cfg(test)]
mod tests {
    use riposte_policy::config::Source;

    use super::*;

    fn host(commands: &str) -> Config {
        let text = format!("<ossec_config>{commands}</ossec_config>");
        Config::read(&[Source::new("ossec.conf", &text)])
    }

    fn defined(name: &str, executable: &str) -> String {
        format!("<command><name>{name}</name><executable>{executable}</executable></command>")
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_timeout_leaves_the_name() {
        let (mut made, host) = (Made::default(), host(""));
        let first = made.command("block90", "block", seconds(90), &host);
        assert_eq!(
            (&*first.name, first.executable.as_str(), first.timeout_allowed),
            ("block", "block", Some(true))
        );
        assert!(Arc::ptr_eq(&first, &made.command("block7", "block", seconds(7), &host)));
        assert_eq!(&*made.command("tell0", "tell.sh", seconds(0), &host).name, "tell");
        assert_eq!(&*made.command("!own.sh", "own.sh", seconds(0), &host).name, "!own.sh");
        assert_eq!(&*made.command("60", "x", seconds(60), &host).name, "60");
    }

    #[test]
    fn a_command_that_is_undone_at_all_may_be_undone() {
        let (mut made, host) = (Made::default(), host(""));
        assert_eq!(made.command("block0", "block", seconds(0), &host).timeout_allowed, Some(false));
        assert_eq!(made.command("block5", "block", seconds(5), &host).timeout_allowed, Some(true));
        assert_eq!(made.command("block0", "block", seconds(0), &host).timeout_allowed, Some(true));
    }

    #[test]
    fn two_programs_of_one_name_are_two_commands() {
        let (mut made, host) = (Made::default(), host(""));
        assert_eq!(&*made.command("block5", "a.sh", seconds(5), &host).name, "block");
        let other = made.command("block6", "b.sh", seconds(6), &host);
        assert_eq!((&*other.name, other.executable.as_str()), ("block6", "b.sh"));
    }

    #[test]
    fn this_hosts_definition_counts_by_program_then_by_name() {
        let mut made = Made::default();
        let host = host(
            &[defined("ours", "block.wasm"), defined("tell", "shout.sh"), defined("two", "block.sh")]
                .concat(),
        );
        assert_eq!(&*made.command("block5", "block", seconds(5), &host).name, "ours");
        assert_eq!(&*made.command("two5", "block", seconds(5), &host).name, "two");
        assert_eq!(made.command("tell0", "whisper.sh", seconds(0), &host).executable, "shout.sh");
        assert!(defines(&host, "block.py") && !defines(&host, "whisper"));
    }

    #[test]
    fn another_program_of_the_same_stem_is_not_meant() {
        let mut made = Made::default();
        let host = host(&[defined("short", "block"), defined("ours", "block.sh")].concat());
        for (program, meant) in [
            ("block.sh", "block.sh"),
            ("block", "block"),
            ("block.py", "block"),
            ("team/block.sh", "team/block.sh"),
        ] {
            let wire = format!("!{program}");
            assert_eq!(made.command(&wire, program, seconds(0), &host).executable, meant);
        }
        assert!(!defines(&host, "team/block.sh"));
    }
}
