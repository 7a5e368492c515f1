//! What each capability may be limited to. All defaults are the narrowest that
//! make sense; an absent grant is narrower still.

use std::path::PathBuf;
use std::time::Duration;

use super::SetName;
use super::pattern::{Arguments, Pattern};
use crate::address::Prefix;

/// `<firewall/>`: may block addresses in the engine's own sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallGrant {
    /// Name of the set: 1 to 15 of `[a-z0-9_-]`, beginning with a letter.
    /// Default `drop`.
    pub set: SetName,
    /// Fewest leading bits an IPv4 prefix may have. Default 32: addresses only.
    pub widest4: u8,
    /// Fewest leading bits an IPv6 prefix may have. Default 128: addresses only.
    pub widest6: u8,
    /// From which offence of an address on the network around it is blocked, as
    /// wide as `widest4` and `widest6` allow. `None`, the default: never.
    pub widen: Option<u32>,
    /// What blocks; `None`: what the engine found to work at its start.
    pub backend: Option<FirewallBackend>,
    /// What becomes of connections that are open. Default [`Established::Starve`].
    pub established: Established,
    /// What must answer after a block of a prefix. Default: the gateway.
    pub confirm: Confirm,
}

impl Default for FirewallGrant {
    fn default() -> Self {
        Self {
            set: SetName("drop".to_owned()),
            widest4: 32,
            widest6: 128,
            widen: None,
            backend: None,
            established: Established::Starve,
            confirm: Confirm::Gateway,
        }
    }
}

/// What blocks addresses on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names of the programs")]
pub enum FirewallBackend {
    Nftables,
    Iptables,
    Ipset,
    Firewalld,
    Pf,
    Npf,
    Ipfw,
    Ipf,
    /// The packet filter of AIX (`genfilt`).
    Aix,
    Netsh,
}

impl FirewallBackend {
    /// All of them, with their names in the configuration.
    pub const ALL: [(&'static str, Self); 10] = [
        ("nftables", Self::Nftables),
        ("iptables", Self::Iptables),
        ("ipset", Self::Ipset),
        ("firewalld", Self::Firewalld),
        ("pf", Self::Pf),
        ("npf", Self::Npf),
        ("ipfw", Self::Ipfw),
        ("ipf", Self::Ipf),
        ("aix", Self::Aix),
        ("netsh", Self::Netsh),
    ];

    /// Its name in the configuration and in recorded effects.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, backend)| *backend == self).map_or("", |(name, _)| name)
    }

    /// The backend of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, backend)| *backend)
    }
}

/// What a block does to connections that are open already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Established {
    /// Their packets are dropped like all others; both ends find out in time.
    #[default]
    Starve,
    /// They are ended at once: tracked connections are forgotten and sockets of
    /// this host closed.
    Cut,
}

/// What must still answer after an effect that can lock people out; else the
/// effect is undone at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Confirm {
    /// Nothing: the effect stays.
    None,
    /// The gateway of this host answers (on its link). Without one: nothing.
    #[default]
    Gateway,
    /// The manager that this host is connected to takes a connection.
    Manager,
    /// This host and port take a TCP connection.
    Tcp {
        /// An address, or a name that is looked up when it is used.
        host: String,
        /// The port.
        port: u16,
    },
}

/// `<route/>`: may send what goes to an address nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteGrant {
    /// Fewest leading bits an IPv4 prefix may have. Default 32.
    pub widest4: u8,
    /// Fewest leading bits an IPv6 prefix may have. Default 128.
    pub widest6: u8,
    /// What must answer after a route for a prefix. Default: the gateway.
    pub confirm: Confirm,
}

impl Default for RouteGrant {
    fn default() -> Self {
        Self { widest4: 32, widest6: 128, confirm: Confirm::Gateway }
    }
}

/// `<account users="*" except="deploy backup"/>`: may lock accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountGrant {
    /// Which users; one pattern has to fit. None: nobody.
    pub users: Vec<Pattern>,
    /// Which users never, whatever `users` says.
    pub except: Vec<Pattern>,
    /// Whether sessions may be ended (`sessions="end"`). Default: they stay.
    pub sessions: Sessions,
}

/// What may become of a user's sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sessions {
    /// They stay.
    #[default]
    Keep,
    /// They may be ended.
    End,
}

/// `<service unit="nginx.service" actions="restart"/>`: may act on one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceGrant {
    /// The unit, with its suffix: `nginx.service`.
    pub unit: String,
    /// What may be done to it. Default `restart`.
    pub actions: Vec<ServiceAction>,
}

/// What can be done to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of the init system")]
pub enum ServiceAction {
    Restart,
    Reload,
    Start,
    Stop,
}

impl ServiceAction {
    /// All of them, with their names in the configuration.
    pub const ALL: [(&'static str, Self); 4] =
        [("restart", Self::Restart), ("reload", Self::Reload), ("start", Self::Start), ("stop", Self::Stop)];

    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, action)| *action == self).map_or("", |(name, _)| name)
    }
}

/// `<lines file="/etc/hosts.deny" match="ALL: *"/>`: may keep lines in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinesGrant {
    /// The file, absolute. A name that is `*` stands for every file that lies
    /// in the folder before it, and for none below that.
    pub file: PathBuf,
    /// Which lines; one pattern has to fit. Default: any (`*`).
    pub lines: Vec<Pattern>,
}

/// `<process names="xmrig miner-*" except="sshd"/>`: may end processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessGrant {
    /// Names of program files; one pattern has to fit.
    pub names: Vec<Pattern>,
    /// Which never, whatever `names` says.
    pub except: Vec<Pattern>,
}

