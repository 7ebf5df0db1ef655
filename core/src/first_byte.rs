//! Whether the first byte of a submission can have left: what tells "never sent" from "its fate is unknown" when a
//! call is ended in the middle of an attempt.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Set, for good, before anything of the request is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct FirstByte(Arc<AtomicBool>);

impl FirstByte {
    /// Of a submission that somebody else sent.
    pub(crate) fn long_gone() -> FirstByte {
        FirstByte(Arc::new(AtomicBool::new(true)))
    }

    /// Whether anything can have been written.
    pub(crate) fn is_out(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// A body that sets this when it is first asked for. HTTP asks once the connection stands, and before it writes
    /// even the head: the head is buffered until the body has had its turn.
    pub(crate) fn watch(&self, data: Bytes) -> Outgoing {
        Outgoing { data: Some(data), first_byte: Some(self.clone()) }
    }
}

/// The body of a request.
pub(crate) struct Outgoing {
    data: Option<Bytes>,
    first_byte: Option<FirstByte>,
}

impl Outgoing {
    /// That of a request that has none.
    pub(crate) fn nothing() -> Outgoing {
        Outgoing { data: None, first_byte: None }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first_byte) = &self.first_byte {
            first_byte.0.store(true, Ordering::Release);
        }
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}
