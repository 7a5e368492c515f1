//! Grants narrow only: whatever is added to a `<capabilities>` as a restriction,
//! nothing passes that did not pass before.
//!
//! A restriction is one more exception, one pattern, folder, method, action or
//! element fewer, a longer prefix, a lower limit. Each is made at random to any
//! grants, and any call is asked about before and after.

use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::address::Prefix;
use crate::user::UserName;

/// One call of a component, as far as grants decide about it.
#[derive(Clone, Debug)]
enum Call {
    Block(Prefix),
    Route(Prefix),
    Lock(UserName),
    EndSessions(UserName),
    Service(String, ServiceAction),
    Line(PathBuf, String),
    Kill(String),
    Run(PathBuf, Vec<String>),
    Keep(u64),
    Config(String),
    Secret(String),
    Quarantine(PathBuf),
    Isolate(Prefix),
    Mail(String),
    File(PathBuf, Access),
    Http { tls: bool, host: String, port: u16, method: String, bytes: u64 },
}

impl Grants {
    /// Whether a call passes: the one place that says it for all grants.
    fn allow(&self, call: &Call) -> bool {
        match call {
            Call::Block(target) => self.firewall.iter().any(|grant| grant.allows(*target)),
            Call::Route(target) => self.routes.iter().any(|grant| grant.allows(*target)),
            Call::Lock(user) => self.accounts.iter().any(|grant| grant.allows(user)),
            Call::EndSessions(user) => self.accounts.iter().any(|grant| grant.may_end_sessions(user)),
            Call::Service(unit, action) => self.services.iter().any(|grant| grant.allows(unit, *action)),
            Call::Line(file, line) => self.lines.iter().any(|grant| grant.allows(file, line)),
            Call::Kill(name) => self.processes.iter().any(|grant| grant.allows(name)),
            Call::Run(program, arguments) => {
                self.exec.iter().any(|grant| grant.is_for(program) && grant.allows(arguments))
            }
            Call::Keep(bytes) => self.state.iter().any(|grant| *bytes <= grant.size),
            Call::Config(name) => ConfigValue::of(&self.config, name).is_some(),
            Call::Secret(name) => SecretGrant::of(&self.secrets, name).is_some(),
            Call::Quarantine(path) => self.quarantine.iter().any(|grant| grant.allows(path)),
            // Who stays reachable is what an isolation does not cut off.
            Call::Isolate(peer) => {
                self.isolation.iter().any(|grant| !grant.allow.iter().any(|allowed| allowed.contains(*peer)))
            }
            Call::Mail(to) => self.mail.iter().any(|grant| grant.to.contains(to)),
            Call::File(path, access) => self.folders.iter().any(|grant| grant.allows(path, *access)),
            Call::Http { tls, host, port, method, bytes } => self
                .http
                .iter()
                .any(|grant| grant.allows(*tls, host, *port, method) && *bytes <= grant.request),
        }
    }
}

