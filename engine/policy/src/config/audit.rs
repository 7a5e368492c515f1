//! `<riposte><audit>`: when its files are full, how long they are kept, what is
//! left out of them, who vouches for them and where copies go.

use std::path::PathBuf;
use std::time::Duration;

use super::block::{self, Shape};
use super::findings::Findings;
use super::grants;
use super::xml::Element;
use crate::diagnostic::shown;
use crate::keys::Pointer;
use crate::span::{self, Bare};

pub(super) const SHAPE: Shape = Shape {
    children: &["rotate", "retention", "redact", "ocsf", "sign", "syslog"],
    unenforced: &[],
    stock: false,
};

/// Shortest time that anything is kept or a file is written to.
const SHORTEST: Duration = Duration::from_secs(3_600);

/// `<riposte><audit>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auditing {
    /// `<rotate size>`: a file with this many bytes is full. Default 100 MiB.
    pub full_bytes: u64,
    /// `<rotate age>`: so is one whose first line is this old. Default 7 days.
    pub full_age: Duration,
    /// `<retention>`: how long files of the audit, and what is over in the
    /// ledger, are kept. Default 90 days.
    pub retention: Duration,
    /// `<redact>`: what of an alert is not shown, and not kept when its entry is
    /// over. Default none.
    pub redact: Vec<Pointer>,
    /// `<ocsf>`: whether `ocsf.jsonl` is written. Default no.
    pub ocsf: bool,
    /// `<sign>`: who vouches for heads of the audit.
    pub sign: Option<Signing>,
    /// `<syslog>`: where copies go.
    pub syslog: Vec<Syslog>,
}

impl Default for Auditing {
    fn default() -> Self {
        Self {
            full_bytes: 100 << 20,
            full_age: Duration::from_secs(7 * 86_400),
            retention: Duration::from_secs(90 * 86_400),
            redact: Vec::new(),
            ocsf: false,
            sign: None,
            syslog: Vec::new(),
        }
    }
}

/// `<sign key="/etc/riposte/audit.key" every="1m"/>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// The file of the key.
    pub key: PathBuf,
    /// How often a head is signed while there is anything new. Default one minute.
    pub every: Duration,
}

/// `<syslog to="tcp://192.0.2.9:601" events="yes"/>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// Where to.
    pub to: SyslogServer,
    /// Whether every event goes there, or signed heads alone.
    pub events: bool,
}

/// Where messages of RFC 5424 go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogServer {
    /// A datagram each (RFC 5426): `host:port`.
    Udp(String),
    /// A stream, each behind its length (RFC 6587, 3.4.1): `host:port`.
    Tcp(String),
    /// A datagram each, to a socket of this machine such as `/dev/log`.
    Unix(PathBuf),
}

impl SyslogServer {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{} is no server of syslog", shown(text));
        if let Some(path) = text.strip_prefix("unix:") {
            let plain = path.starts_with('/') && !path.contains(char::is_control) && path.len() < 108;
            return if plain { Ok(Self::Unix(path.into())) } else { Err(wrong()) };
        }
        let (make, address): (fn(String) -> Self, _) = match text.split_once("://") {
            Some(("udp", address)) => (Self::Udp, address),
            Some(("tcp", address)) => (Self::Tcp, address),
            _ => return Err(wrong()),
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port: u16 = port.parse().map_err(|_| wrong())?;
        if port == 0 || !super::guard::is_host(host) {
            return Err(wrong());
        }
        Ok(make(address.to_owned()))
    }
}

impl Auditing {
    /// Reads one `<audit>`. Lists grow with each; of all else the last counts.
    pub(super) fn read(&mut self, audit: &Element, findings: &mut Findings<'_>) {
        block::check(audit, &SHAPE, findings);
        for element in &audit.children {
            match element.name.as_str() {
                "rotate" => self.rotate(element, findings),
                "retention" => self.retention(element, findings),
                "redact" => self.redact(element, findings),
                "ocsf" if block::leaf(element, findings) => {
                    self.ocsf = block::yes_or_no(element, findings).unwrap_or(self.ocsf);
                }
                "sign" => self.sign(element, findings),
                "syslog" => self.syslog(element, findings),
                // Reported by the shape.
                _ => {}
            }
        }
    }

