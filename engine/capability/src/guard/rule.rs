//! Why something is protected.

/// Why an address is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Loopback,
    Unspecified,
    Multicast,
    Broadcast,
    OwnAddress,
    Gateway,
    Resolver,
    /// As configured.
    Manager,
    /// As its connections show.
    ManagerPeer,
    AdministratorSession,
    Agent,
    Broker,
    TrustedProxy,
    WhiteList,
    Allow,
}

impl Rule {
    /// Its name in events and in `<override>`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::OwnAddress => "own-address",
            Self::Gateway => "gateway",
            Self::Resolver => "resolver",
            Self::Manager | Self::ManagerPeer => "manager",
            Self::AdministratorSession => "administrator-session",
            Self::Agent => "agent",
            Self::Broker => "broker",
            Self::TrustedProxy => "trusted-proxy",
            Self::WhiteList => "white_list",
            Self::Allow => "allow",
        }
    }

    /// The rest of the sentence that begins with the protected network.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Loopback => "is this machine talking to itself",
            Self::Unspecified => "stands for no address or for all",
            Self::Multicast => "is multicast, never one sender",
            Self::Broadcast => "is everybody on the network",
            Self::OwnAddress => "is an address of this machine",
            Self::Gateway => "is a gateway of this machine",
            Self::Resolver => "is a name server of this machine",
            Self::Manager => "is the manager of this machine",
            Self::ManagerPeer => "is the manager that this machine is connected to",
            Self::AdministratorSession => "is where an administrator is logged in from",
            Self::Agent => "is an agent that is connected to this manager",
            Self::Broker => "is the broker that carries orders",
            Self::TrustedProxy => "is one of the <trusted_proxies>",
            Self::WhiteList => "is on the configuration's white_list",
            Self::Allow => "is allowed by an operator, see `riposte allow`",
        }
    }
}
