//! The asking side.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::{Answer, Request};

/// Asks the engine that listens on `socket`.
///
/// # Errors
///
/// When none listens, or it does not answer.
pub fn ask(socket: &Path, request: &Request) -> Result<Answer, Unanswered> {
    let stream = connect(socket)?;
    exchange(stream, request).map_err(|source| Unanswered::Failed { socket: socket.to_owned(), source })
}

/// Whether an engine listens there, or may: who is not let in cannot tell. The
/// socket of one that was killed is still there, and nobody listens.
pub fn is_listening(socket: &Path) -> bool {
    !matches!(connect(socket), Err(Unanswered::NoEngine(_)))
}

fn connect(socket: &Path) -> Result<UnixStream, Unanswered> {
    UnixStream::connect(socket).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Unanswered::NoEngine(socket.to_owned()),
        _ => Unanswered::Failed { socket: socket.to_owned(), source },
    })
}

fn exchange(mut stream: UnixStream, request: &Request) -> io::Result<Answer> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::other("the engine closed the connection without an answer"));
    }
    Ok(serde_json::from_str(&answer)?)
}

/// There is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// No engine listens there.
    NoEngine(PathBuf),
    /// It could not be reached, or did not answer.
    Failed {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEngine(socket) => {
                write!(f, "no engine is listening on {}; start one with `riposte run`, ", socket.display())?;
                f.write_str("or name the running one's folder with --home DIR")
            }
            Self::Failed { socket, source } => {
                write!(f, "the engine on {} cannot be asked: {source}", socket.display())?;
                if source.kind() == io::ErrorKind::PermissionDenied {
                    f.write_str("; only its own user may ask it: run it as root, with `sudo`")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Unanswered {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_socket_that_nobody_listens_on_is_no_engine() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("riposte.sock");
        assert!(!is_listening(&socket));
        let listener = UnixListener::bind(&socket).unwrap();
        assert!(is_listening(&socket));
        drop(listener);
        assert!(socket.exists() && !is_listening(&socket));
    }
}
