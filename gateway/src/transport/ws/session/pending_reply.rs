//! A request whose reply the session waits for beside everything else; one at a time.

use std::task::{Context, Poll};

use futures_util::{FutureExt, future::BoxFuture};

/// See the module's documentation.
pub(super) struct PendingReply<T>(Option<BoxFuture<'static, T>>);

impl<T> Default for PendingReply<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> PendingReply<T> {
    /// Is a request under way?
    pub(super) fn is_pending(&self) -> bool {
        self.0.is_some()
    }

    /// Starts a request; none may be under way.
    pub(super) fn start(&mut self, request: impl Future<Output = T> + Send + 'static) {
        self.0 = Some(request.boxed());
    }

    /// Polls for the reply; pending without a request.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<T> {
        let Some(request) = &mut self.0 else {
            return Poll::Pending;
        };
        let reply = request.poll_unpin(context);
        if reply.is_ready() {
            self.0 = None;
        }
        reply
    }
}
