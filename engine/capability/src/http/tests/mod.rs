//! Requests against servers of the test, on this machine's own loopback, with
//! names that the test resolves.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod server;
#[cfg(feature = "tls")]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use riposte_policy::config::Mode;
use riposte_policy::grant::{Grants, HttpGrant, PrivateNetworks};
use riposte_policy::order::EntryId;

use super::fake::Fake;
use super::*;
use crate::session::{Phase, Recorder, Session, WouldBe};
use crate::witness::{Denied, Nobody, Witness};
use server::{Answers, Names, Server};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn grant(host: &str, port: u16) -> HttpGrant {
    HttpGrant {
        host: host.to_owned(),
        port,
        tls: false,
        methods: vec!["POST".to_owned()],
        private: PrivateNetworks::Allowed,
        ca: None,
        request: 1 << 20,
        response: 1 << 20,
        // Long enough for any machine; what tests the limit sets its own.
        time: Duration::from_secs(60),
    }
}

fn session(grants: Vec<HttpGrant>) -> Session {
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: Some(EntryId(1)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(Grants { http: grants, ..Grants::default() }),
        record: Recorder::default(),
    }
}

fn http(grants: Vec<HttpGrant>, names: &Names) -> Http {
    Http::new(session(grants), Arc::new(Client::new(names.clone())), Arc::new(Nobody))
}

fn post(url: &str, body: &'static str) -> Request<Body> {
    request("POST", url, body)
}

fn request(method: &str, url: &str, body: &'static str) -> Request<Body> {
    let body = Full::new(Bytes::from_static(body.as_bytes())).map_err(|never| match never {});
    Request::builder().method(method).uri(url).body(body.boxed_unsync()).unwrap()
}

/// Sends it and reads the whole answer.
async fn ask(http: &Http, request: Request<Body>) -> Result<(u16, String), Failed> {
    let Answer { response, connection } = http.send(request, None).await?;
    let moving = tokio::spawn(connection);
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    moving.abort();
    Ok((status, String::from_utf8_lossy(&body?).into_owned()))
}

fn cause<T: std::fmt::Debug>(result: Result<T, Failed>) -> Cause {
    result.unwrap_err().cause
}

