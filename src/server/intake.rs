//! The body of a request on its way in.
//!
//! It is read when it is polled and not before, and the client is asked for it at the first poll: a
//! request that is refused by its head costs no upload. A long body of known length goes straight
//! into blocks that are passed on whole, so its bytes are copied by nobody but the kernel.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};

use crate::http1::{BodyDecoder, Decoded, Fault, Framing};
use crate::server::wire::{Gone, Wire};

/// Size of the blocks; `body.rs` keeps what fills most of one as it is.
const BLOCK_BYTES: usize = 64 * 1024;

/// How far the current request's body has been read.
pub(super) struct Intake {
    decoder: BodyDecoder,
    /// The block that is being filled. What is in it has not been decoded.
    block: BytesMut,
    /// Which request the decoder belongs to.
    exchange: u64,
    /// Whether the client waits to be asked for the body.
    continue_due: bool,
    /// Whether somebody waits for the body's next bytes.
    pub(super) waits: bool,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            decoder: BodyDecoder::new(Framing::None),
            block: BytesMut::new(),
            exchange: 0,
            continue_due: false,
            waits: false,
        }
    }
}

/// A piece, the end, or what is wrong.
type Piece = Option<Result<Bytes, Fault>>;

impl Wire {
    /// Begins to read the body behind a head.
    pub(super) fn begin_body(
        wire: &Rc<RefCell<Self>>,
        framing: Framing,
        expected: bool,
    ) -> RequestBody {
        let intake = &mut wire.borrow_mut().intake;
        let exchange = intake.exchange + 1;
        *intake = Intake {
            decoder: BodyDecoder::new(framing),
            exchange,
            continue_due: expected,
            ..Intake::default()
        };
        RequestBody {
            wire: Rc::clone(wire),
            exchange,
        }
    }

    /// Throws away what has arrived of a body that nobody has read to its end. Whether that was
    /// all of it.
    pub(super) fn skip_body(&mut self) -> bool {
        // What is in the block has been taken off what arrived, and does not reach the end.
        if !self.intake.block.is_empty() {
            return false;
        }
        while let Ok(Decoded::Data(_)) = self.intake.decoder.decode(&mut self.ahead) {}
        self.intake.decoder.is_ended()
    }

    /// When the connection dies, whoever waits for the body is about to be dropped with it, so
    /// there is nothing to say.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        let polled = match self.poll_piece(cx) {
            Poll::Ready(Ok(piece)) => Poll::Ready(piece),
            Poll::Ready(Err(Gone)) | Poll::Pending => Poll::Pending,
        };
        self.intake.waits = polled.is_pending();
        polled
    }

    // spec: BODY-1
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Gone>> {
        // A client that has begun to send does not wait to be asked.
        if std::mem::take(&mut self.intake.continue_due) && self.ahead.is_empty() && !self.ended {
            self.say_continue();
        }
        if let Poll::Ready(Err(gone)) = self.poll_interim(cx) {
            return Poll::Ready(Err(gone));
        }
        loop {
            let decoded = match self.block_size() {
                Some(size) => {
                    ready!(self.poll_block(cx, size))?;
                    // Its length is the body's or less, so this takes all of it.
                    let mut block = std::mem::take(&mut self.intake.block);
                    self.intake.decoder.decode(&mut block)
                }
                None => self.intake.decoder.decode(&mut self.ahead),
            };
            match decoded {
                Ok(Decoded::Data(piece)) => return Poll::Ready(Ok(Some(Ok(piece)))),
                Ok(Decoded::End) => return Poll::Ready(Ok(None)),
                Err(fault) => return Poll::Ready(Ok(Some(Err(fault)))),
                Ok(Decoded::NeedMore) => {}
            }
            if self.ended || ready!(self.poll_fill_chunks(cx))? == 0 {
                let cut = self.intake.decoder.finish_at_eof();
                return Poll::Ready(Ok(cut.err().map(Err)));
            }
        }
    }

    /// How large the next block is, where the body is not here already.
    fn block_size(&self) -> Option<usize> {
        let left = self.intake.decoder.remaining_hint()?;
        let is_begun = !self.intake.block.is_empty();
        let is_here = left <= self.ahead.len() as u64;
        let size = usize::try_from(left).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES));
        (is_begun || !is_here).then_some(size)
    }

    /// Completes when the block is full or nothing more will come; it may be empty then.
    fn poll_block(&mut self, cx: &mut Context<'_>, size: usize) -> Poll<Result<(), Gone>> {
        let mut block = std::mem::take(&mut self.intake.block);
        if block.capacity() == 0 {
            block.reserve(size);
        }
        let here = self.ahead.len().min(size - block.len());
        block.extend_from_slice(&self.ahead.split_to(here));
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        let polled = loop {
            let most = size - block.len();
            if most == 0 {
                break Poll::Ready(Ok(()));
            }
            match self.poll_read(cx, &mut block, most) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) => break Poll::Ready(Ok(())),
                Poll::Ready(Err(gone)) => break Poll::Ready(Err(gone)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.intake.block = block;
        polled
    }
}

/// A request's body.
///
/// Dropping it leaves the rest unread; the connection decides what that means.
pub struct RequestBody {
    wire: Rc<RefCell<Wire>>,
    exchange: u64,
}

impl RequestBody {
    /// Nothing of a later request may be taken for a part of this one.
    fn is_over(&self) -> bool {
        self.wire.borrow().intake.exchange != self.exchange
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.is_over() {
            let late = Fault::Malformed("the body was left unread when its request was answered");
            return Poll::Ready(Some(Err(late)));
        }
        let polled = self.wire.borrow_mut().poll_body(cx);
        polled.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        !self.is_over() && self.wire.borrow().intake.decoder.is_ended()
    }

    fn size_hint(&self) -> SizeHint {
        let wire = self.wire.borrow();
        match wire.intake.decoder.remaining_hint() {
            Some(left) if !self.is_over() => SizeHint::with_exact(left),
            Some(_) | None => SizeHint::default(),
        }
    }
}
