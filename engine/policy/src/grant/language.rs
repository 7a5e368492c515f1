//! The grant language as a table: every element of `<capabilities>` and every
//! attribute of each.
//!
//! The reader of the configuration takes from it which attributes there are and
//! which must be there, the schema is made of it, `riposte plugin inspect` takes
//! the least element of each interface from it, and tests compare the
//! documentation with it. So there is one list of what an operator may write.

/// One element of `<capabilities>`.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// Its name.
    pub name: &'static str,
    /// The interface that it opens: one of `active-response:plugin`, or
    /// `wasi:http`, `wasi:filesystem`.
    pub interface: &'static str,
    /// Whether it may stand several times in one `<capabilities>`.
    pub times: Times,
    /// The narrowest element there is. What the operator has to fill in stands
    /// in capital letters: `NAME`, `/PATH`, `HOST`, `ADDRESS`, `VALUE`.
    pub least: &'static str,
    /// What it allows, to go on after "may".
    pub what: &'static str,
    /// Its attributes, those that must be there first.
    pub attributes: &'static [Attribute],
}

/// How often an element may stand in one `<capabilities>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// At most once.
    Once,
    /// Once for each value of this attribute.
    OnceFor(&'static str),
    /// As often as is written.
    Often,
}

/// One attribute of an [`Element`].
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// Whether it may be left out.
    pub need: Need,
    /// What it takes.
    pub takes: Takes,
    /// What it says, in one line.
    pub what: &'static str,
}

/// Whether an attribute may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be there.
    Required,
    /// Leaving it out is the same as writing this.
    Default(&'static str),
    /// It may be left out; the text says what holds then.
    Optional(&'static str),
}

/// What an attribute takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One or more of these words.
    SomeOf(&'static [&'static str]),
    /// A whole number from one to another.
    Number(u64, u64),
    /// A text of this kind, and a regular expression (of XML Schema) that every
    /// such text fits.
    Text(&'static str, &'static str),
}

/// The element of this name.
#[must_use]
pub fn element(name: &str) -> Option<&'static Element> {
    ELEMENTS.iter().find(|element| element.name == name)
}

/// The element that opens this interface.
#[must_use]
pub fn of_interface(interface: &str) -> Option<&'static Element> {
    ELEMENTS.iter().find(|element| element.interface == interface)
}

