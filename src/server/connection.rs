//! One connection, from its first byte to its end.
//!
//! Requests are read, answered and forgotten one after the other, all on the connection's own task,
//! so dropping that drops everything. Between two requests there is a timer and no memory.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::http1::{HeadLimits, HeadScan, MOST_FIELDS, ScannedHead, parse_request};
use crate::lifecycle::DrainWatch;
use crate::server::exchange::After;
use crate::server::wire::{Gone, Wire};
use crate::server::{ClientIo, Service, Unreadable, linger};

/// How long a connection may wait for its next request. Longer than agents think between calls and
/// than their libraries keep connections, so that it is mostly they who close.
const IDLE: Duration = Duration::from_secs(75);

/// Bounds on what a connection may make us hold or wait for.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// From the first byte of a head to its last; on a new connection from its beginning.
    pub head_timeout: Duration,
    /// Most bytes of a request head.
    pub max_head_bytes: usize,
    /// How long a client may read nothing of its answer. How long it may take for its body is the
    /// service's business.
    pub body_timeout: Duration,
}

/// Serves one connection until it ends or, after the drain has started, until it is idle.
///
/// A client that has gone away takes its call with it: the future that makes its answer is dropped.
/// Dropping this future closes the connection in the middle of whatever it is doing.
// spec: CANCEL-1 BODY-1 LIFE-2
pub async fn serve_connection<S: Service>(
    io: Box<dyn ClientIo>,
    service: Rc<S>,
    limits: HttpLimits,
    drain: DrainWatch,
) {
    let mut waiting = drain.clone();
    let drain_started = pin!(waiting.started());
    let connection = Connection {
        wire: Rc::new(RefCell::new(Wire::new(io))),
        service,
        limits,
        drain,
        drain_started: DrainStarted::Awaited(drain_started),
        alarm: Alarm::default(),
    };
    connection.run().await;
}

/// A connection and what it is served with.
pub(super) struct Connection<'c, S> {
    pub(super) wire: Rc<RefCell<Wire>>,
    pub(super) service: Rc<S>,
    pub(super) limits: HttpLimits,
    pub(super) drain: DrainWatch,
    drain_started: DrainStarted<'c>,
    pub(super) alarm: Alarm,
}

/// What wakes a connection that is idle when the drain starts.
enum DrainStarted<'c> {
    Awaited(Pin<&'c mut dyn Future<Output = ()>>),
    Past,
}

impl DrainStarted<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Awaited(started) = self {
            ready!(started.as_mut().poll(cx));
            *self = Self::Past;
        }
        Poll::Ready(())
    }
}

/// What comes next on a connection.
enum Next {
    /// A request.
    Head(ScannedHead),
    /// Something else.
    Unreadable(Unreadable),
    /// Nothing.
    Over,
}

impl<S: Service> Connection<'_, S> {
    async fn run(mut self) {
        let mut head_due = Some(Instant::now() + self.limits.head_timeout);
        loop {
            let after = match self.next_head(head_due.take()).await {
                // On the heap, so that an idle connection does not keep room for a call.
                Next::Head(head) => match parse_request(&head) {
                    Ok(head) => Box::pin(self.exchange(head)).await,
                    Err(fault) => Box::pin(self.refuse(fault.into())).await,
                },
                Next::Unreadable(why) => Box::pin(self.refuse(why)).await,
                Next::Over => return,
            };
            match after {
                After::Keep => {}
                After::Close => return self.close().await,
                After::Cut => return,
            }
        }
    }

    fn head_limits(&self) -> HeadLimits {
        HeadLimits {
            max_bytes: self.limits.max_head_bytes,
            max_fields: MOST_FIELDS,
        }
    }

    /// Waits for the next head. The first one on a connection is due at `due`; of the others, the
    /// first byte may take long and the rest may not.
    // spec: BIND-1 BODY-1
    async fn next_head(&mut self, due: Option<Instant>) -> Next {
        let idle_until = due.unwrap_or_else(|| Instant::now() + IDLE);
        let (mut due, mut scan, mut looked_again) = (due, HeadScan::default(), false);
        loop {
            let next = poll_fn(|cx| self.poll_head(cx, &mut scan, &mut due, idle_until)).await;
            match next {
                Some(next) => return next,
                // A connection that has just been accepted may have its request in the kernel, and
                // nobody has looked yet. That happens while this task is not running.
                None if !looked_again => tokio::task::yield_now().await,
                None => return Next::Over,
            }
            looked_again = true;
        }
    }

    /// `None` when there is nothing and the drain has started.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        scan: &mut HeadScan,
        due: &mut Option<Instant>,
        idle_until: Instant,
    ) -> Poll<Option<Next>> {
        let timeout = self.limits.head_timeout;
        let limits = self.head_limits();
        let wire = &mut *self.wire.borrow_mut();
        loop {
            match scan.take(&mut wire.ahead, &limits) {
                Ok(Some(head)) => return Poll::Ready(Some(Next::Head(head))),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Some(Next::Unreadable(fault.into()))),
            }
            // Line ends may be left over from a body before.
            let is_begun = wire.ahead.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
            match wire.poll_fill(cx) {
                Poll::Ready(Ok(1..)) => continue,
                Poll::Ready(Ok(0)) if is_begun => {
                    let cut = Unreadable::Malformed("the head ends before its end");
                    return Poll::Ready(Some(Next::Unreadable(cut)));
                }
                Poll::Ready(Ok(0) | Err(Gone)) => return Poll::Ready(Some(Next::Over)),
                Poll::Pending => {}
            }
            if !is_begun && self.drain_started.poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            let until = if is_begun {
                *due.get_or_insert_with(|| Instant::now() + timeout)
            } else {
                idle_until
            };
            return self.alarm.poll_at(until, cx).map(|()| {
                let slow = Next::Unreadable(Unreadable::HeadTooSlow { timeout });
                Some(if is_begun { slow } else { Next::Over })
            });
        }
    }

    /// Ends a connection whose client may not have read everything, nor sent everything.
    async fn close(self) {
        let wire = Rc::into_inner(self.wire).map(RefCell::into_inner);
        if let Some(mut wire) = wire {
            linger::close(&mut *wire.io).await;
        }
    }
}
