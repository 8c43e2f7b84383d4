//! An answer's head as the client gets it, and the framing of its body.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderName, Response, StatusCode, Version};

use crate::http1::{
    FINAL_CHUNK, write_chunk_size, write_field, write_head_end, write_number, write_response_head,
};
use crate::server::date::with_date;
use crate::server::outbox::{Outbox, behind_head};

/// What an answer has to know about its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) version: Version,
    pub(super) is_head: bool,
    /// Whether the connection is to be used again.
    pub(super) keep_alive: bool,
}

/// The body is not what its head said, so the client must not take it for whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Broken;

/// How the client knows where the body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Coding {
    /// There is none.
    Nothing,
    /// So many bytes are still to come.
    Length(u64),
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

impl Coding {
    /// What an answer of this size, if that is known, is sent in.
    pub(super) fn of(asked: &Asked, status: StatusCode, size: Option<u64>) -> Self {
        let has_none = asked.is_head
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match size {
            _ if has_none => Self::Nothing,
            Some(size) => Self::Length(size),
            None if asked.version == Version::HTTP_11 => Self::Chunked,
            None => Self::UntilClose,
        }
    }

    /// Writes the head. What it says about length and connection is ours alone: whatever the answer
    /// came with belongs to another connection.
    pub(super) fn write_head<B>(
        self,
        asked: &Asked,
        answer: &Response<B>,
        size: Option<u64>,
        out: &mut Outbox,
    ) {
        let (status, headers) = (answer.status(), answer.headers());
        // Of a body that is not sent, the head may still tell the length (RFC 9110, 8.6).
        let may_tell = self == Self::Nothing && status != StatusCode::NO_CONTENT;
        let tells = may_tell && headers.contains_key(CONTENT_LENGTH);
        let length = match self {
            Self::Length(length) => Some(length),
            Self::Nothing if may_tell && !tells => size.filter(|size| *size > 0),
            Self::Nothing | Self::Chunked | Self::UntilClose => None,
        };
        let goes_on = |name: &HeaderName| {
            *name != TRANSFER_ENCODING && *name != CONNECTION && (*name != CONTENT_LENGTH || tells)
        };
        let (out, behind) = (&mut out.head, behind_head(length));
        write_response_head(out, asked.version, status, headers, goes_on, behind);
        if let Some(length) = length {
            out.extend_from_slice(b"content-length: ");
            write_number(out, length);
            out.extend_from_slice(b"\r\n");
        }
        if self == Self::Chunked {
            write_field(out, &TRANSFER_ENCODING, b"chunked");
        }
        if !headers.contains_key(DATE) {
            with_date(|date| write_field(out, &DATE, date));
        }
        match (asked.keep_alive, asked.version) {
            (false, _) => write_field(out, &CONNECTION, b"close"),
            (true, Version::HTTP_10) => write_field(out, &CONNECTION, b"keep-alive"),
            (true, _) => {}
        }
        write_head_end(out);
    }

    /// Puts the next piece of the body into an outbox that holds no other.
    pub(super) fn write_piece(&mut self, piece: Bytes, out: &mut Outbox) -> Result<(), Broken> {
        match self {
            Self::Nothing => return Ok(()),
            Self::Length(left) => *left = left.checked_sub(piece.len() as u64).ok_or(Broken)?,
            Self::Chunked => {
                write_chunk_size(&mut out.head, piece.len());
                out.tail = Bytes::from_static(b"\r\n");
            }
            Self::UntilClose => {}
        }
        out.put(piece);
        Ok(())
    }

    /// Ends the body, behind a piece that may still be in the outbox.
    pub(super) fn write_end(self, out: &mut Outbox) -> Result<(), Broken> {
        match self {
            Self::Length(1..) => return Err(Broken),
            Self::Chunked if out.tail.is_empty() => out.tail = Bytes::from_static(FINAL_CHUNK),
            Self::Chunked => out.tail = Bytes::from_static(b"\r\n0\r\n\r\n"),
            Self::Nothing | Self::Length(0) | Self::UntilClose => {}
        }
        Ok(())
    }
}
