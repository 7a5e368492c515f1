//! `queue/alerts/execq`: what reaches `wazuh-execd` (`os_execd/execd.c`,
//! `ExecdStart` and `ExecdRun`).
//!
//! A datagram is one message: a JSON object, perhaps with a NUL and anything
//! behind it. The agent's `wazuh-agentd` and a manager's `wazuh-analysisd`
//! send here; who they are is settled by the socket's owner and mode alone.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags};
use rustix::net::RecvFlags;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use super::ar_conf::{self, Table};
use super::ossec_log::{Line, text};

/// The socket below Wazuh's home, as the log calls it.
pub const PATH: &str = "queue/alerts/execq";
/// Longest datagram in bytes (`OS_MAXSTR` less its NUL).
pub const LONGEST: usize = 65_535;
/// What the kernel keeps of what was not read yet, in bytes (`BindUnixDomain`).
const BUFFER: usize = 65_536 + 512;
/// Longest path of a `!name` in bytes (`OS_FLSIZE` less its NUL).
const LONGEST_PATH: usize = 255;
/// Most objects and arrays in each other (`CJSON_NESTING_LIMIT`).
const DEEPEST: usize = 1000;
/// The name that starts the agent anew.
const RESTART: &str = "restart-wazuh";

/// The socket, bound.
#[derive(Debug)]
pub struct Execq {
    socket: UnixDatagram,
    path: PathBuf,
    /// Device and inode of what was bound.
    bound: (u64, u64),
}

impl Execq {
    /// Binds `path` anew, whatever is there: mode 0660, our own user, and the
    /// group of the folder, which is the one that Wazuh's programs run in.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match rustix::fs::unlink(path) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let socket = UnixDatagram::bind(path)?;
        let bound = open_to_group(path)?;
        if rustix::net::sockopt::socket_recv_buffer_size(&socket)? < BUFFER {
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket, BUFFER)?;
        }
        Ok(Self { socket, path: path.to_owned(), bound })
    }

    /// Whether another process listens at `path` now.
    #[must_use]
    pub fn is_taken(path: &Path) -> bool {
        std::os::unix::net::UnixDatagram::unbound().is_ok_and(|socket| socket.connect(path).is_ok())
    }

    /// The next datagram. When dropped before it is there, none is lost.
    ///
    /// # Errors
    ///
    /// When the socket cannot be read.
    pub async fn receive(&self) -> io::Result<Datagram> {
        self.socket.async_io(Interest::READABLE, || self.left()).await
    }

    /// A datagram that is there already.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when there is none; when the socket cannot
    /// be read.
    pub fn left(&self) -> io::Result<Datagram> {
        let mut buffer = vec![0; LONGEST];
        let (kept, length) = rustix::net::recv(&self.socket, buffer.as_mut_slice(), RecvFlags::TRUNC)?;
        if length > kept {
            return Ok(Datagram::TooLong(length));
        }
        buffer.truncate(kept);
        Ok(Datagram::Whole(buffer))
    }

    /// Whether senders still find us at the path.
    pub fn watch(&self) -> Standing {
        match identity(&self.path) {
            Ok(found) if found == self.bound => Standing::Ours,
            Ok(_) => Standing::Stolen,
            Err(_) => Standing::Removed,
        }
    }
}

/// Removed when dropped, unless it is another's by now.
impl Drop for Execq {
    fn drop(&mut self) {
        if self.watch() == Standing::Ours {
            // Already gone is as good.
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

/// Whose the path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Standing {
    /// Ours.
    Ours,
    /// Another bound it: most likely `wazuh-execd` was started.
    Stolen,
    /// Nothing is there any more.
    Removed,
}

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Datagram {
    /// All of it.
    Whole(Vec<u8>),
    /// Longer than [`LONGEST`]: its length. Wazuh cuts it without a word, and
    /// what is left is no JSON.
    TooLong(usize),
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The message, UTF-8 and without control characters inside its strings,
    /// from the object to the end of the datagram.
    pub text: String,
    /// `command`.
    pub command: String,
    /// `origin.name`, when it is a text that is not empty.
    pub origin: Option<String>,
    /// `parameters.alert` as it was written, when it is an object.
    pub alert: Option<String>,
}

impl Message {
    /// Reads a datagram. What stands behind a NUL or behind the object is not
    /// looked at, names are found without regard to case, and the first of two
    /// counts, as cJSON has it.
    ///
    /// # Errors
    ///
    /// What Wazuh logs: (1315) when it is not JSON, (1316) when it has no text
    /// under `command`.
    pub fn parse(datagram: &[u8]) -> Result<Self, Line> {
        let bytes = datagram.split(|&byte| byte == 0).next().unwrap_or_default();
        let received = String::from_utf8_lossy(bytes);
        let text = escaped(&received).ok_or_else(|| text::not_json(&received))?;
        let mut reading = serde_json::Deserializer::from_str(&text);
        let whole = <&RawValue>::deserialize(&mut reading).map_err(|_| text::not_json(&text))?.get();
        let outer = Fields::of(whole).unwrap_or_default();
        let command = outer.text("command").ok_or_else(|| text::no_command(&text))?;
        let origin = outer.object("origin").and_then(|origin| origin.text("name"));
        let alert = outer.object("parameters").and_then(|parameters| {
            let alert = parameters.get("alert")?;
            alert.starts_with('{').then(|| alert.to_owned())
        });
        let origin = origin.filter(|name| !name.is_empty());
        drop(outer);
        Ok(Self { text, command, origin, alert })
    }
}

/// What a message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Request {
    /// `restart-wazuh`: start the agent anew. The rest of the message means nothing.
    Restart,
    /// A name of `ar.conf`.
    Known {
        /// Its program below [`ar_conf::PROGRAMS`].
        program: String,
        /// Until the undo; zero: for good.
        timeout: Duration,
    },
    /// A name of `ar.conf` whose program this machine has not.
    Absent,
    /// `!name`: a program that `ar.conf` need not name; for good.
    Custom {
        /// It, below [`ar_conf::PROGRAMS`], perhaps in a folder.
        program: String,
    },
    /// There is no such name.
    Unknown,
}

impl Request {
    /// What `command` means, and what is to be logged. An unknown name makes
    /// `again` read the table once more, as Wazuh does (`GetCommandbyName`).
    pub fn find(
        command: &str,
        table: &mut Table,
        again: impl FnOnce() -> (Option<Table>, Vec<Line>),
    ) -> (Self, Vec<Line>) {
        let (found, mut lines) = Self::look(command, table);
        if found != Self::Unknown {
            return (found, lines);
        }
        let (fresh, said) = again();
        if let Some(fresh) = fresh {
            *table = fresh;
        }
        lines.extend(said);
        let (found, said) = Self::look(command, table);
        lines.extend(said);
        if found == Self::Unknown {
            lines.push(text::name(command));
        }
        (found, lines)
    }