/// One restriction more, chosen by `which`; what a grant does not have stays.
fn restrict(grants: &mut Grants, which: usize, pick: Index, word: &str, number: u8) {
    fn drop_one<T>(from: &mut Vec<T>, pick: Index) {
        if !from.is_empty() {
            from.remove(pick.index(from.len()));
        }
    }
    fn some<T>(from: &mut [T], pick: Index) -> Option<&mut T> {
        if from.is_empty() { None } else { from.get_mut(pick.index(from.len())) }
    }
    let longer = |bits: &mut u8, full: u8| *bits = bits.saturating_add(number).min(full);
    match which % RESTRICTIONS {
        0 => grants.firewall.iter_mut().for_each(|grant| longer(&mut grant.widest4, 32)),
        1 => grants.firewall.iter_mut().for_each(|grant| longer(&mut grant.widest6, 128)),
        2 => grants.firewall = None,
        3 => grants.routes.iter_mut().for_each(|grant| longer(&mut grant.widest4, 32)),
        4 => grants.routes.iter_mut().for_each(|grant| longer(&mut grant.widest6, 128)),
        5 => grants.routes = None,
        6 => grants.accounts.iter_mut().for_each(|grant| grant.except.push(Pattern::new(word))),
        7 => grants.accounts.iter_mut().for_each(|grant| drop_one(&mut grant.users, pick)),
        8 => grants.accounts.iter_mut().for_each(|grant| grant.sessions = Sessions::Keep),
        9 => {
            some(&mut grants.services, pick).into_iter().for_each(|grant| drop_one(&mut grant.actions, pick));
        }
        10 => drop_one(&mut grants.services, pick),
        11 => some(&mut grants.lines, pick).into_iter().for_each(|grant| drop_one(&mut grant.lines, pick)),
        12 => drop_one(&mut grants.lines, pick),
        13 => grants.processes.iter_mut().for_each(|grant| grant.except.push(Pattern::new(word))),
        14 => grants.processes.iter_mut().for_each(|grant| drop_one(&mut grant.names, pick)),
        15 => {
            // A pattern of one argument in the place of any.
            if let Some(grant) = some(&mut grants.exec, pick) {
                let words = grant.arguments.to_string();
                let words: Vec<_> = words
                    .split(' ')
                    .map(|one| if one == "*" { word } else { one })
                    .filter(|one| !one.is_empty())
                    .collect();
                grant.arguments = Arguments::new(words);
            }
        }
        16 => drop_one(&mut grants.exec, pick),
        17 => grants
            .state
            .iter_mut()
            .for_each(|grant| grant.size = grant.size.saturating_sub(u64::from(number) << 10)),
        18 => drop_one(&mut grants.config, pick),
        19 => drop_one(&mut grants.secrets, pick),
        20 => grants.quarantine.iter_mut().for_each(|grant| drop_one(&mut grant.folders, pick)),
        21 => {
            let folders = grants.quarantine.iter_mut().flat_map(|grant| some(&mut grant.folders, pick));
            folders.for_each(|folder| folder.push("a"));
        }
        22 => grants.isolation.iter_mut().for_each(|grant| grant.allow.push("192.0.2.0/24".parse().unwrap())),
        23 => grants.mail.iter_mut().for_each(|grant| drop_one(&mut grant.to, pick)),
        24 => some(&mut grants.folders, pick).into_iter().for_each(|grant| grant.access = Access::Read),
        25 => some(&mut grants.folders, pick).into_iter().for_each(|grant| grant.path.push("a")),
        26 => drop_one(&mut grants.folders, pick),
        27 => some(&mut grants.http, pick).into_iter().for_each(|grant| drop_one(&mut grant.methods, pick)),
        28 => some(&mut grants.http, pick)
            .into_iter()
            .for_each(|grant| grant.request = grant.request.saturating_sub(u64::from(number) << 10)),
        // One name below a domain in the place of all.
        29 => some(&mut grants.http, pick).into_iter().for_each(|grant| {
            if let Some(domain) = grant.host.strip_prefix("*.") {
                grant.host = format!("a.{domain}");
            }
        }),
        _ => drop_one(&mut grants.http, pick),
    }
}

const RESTRICTIONS: usize = 31;

fn calls() -> impl Strategy<Value = Call> {
    let prefix = || {
        let near = any::<u8>().prop_map(|last| std::net::IpAddr::from([192, 0, 2, last]));
        (prop_oneof![near, any::<std::net::IpAddr>()], 0_u8..=128).prop_map(|(ip, length)| {
            let address = crate::address::Address::from(ip);
            Prefix::new(address, length).unwrap_or_else(|| address.into())
        })
    };
    let path = || vec("[ab]|\\.\\.", 1..4).prop_map(|parts| PathBuf::from(format!("/{}", parts.join("/"))));
    let user = || "[ab*é]{1,4}".prop_map(|name| name.parse::<UserName>().unwrap());
    let name = "[A-Za-z]";
    let action = select(ServiceAction::ALL.map(|(_, action)| action).to_vec());
    let access = select(vec![Access::Read, Access::Write]);
    let host = prop_oneof!["([ab]\\.){0,3}example", "192\\.0\\.2\\.[0-9]"];
    let method = select(language::METHODS.to_vec());
    let port = prop_oneof![Just(443_u16), Just(80), any::<u16>()];
    let http =
        (any::<bool>(), host, port, method, 0_u64..64 << 20).prop_map(|(tls, host, port, method, bytes)| {
            Call::Http { tls, host, port, method: method.to_owned(), bytes }
        });
    let mail = "[ab+]{1,2}@[ab]\\.example";
    prop_oneof![
        prefix().prop_map(Call::Block),
        prefix().prop_map(Call::Route),
        user().prop_map(Call::Lock),
        user().prop_map(Call::EndSessions),
        ("[ab]{1,2}\\.service", action).prop_map(|(unit, action)| Call::Service(unit, action)),
        (path(), "[ab:]{0,3}").prop_map(|(file, line)| Call::Line(file, line)),
        "[ab]{1,4}".prop_map(Call::Kill),
        (path(), vec("[ab*-]{0,3}", 0..4)).prop_map(|(program, words)| Call::Run(program, words)),
        (0_u64..64 << 20).prop_map(Call::Keep),
        name.prop_map(Call::Config),
        name.prop_map(Call::Secret),
        path().prop_map(Call::Quarantine),
        prefix().prop_map(Call::Isolate),
        mail.prop_map(Call::Mail),
        (path(), access).prop_map(|(path, access)| Call::File(path, access)),
        http,
    ]
}

