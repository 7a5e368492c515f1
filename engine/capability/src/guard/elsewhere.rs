//! Who is connected is not known on this system, and that is said.

use riposte_policy::address::Prefix;

use super::Accounts;

/// Who is connected to this host.
pub(super) struct Peers {
    pub(super) managers: Vec<Prefix>,
    pub(super) administrators: Vec<Prefix>,
    pub(super) agents: Vec<Prefix>,
}

/// Refuses: what is known by other means stays.
pub(super) fn read(_: &Accounts) -> Result<Peers, String> {
    Err("reading this system's connections is not implemented: put managers, agents and administrators on the \
         white_list"
        .to_owned())
}
