//! Mail to servers of the test.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use riposte_policy::config::Mode;
use riposte_policy::grant::{Grants, MailGrant, MailSecurity};
use riposte_policy::order::EntryId;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::fake::Fake;
use super::*;
use crate::secret::{self, Secret, Secrets};
use crate::session::{Phase, Recorder, Session, WouldBe};

fn grant(port: u16) -> MailGrant {
    MailGrant {
        server: "127.0.0.1".to_owned(),
        port,
        security: MailSecurity::None,
        from: "Riposte <riposte@example.com>".to_owned(),
        to: vec!["admin@example.com".to_owned(), "second@example.com".to_owned()],
        login: None,
        ca: None,
    }
}

fn session(grant: Option<MailGrant>) -> Session {
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: Some(EntryId(1)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(Grants { mail: grant, ..Grants::default() }),
        record: Recorder::default(),
    }
}

async fn send(backend: &dyn Backend, session: &Session, subject: &str, text: &str) -> Result<(), Refusal> {
    let none = secret::Unavailable(Refusal::unavailable("no secret here"));
    Mail::new(backend, Secrets::new(&none)).send(session, subject, text).await
}

/// What a server of the test was told, and how it answers.
#[derive(Clone, Default)]
struct Post {
    /// Every line of the client, in order; those of the message begin with `>`.
    heard: Arc<Mutex<Vec<String>>>,
    /// A command that is refused, and how.
    refuses: Option<(&'static str, &'static str)>,
    silent: bool,
    logins: bool,
}

impl Post {
    async fn open(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let post = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let post = post.clone();
                tokio::spawn(async move { post.serve(stream).await });
            }
        });
        port
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut stream = BufReader::new(stream);
        if self.silent {
            let _ = stream.read_line(&mut String::new()).await;
            return;
        }
        let _ = stream.write_all(b"220 test ESMTP\r\n").await;
        let (mut line, mut message) = (String::new(), false);
        while matches!(stream.read_line(&mut line).await, Ok(1..)) {
            let text = line.trim_end_matches("\r\n").to_owned();
            line.clear();
            let refusal =
                self.refuses.filter(|(command, _)| text.starts_with(command)).map(|(_, answer)| answer);
            let answer = match (message, text.split(' ').next().unwrap()) {
                (true, ".") => {
                    message = false;
                    "250 taken\r\n"
                }
                (true, _) => {
                    self.heard.lock().unwrap().push(format!("> {text}"));
                    continue;
                }
                (false, _) if refusal.is_some() => refusal.unwrap(),
                (false, "DATA") => {
                    message = true;
                    "354 go on\r\n"
                }
                (false, "EHLO") if self.logins => "250-test\r\n250 AUTH PLAIN\r\n",
                (false, "AUTH") => "235 in\r\n",
                (false, _) => "250 fine\r\n",
            };
            if !message || text == "DATA" {
                self.heard.lock().unwrap().push(text.clone());
            }
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The lines of the message.
    fn message(&self) -> Vec<String> {
        self.heard().iter().filter_map(|line| line.strip_prefix("> ").map(str::to_owned)).collect()
    }
}

#[tokio::test]
async fn a_message_reaches_all_recipients_of_the_grant_and_nobody_else() {
    let post = Post::default();
    let session = session(Some(grant(post.open().await)));
    send(&Smtp::default(), &session, "Alert", "one\ntwo").await.unwrap();
    let heard = post.heard();
    let envelope: Vec<_> =
        heard.iter().filter(|line| line.starts_with("MAIL") || line.starts_with("RCPT")).collect();
    assert_eq!(
        envelope,
        ["MAIL FROM:<riposte@example.com>", "RCPT TO:<admin@example.com>", "RCPT TO:<second@example.com>"]
    );
    let message = post.message();
    for header in ["Subject: Alert", "Auto-Submitted: auto-generated", "From: Riposte <riposte@example.com>"]
    {
        assert!(message.iter().any(|line| line == header), "{header}: {message:?}");
    }
    let end = message.iter().position(String::is_empty).unwrap();
    assert_eq!(&message[end + 1..], ["one", "two"]);
}

