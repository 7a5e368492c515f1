//! The calls of the WIT interface `mail`.

use riposte_policy::config::Mode;
use riposte_policy::diagnostic::acts;

use super::{Backend, INTERFACE, Letter};
use crate::claim::Effect;
use crate::refusal::Refusal;
use crate::secret::Secrets;
use crate::session::{Session, WouldBe};

/// Longest subject, in bytes.
pub const SUBJECT: usize = 512;
/// Longest text, in bytes.
pub const TEXT: usize = 256 << 10;

/// The calls of the WIT interface `mail`.
#[derive(Clone, Copy)]
pub struct Mail<'a> {
    backend: &'a dyn Backend,
    secrets: Secrets<'a>,
}

impl<'a> Mail<'a> {
    pub(crate) fn new(backend: &'a dyn Backend, secrets: Secrets<'a>) -> Self {
        Self { backend, secrets }
    }

    /// Sends one message of plain text to all recipients of the grant. In
    /// shadow it is recorded, and neither sent nor the password read.
    ///
    /// # Errors
    ///
    /// `denied` by phase or grant, `invalid-input` for what is too long, and
    /// whatever the secret or the server answers.
    pub async fn send(&self, session: &Session, subject: &str, text: &str) -> Result<(), Refusal> {
        session.effects_allowed("mail.send")?;
        let grant = session.grants.mail.as_ref().ok_or_else(|| {
            Refusal::denied(
                r#"the command has no <mail> grant: add <mail server="HOST" from="ADDRESS" to="ADDRESS"/> to its <capabilities>"#,
            )
        })?;
        within("subject", subject, SUBJECT)?;
        within("text", text, TEXT)?;
        if session.mode == Mode::Shadow {
            let target = format!("{} by {}", grant.to.join(" "), grant.server);
            session.record.note(WouldBe::Done(Effect { interface: INTERFACE, target }));
            return Ok(());
        }
        let password = match &grant.login {
            Some((_, secret)) => Some(self.secrets.get(session, secret).await?),
            None => None,
        };
        let letter = Letter { grant: grant.clone(), password, subject: one_line(subject), text: lines(text) };
        let sent = self.backend.send(letter).await;
        sent.inspect_err(|refusal| tracing::warn!(command = &*session.command, "mail: {refusal}"))
    }
}

fn within(what: &str, text: &str, most: usize) -> Result<(), Refusal> {
    match text.len() {
        size if size > most => Err(Refusal::invalid_input(format!(
            "the {what} of a mail is at most {most} bytes long, and this one has {size}"
        ))),
        _ => Ok(()),
    }
}

/// Line ends and tabs become blanks, so that no header can follow.
pub(super) fn one_line(text: &str) -> String {
    let text = text.replace("\r\n", " ").replace(['\r', '\n', '\t'], " ");
    escaped(text.trim())
}

fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    escaped(&text)
}

/// Shows what would act on a reader's screen: control characters, and those
/// that turn the direction of text or end a line without looking like it.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) && !matches!(c, '\n' | '\t') {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}
