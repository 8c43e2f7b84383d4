//! One request and its answer.
//!
//! The service's future and the answer's body are polled here and nowhere else, so the client's
//! leaving ends either by ending this. What reaches the client is the whole answer, or visibly less.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Response, Version};
use hyper::body::Body;
use tracing::debug;

use crate::http1::RequestHead;
use crate::server::connection::Connection;
use crate::server::departure::Departure;
use crate::server::outbox::Outbox;
use crate::server::reply::{Asked, Broken, Coding};
use crate::server::wire::{Gone, Wire};
use crate::server::{Request, Service, Unreadable};
use crate::turn::Turn;

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum After {
    /// It is used again.
    Keep,
    /// It is closed so that the client can read its answer.
    Close,
    /// It is cut.
    Cut,
}

impl<S: Service> Connection<'_, S> {
    /// One request and its answer.
    pub(super) fn exchange(&mut self, head: RequestHead) -> impl Future<Output = After> {
        let asked = Asked {
            version: head.version,
            is_head: head.method == Method::HEAD,
            keep_alive: head.keep_alive,
        };
        let body = Wire::begin_body(&self.wire, head.framing, head.expects_continue);
        let request = Request { head, body };
        let service = Rc::clone(&self.service);
        // The future is moved to the heap as a whole, so it is kept small: what `async fn` takes has
        // a place of its own in each of them.
        async move {
            let answered = {
                let answer = pin!(service.answer(request));
                self.answered(answer, asked.version).await
            };
            match answered {
                Ok(mut answer) => self.send(&mut answer, asked).await,
                Err(Gone) => {
                    debug!("the client went away before its answer");
                    After::Cut
                }
            }
        }
    }

    /// Waits for the answer as long as the client does.
    fn answered(
        &mut self,
        mut answer: Pin<&mut impl Future<Output = Response<S::Body>>>,
        version: Version,
    ) -> impl Future<Output = Result<Response<S::Body>, Gone>> {
        let mut departure = Departure::new(version);
        poll_fn(move |cx| {
            let polled = answer.as_mut().poll(cx);
            let wire = &mut *self.wire.borrow_mut();
            match polled {
                _ if wire.is_gone() => Poll::Ready(Err(Gone)),
                Poll::Ready(answer) => Poll::Ready(Ok(answer)),
                Poll::Pending => departure.poll(wire, &mut self.alarm, cx).map(Err),
            }
        })
    }

    /// The answer to what is no request.
    pub(super) async fn refuse(&mut self, why: Unreadable) -> After {
        let asked = Asked {
            version: Version::HTTP_11,
            is_head: false,
            keep_alive: false,
        };
        let mut answer = self.service.refuse(why);
        self.send(&mut answer, asked).await
    }

    /// Sends an answer from where it is, because it is large to move.
    async fn send(&mut self, answer: &mut Response<S::Body>, mut asked: Asked) -> After {
        let size = answer.body().size_hint().exact();
        let mut coding = Coding::of(&asked, answer.status(), size);
        asked.keep_alive &=
            !self.drain.has_started() && coding != Coding::UntilClose && self.can_go_on();
        let mut out = Outbox::new(self.limits.body_timeout);
        self.wire.borrow_mut().take_interim(&mut out.head);
        coding.write_head(&asked, answer, size, &mut out);
        let body = Pin::new(answer.body_mut());
        let sent = self.send_body(body, &mut coding, &mut out).await;
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
        let mut turn = Turn::default();
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
                ready!(turn.poll(cx));
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
