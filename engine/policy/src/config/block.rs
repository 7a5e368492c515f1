//! What all blocks have in common: known children, single values, yes or no.

use super::findings::{Findings, Spot};
use super::suggest::did_you_mean;
use super::xml::{Attribute, Element, printable};
use crate::diagnostic::shown;

/// What an element of this name may hold.
pub(super) struct Shape {
    /// The children it may have.
    pub(super) children: &'static [&'static str],
    /// Children that the design of Riposte has and this version does not.
    pub(super) unenforced: &'static [&'static str],
    /// Whether Wazuh reads such blocks too, and refuses what it does not know.
    pub(super) stock: bool,
}

/// Reports children that are not of this shape, and stray text. Returns
/// whether there were none.
pub(super) fn check(block: &Element, shape: &Shape, findings: &mut Findings<'_>) -> bool {
    let mut sound = true;
    let name = &block.name;
    no_attributes(block, findings);
    if !block.value().is_empty() {
        let message =
            format!("this text stands in <{name}> outside of its elements: {}", shown(block.value()));
        findings.warning(block.text_spot(), "text-stray", message, "a tag may have lost its < or >.");
    }
    for child in &block.children {
        if shape.children.contains(&child.name.as_str()) {
            continue;
        }
        sound = false;
        let known = || shape.children.iter().chain(shape.unenforced).copied();
        if shape.unenforced.contains(&child.name.as_str()) {
            unenforced(child, findings);
        } else {
            let message = format!("<{name}> has no element <{}>", printable(&child.name));
            let help = did_you_mean(&child.name, known(), || format!("it takes {}.", listed(shape.children)));
            findings.error(child.spot, "element-unknown", message, help);
        }
        if shape.stock {
            says_unknown(child, findings);
        }
    }
    sound
}

/// Reports an element that a later version will enforce.
pub(super) fn unenforced(element: &Element, findings: &mut Findings<'_>) {
    findings.error(
        element.spot,
        "element-unenforced",
        format!("this version cannot enforce <{}> yet", printable(&element.name)),
        "remove it: nothing is accepted that is not enforced.",
    );
}

/// Warns about attributes of an element that has none. Wazuh passes them over.
pub(super) fn no_attributes(element: &Element, findings: &mut Findings<'_>) {
    for attribute in &element.attributes {
        let message =
            format!("<{}> has no attribute {}: it is passed over", element.name, printable(&attribute.name));
        findings.warning(attribute.spot, "attribute-unknown", message, "remove it.");
    }
}

/// Reports an attribute that an element of ours does not have.
pub(super) fn unknown_attribute(
    element: &Element,
    attribute: &Attribute,
    known: &[&str],
    findings: &mut Findings<'_>,
) {
    let message = format!("<{}> has no attribute {}", printable(&element.name), printable(&attribute.name));
    let otherwise =
        || if known.is_empty() { "it has none.".to_owned() } else { format!("it has {}.", known.join(", ")) };
    findings.error(
        attribute.spot,
        "attribute-unknown",
        message,
        did_you_mean(&attribute.name, known.iter().copied(), otherwise),
    );
}

/// The child of this name. When there are several, the last one counts, as in
/// Wazuh, and a warning says so.
pub(super) fn single<'e>(block: &'e Element, name: &str, findings: &mut Findings<'_>) -> Option<&'e Element> {
    let mut named = block.children.iter().filter(|child| child.name == name);
    let mut last = named.next()?;
    for again in named {
        let message = format!("<{name}> stands again in this <{}>: the last one counts", block.name);
        let help = format!("remove the one in line {}.", last.spot.line);
        findings.warning(again.spot, "element-repeated", message, help);
        last = again;
    }
    leaf(last, findings);
    Some(last)
}

/// Reports elements inside an element that holds only text. Returns whether
/// there were none.
pub(super) fn leaf(element: &Element, findings: &mut Findings<'_>) -> bool {
    no_attributes(element, findings);
    only_text(element, findings)
}

/// Like [`leaf`], for an element that may have attributes.
pub(super) fn only_text(element: &Element, findings: &mut Findings<'_>) -> bool {
    let Some(child) = element.children.first() else { return true };
    let message = format!("<{}> holds text, not <{}>", element.name, printable(&child.name));
    findings.error(child.spot, "element-nested", message, format!("close <{}> before it.", element.name));
    false
}

/// `yes` or `no`; `None` with an error for anything else.
pub(super) fn yes_or_no(element: &Element, findings: &mut Findings<'_>) -> Option<bool> {
    match element.value() {
        "yes" => Some(true),
        "no" => Some(false),
        other => {
            invalid(
                element,
                &format!("{} is neither yes nor no", shown(other)),
                "write yes or no.",
                findings,
            );
            None
        }
    }
}

/// What Wazuh logs for an element that it does not know.
pub(super) fn says_unknown(element: &Element, findings: &mut Findings<'_>) {
    let name = printable(&element.name);
    findings.says(format!("(1230): Invalid element in the configuration: '{name}'."));
}

/// What Wazuh logs for a value that its element does not take.
pub(super) fn says_invalid(element: &Element, findings: &mut Findings<'_>) {
    let (name, value) = (&element.name, printable(element.value()));
    findings.says(format!("(1235): Invalid value for element '{name}': {value}."));
}

/// Reports a value that its element does not take.
pub(super) fn invalid(element: &Element, message: &str, help: &str, findings: &mut Findings<'_>) {
    invalid_at(element.spot, &element.name, message, help, findings);
}

/// Like [`invalid`], for an attribute or a part of a value.
pub(super) fn invalid_at(spot: Spot, name: &str, message: &str, help: &str, findings: &mut Findings<'_>) {
    findings.error(spot, "value-invalid", format!("{}: {message}", printable(name)), help);
}

/// `<a>, <b>, <c>`.
pub(super) fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(", ")
}
