//! Grants as the XML that gives them: for people, with as little as says it;
//! for the ledger, with everything, so that a later default changes nothing.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use super::{
    Access, AccountGrant, ConfigValue, Confinement, Digest, Established, ExecGrant, FirewallGrant,
    FolderGrant, Grants, HttpGrant, IsolationGrant, LinesGrant, MailGrant, MailSecurity, NewPrivileges,
    Pattern, PrivateNetworks, ProcessGrant, QuarantineGrant, RouteGrant, SecretGrant, SecretSource,
    ServiceAction, ServiceGrant, Sessions, StateGrant,
};
use crate::span;

/// How much is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What differs from the defaults.
    Least,
    /// Every attribute.
    Full,
}

impl Grants {
    /// The `<capabilities>` that gives these grants: each on a line of its own,
    /// indented by two blanks, without a line end at the end.
    #[must_use]
    pub fn to_xml(&self, detail: Detail) -> String {
        let mut opening = Tag::new("capabilities", detail);
        if !self.digests.is_empty() {
            opening = opening.attribute("sha256", &joined(self.digests.iter().map(Digest::to_string)));
        }
        let elements = self.elements(detail);
        if elements.is_empty() {
            return opening.empty();
        }
        let mut xml = opening.open();
        for element in elements {
            xml.push_str("\n  ");
            xml.push_str(&element);
        }
        xml.push_str("\n</capabilities>");
        xml
    }

    /// The elements in it, one for each grant, in the order of
    /// [`super::language::ELEMENTS`].
    #[must_use]
    pub fn elements(&self, detail: Detail) -> Vec<String> {
        let Self {
            digests: _,
            firewall,
            routes,
            accounts,
            services,
            lines,
            processes,
            exec,
            state,
            config,
            secrets,
            quarantine,
            isolation,
            mail,
            folders,
            http,
        } = self;
        let mut all = Vec::new();
        all.extend(firewall.iter().map(|grant| grant.tag(detail)));
        all.extend(routes.iter().map(|grant| grant.tag(detail)));
        all.extend(accounts.iter().map(|grant| grant.tag(detail)));
        all.extend(services.iter().map(|grant| grant.tag(detail)));
        all.extend(lines.iter().map(|grant| grant.tag(detail)));
        all.extend(processes.iter().map(|grant| grant.tag(detail)));
        all.extend(exec.iter().map(|grant| grant.tag(detail)));
        all.extend(state.iter().map(|grant| grant.tag(detail)));
        all.extend(config.iter().map(|grant| grant.tag(detail)));
        all.extend(secrets.iter().map(|grant| grant.tag(detail)));
        all.extend(quarantine.iter().map(|grant| grant.tag(detail)));
        all.extend(isolation.iter().map(|grant| grant.tag(detail)));
        all.extend(mail.iter().map(|grant| grant.tag(detail)));
        all.extend(folders.iter().map(|grant| grant.tag(detail)));
        all.extend(http.iter().map(|grant| grant.tag(detail)));
        all.into_iter().map(Tag::empty).collect()
    }
}

/// As an operator would write them.
impl Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_xml(Detail::Least))
    }
}

/// A grant that one element gives.
trait AsElement {
    fn tag(&self, detail: Detail) -> Tag;
}

impl AsElement for FirewallGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { set, widest4, widest6, widen, backend, established, confirm } = self;
        let usual = Self::default();
        let cut = if *established == Established::Cut { "cut" } else { "starve" };
        Tag::new("firewall", detail)
            .unless(*set == usual.set, "set", set)
            .unless(*widest4 == usual.widest4, "widest4", widest4)
            .unless(*widest6 == usual.widest6, "widest6", widest6)
            .when("widen", *widen)
            .when("backend", backend.map(super::FirewallBackend::as_str))
            .unless(*established == usual.established, "established", &cut)
            .unless(*confirm == usual.confirm, "confirm", confirm)
    }
}

impl AsElement for RouteGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { widest4, widest6, confirm } = self;
        let usual = Self::default();
        Tag::new("route", detail)
            .unless(*widest4 == usual.widest4, "widest4", widest4)
            .unless(*widest6 == usual.widest6, "widest6", widest6)
            .unless(*confirm == usual.confirm, "confirm", confirm)
    }
}

