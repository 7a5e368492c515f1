//! What does it on this host, one field for each interface.

use std::path::Path;
use std::sync::Arc;

#[cfg(target_os = "linux")]
use crate::bus::Bus;
use crate::refusal::Refusal;
use crate::{accounts, exec, firewall, held, http, mail, processes, secret, services, state};

/// The backends of all interfaces. What a host lacks is
/// [`Backends::unavailable`], never silence.
#[derive(Clone)]
#[allow(missing_docs, reason = "each field is the interface of its name")]
pub struct Backends {
    pub firewall: Arc<dyn firewall::Backend>,
    pub routes: Arc<dyn held::Backend>,
    pub accounts: Arc<dyn held::Backend>,
    pub sessions: Arc<dyn accounts::Sessions>,
    pub lines: Arc<dyn held::Backend>,
    pub quarantine: Arc<dyn held::Backend>,
    pub isolation: Arc<dyn held::Backend>,
    pub services: Arc<dyn services::Backend>,
    pub processes: Arc<dyn processes::Backend>,
    pub exec: Arc<dyn exec::Backend>,
    pub state: Arc<dyn state::Backend>,
    pub secrets: Arc<dyn secret::Backend>,
    pub mail: Arc<dyn mail::Backend>,
    pub http: Arc<dyn http::Backend>,
}

impl Backends {
    /// A host that can do nothing: every call of every interface is refused
    /// with `why`. To be taken as the rest of a value that names the fields
    /// that are there.
    #[must_use]
    pub fn unavailable(why: &Refusal) -> Self {
        let held: Arc<dyn held::Backend> = Arc::new(held::Unavailable(why.clone()));
        Self {
            firewall: Arc::new(firewall::Unavailable(why.clone())),
            routes: Arc::clone(&held),
            accounts: Arc::clone(&held),
            sessions: Arc::new(accounts::Unavailable(why.clone())),
            lines: Arc::clone(&held),
            quarantine: Arc::clone(&held),
            isolation: held,
            services: Arc::new(services::Unavailable(why.clone())),
            processes: Arc::new(processes::Unavailable(why.clone())),
            exec: Arc::new(exec::Unavailable(why.clone())),
            state: Arc::new(state::Unavailable(why.clone())),
            secrets: Arc::new(secret::Unavailable(why.clone())),
            mail: Arc::new(mail::Unavailable(why.clone())),
            http: Arc::new(http::Unavailable(why.clone())),
        }
    }

    /// What this host can do. `firewall` blocks; `root` is Wazuh's home. Nothing
    /// is opened or asked before a response needs it.
    #[must_use]
    pub fn of_this_host(firewall: Arc<dyn firewall::Backend>, root: &Path) -> Self {
        let why = Refusal::unsupported(format!("this is not done on {}", std::env::consts::OS));
        let rest = Self { firewall, ..Self::unavailable(&why) };
        #[cfg(target_os = "linux")]
        let rest = {
            let bus = Bus::system();
            Self {
                accounts: Arc::new(accounts::linux::Linux),
                sessions: Arc::new(accounts::linux::Processes::new(bus.clone())),
                services: Arc::new(services::host::Host::new(bus, root.to_owned())),
                processes: Arc::new(processes::linux::Linux),
                ..rest
            }
        };
        #[cfg(not(target_os = "linux"))]
        let _ = root;
        rest
    }

    /// A host that can block addresses and nothing else.
    #[must_use]
    pub fn only_firewall(firewall: Arc<dyn firewall::Backend>) -> Self {
        let why = Refusal::unsupported("this is not done here: only addresses are blocked");
        Self { firewall, ..Self::unavailable(&why) }
    }

    /// With what needs nothing of this host but its network: requests of HTTP,
    /// and mail.
    #[must_use]
    pub fn with_network(self) -> Self {
        Self {
            mail: Arc::new(mail::Smtp::default()),
            http: Arc::new(http::Client::new(http::client::System)),
            ..self
        }
    }
}
