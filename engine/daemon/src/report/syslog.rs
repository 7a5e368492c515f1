//! Copies of the audit for a server of syslog, as messages of RFC 5424.
//!
//! A thread of its own sends them. The audit never waits for a network: what
//! does not fit into the queue is dropped, counted and reported; signed heads,
//! which say how many lines there are, let the other side see that too.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use riposte_ledger::audit::{Copies, Event};
use riposte_ledger::clock::Clock;
use riposte_policy::config::{Syslog, SyslogServer};

use super::time;

/// Messages waiting to be sent to one server.
const QUEUE: usize = 8_192;
/// Longest datagram: what every server takes is 2,048 bytes (RFC 5424, 6.1),
/// what UDP carries unfragmented less; longer ones go all the same.
const LONGEST: usize = 60_000;
/// How long a server may take to connect or to take a message.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before a server that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// Facility log audit (13), as RFC 5424 numbers them.
const FACILITY: u8 = 13;
const NOTICE: u8 = 5;
const INFORMATIONAL: u8 = 6;

/// Sends copies to every server.
pub(super) struct Sending(Vec<Line>);

/// The queue to one server.
struct Line {
    events: bool,
    clock: Arc<dyn Clock>,
    host: String,
    messages: Option<SyncSender<String>>,
    dropped: Arc<AtomicU64>,
    /// Set when a server that fails is not to be tried again.
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sending {
    /// Begins to send to these servers; `None` when there are none.
    pub(super) fn start(
        servers: &[Syslog],
        host: &str,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, String> {
        let lines: Result<Vec<_>, _> =
            servers.iter().map(|server| Line::start(server, host, clock)).collect();
        let lines = lines.map_err(|error| format!("cannot send copies of the audit: {error}"))?;
        Ok((!lines.is_empty()).then_some(Self(lines)))
    }
}

impl Copies for Sending {
    fn line(&self, event: &Event, line: &str) {
        for to in self.0.iter().filter(|to| to.events) {
            to.send(INFORMATIONAL, &event.kind, line.trim_end());
        }
    }

    fn head(&self, line: &str) {
        for to in &self.0 {
            to.send(NOTICE, "audit-head", line);
        }
    }
}

impl Line {
    fn start(server: &Syslog, host: &str, clock: &Arc<dyn Clock>) -> std::io::Result<Self> {
        let (messages, queued) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let ends = Arc::new(AtomicBool::new(false));
        let (to, count, end) = (server.to.clone(), Arc::clone(&dropped), Arc::clone(&ends));
        let thread = std::thread::Builder::new()
            .name("audit-copies".to_owned())
            .spawn(move || send(&to, &queued, &count, &end))?;
        Ok(Self {
            events: server.events,
            clock: Arc::clone(clock),
            host: host.to_owned(),
            messages: Some(messages),
            dropped,
            ends,
            thread: Some(thread),
        })
    }

    fn send(&self, severity: u8, id: &str, text: &str) {
        let message = message(severity, self.clock.now().wall_ms, &self.host, id, text);
        if self.messages.as_ref().is_none_or(|messages| messages.try_send(message).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Line {
    /// Sends what is queued, when that works at once.
    fn drop(&mut self) {
        self.messages = None;
        self.ends.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panicked thread has nothing more to send.
            let _ = thread.join();
        }
    }
}

/// One message: header, no structured data, and the line as UTF-8.
fn message(severity: u8, wall_ms: i64, host: &str, id: &str, text: &str) -> String {
    let priority = FACILITY * 8 + severity;
    // Each field is of printable ASCII without blanks (RFC 5424, 6).
    let plain = |text: &str, most: usize| -> String {
        let plain: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
        if plain.is_empty() { "-".to_owned() } else { plain }
    };
    let (host, id) = (plain(host, 255), plain(id, 32));
    let mut out = format!("<{priority}>1 {} {host} riposte {} {id} - ", time(wall_ms), std::process::id());
    // Writing to a string does not fail.
    let _ = write!(out, "{text}");
    out
}

/// Sends until nobody can queue any more. A message that a server did not take
/// is sent again; what comes meanwhile waits in the queue.
fn send(to: &SyslogServer, queued: &Receiver<String>, dropped: &AtomicU64, ends: &AtomicBool) {
    let (mut wire, mut failing) = (None, false);
    let mut waiting: Option<String> = None;
    let mut reported = 0;
    loop {
        let message = match waiting.take() {
            Some(message) => message,
            None => match queued.recv() {
                Ok(message) => message,
                Err(_) => return,
            },
        };
        match hand_over(&mut wire, to, &message) {
            Ok(()) => {
                if failing {
                    tracing::info!(to = ?to, "copies of the audit are taken again");
                }
                failing = false;
            }
            Err(error) => {
                if !failing {
                    tracing::error!(to = ?to, %error, "copies of the audit are not taken; tried again");
                }
                (wire, failing) = (None, true);
                waiting = Some(message);
                // Ended early when the engine ends.
                std::thread::park_timeout(AGAIN);
                if ends.load(Ordering::Acquire) {
                    return;
                }
            }
        }
        let lost = dropped.load(Ordering::Relaxed);
        if !failing && lost > reported {
            tracing::warn!(to = ?to, lost = lost - reported, "copies of the audit were dropped: their queue was full");
            reported = lost;
        }
    }
}

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Unix(UnixDatagram),
}

fn hand_over(wire: &mut Option<Wire>, to: &SyslogServer, message: &str) -> std::io::Result<()> {
    let wire = match wire {
        Some(wire) => wire,
        None => wire.insert(open(to)?),
    };
    let cut = message.get(..message.floor_char_boundary(LONGEST)).unwrap_or(message);
    match wire {
        Wire::Udp(socket) => socket.send(cut.as_bytes()).map(drop),
        Wire::Unix(socket) => socket.send(cut.as_bytes()).map(drop),
        // The length in front keeps messages apart, whatever they hold.
        Wire::Tcp(stream) => stream.write_all(format!("{} {message}", message.len()).as_bytes()),
    }
}

fn open(to: &SyslogServer) -> std::io::Result<Wire> {
    match to {
        SyslogServer::Udp(address) => {
            let to = resolve(address)?;
            let any: std::net::IpAddr = match to {
                std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
                std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect(to)?;
            Ok(Wire::Udp(socket))
        }
        SyslogServer::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&resolve(address)?, PATIENCE)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Wire::Tcp(stream))
        }
        SyslogServer::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.set_write_timeout(Some(PATIENCE))?;
            socket.connect(path)?;
            Ok(Wire::Unix(socket))
        }
    }
}

