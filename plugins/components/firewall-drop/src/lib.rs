//! Drops all packets from the source address of an alert, or from the address
//! that the command's `<keys>` names.

use std::net::{IpAddr, Ipv6Addr};

use riposte_sdk::{Alert, Error, Reversible, export_reversible, firewall, invocation, log};

struct FirewallDrop;

impl Reversible for FirewallDrop {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![source(alert)?])
    }

    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let address = source(alert)?;
        if firewall::block(&address)? {
            log::info(format!("blocked {address}"));
        } else {
            log::info(format!("{address} was blocked already"));
        }
        // The alert says it all: nothing to keep for `delete`.
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        let address = source(alert)?;
        if firewall::unblock(&address)? {
            log::info(format!("unblocked {address}"));
        }
        Ok(())
    }
}

/// The source address in one spelling, so that one source has one key:
/// `2001:DB8:0::7` is `2001:db8::7`, and an IPv4 address within an IPv6 one
/// is the IPv4 address.
fn source(alert: &Alert) -> Result<String, Error> {
    let text = match invocation::keys().into_iter().next() {
        Some(key) => key,
        None => alert.srcip()?,
    };
    match text.parse() {
        Ok(IpAddr::V6(v6)) => Ok(embedded(v6).unwrap_or(IpAddr::V6(v6)).to_string()),
        Ok(v4) => Ok(v4.to_string()),
        Err(_) => Err(Error::invalid(format!("the source of the alert, {text:?}, is not an IP address"))),
    }
}

/// The IPv4 address in `::ffff:192.0.2.7` or `::192.0.2.7`.
fn embedded(v6: Ipv6Addr) -> Option<IpAddr> {
    let [.., high, low] = v6.segments();
    let compatible = u128::from(v6) >> 32 == 0 && (high, low) > (0, 1);
    let v4 = if compatible { v6.to_ipv4() } else { v6.to_ipv4_mapped() };
    v4.map(IpAddr::V4)
}

export_reversible!(FirewallDrop);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn alert(srcip: &str) -> Alert {
        format!(r#"{{"data":{{"srcip":"{srcip}"}}}}"#).parse().unwrap()
    }

    #[test]
    fn blocks_and_unblocks() {
        host::reset();
        FirewallDrop::add(&alert("192.0.2.7")).unwrap();
        FirewallDrop::delete(&alert("192.0.2.7"), None).unwrap();
        FirewallDrop::delete(&alert("192.0.2.7"), None).unwrap();
        let calls: Vec<_> = host::calls().into_iter().filter(|call| call.starts_with("firewall")).collect();
        assert_eq!(
            calls,
            ["firewall.block 192.0.2.7", "firewall.unblock 192.0.2.7", "firewall.unblock 192.0.2.7"]
        );
    }

    #[test]
    fn one_key_for_every_spelling() {
        for (spelling, key) in [
            ("2001:DB8:0::7", "2001:db8::7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::192.0.2.7", "192.0.2.7"),
            ("::1", "::1"),
        ] {
            assert_eq!(FirewallDrop::keys(&alert(spelling)).unwrap(), [key]);
        }
    }

    #[test]
    fn the_operators_keys_come_first() {
        host::reset();
        host::set_invocation(host::Invocation {
            keys: vec!["192.0.2.9".to_owned()],
            ..host::Invocation::default()
        });
        FirewallDrop::add(&alert("192.0.2.7")).unwrap();
        assert!(host::calls().contains(&"firewall.block 192.0.2.9".to_owned()), "{:?}", host::calls());
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        assert_eq!(FirewallDrop::keys(&alert("-")).unwrap_err().kind, "no-key");
        assert_eq!(FirewallDrop::keys(&alert("-j ACCEPT")).unwrap_err().kind, "invalid-input");
    }
}
