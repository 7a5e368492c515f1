//! Denies the source address of an alert every service that asks the TCP
//! wrappers, by a line in `/etc/hosts.deny`.
//!
//! `<config name="file">` names another file. For FreeBSD's `/etc/hosts.allow`
//! the line is the one of its form, `ALL : ADDRESS : deny`.

use std::net::IpAddr;

use riposte_sdk::{Alert, Error, Reversible, config, export, lines, log};

struct HostDeny;

impl Reversible for HostDeny {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![alert.address()?.to_string()])
    }

    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let (file, line) = place(alert)?;
        if lines::ensure(&file, &line)? {
            log::info(format!("{line} is in {file}"));
        } else {
            log::info(format!("{line} was in {file} already"));
        }
        // The alert says it all: nothing to keep for `delete`.
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        let (file, line) = place(alert)?;
        if lines::remove(&file, &line)? {
            log::info(format!("{line} is no longer in {file}"));
        }
        Ok(())
    }
}

/// The file, and the line as Wazuh writes it; an IPv6 address stands in
/// brackets, without which the TCP wrappers do not read it (hosts_access(5)).
fn place(alert: &Alert) -> Result<(String, String), Error> {
    let address = match alert.address()? {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    let file = config::get("file").unwrap_or_else(|| "/etc/hosts.deny".to_owned());
    let line = match file.ends_with("/hosts.allow") {
        true => format!("ALL : {address} : deny"),
        false => format!("ALL:{address}"),
    };
    Ok((file, line))
}

export!(HostDeny);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn alert(srcip: &str) -> Alert {
        format!(r#"{{"data":{{"srcip":"{srcip}"}}}}"#).parse().unwrap()
    }

    fn calls(srcip: &str) -> Vec<String> {
        HostDeny::add(&alert(srcip)).unwrap();
        HostDeny::delete(&alert(srcip), None).unwrap();
        HostDeny::delete(&alert(srcip), None).unwrap();
        host::calls().into_iter().filter(|call| call.starts_with("lines")).collect()
    }

    #[test]
    fn one_line_comes_and_goes() {
        host::reset();
        let line = "/etc/hosts.deny ALL:192.0.2.7";
        assert_eq!(
            calls("192.0.2.7"),
            [format!("lines.ensure {line}"), format!("lines.remove {line}"), format!("lines.remove {line}")]
        );
        assert_eq!(calls("::ffff:192.0.2.7")[0], format!("lines.ensure {line}"));
        assert_eq!(calls("2001:DB8:0::7")[0], "lines.ensure /etc/hosts.deny ALL:[2001:db8::7]");
    }

    #[test]
    fn freebsd_denies_in_hosts_allow() {
        host::reset();
        host::set_config("file", "/etc/hosts.allow");
        assert_eq!(calls("192.0.2.7")[0], "lines.ensure /etc/hosts.allow ALL : 192.0.2.7 : deny");
        assert_eq!(calls("2001:db8::7")[0], "lines.ensure /etc/hosts.allow ALL : [2001:db8::7] : deny");
    }

    #[test]
    fn one_source_has_one_key_and_other_text_is_refused() {
        host::reset();
        assert_eq!(HostDeny::keys(&alert("2001:DB8:0::7")).unwrap(), ["2001:db8::7"]);
        for text in ["192.0.2.7: spawn id", "ALL", "192.0.2.0/24", "010.0.0.1", "[2001:db8::7]", "fe80::1%lo"]
        {
            assert_eq!(HostDeny::keys(&alert(text)).unwrap_err().kind, "invalid-input", "{text}");
            assert_eq!(HostDeny::add(&alert(text)).unwrap_err().kind, "invalid-input", "{text}");
        }
        assert_eq!(HostDeny::keys(&alert("-")).unwrap_err().kind, "no-key");
        assert!(host::calls().is_empty());
    }
}
