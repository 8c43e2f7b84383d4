//! HTTP/1.1 messages as bytes: heads, body framing and nothing else.
//!
//! Every function is pure: bytes in, values or a [`Fault`] out. The one invariant is that whatever is
//! accepted has exactly one reading. Two parsers that disagree about where a message ends are how
//! one request is smuggled inside another, so all doubt is a fault here, and the server and the
//! client read with this one parser. Sockets, time and what a request is for are left to them.

mod body;
mod chunked;
mod decimal;
mod field_list;
mod fields;
mod host;
mod request;
mod response;
mod scan;
mod write;

pub use body::{BodyDecoder, Decoded};
pub use decimal::Decimal;
pub use field_list::FieldList;
pub use request::{RequestHead, parse_request};
pub use response::{ResponseHead, parse_response};
pub use scan::{HeadScan, ScannedHead};
pub use write::{
    FINAL_CHUNK, MOST_BEHIND_HEAD, write_chunk_size, write_field, write_head_end, write_number,
    write_request_head, write_response_head,
};

/// Most fields that any head may have, whatever its [`HeadLimits`] say.
pub const MOST_FIELDS: usize = 100;

/// Bounds on one head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Most bytes, the empty line at its end and empty lines before it included.
    pub max_bytes: usize,
    /// Most header fields, at most [`MOST_FIELDS`].
    pub max_fields: usize,
}

/// How the length of a message's body is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// There is no body.
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// Chunks, each with its length, up to an empty one.
    Chunked,
    /// Everything up to the end of the connection. Only answers can have that.
    UntilClose,
}

/// Why bytes are not a message. The peer cannot be talked to any further on this connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The head has more bytes than its limit.
    #[error("the head is too large")]
    HeadTooLarge,
    /// The head has more fields than its limit.
    #[error("the head has too many fields")]
    TooManyFields,
    /// A rule of the grammar is broken; the sentence says which one and repeats nothing of the
    /// message.
    #[error("{0}")]
    Malformed(&'static str),
}

#[cfg(test)]
mod tests;
