//! Sends nowhere what this host would send to the source address of an alert,
//! or to the address that the command's `<keys>` names.

use riposte_sdk::{Alert, Error, Reversible, export, log, routes};

struct RouteNull;

impl Reversible for RouteNull {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![alert.address()?.to_string()])
    }

    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let address = alert.address()?.to_string();
        if routes::blackhole(&address)? {
            log::info(format!("what goes to {address} goes nowhere"));
        } else {
            log::info(format!("what goes to {address} went nowhere already"));
        }
        // The alert says it all: nothing to keep for `delete`.
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        let address = alert.address()?.to_string();
        if routes::restore(&address)? {
            log::info(format!("what goes to {address} is sent again"));
        }
        Ok(())
    }
}

export!(RouteNull);

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
