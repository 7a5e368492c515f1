//! Makes a file of the name of the source address in a folder, `/ipblock`, for
//! whatever program blocks what it finds there. Wazuh ships this as an example
//! of a response of one's own.
//!
//! `<config name="folder">` names another folder. The file holds the address,
//! as one line.

use riposte_sdk::{Alert, Error, Reversible, config, export, lines, log};

struct IpCustomblock;

impl Reversible for IpCustomblock {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![alert.address()?.to_string()])
    }

    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let address = alert.address()?.to_string();
        let file = file(&address);
        if lines::ensure(&file, &address)? {
            log::info(format!("{file} is there"));
        }
        // The alert says it all: nothing to keep for `delete`.
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        let address = alert.address()?.to_string();
        let file = file(&address);
        // The file came with its line, so it goes with it.
        if lines::remove(&file, &address)? {
            log::info(format!("{file} is gone"));
        }
        Ok(())
    }
}

fn file(address: &str) -> String {
    let folder = config::get("folder").unwrap_or_else(|| "/ipblock".to_owned());
    format!("{}/{address}", folder.trim_end_matches('/'))
}

export!(IpCustomblock);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn alert(srcip: &str) -> Alert {
        format!(r#"{{"data":{{"srcip":"{srcip}"}}}}"#).parse().unwrap()
    }

    #[test]
    fn a_file_comes_and_goes() {
        host::reset();
        IpCustomblock::add(&alert("2001:DB8::7")).unwrap();
        IpCustomblock::delete(&alert("2001:DB8::7"), None).unwrap();
        IpCustomblock::delete(&alert("2001:DB8::7"), None).unwrap();
        let calls: Vec<_> = host::calls().into_iter().filter(|call| call.starts_with("lines")).collect();
        let line = "/ipblock/2001:db8::7 2001:db8::7";
        assert_eq!(
            calls,
            [format!("lines.ensure {line}"), format!("lines.remove {line}"), format!("lines.remove {line}")]
        );
        host::set_config("folder", "/srv/blocked/");
        IpCustomblock::add(&alert("192.0.2.7")).unwrap();
        assert_eq!(host::calls()[0], "lines.ensure /srv/blocked/192.0.2.7 192.0.2.7");
    }

    #[test]
    fn no_path_comes_in() {
        host::reset();
        for text in ["../etc/passwd", "192.0.2.7/../../x", "/etc/cron.d/x", "..", "192.0.2.7\\n"] {
            assert_eq!(IpCustomblock::keys(&alert(text)).unwrap_err().kind, "invalid-input", "{text}");
            assert_eq!(IpCustomblock::add(&alert(text)).unwrap_err().kind, "invalid-input", "{text}");
        }
        assert_eq!(IpCustomblock::keys(&alert("")).unwrap_err().kind, "no-key");
        assert!(host::calls().is_empty());
    }
}