impl AsElement for AccountGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { users, except, sessions } = self;
        let end = if *sessions == Sessions::End { "end" } else { "keep" };
        Tag::new("account", detail).attribute("users", &joined(users)).listed("except", except).unless(
            *sessions == Sessions::Keep,
            "sessions",
            &end,
        )
    }
}

impl AsElement for ServiceGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { unit, actions } = self;
        let words = joined(actions.iter().map(|action| action.as_str()));
        Tag::new("service", detail).attribute("unit", unit).unless(
            *actions == [ServiceAction::Restart],
            "actions",
            &words,
        )
    }
}

impl AsElement for LinesGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { file, lines } = self;
        let patterns: Vec<_> = lines.iter().map(Pattern::as_str).collect();
        Tag::new("lines", detail).attribute("file", &file.display()).unless(
            patterns == ["*"],
            "match",
            &patterns.join("|"),
        )
    }
}

impl AsElement for ProcessGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { names, except } = self;
        Tag::new("process", detail).attribute("names", &joined(names)).listed("except", except)
    }
}

impl AsElement for ExecGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { program, arguments, confinement } = self;
        let arguments = arguments.to_string();
        let tag = Tag::new("exec", detail).attribute("program", &program.display()).unless(
            arguments.is_empty(),
            "arguments",
            &arguments,
        );
        confinement.attributes(tag.unless(
            *confinement == Confinement::Default,
            "confinement",
            &confinement.as_str(),
        ))
    }
}

impl Confinement {
    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Confined { .. } => "confined",
            Self::Isolated { .. } => "isolated",
        }
    }

    /// The element of a native program's `<command>` that asks for it; `None`
    /// for [`Confinement::Default`].
    #[must_use]
    pub fn to_xml(&self) -> Option<String> {
        let tag = || self.attributes(Tag::new(self.as_str(), Detail::Least)).empty();
        (*self != Self::Default).then(tag)
    }

    fn attributes(&self, tag: Tag) -> Tag {
        let paths =
            |write: &[std::path::PathBuf]| write.iter().map(|path| path.display().to_string()).collect();
        match self {
            Self::Default => tag,
            Self::Confined { write, capabilities, new_privileges } => {
                let write: Vec<String> = paths(write);
                let tag = tag.listed("write", &write).listed("capabilities", capabilities);
                let allowed = *new_privileges == NewPrivileges::Allowed;
                if allowed { tag.attribute("no_new_privs", &"no") } else { tag }
            }
            Self::Isolated { write } => {
                let write: Vec<String> = paths(write);
                tag.listed("write", &write)
            }
        }
    }
}

impl AsElement for StateGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { size } = self;
        Tag::new("state", detail).unless(*self == Self::default(), "size", &bytes(*size))
    }
}

impl AsElement for ConfigValue {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { name, value } = self;
        Tag::new("config", detail).attribute("name", name).attribute("value", value)
    }
}

impl AsElement for SecretGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { name, source } = self;
        let tag = Tag::new("secret", detail).attribute("name", name);
        match source {
            SecretSource::File(path) => tag.attribute("file", &path.display()),
            SecretSource::Credential(credential) => tag.attribute("credential", credential),
        }
    }
}

impl AsElement for QuarantineGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { folders } = self;
        Tag::new("quarantine", detail)
            .attribute("folders", &joined(folders.iter().map(|folder| folder.display())))
    }
}

impl AsElement for IsolationGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { allow, confirm } = self;
        Tag::new("isolation", detail).listed("allow", allow).unless(
            *confirm == super::Confirm::default(),
            "confirm",
            confirm,
        )
    }
}

impl AsElement for MailGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { server, port, security, from, to, login, ca } = self;
        let tag = Tag::new("mail", detail)
            .attribute("server", server)
            .unless(*port == security.port(), "port", port)
            .unless(*security == MailSecurity::usual(server), "security", &security.as_str())
            .attribute("from", from)
            .attribute("to", &joined(to));
        let tag = match login {
            Some((user, secret)) => tag.attribute("user", user).attribute("secret", secret),
            None => tag,
        };
        tag.when("ca", ca.as_ref().map(|ca| ca.display()))
    }
}

