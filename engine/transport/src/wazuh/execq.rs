//! `queue/alerts/execq`: what reaches `wazuh-execd` (`os_execd/execd.c`,
//! `ExecdStart` and `ExecdRun`).
//!
//! A datagram is one message: a JSON object, perhaps with a NUL and anything
//! behind it. The agent's `wazuh-agentd` and a manager's `wazuh-analysisd`
//! send here; who they are is settled by the socket's owner and mode alone.

use std::fmt;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Gid, Uid};
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
        let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
        let folder = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
        let folder = folder.map_or(group, |folder| Gid::from_raw(folder.gid()));
        // Only root, or a member, may give it to the folder's group.
        if own(path, user, folder).is_err() {
            own(path, user, group)?;
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        if rustix::net::sockopt::socket_recv_buffer_size(&socket)? < BUFFER {
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket, BUFFER)?;
        }
        let bound = identity(path)?;
        Ok(Self { socket, path: path.to_owned(), bound })
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

fn own(path: &Path, user: Uid, group: Gid) -> io::Result<()> {
    Ok(rustix::fs::chown(path, Some(user), Some(group))?)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::parse(text.as_bytes()).unwrap()
    }

    fn refused(text: &[u8]) -> String {
        Message::parse(text).unwrap_err().text
    }

    #[test]
    fn a_message_is_an_object_with_a_command() {
        let wire = r#"{"version":1,"origin":{"name":"web7","module":"wazuh-analysisd"},"command":"block90","parameters":{"extra_args":[],"alert":{"data":{"srcip":"198.51.100.4"}}}}"#;
        let read = message(wire);
        assert_eq!(read.text, wire);
        assert_eq!(read.command, "block90");
        assert_eq!(read.origin.as_deref(), Some("web7"));
        assert_eq!(read.alert.as_deref(), Some(r#"{"data":{"srcip":"198.51.100.4"}}"#));
    }

    #[test]
    fn what_is_not_there_is_not_asked_for() {
        for text in [
            r#"{"command":"x"}"#,
            r#"{"command":"x","origin":{"name":null},"parameters":{"alert":5}}"#,
            r#"{"command":"x","origin":[],"parameters":[{"alert":{}}]}"#,
            r#"{"command":"x","origin":{"name":""}}"#,
        ] {
            let read = message(text);
            assert_eq!((read.origin, read.alert), (None, None), "{text}");
        }
    }

    #[test]
    fn the_end_of_the_object_is_the_end_of_the_message() {
        assert_eq!(message("{\"command\":\"x\"} }}trailing").command, "x");
        assert_eq!(message("{\"command\":\"x\"}\0{\"command\":\"y\"}").text, "{\"command\":\"x\"}");
        assert_eq!(message("\u{feff} {\"command\":\"x\"}").command, "x");
    }

    #[test]
    fn names_are_found_as_cjson_finds_them() {
        let text =
            r#"{"COMMAND":"first","command":"second","Origin":{"NAME":"n"},"Parameters":{"Alert":{}}}"#;
        let read = message(text);
        assert_eq!((read.command.as_str(), read.origin.as_deref()), ("first", Some("n")));
        assert_eq!(read.alert.as_deref(), Some("{}"));
    }

    #[test]
    fn control_characters_inside_strings_are_escaped() {
        let read = message("{\"command\":\"a\nb\",\n \"p\\\"\t\":\"\u{1}\"}");
        assert_eq!(read.command, "a\nb");
        assert_eq!(read.text, "{\"command\":\"a\\nb\",\n \"p\\\"\\t\":\"\\u0001\"}");
    }

    #[test]
    fn what_wazuh_refuses_is_refused_in_its_words() {
        assert_eq!(refused(b"hello"), "(1315): Invalid JSON message: 'hello'");
        assert_eq!(refused(b"{\"command\":"), "(1315): Invalid JSON message: '{\"command\":'");
        assert_eq!(
            refused(b"block90 - 198.51.100.4 -"),
            "(1315): Invalid JSON message: 'block90 - 198.51.100.4 -'"
        );
        assert_eq!(refused(b""), "(1315): Invalid JSON message: ''");
        for text in ["{}", "[]", "5", "{\"command\":null}", "{\"command\":[\"x\"]}"] {
            assert_eq!(refused(text.as_bytes()), format!("(1316): Invalid AR command: '{text}'"));
        }
        assert!(refused(b"\xff\xfe").starts_with("(1315): "));
        let deep = format!("{{\"command\":\"x\",\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        assert!(refused(deep.as_bytes()).starts_with("(1315): "));
    }

    fn find(command: &str, conf: &str) -> (Request, Vec<String>, bool) {
        let mut table = Table::read("known5 - here - 5\ngone0 - gone - 0\n", false, |name| name == "here").0;
        let mut asked = false;
        let (request, lines) = Request::find(command, &mut table, || {
            asked = true;
            let (table, lines) = Table::read(conf, false, |name| name == "here");
            (Some(table), lines)
        });
        (request, lines.into_iter().map(|line| line.text).collect(), asked)
    }

    #[test]
    fn a_known_name_needs_no_second_reading() {
        let known = Request::Known { program: "here".to_owned(), timeout: Duration::from_secs(5) };
        assert_eq!(find("known5", "!"), (known, Vec::new(), false));
        assert_eq!(find("gone0", "!"), (Request::Absent, Vec::new(), false));
        assert_eq!(find("restart-wazuh", "!"), (Request::Restart, Vec::new(), false));
    }

    #[test]
    fn an_unknown_name_makes_the_table_be_read_again() {
        let new = Request::Known { program: "here".to_owned(), timeout: Duration::ZERO };
        assert_eq!(find("new0", "new0 - here - 0\n"), (new, Vec::new(), true));
        let (request, lines, asked) = find("nosuch3", "oops\n");
        assert_eq!((request, asked), (Request::Unknown, true));
        assert_eq!(
            lines,
            [
                "(1313): Invalid active response config: 'etc/shared/ar.conf'.",
                "(1311): Invalid command name 'nosuch3' provided."
            ]
        );
    }

    #[test]
    fn a_bang_names_a_program() {
        let custom = |program: &str| Request::Custom { program: program.to_owned() };
        assert_eq!(find("!own.sh", "").0, custom("own.sh"));
        assert_eq!(find("!team/own.sh", "").0, custom("team/own.sh"));

        let (request, lines, _) = find("!a/../../own.sh", "");
        assert_eq!(request, Request::Unknown);
        let warning =
            "Active response command 'a/../../own.sh' vulnerable to directory traversal attack. Ignoring.";
        assert_eq!(lines, [warning, warning, "(1311): Invalid command name '!a/../../own.sh' provided."]);

        let long = "x".repeat(LONGEST_PATH - 19);
        assert_eq!(find(&format!("!{}", &long[1..]), "").0, custom(&long[1..]));
        let (request, lines, _) = find(&format!("!{long}"), "");
        assert_eq!(request, Request::Unknown);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], format!("Cannot execute command '{long}...': path too long."));
    }

    #[tokio::test]
    async fn datagrams_arrive_whole_or_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("execq");
        let queue = Execq::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let sender = UnixDatagram::unbound().unwrap();
        for length in [0, 1, LONGEST] {
            sender.send_to(&vec![b'x'; length], &path).await.unwrap();
            assert_eq!(queue.receive().await.unwrap(), Datagram::Whole(vec![b'x'; length]));
        }
        sender.send_to(&vec![b'x'; 71_680], &path).await.unwrap();
        assert_eq!(queue.receive().await.unwrap(), Datagram::TooLong(71_680));
    }

    #[tokio::test]
    async fn a_stolen_path_is_noticed_and_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("execq");
        let first = Execq::bind(&path).unwrap();
        assert_eq!(first.watch(), Standing::Ours);
        let second = Execq::bind(&path).unwrap();
        assert_eq!((first.watch(), second.watch()), (Standing::Stolen, Standing::Ours));
        drop(first);
        assert_eq!(second.watch(), Standing::Ours, "only one's own is removed");
        rustix::fs::unlink(&path).unwrap();
        assert_eq!(second.watch(), Standing::Removed);
        let third = Execq::bind(&path).unwrap();
        assert_eq!(third.watch(), Standing::Ours);
        drop(third);
        assert!(!path.exists());
    }
}