    fn look(command: &str, table: &Table) -> (Self, Vec<Line>) {
        if command == RESTART {
            return (Self::Restart, Vec::new());
        }
        let Some(program) = command.strip_prefix('!') else {
            let found = match table.get(command) {
                None => Self::Unknown,
                Some(named) => match &named.program {
                    Some(program) => Self::Known { program: program.clone(), timeout: named.timeout },
                    None => Self::Absent,
                },
            };
            return (found, Vec::new());
        };
        if ar_conf::leaves(program) {
            return (Self::Unknown, vec![Line::warning(ar_conf::traversal(program))]);
        }
        if ar_conf::PROGRAMS.len() + 1 + program.len() > LONGEST_PATH {
            let text = format!("Cannot execute command '{program:>32}...': path too long.");
            return (Self::Unknown, vec![Line::warning(text)]);
        }
        (Self::Custom { program: program.to_owned() }, Vec::new())
    }
}

/// The fields of an object, in order.
#[derive(Default)]
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Option<Self> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        serde_json::Deserializer::from_str(text).deserialize_map(InOrder).ok()
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.get())
    }

    fn object(&self, name: &str) -> Option<Self> {
        Self::of(self.get(name)?)
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?).ok()
    }
}

/// A message as JSON allows it: cJSON also takes a byte order mark and control
/// characters inside strings, and prints the latter escaped. `None` when it is
/// nested deeper than cJSON takes.
fn escaped(text: &str) -> Option<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut out = String::with_capacity(text.len());
    let (mut inside, mut backslash, mut depth) = (false, false, 0_usize);
    for c in text.chars() {
        match c {
            '\n' if inside => out.push_str("\\n"),
            '\r' if inside => out.push_str("\\r"),
            '\t' if inside => out.push_str("\\t"),
            c if inside && c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => {
                out.push(c);
                inside ^= c == '"' && !backslash;
                match c {
                    '{' | '[' if !inside => depth = depth.saturating_add(1),
                    '}' | ']' if !inside => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth > DEEPEST {
                    return None;
                }
            }
        }
        backslash = inside && c == '\\' && !backslash;
    }
    Some(out)
}

/// Gives the socket at `path` to the group of its folder, mode 0660; its device
/// and inode.
///
/// Who may write the folder, Wazuh's own user, can put something else there
/// right after it was bound: what is changed is what was looked at, and only a
/// socket of ours.
fn open_to_group(path: &Path) -> io::Result<(u64, u64)> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let at = rustix::fs::open(path, flags, Mode::empty())?;
    let found = rustix::fs::fstat(&at)?;
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket || found.st_uid != user.as_raw() {
        return Err(io::Error::other("something else was put in its place"));
    }
    let folder = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
    let folder = folder.map_or(group, |folder| Gid::from_raw(folder.gid()));
    let give = |group| rustix::fs::chownat(&at, "", Some(user), Some(group), AtFlags::EMPTY_PATH);
    // Only root, or a member, may give it to the folder's group.
    if give(folder).is_err() {
        give(group)?;
    }
    // A descriptor that is a path alone changes no mode itself.
    let magic = format!("/proc/self/fd/{}", at.as_raw_fd());
    std::fs::set_permissions(magic, std::fs::Permissions::from_mode(0o660))?;
    Ok((found.st_dev, found.st_ino))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
