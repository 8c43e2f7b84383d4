//! Bodies, from the bytes behind a head to pieces of data.

use bytes::{Bytes, BytesMut};

use crate::http1::chunked::{Chunks, Step};
use crate::http1::{Fault, Framing};

/// What a look at the bytes that have arrived came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decoded {
    /// The next piece of the body, never empty.
    Data(Bytes),
    /// Nothing can be said before more bytes arrive.
    NeedMore,
    /// The body is complete. What is left belongs to the next message.
    End,
}

/// Takes one body out of a stream of bytes.
#[derive(Debug)]
pub struct BodyDecoder(Kind);

#[derive(Debug)]
enum Kind {
    /// So many bytes are left.
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

impl BodyDecoder {
    /// A decoder for the body behind a head of this framing.
    pub fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::None => Kind::Length(0),
            Framing::Length(length) => Kind::Length(length),
            Framing::Chunked => Kind::Chunked(Chunks::default()),
            Framing::UntilClose => Kind::UntilClose,
        })
    }

    /// Takes what can be taken from the front of `buf`. Pieces are split off, not copied.
    ///
    /// # Errors
    /// When the chunks are malformed; the decoder and the connection are of no use then.
    // spec: FRAME-1
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, Fault> {
        match &mut self.0 {
            Kind::Length(left) => Ok(take(left, buf)),
            Kind::Chunked(chunks) => match chunks.advance(buf)? {
                Step::Data(left) => Ok(take(left, buf)),
                Step::NeedMore => Ok(Decoded::NeedMore),
                Step::End => Ok(Decoded::End),
            },
            Kind::UntilClose if buf.is_empty() => Ok(Decoded::NeedMore),
            Kind::UntilClose => Ok(Decoded::Data(buf.split().freeze())),
        }
    }

    /// Whether nothing more of this body is to be decoded.
    pub fn is_ended(&self) -> bool {
        match &self.0 {
            Kind::Length(left) => *left == 0,
            Kind::Chunked(chunks) => chunks.is_ended(),
            Kind::UntilClose => false,
        }
    }

    /// How many bytes of the body are still to come, where that was stated beforehand.
    pub fn remaining_hint(&self) -> Option<u64> {
        match &self.0 {
            Kind::Length(left) => Some(*left),
            Kind::Chunked(_) | Kind::UntilClose => None,
        }
    }

    /// Whether the body is whole if the stream ends here.
    ///
    /// # Errors
    /// When there should have been more.
    pub fn finish_at_eof(&self) -> Result<(), Fault> {
        match &self.0 {
            Kind::UntilClose => Ok(()),
            Kind::Length(_) | Kind::Chunked(_) if self.is_ended() => Ok(()),
            Kind::Length(_) | Kind::Chunked(_) => {
                Err(Fault::Malformed("the body ends before its end"))
            }
        }
    }
}

fn take(left: &mut u64, buf: &mut BytesMut) -> Decoded {
    if *left == 0 {
        return Decoded::End;
    }
    if buf.is_empty() {
        return Decoded::NeedMore;
    }
    let length = usize::try_from(*left).map_or(buf.len(), |left| left.min(buf.len()));
    *left -= length as u64;
    Decoded::Data(buf.split_to(length).freeze())
}
