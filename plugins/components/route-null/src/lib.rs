//! Sends nowhere what this host would send to the source address of an alert,
//! or to the address that the command's `<keys>` names.

use std::net::{IpAddr, Ipv6Addr};

use riposte_sdk::{Alert, Error, Reversible, export_reversible, invocation, log, routes};

struct RouteNull;

impl Reversible for RouteNull {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![source(alert)?])
    }

    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let address = source(alert)?;
        if routes::blackhole(&address)? {
            log::info(format!("what goes to {address} goes nowhere"));
        } else {
            log::info(format!("what goes to {address} went nowhere already"));
        }
        // The alert says it all: nothing to keep for `delete`.
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        let address = source(alert)?;
        if routes::restore(&address)? {
            log::info(format!("what goes to {address} is sent again"));
        }
        Ok(())
    }
}

/// The source address in one spelling, so that one source has one key.
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

export_reversible!(RouteNull);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn alert(srcip: &str) -> Alert {
        format!(r#"{{"data":{{"srcip":"{srcip}"}}}}"#).parse().unwrap()
    }

    #[test]
    fn routes_nowhere_and_back() {
        host::reset();
        RouteNull::add(&alert("192.0.2.7")).unwrap();
        RouteNull::delete(&alert("192.0.2.7"), None).unwrap();
        RouteNull::delete(&alert("192.0.2.7"), None).unwrap();
        let calls: Vec<_> = host::calls().into_iter().filter(|call| call.starts_with("routes")).collect();
        assert_eq!(
            calls,
            ["routes.blackhole 192.0.2.7", "routes.restore 192.0.2.7", "routes.restore 192.0.2.7"]
        );
    }

    #[test]
    fn one_key_for_every_spelling() {
        host::reset();
        for (spelling, key) in
            [("2001:DB8:0::7", "2001:db8::7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("::1", "::1")]
        {
            assert_eq!(RouteNull::keys(&alert(spelling)).unwrap(), [key]);
        }
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        host::reset();
        assert_eq!(RouteNull::keys(&alert("-")).unwrap_err().kind, "no-key");
        assert_eq!(RouteNull::keys(&alert("192.0.2.7 reject")).unwrap_err().kind, "invalid-input");
    }
}
