//! Telling the service manager how the engine stands: `sd_notify(3)`.
//!
//! A datagram to the socket that `NOTIFY_SOCKET` names, with lines such as
//! `READY=1`. Without that variable nobody asked, and nothing is said.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with};
use rustix::time::{ClockId, clock_gettime};

/// Who is told. Clones tell the same one.
#[derive(Clone, Debug)]
pub struct Notify(Option<Arc<(OwnedFd, SocketAddrUnix)>>);

impl Notify {
    /// The service manager that started this process, when one did.
    #[must_use]
    pub fn from_environment() -> Self {
        let place = std::env::var_os("NOTIFY_SOCKET");
        place.map_or(Self(None), |place| {
            Self::to(&place).unwrap_or_else(|errno| {
                tracing::warn!(socket = ?place, %errno, "the service manager cannot be told anything");
                Self(None)
            })
        })
    }

    /// `@` begins an abstract name, as systemd writes it.
    fn to(place: &OsString) -> Result<Self, Errno> {
        let address = match place.as_bytes().split_first() {
            Some((b'@', name)) => SocketAddrUnix::new_abstract_name(name)?,
            Some((b'/', _)) => SocketAddrUnix::new(place.as_os_str())?,
            // Other families are for virtual machines.
            _ => return Err(Errno::AFNOSUPPORT),
        };
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(Self(Some(Arc::new((socket, address)))))
    }

    /// Orders are responded to.
    pub fn ready(&self) {
        self.say("READY=1\nSTATUS=responding\n");
    }

    /// The configuration is read again; [`Notify::ready`] follows.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"));
    }

    /// No new orders are taken.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=waiting for what is under way\n");
    }

    /// How the engine stands, in one line for people.
    pub fn status(&self, text: &str) {
        self.say(&format!("STATUS={}\n", text.replace(['\n', '\r'], " ")));
    }

    /// The engine is alive: it has done a round of its housekeeping.
    pub fn alive(&self) {
        self.say("WATCHDOG=1\n");
    }

    fn say(&self, lines: &str) {
        let Some((socket, address)) = self.0.as_deref() else { return };
        // Without waiting: a manager that does not read must not hold up the
        // engine. What it misses it asks for by its own timeouts.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        if let Err(errno) = sendto(socket, lines.as_bytes(), flags, address) {
            tracing::debug!(%errno, "the service manager did not take the message");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn it_is_told_by_path_and_by_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("riposte-notify-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (place, socket) in [(path.into_os_string(), by_path), (format!("@{name}").into(), by_name)] {
            let notify = Notify::to(&place).unwrap();
            notify.ready();
            assert!(heard(&socket).starts_with("READY=1\n"));
            notify.reloading();
            let said = heard(&socket);
            let (first, second) = said.trim_end().split_once('\n').unwrap();
            assert_eq!(first, "RELOADING=1");
            assert!(second.strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().unwrap() > 0);
            notify.alive();
            assert_eq!(heard(&socket), "WATCHDOG=1\n");
            notify.stopping();
            assert!(heard(&socket).starts_with("STOPPING=1\n"));
        }
    }

    #[test]
    fn a_manager_that_is_gone_or_none_is_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        drop(UnixDatagram::bind(&path).unwrap());
        Notify::to(&path.into_os_string()).unwrap().ready();
        Notify(None).ready();
        assert_eq!(Notify::to(&"vsock:2:1".into()).unwrap_err(), Errno::AFNOSUPPORT);
    }
}
