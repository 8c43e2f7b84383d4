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

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use hyper::body::Body;
use tokio::time::Instant;
use tracing::debug;

use crate::http1::{HeadLimits, HeadScan, MOST_FIELDS, RequestHead, parse_request};
use crate::lifecycle::DrainWatch;
use crate::server::alarm::Alarm;
use crate::server::departure::Departure;
use crate::server::outbox::Outbox;
use crate::server::reply::{Asked, Broken, Coding};
use crate::server::wire::{Gone, READ_BYTES, Wire};
use crate::server::{Service, Stream, Unreadable, linger};

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
    io: impl Stream,
    service: Rc<S>,
    limits: HttpLimits,
    mut drain: DrainWatch,
) {
    let started = pin!(drain.started());
    let connection = Connection {
        wire: Rc::new(RefCell::new(Wire::new(Box::new(io)))),
        service,
        limits,
        drain: Drain::Watching(started),
        alarm: Alarm::default(),
    };
    connection.run().await;
}

struct Connection<'c, S> {
    wire: Rc<RefCell<Wire>>,
    service: Rc<S>,
    limits: HttpLimits,
    drain: Drain<'c>,
    alarm: Alarm,
}

/// Whether the drain has started.
enum Drain<'c> {
    Watching(Pin<&'c mut dyn Future<Output = ()>>),
    Started,
}

impl Drain<'_> {
    fn poll_started(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Watching(started) = self {
            ready!(started.as_mut().poll(cx));
            *self = Self::Started;
        }
        Poll::Ready(())
    }
}