    fn rotate(&mut self, element: &Element, findings: &mut Findings<'_>) {
        let Some([size, age]) = attributes(element, ["size", "age"], findings) else { return };
        if size.or(age).is_none() {
            let help = "write size=\"100MiB\", age=\"7d\" or both. This changes nothing.";
            return block::invalid(element, "it has neither size= nor age=", help, findings);
        }
        if let Some(size) = size {
            match grants::size(size) {
                Ok(size) => self.full_bytes = size,
                Err(wrong) => block::invalid(element, &wrong, "write size=\"100MiB\".", findings),
            }
        }
        if let Some(age) = age {
            self.full_age = long(element, age, findings).unwrap_or(self.full_age);
        }
    }

    fn retention(&mut self, element: &Element, findings: &mut Findings<'_>) {
        if block::leaf(element, findings) {
            self.retention = long(element, element.value(), findings).unwrap_or(self.retention);
        }
    }

    fn redact(&mut self, element: &Element, findings: &mut Findings<'_>) {
        if !block::leaf(element, findings) {
            return;
        }
        match element.value().parse::<Pointer>() {
            Ok(pointer) if self.redact.contains(&pointer) => {}
            Ok(pointer) => self.redact.push(pointer),
            Err(wrong) => {
                let help = "write one such as /full_log. Nothing is left out by this.";
                block::invalid(element, &wrong.to_string(), help, findings);
            }
        }
    }

    fn sign(&mut self, element: &Element, findings: &mut Findings<'_>) {
        let Some([key, every]) = attributes(element, ["key", "every"], findings) else { return };
        let key = match key.map(grants::one_file) {
            Some(Ok(key)) => key,
            Some(Err(wrong)) => {
                return block::invalid(
                    element,
                    &wrong,
                    "name the file that `riposte audit keygen` made.",
                    findings,
                );
            }
            None => {
                let help = "write <sign key=\"/etc/riposte/audit.key\"/>, with a file that `riposte audit keygen` made.";
                return block::invalid(element, "it has no key=", help, findings);
            }
        };
        let every = match every.map(|every| span::parse(every, Bare::Refused)).transpose() {
            Ok(every) => every.unwrap_or(Duration::from_secs(60)),
            Err(wrong) => {
                return block::invalid(element, &wrong.to_string(), "write every=\"1m\".", findings);
            }
        };
        if every < Duration::from_secs(1) {
            return block::invalid(
                element,
                "it signs more often than every second",
                "write every=\"1m\".",
                findings,
            );
        }
        self.sign = Some(Signing { key, every });
    }

    fn syslog(&mut self, element: &Element, findings: &mut Findings<'_>) {
        let Some([to, events]) = attributes(element, ["to", "events"], findings) else { return };
        let help = "write to=\"udp://siem.example.com:514\", \"tcp://192.0.2.9:601\" or \"unix:/dev/log\". \
                    Nothing is sent by this.";
        let to = match to.map(SyslogServer::parse) {
            Some(Ok(to)) => to,
            Some(Err(wrong)) => return block::invalid(element, &wrong, help, findings),
            None => return block::invalid(element, "it has no to=", help, findings),
        };
        let events = match events {
            None | Some("no") => false,
            Some("yes") => true,
            Some(other) => {
                let message = format!("events={} is neither yes nor no", shown(other));
                return block::invalid(
                    element,
                    &message,
                    "write yes or no. Nothing is sent by this.",
                    findings,
                );
            }
        };
        self.syslog.push(Syslog { to, events });
    }
}

/// The attributes of an element that holds nothing else, in this order; `None`
/// after an error.
fn attributes<'e, const N: usize>(
    element: &'e Element,
    known: [&str; N],
    findings: &mut Findings<'_>,
) -> Option<[Option<&'e str>; N]> {
    if !block::only_text(element, findings) {
        return None;
    }
    if let Some(attribute) = element.attributes.iter().find(|a| !known.contains(&a.name.as_str())) {
        block::unknown_attribute(element, attribute, &known, findings);
        return None;
    }
    if !element.value().is_empty() {
        let help = format!("it takes {}=\"...\" alone.", known.join("=\"...\", "));
        block::invalid(element, &format!("{} stands in it", shown(element.value())), &help, findings);
        return None;
    }
    Some(known.map(|name| element.attributes.iter().find(|a| a.name == name).map(|a| a.value.trim())))
}

fn long(element: &Element, text: &str, findings: &mut Findings<'_>) -> Option<Duration> {
    let wrong = match span::parse(text, Bare::Refused) {
        Ok(span) if span >= SHORTEST => return Some(span),
        Ok(_) => "it is shorter than an hour".to_owned(),
        Err(wrong) => wrong.to_string(),
    };
    block::invalid(element, &wrong, "write a time such as 90d. The default stays.", findings);
    None
}
