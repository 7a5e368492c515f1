//! `<firewall>`, `<route>` and `<isolation>`.

use super::super::command::words;
use super::attributes::{Attributes, Wrong};
use crate::address::Prefix;
use crate::diagnostic::shown;
use crate::grant::{Confirm, Established, FirewallBackend, FirewallGrant, IsolationGrant, RouteGrant};

/// The shortest prefixes that the guard ever lets pass, IPv4 and IPv6.
const GUARD: (u8, u8) = (24, 48);

pub(super) fn firewall(read: &mut Attributes<'_, '_, '_>) -> Option<FirewallGrant> {
    let usual = FirewallGrant::default();
    let widest4 = length(read, "widest4", 32, GUARD.0);
    let widest6 = length(read, "widest6", 128, GUARD.1);
    Some(FirewallGrant {
        set: read.read("set", |text| Ok(text.parse()?)).unwrap_or(usual.set),
        widest4,
        widest6,
        widen: widen(read, widest4 == 32 && widest6 == 128),
        backend: read.choose("backend", &FirewallBackend::ALL),
        established: read
            .choose("established", &[("starve", Established::Starve), ("cut", Established::Cut)])
            .unwrap_or_default(),
        confirm: confirm(read),
    })
}

/// From which offence on a network is blocked. `narrow`: the grant allows none.
fn widen(read: &mut Attributes<'_, '_, '_>, narrow: bool) -> Option<u32> {
    read.read("widen", |text| {
        let offence = text.parse().ok().filter(|offence| (2..=1_000).contains(offence)).ok_or_else(|| {
            Wrong::new(format!("{} is not the number of an offence from 2 to 1000", shown(text)), "")
        })?;
        if narrow {
            let why = "there is no network to widen a block to: this grant is for addresses only";
            return Err(Wrong::new(why, "add widest4=\"24\", or widest6=\"64\"."));
        }
        Ok(offence)
    })
}

pub(super) fn route(read: &mut Attributes<'_, '_, '_>) -> Option<RouteGrant> {
    Some(RouteGrant {
        widest4: length(read, "widest4", 32, GUARD.0),
        widest6: length(read, "widest6", 128, GUARD.1),
        confirm: confirm(read),
    })
}

pub(super) fn isolation(read: &mut Attributes<'_, '_, '_>) -> Option<IsolationGrant> {
    let allow = read.read("allow", |text| {
        let prefixes = words(text).map(|word| {
            let prefix = word.parse::<Prefix>()?;
            if prefix.length() == 0 {
                let why = format!("{} is everybody, who would stay reachable", shown(word));
                return Err(Wrong::new(why, "name who must reach this host."));
            }
            Ok(prefix)
        });
        super::values::some(prefixes.collect::<Result<Vec<_>, Wrong>>()?, "there is no address")
    });
    Some(IsolationGrant { allow: allow.unwrap_or_default(), confirm: confirm(read) })
}

fn confirm(read: &mut Attributes<'_, '_, '_>) -> Confirm {
    const WORDS: [&str; 4] = ["none", "gateway", "manager", "tcp:HOST:PORT"];
    let parsed = read.read("confirm", |text| {
        text.parse::<Confirm>().map_err(|error| {
            let known = WORDS.get(..3).unwrap_or_default();
            let help = super::did_you_mean(text, known.iter().copied(), || {
                format!("it takes {}.", WORDS.join(", "))
            });
            Wrong::new(error, help)
        })
    });
    parsed.unwrap_or_default()
}

/// The fewest leading bits of a network; without the attribute all of them.
fn length(read: &mut Attributes<'_, '_, '_>, name: &str, full: u8, guard: u8) -> u8 {
    let bits = read.read(name, |text| {
        let bits = text.parse::<u8>().ok().filter(|bits| *bits <= full);
        bits.ok_or_else(|| {
            Wrong::new(format!("{} is not a number of bits from 0 to {full}", shown(text)), "")
        })
    });
    if let Some(bits) = bits.filter(|bits| *bits < guard) {
        let message = format!("{name} grants /{bits}, but the guard refuses what is broader than /{guard}");
        read.warn(name, "grant-beyond-guard", message, format!("write {name}=\"{guard}\"."));
    }
    bits.unwrap_or(full)
}
