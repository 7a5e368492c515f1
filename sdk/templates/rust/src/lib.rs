//! Blocks the source address of an alert until the time of the response is over.

use riposte_sdk::{Alert, Error, Reversible, export, firewall, log};

struct {{type}};

impl Reversible for {{type}} {
    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let address = alert.srcip()?;
        firewall::block(&address)?;
        log::info(format!("blocked {address}"));
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        firewall::unblock(&alert.srcip()?)?;
        Ok(())
    }
}

export!({{type}});

/// Run by `cargo test` on a host that records every call and does nothing.
#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    #[test]
    fn it_blocks_and_unblocks_the_source_address() {
        let alert: Alert = r#"{"data":{"srcip":"192.0.2.7"}}"#.parse().unwrap();
        {{type}}::add(&alert).unwrap();
        {{type}}::delete(&alert, None).unwrap();
        assert_eq!(
            host::calls(),
            ["firewall.block 192.0.2.7", "log Info blocked 192.0.2.7", "firewall.unblock 192.0.2.7"]
        );
    }
}
