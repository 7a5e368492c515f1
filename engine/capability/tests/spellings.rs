//! No spelling of a guarded address or user gets through a call, and none that
//! a lenient reader understands gets to a native program.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use proptest::prelude::*;
use riposte_capability::claim::Memory;
use riposte_capability::firewall::fake::Fake;
use riposte_capability::firewall::{self};
use riposte_capability::{Backends, Capabilities, Claims, Guard, Phase, Recorder, Session, Verdict};
use riposte_policy::config::Mode;
use riposte_policy::embedded::FORMS;
use riposte_policy::grant::{FirewallGrant, Grants, RouteGrant};
use riposte_policy::order::EntryId;

/// What the guard of these tests protects, beside loopback and the like.
const GUARDED: [&str; 6] = ["127.0.0.1", "192.0.2.53", "198.51.100.7", "10.1.2.3", "::1", "2001:db8::53"];

fn guard() -> Arc<Guard> {
    let guard = Guard::new();
    guard.set_white_list(GUARDED[1..].iter().map(|text| text.parse().unwrap()).collect());
    Arc::new(guard)
}

fn session() -> Session {
    let firewall = FirewallGrant { widest4: 0, widest6: 0, ..FirewallGrant::default() };
    let routes = RouteGrant { widest4: 0, widest6: 0, ..RouteGrant::default() };
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: Some(EntryId(1)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(Grants { firewall: Some(firewall), routes: Some(routes), ..Grants::default() }),
        record: Recorder::default(),
    }
}

/// Ways to write an IPv4 address, most of which only lenient readers know.
fn write4(v4: Ipv4Addr, way: usize) -> String {
    let [a, b, c, d] = v4.octets();
    let n = u32::from(v4);
    let low = n & 0xffff;
    match way {
        0 => v4.to_string(),
        1 => format!("::ffff:{v4}"),
        2 => format!("::{v4}"),
        3 => format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        4 => format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        5 => format!("{n:#x}"),
        6 => n.to_string(),
        7 => format!("0{n:o}"),
        8 => format!("{a}.{}", n & 0x00ff_ffff),
        9 => format!("{a}.{b}.{low}"),
        10 => format!("{a:03}.{b:03}.{c:03}.{d:03}"),
        11 => v4
            .to_string()
            .chars()
            .map(|c| if c == '.' { c } else { char::from_u32(u32::from(c) + 0xfee0).unwrap() })
            .collect(),
        12 => v4.to_string().replace('.', "\u{3002}"),
        13 => v4.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect(),
        14 => format!("0:0:0:0:0:ffff:{:x}:{:x}", n >> 16, low),
        _ => format!("::ffff:{:X}:{:X}", n >> 16, low),
    }
}

fn write6(v6: Ipv6Addr, way: usize) -> String {
    let parts = v6.segments().map(|part| format!("{part:04x}")).join(":");
    match way % 4 {
        0 => v6.to_string(),
        1 => parts.to_uppercase(),
        2 => v6.segments().map(|part| format!("{part:x}")).join(":"),
        _ => parts,
    }
}

/// What is put around an address.
fn around(text: &str, way: usize) -> String {
    match way {
        0 => text.to_owned(),
        1 => format!(" {text}"),
        2 => format!("{text}\n"),
        3 => format!("{text}\0"),
        4 => format!("[{text}]"),
        5 => format!("{text}."),
        6 => format!("{text}%eth0"),
        7 => format!("[{text}]:22"),
        8 => format!("root@{text}"),
        9 => format!("http://{text}/"),
        10 => format!("{text}/24"),
        11 => format!("{text}\u{200b}"),
        12 => format!("{text}/128"),
        13 => format!("{text}/32"),
        _ => format!("{text},203.0.113.9"),
    }
}

fn spelling() -> impl Strategy<Value = String> {
    (0..GUARDED.len(), 0..16_usize, 0..15_usize).prop_map(|(which, way, outside)| {
        let inner = match GUARDED[which].parse().unwrap() {
            IpAddr::V4(v4) => write4(v4, way),
            IpAddr::V6(v6) => write6(v6, way),
        };
        around(&inner, outside)
    })
}