/// `<exec program="/usr/bin/yara" arguments="-r * **"/>`: may run one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecGrant {
    /// The program, absolute.
    pub program: PathBuf,
    /// Which arguments. Default: none.
    pub arguments: Arguments,
    /// How it is confined. Default [`Confinement::Default`].
    pub confinement: Confinement,
}

/// How a program of the host is confined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Confinement {
    /// System calls that no response needs are refused.
    #[default]
    Default,
    /// `<confined write="/var/log" capabilities="net_admin"/>`: besides, it
    /// writes only below these paths and keeps only these privileges.
    Confined {
        /// Where it may write. It may read everything.
        write: Vec<PathBuf>,
        /// Names of Linux capabilities in lower case, without `cap_`, or
        /// `all` ([`super::language::KEPT`]).
        capabilities: Vec<String>,
        /// Whether what it starts may gain privileges. Default: no.
        new_privileges: NewPrivileges,
    },
    /// `<isolated/>`: besides, without network, with a read-only view of the
    /// file system and a user of its own (bubblewrap).
    Isolated {
        /// Where it may write.
        write: Vec<PathBuf>,
    },
}

/// Whether a program may gain privileges from a set-user-id file such as sudo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewPrivileges {
    /// It may not (`no_new_privs` of Linux).
    #[default]
    Refused,
    /// It may (`no_new_privs="no"`). The list of refused system calls needs
    /// `no_new_privs`, so that list does not hold then; paths and capabilities
    /// still do.
    Allowed,
}

/// `<state size="64KiB"/>`: may keep values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateGrant {
    /// All keys and values together, in bytes, and at most 1,000 keys. Default
    /// 64 KiB.
    pub size: u64,
}

impl Default for StateGrant {
    fn default() -> Self {
        Self { size: 64 << 10 }
    }
}

/// `<config name="channel" value="#alerts"/>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigValue {
    /// What the plugin asks for.
    pub name: String,
    /// What it gets.
    pub value: String,
}

/// `<secret name="webhook" file="/etc/riposte/secrets/webhook"/>`, or
/// `credential="webhook"`. Where the value stands, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretGrant {
    /// What the plugin asks for.
    pub name: String,
    /// Where it stands.
    pub source: SecretSource,
}

/// Where a secret stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file that nobody but root and the user of the engine can read.
    File(PathBuf),
    /// A credential of the service manager (systemd's `LoadCredential=`).
    Credential(String),
}

/// `<quarantine folders="/home /tmp"/>`: may take files below these folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantineGrant {
    /// Folders, absolute.
    pub folders: Vec<PathBuf>,
}

/// `<isolation allow="192.0.2.10 198.51.100.0/24" confirm="manager"/>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IsolationGrant {
    /// Who stays reachable besides the manager.
    pub allow: Vec<Prefix>,
    /// What must answer afterwards. Default: the gateway.
    pub confirm: Confirm,
}

/// `<mail server="mail.example.com" from="" to=""/>`: may send mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailGrant {
    /// Host name or address of the server.
    pub server: String,
    /// Its port. Default 25, or 465 with [`MailSecurity::Tls`].
    pub port: u16,
    /// How the connection is protected. Default [`MailSecurity::StartTls`],
    /// except for this machine itself.
    pub security: MailSecurity,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// Who logs in, with the name of the `<secret>` that holds the password.
    pub login: Option<(String, String)>,
    /// A file of certificates (PEM) to trust in the place of the system's.
    /// Default: the system's.
    pub ca: Option<PathBuf>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// Not at all.
    None,
    /// By STARTTLS, without which nothing is sent.
    StartTls,
    /// By TLS from the first byte.
    Tls,
}

/// `<folder path="/var/lib/incoming" access="read"/>`: a folder that the plugin
/// sees under its own path, through `wasi:filesystem`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderGrant {
    /// The folder, absolute.
    pub path: PathBuf,
    /// What may be done below it. Default [`Access::Read`].
    pub access: Access,
}

/// What may be done below a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    #[default]
    Read,
    /// Reading, writing, making, removing.
    Write,
}

/// `<http host="hooks.example.com" methods="POST"/>`: may send requests to one
/// host, through `wasi:http`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    /// A host name, an address, or `*.` and a host name: any name below it.
    /// A [`super::HostPattern`], as it is written.
    pub host: String,
    /// Its port. Default 443, or 80 without TLS.
    pub port: u16,
    /// Whether the connection is protected by TLS. Default yes; `scheme="http"`
    /// is no.
    pub tls: bool,
    /// Methods in upper case. Default `POST`. Never `CONNECT` or `TRACE`.
    pub methods: Vec<String>,
    /// Whether addresses of private networks may be reached (`private="yes"`).
    pub private: PrivateNetworks,
    /// A file of certificates to trust in the place of the system's.
    pub ca: Option<PathBuf>,
    /// Most bytes of a request. Default 1 MiB.
    pub request: u64,
    /// Most bytes of a response. Default 1 MiB.
    pub response: u64,
    /// How long one request may take in all. Default 5 s.
    pub time: Duration,
}

/// Whether addresses that are not of the public network may be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrivateNetworks {
    /// No: loopback, link-local, private and other special ranges are refused.
    #[default]
    Refused,
    /// Yes, as far as the host pattern names them. The addresses at which a
    /// cloud tells a machine its secrets only when `host` is that address.
    Allowed,
}
