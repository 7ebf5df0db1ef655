//! The first byte of a submission: what tells "never sent" from "its fate is unknown" when a call ends in the
//! middle of an attempt.
//!
//! The body of the request decides it, in one atomic step: it goes out if the attempt has not been revoked by
//! then, and an attempt that is revoked first sends nothing, whichever thread drives the connection.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

const HELD: u8 = 0;
const OUT: u8 = 1;
const REVOKED: u8 = 2;

/// Asked just before the first byte: whether it may go out.
type Check = Box<dyn Fn() -> bool + Send + Sync>;

/// The first byte of one attempt.
#[derive(Clone, Default)]
pub(crate) struct FirstByte(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: AtomicU8,
    check: Option<Check>,
}

impl fmt::Debug for FirstByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FirstByte").field(&self.0.state).finish()
    }
}

/// The request was not sent, since the attempt was revoked or came too late.
#[derive(Debug)]
pub(crate) struct Withheld;

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was withheld")
    }
}

impl std::error::Error for Withheld {}

impl FirstByte {
    /// One that goes out only if `check` allows it in that moment, after name resolution and connect.
    pub(crate) fn checked(check: impl Fn() -> bool + Send + Sync + 'static) -> FirstByte {
        FirstByte(Arc::new(Inner { state: AtomicU8::new(HELD), check: Some(Box::new(check)) }))
    }

    /// Of a submission that another call sent.
    pub(crate) fn long_gone() -> FirstByte {
        FirstByte(Arc::new(Inner { state: AtomicU8::new(OUT), check: None }))
    }

    /// Whether anything can have been written.
    pub(crate) fn is_out(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == OUT
    }

    /// Forbids it from now on. If it is out already, nothing changes.
    pub(crate) fn revoke(&self) {
        // Err means that it is out or was revoked before.
        let _ = self.0.state.compare_exchange(HELD, REVOKED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// It is about to be written; whether it may be.
    fn go(&self) -> bool {
        if self.0.check.as_ref().is_some_and(|check| !self.is_out() && !check()) {
            self.revoke();
        }
        match self.0.state.compare_exchange(HELD, OUT, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(state) => state == OUT,
        }
    }

    /// A body that decides this when it is first asked for. HTTP asks once the connection stands, and before
    /// it writes even the head: the head is buffered until the body has had its turn.
    pub(crate) fn watch(&self, data: Bytes) -> RequestBody {
        RequestBody { data: Some(data), first_byte: Some(self.clone()) }
    }
}

/// The body of a request.
pub(crate) struct RequestBody {
    data: Option<Bytes>,
    first_byte: Option<FirstByte>,
}

impl RequestBody {
    /// That of a request that has none.
    pub(crate) fn nothing() -> RequestBody {
        RequestBody { data: None, first_byte: None }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Withheld;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withheld>>> {
        if self.first_byte.as_ref().is_some_and(|first_byte| !first_byte.go()) {
            return Poll::Ready(Some(Err(Withheld)));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_out(first_byte: &FirstByte) -> bool {
        let mut body = first_byte.watch(Bytes::from_static(b"{}"));
        let mut context = Context::from_waker(std::task::Waker::noop());
        matches!(Pin::new(&mut body).poll_frame(&mut context), Poll::Ready(Some(Ok(_))))
    }

    #[test]
    fn first_byte_is_out_or_revoked_whichever_comes_first() {
        let first_byte = FirstByte::default();
        assert!(goes_out(&first_byte));
        first_byte.revoke();
        assert!(first_byte.is_out());

        let first_byte = FirstByte::default();
        first_byte.revoke();
        assert!(!goes_out(&first_byte));
        assert!(!first_byte.is_out());
    }

    #[test]
    fn first_byte_that_comes_too_late_is_withheld() {
        let first_byte = FirstByte::checked(|| false);
        assert!(!goes_out(&first_byte));
        assert!(!first_byte.is_out());
        assert!(goes_out(&FirstByte::checked(|| true)));
    }
}
