//! `<ca_store>` and `<ca_verification>`: whom packages are trusted from.

use super::findings::{Findings, Spot};
use super::xml::Element;
use super::{Role, block};

/// What the files say so far.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    /// Files or folders of root certificates, in order.
    pub(super) stores: Vec<String>,
    /// Whether certificates are checked; the last one counts, as in Wazuh.
    pub(super) verification: Option<bool>,
    /// Where it is said first.
    spot: Option<Spot>,
}

impl Trusted {
    /// Reads what one block says. Returns whether it can be read.
    pub(super) fn read(&mut self, block: &Element, role: Role, findings: &mut Findings<'_>) -> bool {
        let mut sound = true;
        for store in block.children.iter().filter(|child| child.name == "ca_store") {
            self.spot = self.spot.or(Some(store.spot));
            sound &= block::leaf(store, findings);
            let path = store.value();
            if path.is_empty() || path.contains(char::is_control) {
                sound = false;
                let help = "write the path of a certificate, such as etc/wpk_root.pem, or remove it.";
                block::invalid(store, "it is not the path of a file", help, findings);
            } else if !self.stores.iter().any(|known| known == path) {
                self.stores.push(path.to_owned());
            }
        }
        if let Some(verification) = block::single(block, "ca_verification", findings) {
            self.spot = self.spot.or(Some(verification.spot));
            if role == Role::Manager {
                sound = false;
                let message = "<ca_verification> is for agents: a manager refuses the file";
                findings.error(verification.spot, "element-unknown", message, "remove it.");
                block::says_unknown(verification, findings);
                return sound;
            }
            match block::yes_or_no(verification, findings) {
                Some(value) => self.verification = Some(value),
                None => {
                    sound = false;
                    block::says_invalid(verification, findings);
                }
            }
        }
        sound
    }

    /// Says once that it is kept for later.
    pub(super) fn finish(&self, findings: &mut Findings<'_>) {
        if let Some(spot) = self.spot {
            let message = "the certificates are kept for later: they take effect when packages are installed";
            findings.note(spot, "ca-unused", message, "");
        }
    }
}