#[tokio::test]
async fn what_a_component_writes_stays_what_it_is() {
    let post = Post::default();
    let session = session(Some(grant(post.open().await)));
    let subject = "Alert\r\nBcc: victim@example.com\nX: \x1b[2J\u{202e}";
    let text = "one\r\n.\r\nMAIL FROM:<evil@example.com>\r\n..\nnul \0 end";
    send(&Smtp::default(), &session, subject, text).await.unwrap();
    let heard = post.heard();
    assert_eq!(heard.iter().filter(|line| line.starts_with("MAIL")).count(), 1);
    assert_eq!(heard.iter().filter(|line| line.starts_with("RCPT")).count(), 2);
    assert!(!heard.iter().any(|line| line.starts_with("> Bcc")), "{heard:?}");
    let message = post.message();
    let end = message.iter().position(String::is_empty).unwrap();
    // The lines arrive stuffed, as RFC 5321 section 4.5.2 has it.
    assert_eq!(&message[end + 1..], ["one", "..", "MAIL FROM:<evil@example.com>", "...", "nul \\u{0} end"]);

    let fake = Fake::default();
    send(&fake, &session, subject, text).await.unwrap();
    let [letter] = &fake.sent()[..] else { panic!("{:?}", fake.sent()) };
    assert_eq!(letter.subject, "Alert Bcc: victim@example.com X: \\u{1b}[2J\\u{202e}");
    assert_eq!(letter.text, "one\n.\nMAIL FROM:<evil@example.com>\n..\nnul \\u{0} end");
}

#[tokio::test]
async fn an_address_in_the_grant_is_one_address() {
    for wrong in ["", "nobody", "a@b\r\nBcc: c@d", "a@b, c@d", "a@b>\r\nRCPT TO:<c@d", "<>"] {
        let post = Post::default();
        let port = post.open().await;
        for grant in [
            MailGrant { to: vec![wrong.to_owned()], ..grant(port) },
            MailGrant { from: wrong.to_owned(), ..grant(port) },
        ] {
            let refusal = send(&Smtp::default(), &session(Some(grant)), "s", "t").await.unwrap_err();
            assert!(refusal.message.contains("is no mail address"), "{wrong:?}: {refusal}");
        }
        assert_eq!(post.heard(), Vec::<String>::new());
    }
    let nobody = session(Some(MailGrant { to: vec![], ..grant(1) }));
    assert!(send(&Smtp::default(), &nobody, "s", "t").await.unwrap_err().message.contains("no recipient"));
}

#[tokio::test]
async fn text_of_any_language_arrives_encoded() {
    let post = Post::default();
    let session = session(Some(grant(post.open().await)));
    send(&Smtp::default(), &session, "Größe", "Grüße\n日本語").await.unwrap();
    assert!(post.message().iter().all(|line| line.is_ascii()), "{:?}", post.message());
}

#[tokio::test]
async fn the_grant_the_phase_and_the_sizes_are_checked_first() {
    let fake = Fake::default();
    let refused = send(&fake, &session(None), "s", "t").await.unwrap_err();
    assert!(refused.kind == "denied" && refused.message.contains("<mail "), "{refused}");
    let keys = Session { phase: Phase::Keys, ..session(Some(grant(25))) };
    assert_eq!(send(&fake, &keys, "s", "t").await.unwrap_err().kind, "denied");
    let granted = session(Some(grant(25)));
    for (subject, text, kind) in [
        ("s".repeat(512), "t".repeat(256 << 10), None),
        ("s".repeat(513), String::new(), Some("invalid-input")),
        (String::new(), "t".repeat((256 << 10) + 1), Some("invalid-input")),
    ] {
        assert_eq!(send(&fake, &granted, &subject, &text).await.err().map(|refusal| refusal.kind), kind);
    }
    assert_eq!(fake.sent().len(), 1);
}

