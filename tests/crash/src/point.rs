//! A point: where on which path what goes wrong. Its text names it for good:
//! `riposte-crash --point TEXT` runs it again.

use std::fmt;
use std::str::FromStr;

/// What the engine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// Alerts become entries and effects.
    Add,
    /// What is due is undone.
    Due,
    /// An operator undoes everything.
    Hand,
    /// It starts, and finds entries that are overdue, intended, being undone
    /// and in force.
    Start,
    /// The same in a ledger of version 1.
    Migrate,
}

impl Path {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Add, Self::Due, Self::Hand, Self::Start, Self::Migrate];

    /// Whether the engine is traced from its first instruction on.
    #[must_use]
    pub fn is_start(self) -> bool {
        matches!(self, Self::Start | Self::Migrate)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Due => "due",
            Self::Hand => "hand",
            Self::Start => "start",
            Self::Migrate => "migrate",
        }
    }
}

/// Whose calls are counted. The tracer counts those of each thread apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// The first thread of the engine.
    Main,
    /// The threads of this name.
    Thread(String),
    /// Every thread, but only calls about this file. `~` is the engine's home.
    File(String),
    /// Every thread: the first that comes to so many is hit.
    Any,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The engine is killed before the call is done.
    Kill,
    /// The call fails with ENOSPC.
    NoSpace,
    /// The call fails with EIO.
    Io,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|known| known.word() == text);
        known.ok_or_else(|| format!("{text}: no path; there are {}", Self::ALL.map(Self::word).join(", ")))
    }
}

impl Fault {
    /// As strace calls it.
    #[must_use]
    pub fn injection(self) -> &'static str {
        match self {
            Self::Kill => "signal=KILL",
            Self::NoSpace => "error=ENOSPC",
            Self::Io => "error=EIO",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::NoSpace => "enospc",
            Self::Io => "eio",
        }
    }
}

/// One point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// What the engine is doing.
    pub path: Path,
    /// Whose calls count.
    pub selector: Selector,
    /// The system call.
    pub call: String,
    /// Which one of them, from 1.
    pub number: u32,
    /// What happens to it.
    pub fault: Fault,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, selector, call, number, fault } = self;
        write!(f, "{path},{selector},{call},{number},{}", fault.word())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str("main"),
            Self::Thread(name) => write!(f, "thread={name}"),
            Self::File(name) => write!(f, "file={name}"),
            Self::Any => f.write_str("any"),
        }
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: not of the form PATH,SELECTOR,CALL,NUMBER,FAULT");
        let parts: Vec<&str> = text.split(',').collect();
        let [path, selector, call, number, fault] = parts[..] else { return Err(wrong()) };
        let selector = match selector.split_once('=') {
            Some(("thread", name)) => Selector::Thread(name.to_owned()),
            Some(("file", name)) => Selector::File(name.to_owned()),
            _ if selector == "main" => Selector::Main,
            _ if selector == "any" => Selector::Any,
            _ => return Err(wrong()),
        };
        Ok(Self {
            path: path.parse()?,
            selector,
            call: call.to_owned(),
            number: number.parse().map_err(|_| wrong())?,
            fault: [Fault::Kill, Fault::NoSpace, Fault::Io]
                .into_iter()
                .find(|known| known.word() == fault)
                .ok_or_else(wrong)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_as_it_is_written() {
        for text in [
            "add,thread=ledger,pwrite64,3,kill",
            "start,file=~/state/ledger.db-wal,fdatasync,1,eio",
            "migrate,main,openat,12,enospc",
            "due,any,sendto,2,kill",
        ] {
            assert_eq!(text.parse::<Point>().unwrap().to_string(), text);
        }
        for text in
            ["", "add,any,write,1", "add,any,write,x,kill", "add,some,write,1,kill", "x,any,write,1,kill"]
        {
            assert!(text.parse::<Point>().is_err(), "{text}");
        }
    }
}