/// An IPv6 address that stands for a guarded IPv4 one, or a network around it.
fn embedded() -> impl Strategy<Value = String> {
    (0..4_usize, 0..FORMS.len(), any::<u64>(), 96_u8..=128).prop_map(|(which, form, free, length)| {
        let IpAddr::V4(v4) = GUARDED[which].parse().unwrap() else { unreachable!() };
        let mut bits = u128::from(FORMS[form].write(v4));
        // What the form leaves open does not save anybody.
        if FORMS[form].name == "6to4" {
            bits |= u128::from(free);
        }
        // Where the address stands at the front, a network around it ends before 96.
        let length = if matches!(FORMS[form].name, "6to4") { 16 + (length - 96) } else { length };
        format!("{}/{length}", Ipv6Addr::from(bits))
    })
}

struct Bench {
    fake: Arc<Fake>,
    caps: Capabilities,
    runtime: tokio::runtime::Runtime,
}

fn bench() -> Bench {
    let claims = Arc::new(Memory::default());
    let fake = Arc::new(Fake::new(Arc::clone(&claims) as Arc<dyn Claims>));
    let backends = Backends::only_firewall(Arc::clone(&fake) as Arc<dyn firewall::Backend>);
    let caps = Capabilities::new(claims, backends, guard());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    Bench { fake, caps, runtime }
}

impl Bench {
    fn refuses(&self, address: &str) -> bool {
        let session = session();
        let blocked = self.runtime.block_on(self.caps.firewall().block(&session, address));
        let routed = self.runtime.block_on(self.caps.routes().blackhole(&session, address));
        // A route that the guard passes ends in a backend that is not there.
        let kept = |kind: &str| matches!(kind, "denied" | "invalid-input");
        blocked.is_err_and(|refusal| kept(refusal.kind))
            && routed.is_err_and(|refusal| kept(refusal.kind) || refusal.message.contains("not implemented"))
            && self.fake.blocked().is_empty()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn no_spelling_of_a_guarded_address_gets_through(text in spelling()) {
        thread_local!(static BENCH: Bench = bench());
        BENCH.with(|bench| {
            prop_assert!(bench.refuses(&text), "{text:?} was blocked");
            let verdict = bench.caps.guard().judge_text(&text);
            prop_assert!(matches!(verdict, Verdict::Never { .. }), "a program would get {text:?}");
            Ok(())
        })?;
    }

    #[test]
    fn nor_does_what_stands_for_one_in_ipv6(text in embedded()) {
        thread_local!(static BENCH: Bench = bench());
        BENCH.with(|bench| {
            prop_assert!(bench.refuses(&text), "{text} was blocked");
            Ok(())
        })?;
    }

    #[test]
    fn nor_does_a_guarded_user(
        which in 0..6_usize,
        upper in any::<u8>(),
        before in prop::sample::select(vec!["", " ", "+", "-", "~", "EXAMPLE\\", "/home/", "\u{200b}", "\t"]),
        after in prop::sample::select(vec!["", " ", "\n", "\0", "@example.com", "\u{200b}", ":x", ".", "\u{feff}"]),
        wide in any::<bool>(),
    ) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        #[allow(clippy::disallowed_methods, reason = "the test plays the administrator")]
        std::fs::write(
            root.path().join("etc/passwd"),
            "root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\ndaemon:x:1:1::/:/bin/sh\nnobody:x:65534:1::/:/bin/sh\n",
        )
        .unwrap();
        let name = ["root", "toor", "daemon", "nobody", "0", "00"][which];
        let name: String = name
            .chars()
            .enumerate()
            .map(|(at, c)| if upper & (1 << at) != 0 { c.to_ascii_uppercase() } else { c })
            .map(|c| if wide { char::from_u32(u32::from(c) + 0xfee0).unwrap() } else { c })
            .collect();
        let text = format!("{before}{name}{after}");
        let guard = Guard::with_root(root.path());
        let verdict = guard.judge_user_text(&text);
        prop_assert!(matches!(verdict, Verdict::Never { .. }), "a program would get {text:?}");
        // What a capability takes is a user name, or refused as none.
        if let Ok(user) = text.parse() {
            prop_assert!(guard.judge_user(&user) != Verdict::Pass, "{text:?} would be locked");
        }
    }
}
