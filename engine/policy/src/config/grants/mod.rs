//! `<capabilities>` and `<limits>`.
//!
//! What cannot be read grants nothing: an error in a grant leaves out that
//! grant, one in `<capabilities>` itself leaves out all of them. Which elements
//! and attributes there are is one table, [`crate::grant::language`]; what their
//! values mean stands here, one file for each family:
//!
//! * `network`: firewall, route, isolation; `outward`: mail, http;
//! * `local`: account, service, lines, process, quarantine, folder;
//! * `exec`: programs, and how they are confined; `kept`: state, config, secret;
//! * `attributes`, `values`: what they share; `limits`: `<limits>`.

mod attributes;
mod exec;
mod kept;
mod limits;
mod local;
mod network;
mod outward;
mod values;

use std::fmt;

use self::attributes::Attributes;
use super::block;
use super::command::words;
use super::findings::Findings;
use super::suggest::did_you_mean;
use super::xml::{self, Attribute, Element, printable};
use crate::diagnostic::{Severity, shown};
use crate::grant::language::{self, ELEMENTS, Times};
use crate::grant::{Digest, Grants};

pub(super) use self::exec::confinement;
pub(super) use self::limits::{KNOWN as LIMITS, LimitsGiven, limits, size};

/// The path of one file, for settings.
///
/// # Errors
///
/// Why it is none.
pub(super) fn one_file(text: &str) -> Result<std::path::PathBuf, String> {
    values::file(text).map_err(attributes::Wrong::into_text)
}

/// The `<capabilities>` of a command; `None` when it has none.
pub(super) fn capabilities(command: &Element, findings: &mut Findings<'_>) -> Option<Grants> {
    let mut named = command.children.iter().filter(|child| child.name == "capabilities");
    let element = named.next()?;
    if let Some(again) = named.next() {
        let message = format!(
            "<capabilities> stands twice, the first time in line {}: nothing is granted",
            element.spot.line
        );
        findings.error(again.spot, "element-repeated", message, "write all grants into one of them.");
        return Some(Grants::default());
    }
    Some(all(element, findings))
}

impl Grants {
    /// Reads one `<capabilities>` element, as [`Grants::to_xml`] writes it.
    ///
    /// # Errors
    ///
    /// When anything in it is not understood: then nothing is granted.
    pub fn from_xml(text: &str) -> Result<Self, NotGrants> {
        let mut findings = Findings::default();
        let file = findings.add("<capabilities>", text.into());
        let roots = xml::read(file, text, &mut findings);
        let grants = match roots.as_slice() {
            [root] if root.name == "capabilities" => all(root, &mut findings),
            _ => return Err(NotGrants("this is not one <capabilities> element".to_owned())),
        };
        let found = findings.into_diagnostics();
        match found.into_iter().find(|found| found.severity == Severity::Error) {
            Some(wrong) => Err(NotGrants(format!("{} ({})", wrong.message, wrong.code))),
            None => Ok(grants),
        }
    }
}

/// The text gives no grants that this version understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotGrants(String);

impl fmt::Display for NotGrants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotGrants {}

/// Everything that one `<capabilities>` grants.
fn all(element: &Element, findings: &mut Findings<'_>) -> Grants {
    let digests = digests(element, findings);
    if !element.value().is_empty() {
        let message =
            format!("this text stands in <capabilities> outside of its grants: {}", shown(element.value()));
        findings.warning(element.text_spot(), "text-stray", message, "");
    }
    let mut grants = Grants::default();
    let mut seen = Vec::new();
    for child in &element.children {
        let Some(known) = language::element(&child.name) else {
            let message = format!("there is no grant <{}>", printable(&child.name));
            let names = || ELEMENTS.iter().map(|known| known.name);
            let help = did_you_mean(&child.name, names(), || {
                format!("there are {}.", block::listed(&names().collect::<Vec<_>>()))
            });
            findings.error(child.spot, "grant-unknown", message, help);
            continue;
        };
        if is_first(child, known, &mut seen, findings) {
            one(child, known, &mut grants, findings);
        }
    }
    mail_password(element, &mut grants, findings);
    // A digest that cannot be read must not become a grant to any component.
    digests.map_or_else(Grants::default, |digests| Grants { digests, ..grants })
}

