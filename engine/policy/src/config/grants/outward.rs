//! `<mail>` and `<http>`.

use std::time::Duration;

use super::super::command::words;
use super::attributes::{Attributes, Wrong};
use super::values;
use crate::diagnostic::shown;
use crate::grant::language::METHODS;
use crate::grant::{HttpGrant, MailGrant, MailSecurity, PrivateNetworks, spelling};
use crate::span::{self, Bare};

/// Longest time that one request may be given.
const LONGEST: Duration = Duration::from_secs(600);

pub(super) fn mail(read: &mut Attributes<'_, '_, '_>) -> Option<MailGrant> {
    let server = read.read("server", |text| Ok(spelling::canonical(text)?));
    let port = read.read("port", values::port);
    let words =
        [("none", MailSecurity::None), ("starttls", MailSecurity::StartTls), ("tls", MailSecurity::Tls)];
    let security = read.choose("security", &words);
    let from = read.read("from", mailbox);
    let to = read.read("to", |text| {
        values::some(words_of(text).map(mailbox).collect::<Result<Vec<_>, _>>()?, "there is no recipient")
    });
    let login = login(read);
    let ca = read.read("ca", values::file);
    let server = server?;
    let security = security.unwrap_or_else(|| MailSecurity::usual(&server));
    if login.is_some() && security == MailSecurity::None && MailSecurity::usual(&server) != MailSecurity::None
    {
        let help = "write security=\"starttls\" or \"tls\", or leave out user= and secret=.";
        read.refuse("security", Wrong::new("the password would cross the network for all to read", help));
    }
    if ca.is_some() && security == MailSecurity::None {
        read.refuse(
            "ca",
            Wrong::new("there are no certificates without TLS", "remove it, or write security=\"starttls\"."),
        );
    }
    Some(MailGrant {
        server,
        port: port.unwrap_or_else(|| security.port()),
        security,
        from: from?,
        to: to?,
        login,
        ca,
    })
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    words(text)
}

/// Who logs in, and where the password stands.
fn login(read: &mut Attributes<'_, '_, '_>) -> Option<(String, String)> {
    let user = read.read("user", |text| {
        if text.is_empty() || text.len() > 256 || text.contains(char::is_control) {
            return Err(Wrong::new(format!("{} is no name of 1 to 256 characters", shown(text)), ""));
        }
        Ok(text.to_owned())
    });
    let secret = read.read("secret", values::name);
    match (read.raw("user"), read.raw("secret")) {
        (Some(_), None) => {
            read.refuse(
                "user",
                Wrong::new("there is no secret= with its password", "name a <secret> of this command."),
            );
        }
        (None, Some(_)) => read.refuse("secret", Wrong::new("there is no user= that logs in", "add it.")),
        _ => {}
    }
    Some((user?, secret?))
}

/// A mail address as it stands between `<` and `>` (RFC 5321, section 4.1.2),
/// without quoting.
fn mailbox(text: &str) -> Result<String, Wrong> {
    let wrong = || Wrong::new(format!("{} is no mail address", shown(text)), "write NAME@HOST alone.");
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    if !(1..=64).contains(&local.len()) || !local.chars().all(plain) || dots {
        return Err(wrong());
    }
    let domain = spelling::canonical(domain).map_err(|_| wrong())?;
    if domain.parse::<crate::address::Address>().is_ok() {
        return Err(wrong());
    }
    Ok(format!("{local}@{domain}"))
}

pub(super) fn http(read: &mut Attributes<'_, '_, '_>) -> Option<HttpGrant> {
    let host = read.read("host", |text| Ok(spelling::canonical_pattern(text)?));
    let tls = read.choose("scheme", &[("https", true), ("http", false)]).unwrap_or(true);
    let port = read.read("port", values::port);
    let known: Vec<_> = METHODS.iter().map(|name| (*name, *name)).collect();
    let methods = read.read("methods", |text| values::several(text, &known));
    let private =
        read.choose("private", &[("no", PrivateNetworks::Refused), ("yes", PrivateNetworks::Allowed)]);
    let ca = read.read("ca", values::file);
    if ca.is_some() && !tls {
        read.refuse(
            "ca",
            Wrong::new("there are no certificates without TLS", "remove it, or scheme=\"http\"."),
        );
    }
    let request = read.read("request", values::amount);
    let response = read.read("response", values::amount);
    let time = read.read("time", |text| {
        let span = span::parse(text, Bare::Refused)?;
        if span.is_zero() || span > LONGEST {
            return Err(Wrong::new(format!("{} is not a time from 1ms to 10m", shown(text)), ""));
        }
        Ok(span)
    });
    let usual = HttpGrant::new(&host?);
    Some(HttpGrant {
        port: port.unwrap_or_else(|| HttpGrant::usual_port(tls)),
        tls,
        methods: methods.map_or(usual.methods, |methods| methods.into_iter().map(str::to_owned).collect()),
        private: private.unwrap_or_default(),
        ca,
        request: request.unwrap_or(usual.request),
        response: response.unwrap_or(usual.response),
        time: time.unwrap_or(usual.time),
        host: usual.host,
    })
}
