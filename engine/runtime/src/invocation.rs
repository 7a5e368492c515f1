//! What goes into a call.

use std::sync::Arc;
use std::time::Duration;

use riposte_policy::config::{Command, Mode};
use riposte_policy::order::EntryId;

/// One call of a plugin: what it is told and for whom it acts.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Name of the `<command>`.
    pub command: Arc<str>,
    /// Identifies this response to this alert, also after a restart.
    pub id: String,
    /// The entry that will hold the effects; `None` for `keys` and in shadow.
    pub entry: Option<EntryId>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How long the effect is to last; `None`: for good. The plugin is told
    /// whole seconds.
    pub timeout: Option<Duration>,
    /// Which offence of this target it is, from 1.
    pub offence: u32,
    /// Whose response it is; `default` on a machine without tenants.
    pub tenant: Arc<str>,
    /// `local`, `server`, `defined-agent` or `all`.
    pub location: &'static str,
    /// The words of `<extra_args>`.
    pub arguments: Arc<[String]>,
    /// What `<keys>` found in the alert; empty when the command has none.
    pub keys: Arc<[String]>,
    /// The alert object, as [`riposte_policy::alert::object`] returns it.
    pub alert: Arc<str>,
    /// Whether it acts or only says what it would do.
    pub mode: Mode,
    /// Whether nobody asked for it but to see what would be: what is refused is
    /// no event then.
    pub rehearsal: bool,
}

impl Invocation {
    /// Tells the plugin the keys that the command's `<keys>` found, if it has
    /// that element.
    pub fn named(&mut self, command: &Command, keys: &[String]) {
        if !command.keys.is_empty() {
            self.keys = keys.into();
        }
    }
}
