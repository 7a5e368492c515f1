//! The answering side.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{Answer, LONGEST, Request, acts};
use crate::engine::Engine;

/// Connections served at a time.
const CONNECTIONS: usize = 128;
/// Longest request that all of them may send, in bytes; of longer ones, which
/// hold an alert, there are [`LARGE`] at a time.
const SHORT: u64 = 64 << 10;
/// Requests longer than [`SHORT`] at a time.
static LARGE: Semaphore = Semaphore::const_new(8);
/// How long a connection may take to send its request.
const PATIENCE: Duration = Duration::from_secs(2);

/// The socket, removed when dropped.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens on `path`. The caller holds the ledger's lock, so a socket that
    /// is there already is one that a killed engine left.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made.
    pub fn bind(path: &Path) -> Result<Self, NoSocket> {
        let no_socket = |source| NoSocket { path: path.to_owned(), source };
        match rustix::fs::unlink(path) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(errno) => return Err(no_socket(errno.into())),
        }
        // The folder is 0700, so nobody can connect before the mode is set.
        let listener = UnixListener::bind(path).map_err(no_socket)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(no_socket)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers until the task is ended.
    pub async fn serve(&self, engine: &Arc<Engine>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // Never closed, so acquiring cannot fail.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let engine = Arc::clone(engine);
                    tokio::spawn(async move {
                        if let Err(error) = serve_one(&engine, stream).await {
                            tracing::debug!(%error, "a control connection failed");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = rustix::fs::unlink(&self.path);
    }
}

async fn serve_one(engine: &Arc<Engine>, stream: UnixStream) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    let mut limited = (&mut stream).take(SHORT);
    tokio::time::timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await??;
    // Kept until it is answered. Never closed, so never refused.
    let mut _large = None;
    if line.last() != Some(&b'\n') && line.len() as u64 == SHORT {
        _large = LARGE.acquire().await.ok();
        let mut limited = (&mut stream).take(LONGEST - SHORT);
        tokio::time::timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await??;
    }
    let answer = match serde_json::from_slice::<Request>(&line) {
        Ok(request) => acts::act(engine, uid, request).await,
        Err(error) => Answer::failed(format!("the request is not understood: {error}")),
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    stream.write_all(&text).await?;
    stream.flush().await
}

/// The control socket cannot be made.
#[derive(Debug)]
pub struct NoSocket {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for NoSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(
            f,
            "cannot listen on the control socket {path}: {}; choose another folder with --home",
            self.source
        )
    }
}

impl std::error::Error for NoSocket {}