/// Calls that these grants let through, which no chance would find.
fn near(grants: &Grants) -> Vec<Call> {
    let filled = |word: &str| word.replace("**", "x y").replace('*', "b");
    let runs = grants.exec.iter().map(|grant| {
        let words = filled(&grant.arguments.to_string());
        Call::Run(grant.program.clone(), words.split_whitespace().map(str::to_owned).collect())
    });
    let folders = grants.quarantine.iter().flat_map(|grant| &grant.folders);
    let files = folders.map(|folder| Call::Quarantine(folder.join("b")));
    let requests = grants.http.iter().flat_map(|grant| {
        grant.methods.iter().map(|method| Call::Http {
            tls: grant.tls,
            host: filled(&grant.host),
            port: grant.port,
            method: method.clone(),
            bytes: grant.request,
        })
    });
    let values = grants.config.iter().map(|value| Call::Config(value.name.clone()));
    let secrets = grants.secrets.iter().map(|secret| Call::Secret(secret.name.clone()));
    let lines = grants.lines.iter().flat_map(|grant| {
        grant.lines.iter().map(|line| Call::Line(grant.file.clone(), filled(line.as_str())))
    });
    let names = grants.processes.iter().flat_map(|grant| &grant.names);
    let processes = names.map(|name| Call::Kill(name.as_str().replace('*', "a")));
    let below = grants.folders.iter().map(|grant| Call::File(grant.path.join("b"), grant.access));
    let near = runs.chain(files).chain(requests).chain(values).chain(secrets);
    let kept = grants.state.iter().map(|grant| Call::Keep(grant.size));
    near.chain(lines).chain(processes).chain(below).chain(kept).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_restriction_never_allows_more(
        before in arbitrary::grants(),
        restrictions in vec((0..RESTRICTIONS, any::<Index>(), "[ab*]{1,3}", any::<u8>()), 1..4),
        calls in vec(calls(), 64),
    ) {
        let mut after = before.clone();
        for (which, pick, word, number) in restrictions {
            // `**` at the end of arguments is another word than `*` is.
            let word = if word.contains("**") { "a".to_owned() } else { word };
            restrict(&mut after, which, pick, &word, number);
        }
        for call in calls.into_iter().chain(near(&before)) {
            prop_assert!(!after.allow(&call) || before.allow(&call), "{call:?}\n{before}\n{after}");
        }
    }
}

/// The property says little if hardly a call passes, or none stops passing.
#[test]
fn the_calls_are_such_that_restrictions_matter() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut passed, mut stopped) = (std::collections::HashSet::new(), std::collections::HashSet::new());
    for round in 0..2_000_usize {
        let before = arbitrary::grants().new_tree(&mut runner).unwrap().current();
        let calls = vec(calls(), 64).new_tree(&mut runner).unwrap().current();
        let pick = any::<Index>().new_tree(&mut runner).unwrap().current();
        let mut after = before.clone();
        restrict(&mut after, round, pick, "a*", 200);
        let calls = calls.into_iter().chain(near(&before));
        for call in &calls.filter(|call| before.allow(call)).collect::<Vec<_>>() {
            passed.insert(std::mem::discriminant(call));
            if !after.allow(call) {
                stopped.insert(round % RESTRICTIONS);
            }
        }
    }
    assert_eq!(passed.len(), 16, "a kind of call never passes");
    let idle: Vec<_> = (0..RESTRICTIONS).filter(|which| !stopped.contains(which)).collect();
    assert_eq!(idle, [0_usize; 0], "these restrictions stop nothing");
}