impl MailSecurity {
    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::StartTls => "starttls",
            Self::Tls => "tls",
        }
    }

    /// The port when none is written.
    #[must_use]
    pub fn port(self) -> u16 {
        if self == Self::Tls { 465 } else { 25 }
    }

    /// What holds for this server when nothing is written: what goes to this
    /// machine itself needs no protection on its way.
    #[must_use]
    pub fn usual(server: &str) -> Self {
        let address = server.parse::<crate::address::Address>();
        let here = server == "localhost" || address.is_ok_and(|address| address.ip().is_loopback());
        if here { Self::None } else { Self::StartTls }
    }
}

impl AsElement for FolderGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { path, access } = self;
        let word = if *access == Access::Write { "write" } else { "read" };
        Tag::new("folder", detail).attribute("path", &path.display()).unless(
            *access == Access::Read,
            "access",
            &word,
        )
    }
}

impl AsElement for HttpGrant {
    fn tag(&self, detail: Detail) -> Tag {
        let Self { host, port, tls, methods, private, ca, request, response, time } = self;
        let usual = Self::new(host);
        let scheme = if *tls { "https" } else { "http" };
        let reached = if *private == PrivateNetworks::Allowed { "yes" } else { "no" };
        Tag::new("http", detail)
            .attribute("host", host)
            .unless(*port == Self::usual_port(*tls), "port", port)
            .unless(*tls == usual.tls, "scheme", &scheme)
            .unless(*methods == usual.methods, "methods", &joined(methods))
            .unless(*private == usual.private, "private", &reached)
            .when("ca", ca.as_ref().map(|ca| ca.display()))
            .unless(*request == usual.request, "request", &bytes(*request))
            .unless(*response == usual.response, "response", &bytes(*response))
            .unless(*time == usual.time, "time", &span_of(*time))
    }
}

impl HttpGrant {
    /// `<http host="..."/>` and nothing else: POST, over TLS, to public
    /// addresses.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: Self::usual_port(true),
            tls: true,
            methods: vec!["POST".to_owned()],
            private: PrivateNetworks::Refused,
            ca: None,
            request: 1 << 20,
            response: 1 << 20,
            time: Duration::from_secs(5),
        }
    }

    /// The port when none is written.
    #[must_use]
    pub fn usual_port(tls: bool) -> u16 {
        if tls { 443 } else { 80 }
    }
}

/// An opening tag that is being written.
struct Tag {
    text: String,
    detail: Detail,
}

impl Tag {
    fn new(name: &str, detail: Detail) -> Self {
        Self { text: format!("<{name}"), detail }
    }

    fn attribute(mut self, name: &str, value: &dyn Display) -> Self {
        // Writing to a string does not fail.
        let _ = write!(self.text, " {name}=\"{}\"", escaped(&value.to_string()));
        self
    }

    /// The attribute, unless it says what holds anyway.
    fn unless(self, usual: bool, name: &str, value: &dyn Display) -> Self {
        if usual && self.detail == Detail::Least { self } else { self.attribute(name, value) }
    }

    fn when(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.attribute(name, &value),
            None => self,
        }
    }

    /// The attribute, unless the list is empty, which no attribute can say.
    fn listed<T: Display>(self, name: &str, values: &[T]) -> Self {
        if values.is_empty() { self } else { self.attribute(name, &joined(values)) }
    }

    fn open(self) -> String {
        self.text + ">"
    }

    fn empty(self) -> String {
        self.text + "/>"
    }
}

fn joined<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
}

/// The text of an attribute. Blanks that are none of a line's would be read as
/// others by a reader that follows XML to the letter.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                // Writing to a string does not fail.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}

/// Bytes with the largest unit that fits.
fn bytes(bytes: u64) -> String {
    for (unit, each) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes != 0 && bytes.is_multiple_of(each) {
            return format!("{}{unit}", bytes / each);
        }
    }
    format!("{bytes}B")
}

fn span_of(span: Duration) -> String {
    span::shown(span)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests;
