//! `etc/shared/ar.conf`: which program a message's name means, and for how
//! long (`os_execd/exec.c`, `ReadExecConfig`).
//!
//! A line is `name - executable - timeout`. The manager writes it for every
//! response with its timeout in the name (`firewall-drop600`), and for Unix
//! and Windows side by side, so one name may stand there twice.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::ossec_log::{Line, text};

/// The file below Wazuh's home, as the log calls it.
pub const PATH: &str = "etc/shared/ar.conf";
/// The folder of programs below Wazuh's home, as the log calls it.
pub const PROGRAMS: &str = "active-response/bin";
/// Longest name in bytes.
const LONGEST: usize = 256;

/// The names that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    names: HashMap<String, Named>,
}

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its program below [`PROGRAMS`]; `None` when this machine has none.
    pub program: Option<String>,
    /// Until the undo; zero: for good.
    pub timeout: Duration,
}

/// What a program of the table is on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It can be read, or the configuration defines it.
    File,
    /// It is not there, but something built in answers to its name. A manager
    /// lists one command once for each platform: what is really there comes
    /// before what is not.
    StoodFor,
    /// Neither.
    Absent,
}

impl Table {
    /// Reads the file's text. `found` says what a program, given below
    /// [`PROGRAMS`], is here; `first` is whether absent ones are to be named.
    /// Also returns what is to be logged.
    pub fn read(conf: &str, first: bool, found: impl Fn(&str) -> Presence) -> (Self, Vec<Line>) {
        let mut names: HashMap<String, Named> = HashMap::new();
        let mut lines = Vec::new();
        let mut stood_in: HashSet<String> = HashSet::new();
        for line in conf.lines() {
            let parts = if line.starts_with('!') { None } else { split(line) };
            let Some((name, executable, timeout)) = parts else {
                lines.push(text::ar_conf(PATH));
                continue;
            };
            let kept = name.get(..name.floor_char_boundary(LONGEST)).unwrap_or(name);
            if kept.len() < name.len() {
                lines.push(text::truncated(kept));
            }
            let presence = if leaves(executable) {
                lines.push(Line::error(traversal(executable)));
                Presence::Absent
            } else {
                let presence = found(executable);
                if presence == Presence::Absent && first {
                    lines.push(Line::info(format!(
                        "Active response command not present: '{PROGRAMS}/{executable}'. Not using it on this system."
                    )));
                }
                presence
            };
            let named = names.entry(kept.to_owned());
            // The first program that is here, with the timeout of the first line.
            let named = named.or_insert_with(|| Named { program: None, timeout: seconds(timeout) });
            let free = named.program.is_none();
            match presence {
                Presence::File if free || stood_in.remove(kept) => {
                    named.program = Some(executable.to_owned());
                }
                Presence::StoodFor if free => {
                    named.program = Some(executable.to_owned());
                    stood_in.insert(kept.to_owned());
                }
                _ => {}
            }
        }
        (Self { names }, lines)
    }

    /// What `name` means.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Named> {
        self.names.get(name)
    }

    /// Every name, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Named)> {
        self.names.iter().map(|(name, named)| (name.as_str(), named))
    }
}

/// Whether a path has a component `..` (`shared/file_op.c`,
/// `w_ref_parent_folder`).
#[must_use]
pub fn leaves(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// The text for a path that leaves the folder.
#[must_use]
pub fn traversal(path: &str) -> String {
    format!("Active response command '{path}' vulnerable to directory traversal attack. Ignoring.")
}

/// Name, executable, timeout: the name ends at the first ` - `, the executable
/// at the second.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = line.split_once(" - ")?;
    let (executable, timeout) = rest.split_once(" - ")?;
    Some((name, executable, timeout))
}

