//! Drops all packets from the source address of an alert, or from the address
//! that the command's `<keys>` names.

use riposte_sdk::{Alert, Error, Reversible, export, firewall, log};

struct FirewallDrop;

impl Reversible for FirewallDrop {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![alert.address()?.to_string()])
    }

    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let address = alert.address()?.to_string();
        if firewall::block(&address)? {
            log::info(format!("blocked {address}"));
        } else {
            log::info(format!("{address} was blocked already"));
        }
        // The alert says it all: nothing to keep for `delete`.
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        let address = alert.address()?.to_string();
        if firewall::unblock(&address)? {
            log::info(format!("unblocked {address}"));
        }
        Ok(())
    }
}

export!(FirewallDrop);

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
