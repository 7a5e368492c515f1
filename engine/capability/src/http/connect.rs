//! From a host to a connection: one look-up, every address judged, and the
//! connection to one of exactly these.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::ReadBufCursor;
use riposte_policy::grant::{Host, HttpGrant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::client::Resolver;
use super::limited::late;
use super::reach;
use super::{Cause, Failed};
use crate::refusal::Refusal;

/// Most addresses of one name that are tried.
const TRIED: usize = 8;

/// What bytes go through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// All addresses of `host`, once the grant opens every one of them. One that it
/// does not open refuses the host: whoever answers look-ups for it must not
/// choose where a request goes.
pub(super) async fn addresses(
    resolver: &dyn Resolver,
    host: &Host,
    grant: &HttpGrant,
) -> Result<Vec<IpAddr>, Failed> {
    let (found, literal) = match host {
        Host::Address(address) => (vec![*address], true),
        Host::Name(name) => {
            (resolver.addresses(name).await.map_err(|e| unknown(host, &e.to_string()))?, false)
        }
    };
    let found: Vec<_> = found.into_iter().map(|address| address.to_canonical()).collect();
    if found.is_empty() {
        return Err(unknown(host, "it has no address"));
    }
    for address in &found {
        reach::opened(*address, grant.private, literal).map_err(|why| {
            let message = if literal { why } else { format!("{host} is not asked: {why}") };
            Failed::new(Cause::Address, Refusal::denied(message))
        })?;
    }
    Ok(found)
}

/// A connection to the first of `addresses` that takes one. Each gets its share
/// of the time that is left.
pub(super) async fn connect(
    addresses: &[IpAddr],
    host: &Host,
    port: u16,
    deadline: Instant,
) -> Result<TcpStream, Failed> {
    let mut why = late();
    let tried = addresses.len().min(TRIED);
    for (n, address) in addresses.iter().take(tried).enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        // `n` counts below `tried`, which is below nine.
        let share = left / u32::try_from(tried.saturating_sub(n).max(1)).unwrap_or(1);
        match tokio::time::timeout(share, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(e)) => {
                let message = format!("no connection to {host} at {address}, port {port}: {e}");
                why = Failed::new(Cause::Connection, Refusal::unavailable(message));
            }
            Err(_elapsed) => {
                let message = format!("{host} at {address} does not answer on port {port}");
                why = Failed::new(Cause::Time, Refusal::timeout(message));
            }
        }
    }
    Err(why)
}

fn unknown(host: &Host, why: &str) -> Failed {
    Failed::new(Cause::Name, Refusal::unavailable(format!("the name {host} was not found: {why}")))
}

/// A connection of tokio's as hyper wants one.
pub(super) struct Io(pub(super) Box<dyn Stream>);

impl hyper::rt::Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        // By way of a buffer of our own: filling hyper's directly is unsafe code.
        let mut bytes = [0; 8 << 10];
        let room = into.remaining().min(bytes.len());
        let Some(room) = bytes.get_mut(..room) else { return Poll::Ready(Ok(())) };
        let mut buffer = ReadBuf::new(room);
        ready!(Pin::new(&mut self.0).poll_read(context, &mut buffer))?;
        into.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