/// What comes next on a connection.
enum Next {
    /// A request.
    Head(Bytes),
    /// Something else.
    Unreadable(Unreadable),
    /// Nothing.
    Over,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum After {
    /// It is used again.
    Keep,
    /// It is closed so that the client can read its answer.
    Close,
    /// It is cut.
    Cut,
}

impl<S: Service> Connection<'_, S> {
    async fn run(mut self) {
        let mut head_due = Some(Instant::now() + self.limits.head_timeout);
        loop {
            let after = match self.next_head(head_due.take()).await {
                // On the heap, so that an idle connection does not keep room for a call.
                Next::Head(head) => match parse_request(head, &self.head_limits()) {
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
        let (mut due, mut scan, mut asked_twice) = (due, HeadScan::default(), false);
        loop {
            let next = poll_fn(|cx| self.poll_head(cx, &mut scan, &mut due, idle_until)).await;
            match next {
                Some(next) => return next,
                // A connection that has just been accepted may have its request in the kernel, and
                // nobody has looked yet. That happens while this task is not running.
                None if !asked_twice => tokio::task::yield_now().await,
                None => return Next::Over,
            }
            asked_twice = true;
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
            match scan.find(&wire.ahead, &limits) {
                Ok(Some(length)) => {
                    let head = wire.ahead.split_to(length).freeze();
                    return Poll::Ready(Some(Next::Head(head)));
                }
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Some(Next::Unreadable(fault.into()))),
            }
            // Line ends may be left over from a body before.
            let is_begun = wire.ahead.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
            match wire.poll_fill(cx, READ_BYTES) {
                Poll::Ready(Ok(1..)) => continue,
                Poll::Ready(Ok(0)) if is_begun => {
                    let cut = Unreadable::Malformed("the head ends before its end");
                    return Poll::Ready(Some(Next::Unreadable(cut)));
                }
                Poll::Ready(Ok(0) | Err(Gone)) => return Poll::Ready(Some(Next::Over)),
                Poll::Pending => {}
            }
            if !is_begun && self.drain.poll_started(cx).is_ready() {
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

    /// One request and its answer.
    async fn exchange(&mut self, head: RequestHead) -> After {
        let asked = Asked {
            version: head.version,
            is_head: head.method == Method::HEAD,
            keep_alive: head.keep_alive,
        };
        match self.answer(head).await {
            Ok(answer) => self.send(answer, asked).await,
            Err(Gone) => {
                debug!("the client went away before its answer");
                After::Cut
            }
        }
    }

    async fn answer(&mut self, head: RequestHead) -> Result<Response<S::Body>, Gone> {
        let version = head.version;
        let body = Wire::begin_body(&self.wire, head.framing, head.expects_continue);
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = head.uri;
        *request.version_mut() = version;
        *request.headers_mut() = head.headers;
        let service = Rc::clone(&self.service);
        let mut answer = pin!(service.answer(request));
        let mut departure = Departure::new(version);
        poll_fn(|cx| {
            let polled = answer.as_mut().poll(cx);
            let wire = &mut *self.wire.borrow_mut();
            match polled {
                _ if wire.is_gone() => Poll::Ready(Err(Gone)),
                Poll::Ready(answer) => Poll::Ready(Ok(answer)),
                Poll::Pending => departure.poll(wire, &mut self.alarm, cx).map(Err),
            }
        })
        .await
    }

    async fn refuse(&mut self, why: Unreadable) -> After {
        let asked = Asked {
            version: Version::HTTP_11,
            is_head: false,
            keep_alive: false,
        };
        let answer = self.service.refuse(why);
        self.send(answer, asked).await
    }

    async fn send(&mut self, answer: Response<S::Body>, mut asked: Asked) -> After {
        let (head, body) = answer.into_parts();
        let size = body.size_hint().exact();
        let mut coding = Coding::of(&asked, head.status, size);
        let is_draining = poll_fn(|cx| Poll::Ready(self.drain.poll_started(cx).is_ready())).await;
        asked.keep_alive &= !is_draining && coding != Coding::UntilClose && self.can_go_on();
        let mut out = Outbox::new(self.limits.body_timeout);
        self.wire.borrow_mut().take_interim(&mut out.head);
        coding.write_head(&asked, head, size, &mut out);
        let sent = self.send_body(pin!(body), &mut coding, &mut out).await;
        match sent {
            Ok(()) if asked.keep_alive => After::Keep,
            Ok(()) => After::Close,
            Err(Failed::Gone) => {
                debug!("the client went away during its answer");
                After::Cut
            }
            Err(Failed::Broken) => {
                if coding == Coding::UntilClose {
                    self.wire.borrow_mut().io.reset_on_close();
                }
                After::Cut
            }
        }
    }

    /// Whether the next request can begin where this one ends.
    fn can_go_on(&self) -> bool {
        let wire = &mut *self.wire.borrow_mut();
        wire.skip_body() && !(wire.ended && wire.ahead.is_empty())
    }

    /// Writes the body behind the head that is in the outbox; the first piece leaves with it.
    // spec: RESP-1 RESP-2
    async fn send_body(
        &mut self,
        mut body: Pin<&mut S::Body>,
        coding: &mut Coding,
        out: &mut Outbox,
    ) -> Result<(), Failed> {
        let mut is_whole = *coding == Coding::Nothing;
        let mut wants_piece = !is_whole;
        poll_fn(|cx| {
            loop {
                if wants_piece && let Poll::Ready(piece) = poll_piece(body.as_mut(), cx)? {
                    wants_piece = false;
                    is_whole = piece.is_none() || body.is_end_stream();
                    if let Some(piece) = piece {
                        coding.write_piece(piece, out)?;
                    }
                    if is_whole {
                        coding.write_end(out)?;
                    }
                }
                let wire = &mut *self.wire.borrow_mut();
                ready!(out.poll_flush(wire, &mut self.alarm, cx))?;
                if is_whole {
                    return Poll::Ready(Ok(()));
                }
                if wants_piece {
                    return wire.poll_watch(cx).map(|gone| Err(gone.into()));
                }
                wants_piece = true;
            }
        })
        .await
    }

    /// Ends a connection whose client may not have read everything, nor sent everything.
    async fn close(self) {
        let wire = Rc::into_inner(self.wire).map(RefCell::into_inner);
        if let Some(mut wire) = wire {
            linger::close(&mut *wire.io).await;
        }
    }
}

/// The next data of a body; trailers have no place in what we send.
fn poll_piece<B>(mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>>
where
    B: Body<Data = Bytes, Error: std::error::Error + 'static>,
{
    loop {
        match ready!(body.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Poll::Ready(Ok(Some(data))),
                Ok(_) | Err(_) => {}
            },
            Some(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                debug!(error, "the answer broke off");
                return Poll::Ready(Err(Broken));
            }
            None => return Poll::Ready(Ok(None)),
        }
    }
}

/// Why an answer was not sent whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Failed {
    Gone,
    Broken,
}

impl From<Gone> for Failed {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl From<Broken> for Failed {
    fn from(Broken: Broken) -> Self {
        Self::Broken
    }
}
