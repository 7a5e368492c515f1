//! Any grants that the language can say, for property tests.

use std::path::PathBuf;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::language::{METHODS, PRIVILEGES};
use super::*;
use crate::address::Prefix;

pub(crate) fn grants() -> impl Strategy<Value = Grants> {
    let one =
        (digests(), option::of(firewall()), option::of(route()), option::of(account()), services(), lines());
    let two = (option::of(process()), vec(exec(), 0..3), option::of(state()), config(), secrets());
    let three =
        (option::of(quarantine()), option::of(isolation()), option::of(mail()), folders(), vec(http(), 0..3));
    (one, two, three).prop_map(|(one, two, three)| {
        let (digests, firewall, routes, accounts, services, lines) = one;
        let (processes, exec, state, config, secrets) = two;
        let (quarantine, isolation, mail, folders, http) = three;
        let mut mail = mail;
        // A password is one of the secrets.
        if let Some(mail) = &mut mail {
            mail.login =
                mail.login.take().zip(secrets.first()).map(|((user, _), secret)| (user, secret.name.clone()));
            if mail.login.is_some() && mail.security == MailSecurity::None {
                mail.security = MailSecurity::StartTls;
            }
        }
        Grants {
            digests,
            firewall,
            routes,
            accounts,
            services,
            lines,
            processes,
            exec,
            state,
            config,
            secrets,
            quarantine,
            isolation,
            mail,
            folders,
            http,
        }
    })
}

fn digests() -> impl Strategy<Value = Vec<Digest>> {
    vec(any::<[u8; 32]>().prop_map(Digest), 0..3)
}

pub(crate) fn firewall() -> impl Strategy<Value = FirewallGrant> {
    let backend = option::of(select(FirewallBackend::ALL.map(|(_, backend)| backend).to_vec()));
    let established = select(vec![Established::Starve, Established::Cut]);
    let widen = option::of(2_u32..=1_000);
    ("[a-z][a-z0-9_-]{0,14}", 0_u8..=32, 0_u8..=128, widen, backend, established, confirm()).prop_map(
        |(set, widest4, widest6, widen, backend, established, confirm)| FirewallGrant {
            set: set.parse().unwrap(),
            widest4,
            widest6,
            // Where there is a network to widen to.
            widen: widen.filter(|_| widest4 < 32 || widest6 < 128),
            backend,
            established,
            confirm,
        },
    )
}

pub(crate) fn route() -> impl Strategy<Value = RouteGrant> {
    (0_u8..=32, 0_u8..=128, confirm()).prop_map(|(widest4, widest6, confirm)| RouteGrant {
        widest4,
        widest6,
        confirm,
    })
}

fn confirm() -> impl Strategy<Value = Confirm> {
    let tcp = (host_or_address(), 1_u16..).prop_map(|(host, port)| Confirm::Tcp { host, port });
    prop_oneof![Just(Confirm::None), Just(Confirm::Gateway), Just(Confirm::Manager), tcp]
}

pub(crate) fn account() -> impl Strategy<Value = AccountGrant> {
    let sessions = select(vec![Sessions::Keep, Sessions::End]);
    (vec(pattern(), 1..4), vec(pattern(), 0..3), sessions)
        .prop_map(|(users, except, sessions)| AccountGrant { users, except, sessions })
}

/// Of few letters, so that some of them fit what is asked.
fn pattern() -> impl Strategy<Value = Pattern> {
    "[ab*é&\"<-]{1,4}".prop_map(|text| Pattern::new(&text))
}

pub(crate) fn services() -> impl Strategy<Value = Vec<ServiceGrant>> {
    let actions = subsequence(ServiceAction::ALL.map(|(_, action)| action).to_vec(), 1..=4);
    let one = ("[ab]{1,2}", actions)
        .prop_map(|(unit, actions)| ServiceGrant { unit: format!("{unit}.service"), actions });
    vec(one, 0..3).prop_map(|all| unique(all, |one| one.unit.clone()))
}

pub(crate) fn lines() -> impl Strategy<Value = Vec<LinesGrant>> {
    let pattern = "[ab*]( ?[ab*:<\"]){0,3}".prop_map(|text| Pattern::new(&text));
    let one = (path(), vec(pattern, 1..3)).prop_map(|(file, lines)| LinesGrant { file, lines });
    vec(one, 0..3).prop_map(|all| unique(all, |one| one.file.clone()))
}

pub(crate) fn process() -> impl Strategy<Value = ProcessGrant> {
    (vec(pattern(), 1..3), vec(pattern(), 0..3)).prop_map(|(names, except)| ProcessGrant { names, except })
}