/// Reads one grant into its place.
fn one(child: &Element, known: &'static language::Element, grants: &mut Grants, findings: &mut Findings<'_>) {
    let mut read = Attributes::of(child, known, findings);
    match known.name {
        "firewall" => grants.firewall = read.grant(network::firewall),
        "route" => grants.routes = read.grant(network::route),
        "account" => grants.accounts = read.grant(local::account),
        "service" => grants.services.extend(read.grant(local::service)),
        "lines" => grants.lines.extend(read.grant(local::lines)),
        "process" => grants.processes = read.grant(local::process),
        "exec" => grants.exec.extend(read.grant(exec::exec)),
        "state" => grants.state = read.grant(kept::state),
        "config" => grants.config.extend(read.grant(kept::config)),
        "secret" => grants.secrets.extend(read.grant(kept::secret)),
        "quarantine" => grants.quarantine = read.grant(local::quarantine),
        "isolation" => grants.isolation = read.grant(network::isolation),
        "mail" => grants.mail = read.grant(outward::mail),
        "folder" => grants.folders.extend(read.grant(local::folder)),
        "http" => grants.http.extend(read.grant(outward::http)),
        // A row of the table that nobody reads grants nothing; a test finds it.
        _ => {}
    }
}

/// Whether a grant stands here for the first time; else an error, since which
/// of two counts must not be guessed.
fn is_first<'e>(
    child: &'e Element,
    known: &'static language::Element,
    seen: &mut Vec<(&'static str, &'e str, u32)>,
    findings: &mut Findings<'_>,
) -> bool {
    let key = match known.times {
        Times::Often => return true,
        Times::Once => "",
        Times::OnceFor(name) => {
            let named = child.attributes.iter().find(|attribute| attribute.name == name);
            named.map(|attribute| attribute.value.trim()).unwrap_or_default()
        }
    };
    let earlier = seen.iter().find(|(name, value, _)| *name == known.name && *value == key);
    let Some((_, _, line)) = earlier else {
        seen.push((known.name, key, child.spot.line));
        return true;
    };
    let what = if key.is_empty() { String::new() } else { format!(" for {}", shown(key)) };
    let message = format!("<{}> stands here twice{what}: this one grants nothing", known.name);
    let help = format!("write one of them; the first stands in line {line}.");
    findings.error(child.spot, "element-repeated", message, help);
    false
}

/// A mail server's password has to be a secret of the same command.
fn mail_password(element: &Element, grants: &mut Grants, findings: &mut Findings<'_>) {
    let Some(secret) = grants.mail.as_ref().and_then(|mail| Some(&mail.login.as_ref()?.1)) else { return };
    if grants.secrets.iter().any(|known| known.name == *secret) {
        return;
    }
    let message = format!("secret: there is no <secret name={}> here", shown(secret));
    let help = format!(
        "add <secret name={} file=\"/PATH\"/> to this <capabilities>. The mail is not granted.",
        shown(secret)
    );
    let spot =
        element.children.iter().find(|child| child.name == "mail").map_or(element.spot, |mail| mail.spot);
    findings.error(spot, "value-invalid", message, help);
    grants.mail = None;
}

/// `sha256="..."`; `None` after an error in any attribute.
fn digests(element: &Element, findings: &mut Findings<'_>) -> Option<Vec<Digest>> {
    let mut digests = Some(Vec::new());
    for attribute in &element.attributes {
        if attribute.name != "sha256" {
            block::unknown_attribute(element, attribute, &["sha256"], findings);
            digests = None;
            continue;
        }
        for word in words(&attribute.value) {
            match word.parse::<Digest>() {
                Ok(digest) => digests.iter_mut().for_each(|digests| digests.push(digest)),
                Err(error) => {
                    let help = "sha256sum prints it, and riposte plugin inspect. Nothing is granted.";
                    invalid(attribute, &error, help, findings);
                    digests = None;
                }
            }
        }
        if words(&attribute.value).next().is_none() {
            let help = "write one, or leave out the attribute. Nothing is granted.";
            invalid(attribute, &"there is no digest", help, findings);
            digests = None;
        }
    }
    digests
}

fn invalid(attribute: &Attribute, message: &dyn fmt::Display, help: &str, findings: &mut Findings<'_>) {
    block::invalid_at(attribute.spot, &attribute.name, &message.to_string(), help, findings);
}

/// Reports what stands inside an element that has only attributes. Returns
/// whether there was nothing.
fn no_content(element: &Element, findings: &mut Findings<'_>) -> bool {
    let name = printable(&element.name);
    if let Some(child) = element.children.first() {
        let message = format!("<{name}> has no elements, only attributes");
        findings.error(child.spot, "element-unknown", message, "This grant is not given.");
    }
    if !element.value().is_empty() {
        let message = format!("<{name}> has no text, only attributes: {}", shown(element.value()));
        findings.error(element.spot, "value-invalid", message, "This grant is not given.");
    }
    element.children.is_empty() && element.value().is_empty()
}
