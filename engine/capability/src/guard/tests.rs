//! What the guard says, rule by rule.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;

fn rule(guard: &Guard, text: &str) -> Option<&'static str> {
    match guard.judge(text.parse().unwrap()) {
        Verdict::Pass => None,
        Verdict::Never { rule, .. } => Some(rule),
    }
}

#[test]
fn what_no_host_may_block() {
    let guard = Guard::new();
    for (text, expected) in [
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("127.1.2.0/24", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("0.0.0.0/24", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0/0", "loopback"),
        ("::/0", "loopback"),
        ("198.51.100.0/23", "broad-network"),
        ("2001:db8::/47", "broad-network"),
    ] {
        assert_eq!(rule(&guard, text), Some(expected), "{text}");
    }
    for text in
        ["126.255.255.255", "128.0.0.0", "::2:0:0:1", "223.255.255.255", "198.51.100.0/24", "2001:db8::/48"]
    {
        assert_eq!(rule(&guard, text), None, "{text}");
    }
}

#[test]
fn lists_protect_from_inside_and_outside_and_are_replaced() {
    let guard = Guard::new();
    guard.set_white_list(vec!["198.51.100.7".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]);
    guard.set_allows(vec!["203.0.113.9".parse().unwrap()]);
    assert_eq!(rule(&guard, "198.51.100.7"), Some("white_list"));
    assert_eq!(rule(&guard, "198.51.100.0/24"), Some("white_list"));
    assert_eq!(rule(&guard, "10.200.3.4"), Some("white_list"));
    assert_eq!(rule(&guard, "203.0.113.9"), Some("allow"));
    assert_eq!(rule(&guard, "203.0.113.8"), None);
    guard.set_white_list(vec!["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(rule(&guard, "198.51.100.7"), None);
    assert_eq!(rule(&guard, "192.0.2.200"), Some("white_list"));
    assert_eq!(rule(&guard, "203.0.113.9"), Some("allow"));
}

#[test]
fn only_root_is_known_to_be_untouchable() {
    let guard = Guard::new();
    assert!(matches!(guard.judge_user(&"root".parse().unwrap()), Verdict::Never { rule: "root", .. }));
    assert_eq!(guard.judge_user(&"mallory".parse().unwrap()), Verdict::Pass);
}

#[cfg(target_os = "linux")]
#[test]
fn a_hosts_own_addresses_and_gateways() {
    crate::namespace::within(async || {
        let guard = Guard::new();
        guard.refresh();
        assert_eq!(rule(&guard, "203.0.113.7"), None);
        crate::namespace::add_address("203.0.113.7");
        crate::namespace::add_address("2001:db8::7");
        crate::namespace::add_gateway("198.51.100.1");
        guard.refresh();
        for (text, expected) in [
            ("203.0.113.7", Some("own-address")),
            ("203.0.113.0/24", Some("own-address")),
            ("203.0.113.8", None),
            ("2001:db8::7", Some("own-address")),
            ("2001:db8::8", None),
            ("198.51.100.1", Some("gateway")),
            ("198.51.100.2", None),
        ] {
            assert_eq!(rule(&guard, text), expected, "{text}");
        }
    });
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

#[test]
fn an_address_is_guarded_in_every_form() {
    let guard = Guard::new();
    guard.set_white_list(vec![prefix("198.51.100.7")]);
    for (text, expected) in [
        ("2002:c633:6407::1", Some("white_list")),
        ("2002:c633:6407::/48", Some("white_list")),
        ("2002:c633:6408::/48", None),
        ("64:ff9b::198.51.100.7", Some("white_list")),
        ("64:ff9b::198.51.100.0/120", Some("white_list")),
        ("64:ff9b::203.0.113.0/120", None),
        ("64:ff9b::203.0.0.0/112", Some("broad-network")),
        ("64:ff9b:1:aaaa:bbbb:cccc:198.51.100.7", Some("white_list")),
        ("64:ff9b:1:aaaa:bbbb:cccc:203.0.113.7", None),
        ("2001:0:1:2:3:4:39cc:9bf8", Some("white_list")),
        ("2001:db8::5efe:198.51.100.7", Some("white_list")),
        ("2001:db8::200:5efe:198.51.100.7", Some("white_list")),
        ("2001:db8::5efe:203.0.113.7", None),
        ("2001:db8:0:1::/64", None),
        ("2002:7f00:1::1", Some("loopback")),
        ("2002:7f00:1:1::/64", Some("loopback")),
        ("2001:0:1:2:3:4:80ff:fffe", Some("loopback")),
        ("2001::/48", Some("loopback")),
        ("64:ff9b:1::/48", Some("loopback")),
        ("64:ff9b::/96", Some("loopback")),
    ] {
        assert_eq!(rule(&guard, text), expected, "{text}");
    }
    let Verdict::Never { detail, .. } = guard.judge(prefix("2002:c633:6407::1")) else { panic!() };
    assert_eq!(detail, "6to4 leads to 198.51.100.7: 198.51.100.7 is on the configuration's white_list");
}

/// Hears of overrides.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Witness for Heard {
    fn denied(&self, _: &crate::witness::Denied<'_>) {}

    fn overridden(&self, rule: &str, target: &str, reason: &str) {
        self.0.lock().unwrap().push(format!("{rule} {target} {reason}"));
    }

    fn unconfirmed(&self, _: &crate::witness::Denied<'_>) {}
}

#[test]
fn settings_protect_and_overrides_are_heard() {
    let config = riposte_policy::Config::read(&[riposte_policy::config::Source::new(
        "riposte.conf",
        "<riposte><guard><trusted_proxies>192.0.2.0/28</trusted_proxies><manager>192.0.2.100</manager>
        <broker>192.0.2.101</broker>
        <override rule='manager' address='192.0.2.100/31' reason='replaced'/>
        <override rule='trusted-proxy' address='192.0.2.1' reason='no longer ours'/></guard></riposte>",
    )]);
    assert!(!config.has_errors(), "{:?}", config.diagnostics);
    let guard = Guard::new();
    let heard = Arc::new(Heard::default());
    guard.tell(Arc::clone(&heard) as Arc<dyn Witness>);
    guard.set(config.settings.guard);
    assert_eq!(rule(&guard, "192.0.2.2"), Some("trusted-proxy"));
    assert_eq!(rule(&guard, "192.0.2.101"), Some("broker"));
    assert_eq!(guard.managers(), [prefix("192.0.2.100")]);
    assert_eq!(guard.superiors(), [prefix("192.0.2.100"), prefix("192.0.2.101")]);
    assert_eq!(guard.name_servers(), []);
    assert!(heard.0.lock().unwrap().is_empty());
    assert_eq!(rule(&guard, "192.0.2.1"), None);
    assert_eq!(rule(&guard, "192.0.2.100"), None);
    // Wider than the exception.
    assert_eq!(rule(&guard, "192.0.2.0/29"), Some("trusted-proxy"));
    assert_eq!(rule(&guard, "192.0.2.96/29"), Some("manager"));
    assert_eq!(
        *heard.0.lock().unwrap(),
        ["trusted-proxy 192.0.2.1 no longer ours", "manager 192.0.2.100 replaced"]
    );
    guard.set(Guarding::default());
    assert_eq!(rule(&guard, "192.0.2.2"), None);
    assert!(guard.managers().is_empty());
}

#[test]
fn a_name_without_an_address_takes_nothing_from_the_others() {
    let guard = Guard::new();
    let settings = Guarding {
        managers: ["localhost", "no-such-host.invalid", "192.0.2.10"].map(str::to_owned).into(),
        ..Guarding::default()
    };
    guard.set(settings.clone());
    assert_eq!(guard.managers(), [prefix("192.0.2.10")]);
    guard.resolve();
    let found = guard.managers();
    assert!(found.iter().any(|one| one.network().ip().is_loopback()), "{found:?}");
    assert!(found.contains(&prefix("192.0.2.10")), "{found:?}");
    // The same settings read again forget nothing.
    guard.set(settings);
    assert_eq!(guard.managers(), found);
}

#[cfg(target_os = "linux")]
#[test]
fn peers_of_managers_are_known_as_soon_as_they_are_connected() {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    crate::namespace::within(async || {
        // What is loopback is guarded anyway, so that the peers are told apart
        // by the lists and not by verdicts.
        for address in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
            crate::namespace::add_address(address);
        }
        let accounts = Accounts::below("/".into());
        let manager = TcpListener::bind("203.0.113.1:1514").unwrap();
        let other = TcpListener::bind("203.0.113.3:1599").unwrap();
        let mut agent = TcpStream::connect("203.0.113.1:1514").unwrap();
        let _other = TcpStream::connect("203.0.113.3:1599").unwrap();
        let (mut accepted, _) = manager.accept().unwrap();
        let _accepted = other.accept().unwrap();
        let peers = peers::read(&accounts).unwrap();
        assert_eq!(peers.managers, [prefix("203.0.113.1")]);
        // It has been told nothing yet: it may be anybody.
        assert_eq!(peers.agents, []);
        accepted.write_all(b"ack").unwrap();
        agent.read_exact(&mut [0; 3]).unwrap();
        // It is acknowledged when the kernel gets to it.
        let peers = once_it_is(&accounts, |peers| !peers.agents.is_empty()).await;
        assert_eq!(peers.agents, [prefix("203.0.113.1")]);
        assert_eq!(peers.administrators, []);
        drop((agent, accepted));
        // It is closed when the kernel gets to it.
        once_it_is(&accounts, |peers| peers.managers.is_empty()).await;
    });
}

/// What the kernel shows, once it is so; a test where it never is ends too.
async fn once_it_is(accounts: &Accounts, so: impl Fn(&peers::Peers) -> bool) -> peers::Peers {
    for _ in 0..100_000 {
        let peers = peers::read(accounts).unwrap();
        if so(&peers) {
            return peers;
        }
        tokio::task::yield_now().await;
    }
    panic!("the kernel never shows it");
}

#[test]
fn connections_are_read_when_the_view_is_too_old() {
    let connections = Connections::default();
    assert!(!connections.is_old());
    connections.begin();
    assert!(connections.is_old());
    connections.read_since(connections.elapsed());
    assert!(!connections.is_old());
    connections.begin();
    assert!(!connections.is_old());
    // One that began long ago and took long is good for as long again.
    connections.read_since(Duration::ZERO);
    assert_eq!(connections.until.load(Ordering::Relaxed), u64::try_from(FRESH.as_nanos()).unwrap());
}