pub(crate) fn exec() -> impl Strategy<Value = ExecGrant> {
    let words = vec("[ab*-]{1,3}", 0..4).prop_map(|words| Arguments::new(words.iter().map(String::as_str)));
    let confined = (vec(path(), 0..3), subsequence(PRIVILEGES.to_vec(), 0..3)).prop_map(|(write, kept)| {
        let capabilities = kept.into_iter().map(str::to_owned).collect();
        Confinement::Confined { write, capabilities, new_privileges: NewPrivileges::Refused }
    });
    let isolated = vec(path(), 0..3).prop_map(|write| Confinement::Isolated { write });
    let confinement = prop_oneof![Just(Confinement::Default), confined, isolated];
    (path(), words, confinement).prop_map(|(program, arguments, confinement)| ExecGrant {
        program,
        arguments,
        confinement,
    })
}

fn state() -> impl Strategy<Value = StateGrant> {
    amount().prop_map(|size| StateGrant { size })
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![1024_u64..=64 << 20, (1_u64..=64).prop_map(|mebi| mebi << 20)]
}

fn config() -> impl Strategy<Value = Vec<ConfigValue>> {
    // Everything that XML can hold.
    let value = "[\\PC\t\n\r]{0,12}";
    let one = (name(), value).prop_map(|(name, value)| ConfigValue { name, value });
    vec(one, 0..3).prop_map(|all| unique(all, |one| one.name.clone()))
}

fn secrets() -> impl Strategy<Value = Vec<SecretGrant>> {
    let source = prop_oneof![path().prop_map(SecretSource::File), name().prop_map(SecretSource::Credential)];
    let one = (name(), source).prop_map(|(name, source)| SecretGrant { name, source });
    vec(one, 0..3).prop_map(|all| unique(all, |one| one.name.clone()))
}

pub(crate) fn quarantine() -> impl Strategy<Value = QuarantineGrant> {
    vec(path(), 1..4).prop_map(|folders| QuarantineGrant { folders })
}

fn isolation() -> impl Strategy<Value = IsolationGrant> {
    let prefix = (any::<std::net::IpAddr>(), 1_u8..=128).prop_map(|(ip, length)| {
        let address = crate::address::Address::from(ip);
        Prefix::new(address, length).unwrap_or_else(|| address.into())
    });
    (vec(prefix, 0..3), confirm()).prop_map(|(allow, confirm)| IsolationGrant { allow, confirm })
}

fn mail() -> impl Strategy<Value = MailGrant> {
    let security = select(vec![MailSecurity::None, MailSecurity::StartTls, MailSecurity::Tls]);
    let mailbox = "[ab+]{1,2}@[ab]\\.example";
    let server = prop_oneof![host_or_address(), Just("localhost".to_owned()), Just("127.0.0.1".to_owned())];
    let login = option::of(("[a-z &]{0,3}[a-z]", name()));
    (server, 1_u16.., security, mailbox, vec(mailbox, 1..3), login, option::of(path())).prop_map(
        |(server, port, security, from, to, login, ca)| {
            let login = login.map(|(user, secret)| (user.trim().to_owned(), secret));
            let ca = ca.filter(|_| security != MailSecurity::None);
            MailGrant { server, port, security, from, to, login, ca }
        },
    )
}

pub(crate) fn folders() -> impl Strategy<Value = Vec<FolderGrant>> {
    let one = (path(), select(vec![Access::Read, Access::Write]))
        .prop_map(|(path, access)| FolderGrant { path, access });
    vec(one, 0..3).prop_map(|all| unique(all, |one| one.path.clone()))
}

pub(crate) fn http() -> impl Strategy<Value = HttpGrant> {
    let host = prop_oneof![host_or_address(), "\\*\\.[ab]\\.example"];
    let methods = subsequence(METHODS.to_vec(), 1..=3);
    let private = select(vec![PrivateNetworks::Refused, PrivateNetworks::Allowed]);
    let one = (host, prop_oneof![Just(443_u16), Just(80), 1_u16..], any::<bool>(), methods, private);
    let two = (option::of(path()), amount(), amount(), (1_u64..=600_000).prop_map(Duration::from_millis));
    (one, two).prop_map(|((host, port, tls, methods, private), (ca, request, response, time))| HttpGrant {
        host,
        port,
        tls,
        methods: methods.into_iter().map(str::to_owned).collect(),
        private,
        ca: ca.filter(|_| tls),
        request,
        response,
        time,
    })
}

fn host_or_address() -> impl Strategy<Value = String> {
    prop_oneof![
        "([ab]\\.){0,2}example",
        any::<std::net::IpAddr>().prop_map(|ip| crate::address::Address::from(ip).to_string()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9_.-]{0,8}"
}

/// Of few parts, so that some of them are the same, or lie in each other.
fn path() -> impl Strategy<Value = PathBuf> {
    vec("[ab]|c&\"d|é", 1..4).prop_map(|parts| PathBuf::from(format!("/{}", parts.join("/"))))
}

/// The first of those that share a key: two would be an error.
fn unique<T, K: PartialEq>(all: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for one in all {
        if kept.iter().all(|earlier| key(earlier) != key(&one)) {
            kept.push(one);
        }
    }
    kept
}
