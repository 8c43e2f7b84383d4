//! One attempt to connect that several callers wait for.
//!
//! Before an origin's protocol is known, ten calls could need ten connections or one; the first
//! caller's attempt tells. It runs as a task, so that the caller who started it may leave without
//! failing the others. It ends when it lands, or when nobody can learn of it any more.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch;

use crate::upstream::connect::ConnectError;
use crate::upstream::h2::H2;

/// How an attempt ended. An HTTP/1.1 connection can serve only one of those who waited, so it went
/// to the idle ones.
pub(super) type Landed = Result<Landing, Arc<ConnectError>>;

/// What was opened.
#[derive(Clone)]
pub(super) enum Landing {
    Http1,
    Http2(Rc<H2>),
}

/// A ticket for the result.
#[derive(Clone)]
pub(super) struct Flight(watch::Receiver<Option<Landed>>);

impl Flight {
    /// Starts `attempt` on the worker.
    pub(super) fn start(attempt: impl Future<Output = Landed> + 'static) -> Self {
        let (result, ticket) = watch::channel(None);
        tokio::task::spawn_local(async move {
            tokio::select! {
                landed = attempt => drop(result.send_replace(Some(landed))),
                () = result.closed() => {}
            }
        });
        Self(ticket)
    }

    /// Waits for the result. Dropping the future leaves the attempt to the others.
    pub(super) async fn landed(mut self) -> Landed {
        let landed = match self.0.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone(),
            Err(_) => None,
        };
        landed.unwrap_or_else(|| Err(Arc::new(ConnectError::Abandoned)))
    }
}
