//! One HTTP/1.1 connection: it carries one request at a time and can be used again afterwards.
//!
//! The task that drives it ends with it: an idle connection closes in good order, one that is in
//! the middle of anything is cut.

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::body::ReplayBody;
use crate::upstream::connect::Io;
use crate::upstream::shelf::Held;

/// Largest head of an answer in bytes, as for a request's. The limit of 100 fields is hyper's own
/// default; naming it here would cost a heap allocation per answer.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Why a connection has no answer to a request.
pub(super) enum Unanswered {
    /// It did not take the request, which is given back as it was.
    HandedBack(Box<Request<ReplayBody>>, hyper::Error),
    /// It had taken the request.
    Broken(hyper::Error),
}

impl From<hyper::client::conn::TrySendError<Request<ReplayBody>>> for Unanswered {
    fn from(mut error: hyper::client::conn::TrySendError<Request<ReplayBody>>) -> Self {
        match error.take_message() {
            Some(request) => Self::HandedBack(Box::new(request), error.into_error()),
            None => Self::Broken(error.into_error()),
        }
    }
}

/// An HTTP/1.1 connection.
pub(super) struct H1 {
    sender: SendRequest<ReplayBody>,
    driver: AbortHandle,
    opened: Instant,
    /// Under which state it is counted.
    pub(super) held: Held,
}

impl H1 {
    pub(super) async fn open(io: Box<dyn Io>, held: Held) -> hyper::Result<Self> {
        let (mut sender, connection) = Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .max_header_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(io))
            .await?;
        let driver = tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "upstream connection ended"
                );
            }
        });
        let driver = driver.abort_handle();
        // The driver's first turn makes the connection ready. If it finds the peer gone instead,
        // sending will say so, and hand the request back.
        let _ = sender.ready().await;
        Ok(Self {
            sender,
            driver,
            opened: Instant::now(),
            held,
        })
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// Whether it can take a request right now. False after an answer that came before the whole
    /// request was written, and after the peer has closed.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed()
    }

    /// Sends one request. Dropping the future cuts the connection once the value is dropped too.
    pub(super) async fn send(
        &mut self,
        request: Request<ReplayBody>,
    ) -> Result<Response<Incoming>, Unanswered> {
        Ok(self.sender.try_send_request(request).await?)
    }
}

impl Drop for H1 {
    fn drop(&mut self) {
        // An idle driver sees the sender go and says goodbye; any other may be stuck in a write
        // that the peer never reads.
        if !self.is_ready() {
            self.driver.abort();
        }
    }
}
