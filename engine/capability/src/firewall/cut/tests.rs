//! Open connections, in a network namespace of each test's own.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use super::*;
use crate::firewall::iptables::Programs;
use crate::firewall::reconciled::Family;
use crate::namespace;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// A connection from `from` to `listener`: the client's end, the server's end.
fn connected(listener: &TcpListener, from: &str) -> (TcpStream, TcpStream) {
    let to = listener.local_addr().unwrap();
    let family = if from.contains(':') { AddressFamily::INET6 } else { AddressFamily::INET };
    let client = socket(family, SocketType::STREAM, None).unwrap();
    bind(&client, &SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    let port = to.port();
    let address = if from.contains(':') { "::1" } else { "127.0.0.1" };
    connect(&client, &SocketAddr::new(address.parse().unwrap(), port)).unwrap();
    let (server, _) = listener.accept().unwrap();
    let mut client = TcpStream::from(client);
    client.write_all(b"x").unwrap();
    let mut byte = [0];
    (&server).read_exact(&mut byte).unwrap();
    (client, server)
}

/// A closed socket says so at once; an open one has nothing to say.
fn is_open(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    stream.read(&mut [0]).map_or_else(|error| error.kind() == ErrorKind::WouldBlock, |_| false)
}

#[test]
fn sockets_with_that_peer_are_closed_and_no_others() {
    namespace::within(async || {
        namespace::add_address("2001:db8::9");
        for (listen, cut, other, around) in [
            ("127.0.0.1:0", "127.0.0.9", "127.0.0.8", "127.0.0.9"),
            ("127.0.0.1:0", "127.0.1.9", "127.0.2.9", "127.0.1.0/24"),
            // IPv4 peers of an IPv6 socket.
            ("[::]:0", "127.0.0.9", "127.0.0.8", "127.0.0.9"),
            ("[::1]:0", "2001:db8::9", "::1", "2001:db8::/64"),
        ] {
            let listener = TcpListener::bind(listen).unwrap();
            let (_client, server) = connected(&listener, cut);
            let (_other, kept) = connected(&listener, other);
            assert!(is_open(&server) && is_open(&kept));
            super::cut(prefix(around)).await.unwrap();
            assert!(!is_open(&server), "{listen}: {cut} by {around}");
            assert!(is_open(&kept), "{listen}: {other}");
            // The listener is none of theirs.
            let _again = connected(&listener, other);
        }
    });
}

#[test]
fn what_nobody_is_connected_to_is_cut_already() {
    namespace::within(async || {
        assert_eq!(now(prefix("192.0.2.7")).unwrap(), Cut::default());
    });
}

#[test]
fn what_the_kernel_tracks_is_forgotten() {
    namespace::within(async || {
        // Tracking begins where a rule asks for it.
        let programs = Programs::find("-legacy").unwrap();
        programs.write(Family::V4, "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_client, server) = connected(&listener, "127.0.0.9");
        let (_other, kept) = connected(&listener, "127.0.0.8");
        assert_eq!(tracked::forget(prefix("127.0.0.7")), Ok(0));
        assert_eq!(tracked::forget(prefix("127.0.0.9")), Ok(1));
        assert_eq!(tracked::forget(prefix("127.0.0.9")), Ok(0));
        assert_eq!(tracked::forget(prefix("127.0.0.0/28")), Ok(1));
        assert!(is_open(&server) && is_open(&kept), "sockets are another matter");
    });
}
