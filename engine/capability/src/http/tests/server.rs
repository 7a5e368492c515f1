//! A server of a test: it takes connections, keeps what it was sent, and
//! answers with bytes that the test chose, however wrong.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::http::Resolver;

/// What a server does after it has the request.
#[derive(Clone)]
pub(super) enum Answers {
    /// Sends this and closes.
    Bytes(&'static [u8]),
    /// Sends the first, then the second without end.
    Endless(&'static [u8], &'static [u8]),
    /// Nothing, and keeps the connection open.
    Never,
    /// Sends this before it has read anything but the headers.
    Early(&'static [u8]),
}

pub(super) struct Server {
    pub(super) port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) async fn start(answers: Answers) -> Self {
        Self::over(answers, |stream| Box::pin(async move { Some(stream) })).await
    }

    /// With something between the connection and HTTP, which may fail.
    pub(super) async fn over<T>(
        answers: Answers,
        wrap: impl Fn(tokio::net::TcpStream) -> std::pin::Pin<Box<dyn Future<Output = Option<T>> + Send>>
        + Send
        + Sync
        + 'static,
    ) -> Self
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let server = Self { port, connections: Arc::clone(&connections), requests: Arc::clone(&requests) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (answers, requests, stream) = (answers.clone(), Arc::clone(&requests), wrap(stream));
                tokio::spawn(async move {
                    if let Some(stream) = stream.await {
                        serve(stream, answers, &requests).await;
                    }
                });
            }
        });
        server
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: Answers,
    requests: &Mutex<Vec<String>>,
) {
    let mut read = Vec::new();
    let whole = |read: &[u8]| {
        let text = String::from_utf8_lossy(read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        match (&answers, length) {
            (Answers::Early(_), _) => true,
            (_, Some(length)) => body.len() >= length.parse().unwrap(),
            _ if head.contains("transfer-encoding: chunked") => body.ends_with("0\r\n\r\n"),
            _ => true,
        }
    };
    while !whole(&read) {
        match stream.read_buf(&mut read).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    requests.lock().unwrap().push(String::from_utf8_lossy(&read).into_owned());
    // Whoever asked may be gone: that is what some of the tests are about.
    match answers {
        Answers::Bytes(bytes) | Answers::Early(bytes) => {
            let _ = stream.write_all(bytes).await;
            let _ = stream.flush().await;
            if !matches!(answers, Answers::Early(_)) {
                let _ = stream.shutdown().await;
            }
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
        Answers::Endless(first, then) => {
            let _ = stream.write_all(first).await;
            while stream.write_all(then).await.is_ok() {}
        }
        Answers::Never => {
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    }
}

/// Answers each look-up with the next of these lists, the last one for ever.
#[derive(Clone)]
pub(super) struct Names(Arc<(Vec<Vec<IpAddr>>, AtomicUsize)>);

impl Names {
    pub(super) fn new(lists: &[&[&str]]) -> Self {
        let list = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        Self(Arc::new((lists.iter().map(list).collect(), AtomicUsize::new(0))))
    }

    pub(super) fn asked(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Resolver for Names {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let (lists, asked) = &*self.0;
        let turn = asked.fetch_add(1, Ordering::SeqCst);
        let list = lists.get(turn).or(lists.last());
        list.cloned().ok_or_else(|| io::Error::other("no such name"))
    }
}