#[tokio::test]
async fn shadow_sends_nothing_and_says_what() {
    let fake = Fake::default();
    let shadow = Session { mode: Mode::Shadow, ..session(Some(grant(25))) };
    send(&fake, &shadow, "s", "t").await.unwrap();
    let [WouldBe::Done(effect)] = &shadow.record.recorded()[..] else { panic!("{:?}", shadow.record) };
    assert_eq!(effect.to_string(), "mail admin@example.com second@example.com by 127.0.0.1");
    assert_eq!(fake.sent(), []);
}

#[tokio::test]
async fn what_the_server_refuses_is_told_with_its_words_and_not_the_password() {
    for (command, answer, kind) in [
        ("RCPT TO:<second", "550 no such \x1b user\r\n", "failed"),
        ("MAIL", "451 later\r\n", "unavailable"),
        ("DATA", "554 no\r\n", "failed"),
    ] {
        let post = Post { refuses: Some((command, answer)), ..Post::default() };
        let refusal =
            send(&Smtp::default(), &session(Some(grant(post.open().await))), "s", "t").await.unwrap_err();
        assert_eq!(refusal.kind, kind, "{refusal}");
        assert!(!refusal.message.contains('\x1b'), "{refusal}");
        assert_eq!(post.message(), Vec::<String>::new(), "{command}");
    }
    let post = Post { refuses: Some(("AUTH", "535 wrong\r\n")), logins: true, ..Post::default() };
    let letter = letter(post.open().await);
    assert!(!format!("{letter:?}").contains("hunter2"));
    let refusal = Smtp::default().send(letter).await.unwrap_err();
    assert!(refusal.kind == "failed" && !refusal.message.contains("hunter2"), "{refusal}");
}

fn letter(port: u16) -> Letter {
    let login = Some(("user".to_owned(), "password".to_owned()));
    let grant = MailGrant { login, ..grant(port) };
    Letter {
        grant,
        password: Some(Secret::new("hunter2".to_owned())),
        subject: "s".to_owned(),
        text: "t".to_owned(),
    }
}

#[tokio::test]
async fn a_login_is_used_when_the_grant_has_one() {
    let post = Post { logins: true, ..Post::default() };
    Smtp::default().send(letter(post.open().await)).await.unwrap();
    // "\0user\0hunter2" in base64.
    assert!(post.heard().contains(&"AUTH PLAIN AHVzZXIAaHVudGVyMg==".to_owned()), "{:?}", post.heard());
    // The secret cannot be read: nothing is sent.
    let (post, fake) = (Post::default(), Fake::default());
    let login = Some(("user".to_owned(), "password".to_owned()));
    let session = session(Some(MailGrant { login, ..grant(post.open().await) }));
    assert!(send(&fake, &session, "s", "t").await.is_err());
    assert_eq!(fake.sent(), []);
}

#[tokio::test]
async fn a_silent_server_is_left_in_time_and_none_is_said() {
    let post = Post { silent: true, ..Post::default() };
    let hasty = Smtp { time: Duration::from_millis(200) };
    assert_eq!(
        send(&hasty, &session(Some(grant(post.open().await))), "s", "t").await.unwrap_err().kind,
        "timeout"
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap().port();
    drop(listener);
    let refusal = send(&Smtp::default(), &session(Some(grant(closed))), "s", "t").await.unwrap_err();
    assert!(refusal.kind == "unavailable" && refusal.message.contains("127.0.0.1"), "{refusal}");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn without_the_protection_of_the_grant_nothing_is_sent() {
    // The server knows no STARTTLS; the other speaks no TLS at all.
    for security in [MailSecurity::StartTls, MailSecurity::Tls] {
        let post = Post::default();
        let grant = MailGrant { security, ..grant(post.open().await) };
        let hasty = Smtp { time: Duration::from_secs(2) };
        send(&hasty, &session(Some(grant)), "s", "t").await.unwrap_err();
        assert!(!post.heard().iter().any(|line| line.starts_with("MAIL")), "{:?}", post.heard());
    }
}