fn resolve(address: &str) -> std::io::Result<std::net::SocketAddr> {
    let mut found = address.to_socket_addrs()?;
    found.next().ok_or_else(|| std::io::Error::other("the name has no address"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use riposte_ledger::ManualClock;

    use super::*;

    fn sending(to: SyslogServer, events: bool) -> Sending {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
        Sending::start(&[Syslog { to, events }], "web 1", &clock).unwrap().unwrap()
    }

    fn event() -> Event {
        Event { kind: "in-force".into(), ..Event::default() }
    }

    #[test]
    fn a_message_is_of_the_standard() {
        let begin =
            format!("<110>1 2026-01-01T12:00:00.000Z web1 riposte {} in-force - {{}}", std::process::id());
        assert_eq!(message(6, 1_767_268_800_000, "web 1", "in-force", "{}"), begin);
        assert!(message(5, 0, "", "", "").starts_with("<109>1 1970-01-01T00:00:00.000Z - riposte "));
    }

    #[test]
    fn datagrams_and_streams_carry_them() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sending_udp = sending(SyslogServer::Udp(server.local_addr().unwrap().to_string()), true);
        sending_udp.line(&event(), "{\"a\":1}\n");
        sending_udp.head("{\"count\":1}");
        let mut buffer = [0; 2_048];
        for end in ["{\"a\":1}", "{\"count\":1}"] {
            let length = server.recv(&mut buffer).unwrap();
            assert!(std::str::from_utf8(&buffer[..length]).unwrap().ends_with(end));
        }
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let heads_only = sending(SyslogServer::Tcp(server.local_addr().unwrap().to_string()), false);
        heads_only.line(&event(), "{}");
        heads_only.head("{\"count\":2}");
        let (mut stream, _) = server.accept().unwrap();
        drop(heads_only);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (length, message) = text.split_once(' ').unwrap();
        assert_eq!(length.parse(), Ok(message.len()));
        assert!(
            message.starts_with("<109>1 ") && message.ends_with(" audit-head - {\"count\":2}"),
            "{message}"
        );
    }

    #[test]
    fn a_server_that_is_not_there_holds_up_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let sending = sending(SyslogServer::Unix(path.clone()), true);
        for _ in 0..QUEUE * 2 {
            sending.line(&event(), "{}");
        }
        assert!(sending.0[0].dropped.load(Ordering::Relaxed) > 0);
    }
}