/// `atoi`: a sign and digits behind blanks, else 0. Less than nothing is due
/// at once in Wazuh; here after a second, since nothing at all is for good.
fn seconds(text: &str) -> Duration {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let digits = digits.get(..end).unwrap_or_default();
    // More digits than a number holds are as much as it holds.
    let number = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(i32::MAX) };
    match u64::try_from(number) {
        Ok(number) if negative && number > 0 => Duration::from_secs(1),
        Ok(number) => Duration::from_secs(number),
        Err(_) => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(conf: &str, present: &[&str]) -> (Table, Vec<String>) {
        let (table, lines) = Table::read(conf, true, |name| there(present.contains(&name)));
        (table, lines.into_iter().map(|line| format!("{}: {}", line.level, line.text)).collect())
    }

    fn named(program: Option<&str>, seconds: u64) -> Option<Named> {
        Some(Named { program: program.map(str::to_owned), timeout: Duration::from_secs(seconds) })
    }

    fn there(so: bool) -> Presence {
        if so { Presence::File } else { Presence::Absent }
    }

    #[test]
    fn what_is_there_comes_before_what_is_stood_for() {
        let conf = "r0 - a.sh - 0\nr0 - b - 0\nr0 - c - 0\nonly0 - a.sh - 0\n";
        let found = |name: &str| match name {
            "a.sh" => Presence::StoodFor,
            _ => Presence::File,
        };
        let (table, _) = Table::read(conf, true, found);
        let program = |name: &str| table.names.get(name).and_then(|named| named.program.as_deref());
        assert_eq!((program("r0"), program("only0")), (Some("b"), Some("a.sh")));
    }

    #[test]
    fn a_line_is_name_executable_and_timeout() {
        let (table, lines) =
            read("block90 - block - 90\nhello0 - say hello.sh - 0\r\n", &["block", "say hello.sh"]);
        assert_eq!(table.get("block90").cloned(), named(Some("block"), 90));
        assert_eq!(table.get("hello0").cloned(), named(Some("say hello.sh"), 0));
        assert_eq!(table.get("block"), None);
        assert!(lines.is_empty(), "{lines:?}");
    }

    #[test]
    fn what_is_no_line_is_said_and_passed_over() {
        let (table, lines) = read("!x0 - x - 0\nno separator\none - separator\n\nok7 - ok - 7", &["ok", "x"]);
        assert_eq!(lines, vec!["ERROR: (1313): Invalid active response config: 'etc/shared/ar.conf'."; 4]);
        assert_eq!(table.iter().count(), 1);
        assert_eq!(table.get("ok7").cloned(), named(Some("ok"), 7));
    }

    #[test]
    fn the_first_program_that_is_here_wins_with_the_first_timeout() {
        let conf = "tell5 - tell.cmd - 5\ntell5 - tell.sh - 6\ntell5 - tell.py - 7\n";
        let (table, lines) = read(conf, &["tell.sh", "tell.py"]);
        assert_eq!(table.get("tell5").cloned(), named(Some("tell.sh"), 5));
        assert_eq!(
            lines,
            [
                "INFO: Active response command not present: 'active-response/bin/tell.cmd'. Not using it on this system."
            ]
        );
        let (_, again) = Table::read(conf, false, |_| Presence::Absent);
        assert!(again.is_empty(), "named at the first reading only");
    }

    #[test]
    fn nothing_outside_the_folder_is_a_program() {
        for path in ["../sh", "a/../../sh", ".."] {
            let (table, lines) = read(&format!("evil0 - {path} - 0\n"), &[path]);
            assert_eq!(table.get("evil0").cloned(), named(None, 0));
            assert_eq!(
                lines,
                [format!(
                    "ERROR: Active response command '{path}' vulnerable to directory traversal attack. Ignoring."
                )]
            );
        }
        let (table, _) = read("dots0 - ..x - 0\n", &["..x"]);
        assert_eq!(table.get("dots0").cloned(), named(Some("..x"), 0));
    }

    #[test]
    fn long_names_are_cut_and_said() {
        let (whole, long) = ("n".repeat(256), "é".repeat(200));
        let (table, lines) = read(&format!("{whole} - x - 1\n{long} - x - 1\n"), &["x"]);
        assert_eq!(lines, [format!("ERROR: (1318): Command name truncated {}", "é".repeat(128))]);
        assert!(table.get(&whole).is_some() && table.get(&"é".repeat(128)).is_some());
    }

    #[test]
    fn there_is_no_limit_to_the_lines() {
        let conf: String = (0..500).map(|n| format!("name{n} - x - {n}\n")).collect();
        let (table, lines) = read(&conf, &["x"]);
        assert!(lines.is_empty());
        assert_eq!(table.get("name499").cloned(), named(Some("x"), 499));
    }

    #[test]
    fn timeouts_are_read_as_c_reads_them() {
        let cases =
            [("60", 60), (" 60 s", 60), ("+5", 5), ("1h", 1), ("x", 0), ("", 0), ("-3", 1), ("-0", 0)];
        for (text, wanted) in cases {
            assert_eq!(seconds(text), Duration::from_secs(wanted), "{text:?}");
        }
        assert_eq!(seconds("99999999999"), Duration::from_secs(2_147_483_647));
    }
}