impl Element {
    /// Its attribute of this name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

const fn needed(name: &'static str, takes: Takes, what: &'static str) -> Attribute {
    Attribute { name, need: Need::Required, takes, what }
}

const fn usual(name: &'static str, default: &'static str, takes: Takes, what: &'static str) -> Attribute {
    Attribute { name, need: Need::Default(default), takes, what }
}

const fn optional(name: &'static str, absent: &'static str, takes: Takes, what: &'static str) -> Attribute {
    Attribute { name, need: Need::Optional(absent), takes, what }
}

/// What `sha256=` of `<capabilities>` takes.
pub const DIGESTS: Takes = Takes::Text("digests", r"[,\s]*[0-9a-fA-F]{64}([,\s]+[0-9a-fA-F]{64})*[,\s]*");

const NAME: Takes =
    Takes::Text("name: 1 to 64 of A-Z, a-z, 0-9, `_`, `.`, `-`", r"\s*[A-Za-z0-9_.\-]{1,64}\s*");
const PATH: Takes = Takes::Text("absolute path", r"\s*/.*");
const PATHS: Takes = Takes::Text("absolute paths, blanks between", r"\s*/\S*(\s+/\S*)*\s*");
const PATTERNS: Takes =
    Takes::Text("patterns, blanks or commas between", r"[,\s]*[^,\s]+([,\s]+[^,\s]+)*[,\s]*");
const TEXT: Takes = Takes::Text("text", r"[\s\S]*");
const SIZE: Takes = Takes::Text("size with B, KiB, MiB or GiB", r"\s*[0-9]+\s*(B|KiB|MiB|GiB)\s*");
const HOST: Takes = Takes::Text("host name or address", r"\s*[^\s/@?#*]+\s*");
const CONFIRM: Takes = Takes::Text(
    "`none`, `gateway`, `manager` or `tcp:HOST:PORT`",
    r"\s*(none|gateway|manager|tcp:[^\s/]+:[0-9]+)\s*",
);
const BITS4: Takes = Takes::Number(0, 32);
const BITS6: Takes = Takes::Number(0, 128);
const MAIL: Takes = Takes::Text("mail address", r"\s*[^\s,@]+@[^\s,@]+\s*");
const MAILS: Takes = Takes::Text(
    "mail addresses, blanks or commas between",
    r"[,\s]*[^\s,@]+@[^\s,@]+([,\s]+[^\s,@]+@[^\s,@]+)*[,\s]*",
);

/// The words of `backend=`, in the order of [`super::FirewallBackend::ALL`].
pub const BACKENDS: &[&str] =
    &["nftables", "iptables", "ipset", "firewalld", "pf", "npf", "ipfw", "ipf", "aix", "netsh"];
/// The words of `methods=`.
pub const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The words of `capabilities=`: `all`, or some of [`PRIVILEGES`].
pub const KEPT: &[&str] = &[
    "all",
    "audit_control",
    "audit_read",
    "audit_write",
    "block_suspend",
    "bpf",
    "checkpoint_restore",
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "ipc_lock",
    "ipc_owner",
    "kill",
    "lease",
    "linux_immutable",
    "mac_admin",
    "mac_override",
    "mknod",
    "net_admin",
    "net_bind_service",
    "net_broadcast",
    "net_raw",
    "perfmon",
    "setfcap",
    "setgid",
    "setpcap",
    "setuid",
    "sys_admin",
    "sys_boot",
    "sys_chroot",
    "sys_module",
    "sys_nice",
    "sys_pacct",
    "sys_ptrace",
    "sys_rawio",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "syslog",
    "wake_alarm",
];
/// The privileges of Linux (capabilities(7)) in lower case, without `cap_`.
pub const PRIVILEGES: &[&str] = KEPT.split_at(1).1;

const CONFIRMED: Attribute = usual(
    "confirm",
    "gateway",
    CONFIRM,
    "what must still answer afterwards; else the effect is undone at once",
);
const WIDEST4: Attribute =
    usual("widest4", "32", BITS4, "fewest leading bits of an IPv4 network; 32: addresses only");
const WIDEST6: Attribute =
    usual("widest6", "128", BITS6, "fewest leading bits of an IPv6 network; 128: addresses only");
/// `write=` of a confined program.
pub const WRITE: Attribute =
    optional("write", "nowhere", PATHS, "below which paths a confined program may write");
/// `no_new_privs=` of a confined native program.
pub const NO_NEW_PRIVILEGES: Attribute = usual(
    "no_new_privs",
    "yes",
    Takes::OneOf(&["yes", "no"]),
    "`no`: a set-user-id file such as sudo gives privileges, and no system call is refused",
);
/// `capabilities=` of a confined program.
pub const KEEPS: Attribute =
    optional("capabilities", "none", Takes::SomeOf(KEPT), "which privileges a confined program keeps");

/// Every element, in the order of the documentation.
pub const ELEMENTS: &[Element] = &[
    Element {
        name: "firewall",
        interface: "firewall",
        times: Times::Once,
        least: "<firewall/>",
        what: "block and unblock addresses in the engine's own sets",
        attributes: &[
            usual(
                "set",
                "drop",
                Takes::Text(
                    "1 to 15 of a-z, 0-9, `_`, `-`, beginning with a letter",
                    r"\s*[a-z][a-z0-9_\-]{0,14}\s*",
                ),
                "the set of blocked addresses",
            ),
            WIDEST4,
            WIDEST6,
            optional(
                "widen",
                "never",
                Takes::Number(2, 1_000),
                "from which offence of an address on the whole network around it is blocked, as wide as `widest4` and \
                 `widest6` say",
            ),
            optional(
                "backend",
                "what `<firewall>` of `<riposte>` says, else what works here",
                Takes::OneOf(BACKENDS),
                "what blocks",
            ),
            usual(
                "established",
                "starve",
                Takes::OneOf(&["starve", "cut"]),
                "whether open connections are also ended",
            ),
            CONFIRMED,
        ],
    },
    Element {
        name: "route",
        interface: "routes",
        times: Times::Once,
        least: "<route/>",
        what: "send what goes to an address nowhere",
        attributes: &[WIDEST4, WIDEST6, CONFIRMED],
    },
    Element {
        name: "account",
        interface: "accounts",
        times: Times::Once,
        least: r#"<account users="*"/>"#,
        what: "lock accounts, and end what they run",
        attributes: &[
            needed("users", PATTERNS, "which users; one pattern has to fit"),
            optional("except", "nobody", PATTERNS, "which users never, whatever `users` says"),
            usual("sessions", "keep", Takes::OneOf(&["keep", "end"]), "whether sessions may be ended"),
        ],
    },
    Element {
        name: "service",
        interface: "services",
        times: Times::OnceFor("unit"),
        least: r#"<service unit="NAME.service"/>"#,
        what: "act on one unit of the init system",
        attributes: &[
            needed(
                "unit",
                Takes::Text("unit with its suffix", r"\s*[A-Za-z0-9:_.\\@\-]+\.[a-z]+\s*"),
                "the unit",
            ),
            usual(
                "actions",
                "restart",
                Takes::SomeOf(&["restart", "reload", "start", "stop"]),
                "what may be done to it",
            ),
        ],
    },
    Element {
        name: "lines",
        interface: "lines",
        times: Times::OnceFor("file"),
        least: r#"<lines file="/PATH"/>"#,
        what: "keep single lines in one text file",
        attributes: &[
            needed("file", PATH, "the file; `/FOLDER/*`: every file that lies in the folder"),
            usual(
                "match",
                "*",
                Takes::Text("patterns, `|` between", r"[\s\S]*\S[\s\S]*"),
                "which lines; one pattern has to fit",
            ),
        ],
    },
    Element {
        name: "process",
        interface: "processes",
        times: Times::Once,
        least: r#"<process names="NAME"/>"#,
        what: "see and end the processes of programs",
        attributes: &[
            needed("names", PATTERNS, "file names of programs; one pattern has to fit"),
            optional("except", "none", PATTERNS, "which never, whatever `names` says"),
        ],
    },
    Element {
        name: "exec",
        interface: "exec",
        times: Times::Often,
        least: r#"<exec program="/PATH"/>"#,
        what: "run one program of the host",
        attributes: &[
            needed("program", Takes::Text("absolute path", r"\s*/[^*]*"), "the program"),
            optional(
                "arguments",
                "none are given",
                Takes::Text("patterns, blanks between; a last `**` takes any number", r"[\s\S]*"),
                "one pattern for each argument",
            ),
            usual(
                "confinement",
                "default",
                Takes::OneOf(&["default", "confined", "isolated"]),
                "how it is confined",
            ),
            WRITE,
            KEEPS,
        ],
    },
    Element {
        name: "state",
        interface: "state",
        times: Times::Once,
        least: "<state/>",
        what: "keep values from one call to the next",
        attributes: &[usual("size", "64KiB", SIZE, "all keys and values together, 1KiB to 64MiB")],
    },
    Element {
        name: "config",
        interface: "config",
        times: Times::OnceFor("name"),
        least: r#"<config name="NAME" value="VALUE"/>"#,
        what: "read a value that the operator sets",
        attributes: &[
            needed("name", NAME, "what the plugin asks for"),
            needed("value", TEXT, "what it gets, blanks and all"),
        ],
    },
    Element {
        name: "secret",
        interface: "secret",
        times: Times::OnceFor("name"),
        least: r#"<secret name="NAME" file="/PATH"/>"#,
        what: "read a value that nobody else can read",
        attributes: &[
            needed("name", NAME, "what the plugin asks for"),
            optional("file", "`credential` is there", PATH, "the file that holds the value"),
            optional(
                "credential",
                "`file` is there",
                NAME,
                "the credential of the service manager (`LoadCredential=`)",
            ),
        ],
    },
    Element {
        name: "quarantine",
        interface: "quarantine",
        times: Times::Once,
        least: r#"<quarantine folders="/PATH"/>"#,
        what: "take files out of everybody's reach",
        attributes: &[needed("folders", PATHS, "below which folders")],
    },
    Element {
        name: "isolation",
        interface: "isolation",
        times: Times::Once,
        least: "<isolation/>",
        what: "cut this host off from the network",
        attributes: &[
            optional(
                "allow",
                "nobody",
                Takes::Text(
                    "addresses and networks, blanks or commas between",
                    r"[0-9a-fA-F:./,\s]*[0-9a-fA-F:][0-9a-fA-F:./,\s]*",
                ),
                "who stays reachable besides the manager",
            ),
            CONFIRMED,
        ],
    },
    Element {
        name: "mail",
        interface: "mail",
        times: Times::Once,
        least: r#"<mail server="HOST" from="ADDRESS" to="ADDRESS"/>"#,
        what: "send mail",
        attributes: &[
            needed("server", HOST, "the server"),
            needed("from", MAIL, "the sender"),
            needed("to", MAILS, "the recipients"),
            optional("port", "25, or 465 with security=\"tls\"", Takes::Number(1, 65535), "its port"),
            optional(
                "security",
                "`starttls`, or `none` for this machine itself",
                Takes::OneOf(&["none", "starttls", "tls"]),
                "how the connection is protected",
            ),
            optional(
                "user",
                "nobody logs in",
                Takes::Text("name", r"[\s\S]*\S[\s\S]*"),
                "who logs in; needs `secret`",
            ),
            optional(
                "secret",
                "nobody logs in",
                NAME,
                "the `<secret>` that holds the password; needs `user`",
            ),
            optional("ca", "the system's", PATH, "certificates to trust, in place of the system's"),
        ],
    },
    Element {
        name: "folder",
        interface: "wasi:filesystem",
        times: Times::OnceFor("path"),
        least: r#"<folder path="/PATH"/>"#,
        what: "see a folder under its own path",
        attributes: &[
            needed("path", PATH, "the folder"),
            usual("access", "read", Takes::OneOf(&["read", "write"]), "what may be done below it"),
        ],
    },
    Element {
        name: "http",
        interface: "wasi:http",
        times: Times::Often,
        least: r#"<http host="HOST"/>"#,
        what: "send requests to one host",
        attributes: &[
            needed(
                "host",
                Takes::Text("host name, address, or `*.` and a name", r"\s*(\*\.)?[^\s/@?#*]+\s*"),
                "the host; `*.example.com` is any name below it",
            ),
            optional("port", "443, or 80 with scheme=\"http\"", Takes::Number(1, 65535), "its port"),
            usual("scheme", "https", Takes::OneOf(&["https", "http"]), "with TLS or without"),
            usual("methods", "POST", Takes::SomeOf(METHODS), "which methods"),
            usual(
                "private",
                "no",
                Takes::OneOf(&["no", "yes"]),
                "whether addresses of private networks may be reached",
            ),
            optional("ca", "the system's", PATH, "certificates to trust, in place of the system's"),
            usual("request", "1MiB", SIZE, "most bytes of a request, 1KiB to 64MiB"),
            usual("response", "1MiB", SIZE, "most bytes of a response, 1KiB to 64MiB"),
            usual(
                "time",
                "5s",
                Takes::Text("time with a unit", r"\s*[0-9]+(ms|s|m)\s*"),
                "how long one request may take in all, to 10m",
            ),
        ],
    },
];

#[cfg(test)]
mod tests;
