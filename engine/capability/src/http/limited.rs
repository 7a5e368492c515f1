//! Bodies that end at a size and a time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::{Cause, Failed};
use crate::refusal::Refusal;

/// Whose body it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Request,
    Response,
}

impl Side {
    /// It is larger than `limit` bytes.
    pub(super) fn too_large(self, limit: u64) -> Failed {
        let (cause, whose, attribute) = match self {
            Self::Request => (Cause::RequestBody(limit), "the request", "request"),
            Self::Response => (Cause::ResponseBody(limit), "the answer", "response"),
        };
        Failed::new(
            cause,
            Refusal::denied(format!(
                "{whose} is larger than the {limit} bytes that the command's <http {attribute}=\"...\"/> grant allows"
            )),
        )
    }
}

/// It was not over at the deadline.
pub(super) fn late() -> Failed {
    let message =
        "the request was not answered to its end within the time of the command's <http time=\"...\"/> grant";
    Failed::new(Cause::Time, Refusal::timeout(message))
}

/// A body of which at most so many bytes pass, until so late. Whatever it holds
/// (a permit) is dropped with it.
pub(super) struct Limited<B, H> {
    inner: B,
    side: Side,
    limit: u64,
    left: u64,
    deadline: Pin<Box<Sleep>>,
    over: bool,
    _held: H,
}

impl<B, H> Limited<B, H> {
    pub(super) fn new(inner: B, side: Side, limit: u64, deadline: Instant, held: H) -> Self {
        let deadline = Box::pin(tokio::time::sleep_until(deadline));
        Self { inner, side, limit, left: limit, deadline, over: false, _held: held }
    }
}

impl<B, H> HttpBody for Limited<B, H>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Failed>,
    H: Unpin,
{
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        // First the clock: a body that always has one more byte ends all the same.
        let frame = match this.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Some(Err(late())),
            Poll::Pending => match Pin::new(&mut this.inner).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(frame) => {
                    frame.map(|frame| frame.map_err(Into::into).and_then(|frame| this.count(frame)))
                }
            },
        };
        this.over = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B, H> Limited<B, H> {
    fn count(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Failed> {
        let size = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => data.len(),
            (None, Some(trailers)) => {
                trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
            }
            (None, None) => 0,
        };
        match self.left.checked_sub(size as u64) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(self.side.too_large(self.limit)),
        }
    }
}
