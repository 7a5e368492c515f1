//! The alert that a response answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Error;
#[cfg(not(target_arch = "wasm32"))]
use crate::json::Value;

/// Where the source address stands: Wazuh 4 in the order of its own responses
/// (`get_srcip_from_json` of 4.14.7), OSSEC, Wazuh 5.
const SOURCE_ADDRESS: [&str; 5] = [
    "/data/win/eventdata/ipAddress",
    "/data/win/eventdata/destinationIp",
    "/data/srcip",
    "/srcip",
    "/source/ip",
];
/// Where the user name stands: Wazuh 4, OSSEC, Wazuh 5.
const USER: [&str; 3] = ["/data/dstuser", "/dstuser", "/user/name"];

/// One alert: the object that stands on one line of `alerts.json`.
#[derive(Debug)]
pub struct Alert {
    json: String,
    #[cfg(not(target_arch = "wasm32"))]
    value: Value,
}

impl Alert {
    /// The alert as JSON text.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The text at a JSON Pointer (RFC 6901) such as `/data/srcip`, or in
    /// Wazuh's dotted form, `data.srcip`; numbers and booleans as they are
    /// written. `None` when there is nothing, or null, an object or an array.
    #[must_use]
    pub fn text(&self, pointer: &str) -> Option<String> {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::alert::text(pointer);
        #[cfg(not(target_arch = "wasm32"))]
        self.value.text(pointer)
    }

    /// The whole number at a pointer, also when it is written as a text
    /// of decimal digits, which Wazuh's decoders do.
    #[must_use]
    pub fn number(&self, pointer: &str) -> Option<i64> {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::alert::number(pointer);
        #[cfg(not(target_arch = "wasm32"))]
        self.value.number(pointer)
    }

    /// The source address, as the alert writes it.
    ///
    /// # Errors
    ///
    /// Kind `no-key` when the alert has none: missing, empty or `-`.
    pub fn srcip(&self) -> Result<String, Error> {
        // A number is no address: Wazuh passes over it too.
        let texts = SOURCE_ADDRESS.into_iter().filter(|pointer| self.number(pointer).is_none());
        self.first(texts).ok_or_else(|| Error::no_key("the alert has no source address (data.srcip)"))
    }

    /// The address to act on: the one that the operator's `<keys>` names, else
    /// the source address. As a type, so that one address has one spelling:
    /// `2001:DB8:0::7` is `2001:db8::7`, and an IPv4 address within an IPv6 one
    /// (`::ffff:192.0.2.7`, `::192.0.2.7`) is the IPv4 address.
    ///
    /// # Errors
    ///
    /// Kind `no-key` when there is none, `invalid-input` when it is no address.
    pub fn address(&self) -> Result<IpAddr, Error> {
        let text = match crate::invocation::keys().into_iter().next() {
            Some(key) => key,
            None => self.srcip()?,
        };
        match text.parse() {
            Ok(IpAddr::V6(v6)) => Ok(embedded(v6).map_or(IpAddr::V6(v6), IpAddr::V4)),
            Ok(v4) => Ok(v4),
            Err(_) => Err(Error::invalid(format!("the source of the alert, {text:?}, is not an IP address"))),
        }
    }

    /// The user that the alert is about, as the alert writes it.
    ///
    /// # Errors
    ///
    /// Kind `no-key` when the alert has none: missing, empty or `-`.
    pub fn user(&self) -> Result<String, Error> {
        self.first(USER).ok_or_else(|| Error::no_key("the alert has no user (data.dstuser)"))
    }

    /// The first text there is; `-` and the empty text stand for absence.
    fn first<'a>(&self, pointers: impl IntoIterator<Item = &'a str>) -> Option<String> {
        pointers
            .into_iter()
            .filter_map(|pointer| self.text(pointer))
            .find(|text| !text.is_empty() && text != "-")
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn from_host(json: String) -> Self {
        Self { json }
    }
}

/// For native tests: an alert out of its JSON text.
#[cfg(not(target_arch = "wasm32"))]
impl std::str::FromStr for Alert {
    type Err = Error;

    fn from_str(json: &str) -> Result<Self, Error> {
        Ok(Self { json: json.to_owned(), value: json.parse()? })
    }
}

/// The IPv4 address in `::ffff:192.0.2.7` or `::192.0.2.7`.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., high, low] = v6.segments();
    let compatible = u128::from(v6) >> 32 == 0 && (high, low) > (0, 1);
    if compatible { v6.to_ipv4() } else { v6.to_ipv4_mapped() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn alert(json: &str) -> Alert {
        json.parse().unwrap()
    }

    #[test]
    fn texts_and_numbers() {
        let alert =
            alert(r#"{"rule":{"level":10,"id":"5712","mail":true},"data":{"srcport":"51544","uid":null}}"#);
        assert_eq!(alert.text("/rule/id").as_deref(), Some("5712"));
        assert_eq!(alert.text("rule.id").as_deref(), Some("5712"));
        assert_eq!(alert.text("/rule/level").as_deref(), Some("10"));
        assert_eq!(alert.text("/rule/mail").as_deref(), Some("true"));
        assert_eq!(alert.text("/data/uid"), None);
        assert_eq!(alert.text("/data"), None);
        assert_eq!(alert.number("/rule/level"), Some(10));
        assert_eq!(alert.number("/data/srcport"), Some(51544));
        assert_eq!(alert.number("/rule/mail"), None);
    }

    #[test]
    fn the_source_address_of_each_product() {
        for json in [
            r#"{"data":{"win":{"eventdata":{"ipAddress":5}},"srcip":"192.0.2.7"}}"#,
            r#"{"data":{"srcip":"192.0.2.7"}}"#,
            r#"{"srcip":"192.0.2.7"}"#,
            r#"{"data":{"srcip":"-"},"source":{"ip":"192.0.2.7"}}"#,
        ] {
            assert_eq!(alert(json).srcip().unwrap(), "192.0.2.7", "{json}");
        }
        for json in ["{}", r#"{"data":{"srcip":""}}"#, r#"{"data":{"srcip":null}}"#] {
            assert_eq!(alert(json).srcip().unwrap_err().kind, "no-key", "{json}");
        }
    }
}
