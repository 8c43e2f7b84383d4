//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use crate::lifecycle::DrainWatch;
use crate::server::Service;
use crate::server::linger::Lingering;

/// Bounds on what a connection may make us hold or wait for.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// From the end of one exchange to the last byte of the next head; so also how long an idle
    /// connection is kept.
    pub head_timeout: Duration,
    /// Most bytes of a request head.
    pub max_head_bytes: usize,
}

/// Serves one connection until it ends or, after the drain has started, until it is idle.
///
/// A client that closes its side has gone away, also when it closes only the sending half: the
/// call that is running is dropped, because a signed call nobody waits for is worse than a lost
/// answer.
// spec: CANCEL-1 BODY-1
pub async fn serve_connection<S: Service>(
    io: impl AsyncRead + AsyncWrite + Unpin + 'static,
    service: Rc<S>,
    limits: HttpLimits,
    mut drain: DrainWatch,
) {
    let answer = service_fn(move |request| {
        let service = Rc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.max_head_bytes)
        .serve_connection(TokioIo::new(Lingering::new(io)), answer);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        () = drain.started() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(
            error = &error as &dyn std::error::Error,
            "connection ended early"
        );
    }
}
