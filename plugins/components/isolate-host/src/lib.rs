//! Cuts this host off from the network, all but its manager and what the grant
//! allows, whatever the alert is about.

use riposte_sdk::{Alert, Error, Reversible, export, isolation, log};

struct IsolateHost;

/// There is one host to isolate: a second alert extends what is in force.
const HOST: &str = "host";

impl Reversible for IsolateHost {
    fn keys(_: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![HOST.to_owned()])
    }

    fn add(_: &Alert) -> Result<Vec<u8>, Error> {
        if isolation::isolate()? {
            log::info("this host is cut off, all but its manager");
        } else {
            log::info("this host was cut off already");
        }
        Ok(Vec::new())
    }

    fn delete(_: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        if isolation::release()? {
            log::info("this host is no longer cut off");
        }
        Ok(())
    }
}

export!(IsolateHost);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn alert() -> Alert {
        r#"{"data":{"srcip":"192.0.2.7"}}"#.parse().unwrap()
    }

    #[test]
    fn cuts_off_and_connects() {
        host::reset();
        IsolateHost::add(&alert()).unwrap();
        IsolateHost::add(&alert()).unwrap();
        IsolateHost::delete(&alert(), None).unwrap();
        IsolateHost::delete(&alert(), Some(b"anything")).unwrap();
        let calls: Vec<_> = host::calls().into_iter().filter(|call| call.starts_with("isolation")).collect();
        assert_eq!(
            calls,
            [
                "isolation.isolate host",
                "isolation.isolate host",
                "isolation.release host",
                "isolation.release host"
            ]
        );
    }

    #[test]
    fn every_alert_is_about_the_one_host() {
        assert_eq!(IsolateHost::keys(&alert()).unwrap(), ["host"]);
    }

    #[test]
    fn what_was_undone_at_once_is_said() {
        host::reset();
        host::refuse("isolation.isolate", Error::failed("the gateway does not answer"));
        assert_eq!(IsolateHost::add(&alert()).unwrap_err().message, "the gateway does not answer");
    }
}