#[tokio::test]
async fn a_granted_request_arrives_as_it_was_sent() {
    let server = Server::start(Answers::Bytes(OK)).await;
    let names = Names::new(&[&["127.0.0.1"]]);
    let http = http(vec![grant("hooks.example.com", server.port)], &names);
    let url = format!("http://Hooks.Example.com.:{}/a/b?c=d", server.port);
    assert_eq!(ask(&http, post(&url, r#"{"x":1}"#)).await, Ok((200, "ok".to_owned())));
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert_eq!(head.lines().next(), Some("POST /a/b?c=d HTTP/1.1"));
    assert!(head.contains(&format!("host: hooks.example.com:{}", server.port)), "{head}");
    // A body that looks like a request must not become one.
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(body, r#"{"x":1}"#);
    assert_eq!(names.asked(), 1);
}

#[tokio::test]
async fn what_is_not_granted_is_neither_looked_up_nor_sent() {
    let fake = Arc::new(Fake::default());
    let wild =
        HttpGrant { tls: true, methods: vec!["POST".into(), "PUT".into()], ..grant("*.example.com", 443) };
    let literal = HttpGrant { private: PrivateNetworks::Refused, ..grant("192.0.2.7", 80) };
    let session = session(vec![wild, literal]);
    for (method, url, cause) in [
        ("POST", "https://a.example.com/", None),
        ("PUT", "https://a.b.example.com:443/?q", None),
        ("POST", "http://192.0.2.7/", None),
        ("POST", "https://example.com/", Some(Cause::Denied)),
        ("POST", "http://a.example.com/", Some(Cause::Denied)),
        ("POST", "http://a.example.com:443/", Some(Cause::Denied)),
        ("POST", "https://a.example.com:444/", Some(Cause::Denied)),
        ("POST", "https://a.example.com.evil.net/", Some(Cause::Denied)),
        ("GET", "https://a.example.com/", Some(Cause::Denied)),
        ("post", "https://a.example.com/", Some(Cause::Denied)),
        ("CONNECT", "https://a.example.com/", Some(Cause::Denied)),
        ("TRACE", "https://a.example.com/", Some(Cause::Denied)),
        ("POST", "http://192.0.2.8/", Some(Cause::Denied)),
        ("POST", "http://[::ffff:192.0.2.7]/", Some(Cause::Denied)),
        ("POST", "http://3221225991/", Some(Cause::Url)),
        ("POST", "http://0xc0000207/", Some(Cause::Url)),
        ("POST", "https://user:secret@a.example.com/", Some(Cause::Url)),
        ("POST", "https://a.example.com@evil.net/", Some(Cause::Url)),
        ("POST", "https://a.example.com:0/", Some(Cause::Url)),
        ("POST", "ftp://a.example.com/", Some(Cause::Url)),
        ("POST", "/relative", Some(Cause::Url)),
    ] {
        let http = Http::new(session.clone(), Arc::clone(&fake) as Arc<dyn Backend>, Arc::new(Nobody));
        let before = fake.sent().len();
        let outcome = ask(&http, request(method, url, "")).await;
        assert_eq!(outcome.as_ref().err().map(|failed| failed.cause), cause, "{method} {url}: {outcome:?}");
        assert_eq!(fake.sent().len() - before, usize::from(cause.is_none()), "{method} {url}");
        if let Err(failed) = outcome {
            assert!(!failed.to_string().contains("secret"), "{failed}");
        }
    }
}

#[tokio::test]
async fn a_refusal_names_the_grant_to_add() {
    let fake = Arc::new(Fake::default());
    let http = Http::new(
        session(vec![HttpGrant { tls: true, ..grant("a.example", 443) }]),
        fake as Arc<dyn Backend>,
        Arc::new(Nobody),
    );
    for (method, url, element) in [
        ("POST", "https://b.example/token", r#"<http host="b.example"/>"#),
        (
            "GET",
            "http://b.example:8080/token",
            r#"<http host="b.example" scheme="http" port="8080" methods="GET"/>"#,
        ),
        ("POST", "https://[2001:DB8::7]/", r#"<http host="[2001:db8::7]"/>"#),
        ("GET", "https://a.example/token", r#"add GET to methods="...""#),
    ] {
        let failed = ask(&http, request(method, url, "")).await.unwrap_err();
        assert!(failed.refusal.message.contains(element), "{failed}");
        assert!(!failed.refusal.message.contains("token"), "{failed}");
    }
}

#[tokio::test]
async fn headers_that_frame_a_request_are_the_engines() {
    let fake = Arc::new(Fake::default());
    let grants = vec![grant("a.example", 80)];
    for name in [
        "Host",
        "connection",
        "Transfer-Encoding",
        "Upgrade",
        "Proxy-Authorization",
        "TE",
        "Expect",
        "Keep-Alive",
    ] {
        let http =
            Http::new(session(grants.clone()), Arc::clone(&fake) as Arc<dyn Backend>, Arc::new(Nobody));
        let mut request = post("http://a.example/", "");
        request
            .headers_mut()
            .insert(hyper::header::HeaderName::try_from(name).unwrap(), "x".parse().unwrap());
        assert_eq!(cause(ask(&http, request).await), Cause::Denied, "{name}");
    }
    let http = Http::new(session(grants), Arc::clone(&fake) as Arc<dyn Backend>, Arc::new(Nobody));
    let mut large = post("http://a.example/", "");
    large.headers_mut().insert("x-large", "x".repeat(HEADERS).parse().unwrap());
    assert_eq!(cause(ask(&http, large).await), Cause::RequestHeaders);
    let long = format!("http://a.example/{}", "x".repeat(URL));
    assert_eq!(cause(ask(&http, post(&long, "")).await), Cause::Url);
    assert_eq!(fake.sent(), []);
}

#[tokio::test]
async fn a_name_never_stands_for_an_address_that_is_not_opened() {
    let server = Server::start(Answers::Bytes(OK)).await;
    for (private, addresses) in [
        (PrivateNetworks::Refused, &["127.0.0.1"][..]),
        (PrivateNetworks::Refused, &["::ffff:127.0.0.1"]),
        (PrivateNetworks::Refused, &["64:ff9b::127.0.0.1"]),
        (PrivateNetworks::Refused, &["10.0.0.1"]),
        (PrivateNetworks::Refused, &["169.254.169.254"]),
        (PrivateNetworks::Refused, &["fd00::1"]),
        // One of several is enough, wherever it stands.
        (PrivateNetworks::Refused, &["93.184.216.34", "127.0.0.1"]),
        (PrivateNetworks::Allowed, &["127.0.0.1", "169.254.169.254"]),
        (PrivateNetworks::Allowed, &["0.0.0.0"]),
    ] {
        let names = Names::new(&[addresses]);
        let http = http(vec![HttpGrant { private, ..grant("a.example", server.port) }], &names);
        let failed = ask(&http, post(&format!("http://a.example:{}/", server.port), "")).await.unwrap_err();
        assert_eq!(failed.cause, Cause::Address, "{addresses:?}: {failed}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn one_look_up_decides_where_the_connection_goes() {
    let server = Server::start(Answers::Bytes(OK)).await;
    // The name moves to the cloud's metadata after the first answer.
    let names = Names::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let http = http(vec![grant("a.example", server.port)], &names);
    let url = format!("http://a.example:{}/", server.port);
    assert_eq!(ask(&http, post(&url, "")).await.unwrap().0, 200);
    assert_eq!((names.asked(), server.connections()), (1, 1));
    assert_eq!(cause(ask(&http, post(&url, "")).await), Cause::Address);
    assert_eq!((names.asked(), server.connections()), (2, 1));
}

#[tokio::test]
async fn an_address_is_reached_only_when_it_is_granted_itself() {
    let server = Server::start(Answers::Bytes(OK)).await;
    let names = Names::new(&[]);
    let url = format!("http://127.0.0.1:{}/", server.port);
    assert_eq!(
        ask(&http(vec![grant("127.0.0.1", server.port)], &names), post(&url, "")).await.unwrap().0,
        200
    );
    assert_eq!(
        cause(ask(&http(vec![grant("localhost", server.port)], &names), post(&url, "")).await),
        Cause::Denied
    );
    let refused = HttpGrant { private: PrivateNetworks::Refused, ..grant("127.0.0.1", server.port) };
    let failed = ask(&http(vec![refused], &names), post(&url, "")).await.unwrap_err();
    assert_eq!(failed.cause, Cause::Address);
    assert!(failed.refusal.message.contains(r#"private="yes""#), "{failed}");
    assert_eq!((server.connections(), names.asked()), (1, 0));
    assert_eq!(
        cause(ask(&http(vec![grant("b.example", 80)], &names), post("http://b.example/", "")).await),
        Cause::Name
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_following_it_needs_its_own_grant() {
    let inner = Server::start(Answers::Bytes(OK)).await;
    let outer = Server::start(Answers::Bytes(
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n",
    ))
    .await;
    let http = http(vec![grant("a.example", outer.port)], &Names::new(&[&["127.0.0.1"]]));
    assert_eq!(ask(&http, post(&format!("http://a.example:{}/", outer.port), "")).await.unwrap().0, 302);
    assert_eq!(cause(ask(&http, post("http://169.254.169.254/latest/meta-data/", "")).await), Cause::Denied);
    assert_eq!(
        cause(ask(&http, post(&format!("http://127.0.0.1:{}/", inner.port), "")).await),
        Cause::Denied
    );
    assert_eq!((outer.connections(), inner.connections()), (1, 0));
}

#[tokio::test]
async fn an_answer_ends_at_its_size_said_or_not() {
    let said = b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n";
    let unsaid = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    for (first, then) in [(&said[..], &[b'x'; 4096][..]), (unsaid, &[b'x'; 4096])] {
        let server = Server::start(Answers::Endless(first, then)).await;
        let http = http(vec![grant("a.example", server.port)], &Names::new(&[&["127.0.0.1"]]));
        let outcome = ask(&http, post(&format!("http://a.example:{}/", server.port), "")).await;
        assert_eq!(cause(outcome), Cause::ResponseBody(1 << 20));
    }
    // Headers without end, and chunks whose size has no end.
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;";
    for (first, then) in [
        (&b"HTTP/1.1 200 OK\r\n"[..], &b"X-Padding: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"[..]),
        (chunked, b"xxxxxxxx"),
    ] {
        let server = Server::start(Answers::Endless(first, then)).await;
        let http = http(vec![grant("a.example", server.port)], &Names::new(&[&["127.0.0.1"]]));
        let outcome = ask(&http, post(&format!("http://a.example:{}/", server.port), "")).await;
        assert_eq!(cause(outcome), Cause::Protocol);
    }
}

#[tokio::test]
async fn what_is_no_http_and_what_changes_the_protocol_fails() {
    for answer in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ] {
        let server = Server::start(Answers::Bytes(answer)).await;
        let http = http(vec![grant("a.example", server.port)], &Names::new(&[&["127.0.0.1"]]));
        let outcome = ask(&http, post(&format!("http://a.example:{}/", server.port), "")).await;
        assert_eq!(cause(outcome), Cause::Protocol, "{:?}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn a_request_ends_at_its_size() {
    let server = Server::start(Answers::Bytes(OK)).await;
    let small = HttpGrant { request: 10, ..grant("a.example", server.port) };
    let http = http(vec![small], &Names::new(&[&["127.0.0.1"]]));
    let url = format!("http://a.example:{}/", server.port);
    assert_eq!(ask(&http, post(&url, "0123456789")).await.unwrap().0, 200);
    assert_eq!(cause(ask(&http, post(&url, "0123456789a")).await), Cause::RequestBody(10));
    // A body that does not say how long it is, as a component's never does.
    let frames = futures_of(&["01234", "56789", "a"]);
    let streamed = Request::builder().method("POST").uri(&url).body(frames).unwrap();
    assert_eq!(cause(ask(&http, streamed).await), Cause::RequestBody(10));
    assert_eq!(server.requests().len(), 1, "what was cut is no request");
}

/// A body of these parts, of no known length.
fn futures_of(parts: &[&'static str]) -> Body {
    struct Parts(std::collections::VecDeque<&'static str>);
    impl hyper::body::Body for Parts {
        type Data = Bytes;
        type Error = Failed;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Failed>>> {
            let part = self.0.pop_front().map(|part| Ok(hyper::body::Frame::data(Bytes::from(part))));
            std::task::Poll::Ready(part)
        }
    }
    Parts(parts.iter().copied().collect()).boxed_unsync()
}

#[tokio::test]
async fn a_server_that_never_ends_is_left_in_time() {
    let drip: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for answers in [Answers::Never, Answers::Early(drip)] {
        let server = Server::start(answers).await;
        let hasty = HttpGrant { time: Duration::from_millis(200), ..grant("a.example", server.port) };
        let http = http(vec![hasty], &Names::new(&[&["127.0.0.1"]]));
        assert_eq!(
            cause(ask(&http, post(&format!("http://a.example:{}/", server.port), "")).await),
            Cause::Time
        );
    }
    let server = Server::start(Answers::Never).await;
    let http = http(vec![grant("a.example", server.port)], &Names::new(&[&["127.0.0.1"]]));
    let url = format!("http://a.example:{}/", server.port);
    let impatient = http.send(post(&url, ""), Some(Duration::from_millis(100))).await;
    assert_eq!(cause(impatient), Cause::Time, "a component may wait less than it is granted");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_an_answer() {
    let early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let server = Server::start(Answers::Early(early)).await;
    let http = http(vec![grant("a.example", server.port)], &Names::new(&[&["127.0.0.1"]]));
    assert_eq!(ask(&http, post(&format!("http://a.example:{}/", server.port), "body")).await.unwrap().0, 413);
}

#[tokio::test]
async fn a_run_has_few_requests_at_a_time_and_not_many_in_all() {
    let fake = Arc::new(Fake::default());
    let http = Http::new(
        session(vec![grant("a.example", 80)]),
        Arc::clone(&fake) as Arc<dyn Backend>,
        Arc::new(Nobody),
    );
    let mut open = Vec::new();
    for _ in 0..CONCURRENT {
        open.push(http.send(post("http://a.example/", ""), None).await.unwrap());
    }
    assert_eq!(cause(http.send(post("http://a.example/", ""), None).await), Cause::TooMany);
    drop(open);
    let mut taken = CONCURRENT as u32 + 1;
    while http.send(post("http://a.example/", ""), None).await.is_ok() {
        taken += 1;
    }
    assert_eq!(taken, REQUESTS);
    assert_eq!(cause(http.send(post("http://a.example/", ""), None).await), Cause::TooMany);
}

#[tokio::test]
async fn keys_send_nothing_and_shadow_sends_nothing_and_says_what() {
    let fake = Arc::new(Fake::default());
    let keys = Session { phase: Phase::Keys, ..session(vec![grant("a.example", 80)]) };
    let http = Http::new(keys, Arc::clone(&fake) as Arc<dyn Backend>, Arc::new(Nobody));
    assert_eq!(cause(ask(&http, post("http://a.example/", "")).await), Cause::Denied);

    let shadow = Session {
        mode: Mode::Shadow,
        ..session(vec![HttpGrant { request: 10, ..grant("a.example", 8080) }])
    };
    let http = Http::new(shadow.clone(), Arc::clone(&fake) as Arc<dyn Backend>, Arc::new(Nobody));
    assert_eq!(ask(&http, post("http://a.example:8080/secret", "body")).await, Ok((200, String::new())));
    let [WouldBe::Done(effect)] = &shadow.record.recorded()[..] else { panic!("{:?}", shadow.record) };
    assert_eq!(effect.to_string(), "http POST http://a.example:8080");
    assert_eq!(
        cause(ask(&http, post("http://a.example:8080/", "longer than ten")).await),
        Cause::RequestBody(10)
    );
    assert_eq!(cause(ask(&http, post("http://b.example/", "")).await), Cause::Denied);
    assert_eq!(fake.sent(), []);
}

#[tokio::test]
async fn what_is_denied_is_heard_without_what_may_be_secret() {
    #[derive(Default)]
    struct Ear(std::sync::Mutex<Vec<String>>);
    impl Witness for Ear {
        fn denied(&self, denied: &Denied<'_>) {
            self.0.lock().unwrap().push(format!("{} {} {}", denied.call, denied.target, denied.why));
        }
        fn overridden(&self, _: &str, _: &str, _: &str) {}
        fn unconfirmed(&self, _: &Denied<'_>) {}
    }
    let ear = Arc::new(Ear::default());
    let http =
        Http::new(session(Vec::new()), Arc::new(Fake::default()), Arc::clone(&ear) as Arc<dyn Witness>);
    assert_eq!(cause(ask(&http, post("https://a.example/secret?secret", "secret")).await), Cause::Denied);
    let heard = ear.0.lock().unwrap().clone();
    assert!(heard.len() == 1 && heard[0].starts_with("http.send a.example denied: "), "{heard:?}");
    assert!(!heard[0].contains("secret"), "{heard:?}");
}
