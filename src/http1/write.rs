//! Messages as they go out.
//!
//! What is written comes from the types of `http`, which hold no line break, so nothing that is
//! passed through can end a line or a head early.

use bytes::{BufMut as _, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, StatusCode, Version};

use crate::http1::Decimal;

/// The chunk that ends a chunked body, with its empty trailer section. It follows the CRLF of the
/// chunk before.
pub const FINAL_CHUNK: &[u8] = b"0\r\n\r\n";

/// Bytes of a body up to which it is written behind its head in one buffer: copying so little costs
/// less than what the kernel does for a second piece.
pub const MOST_BEHIND_HEAD: usize = 2 * 1024;

/// Writes a whole head of HTTP/1.1. The fields, `host` and the framing among them, are written as
/// they come. There is room for `behind` bytes more in `out` then, which is cheaper than growing it.
pub fn write_request_head<'f, F, V>(
    out: &mut BytesMut,
    method: &Method,
    path: &PathAndQuery,
    fields: F,
    behind: usize,
) where
    F: IntoIterator<Item = (&'f HeaderName, V)> + Clone,
    V: AsRef<[u8]>,
{
    let path = path.as_str();
    out.reserve(method.as_str().len() + path.len() + 16 + room_for(fields.clone()) + behind);
    out.put_slice(method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(path.as_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
    write_fields(out, fields);
    write_head_end(out);
}

/// Writes the first line of an answer's head and those fields that go on, and leaves it open for
/// [`write_field`] and [`write_head_end`]. There is room for them and `behind` bytes more in `out`
/// then.
pub fn write_response_head(
    out: &mut BytesMut,
    version: Version,
    status: StatusCode,
    headers: &HeaderMap,
    goes_on: impl Fn(&HeaderName) -> bool,
    behind: usize,
) {
    let reason = status.canonical_reason().unwrap_or_default();
    // The fields that servers add: a date, a length and the connection's future.
    out.reserve(reason.len() + 160 + room_for(headers) + behind);
    out.put_slice(match version {
        Version::HTTP_10 => b"HTTP/1.0 ",
        _ => b"HTTP/1.1 ",
    });
    out.put_slice(status.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(reason.as_bytes());
    out.put_slice(b"\r\n");
    write_fields(out, headers.iter().filter(|(name, _)| goes_on(name)));
}

/// Writes one field of a head that is open. `value` must hold no line break.
pub fn write_field(out: &mut BytesMut, name: &HeaderName, value: &[u8]) {
    out.put_slice(name.as_str().as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Ends a head.
pub fn write_head_end(out: &mut BytesMut) {
    out.put_slice(b"\r\n");
}

/// Writes the line before a chunk's data. The data must be followed by CRLF, and a size of 0 would
/// end the body.
pub fn write_chunk_size(out: &mut BytesMut, size: usize) {
    // The longest is `usize::MAX` in hexadecimal.
    let (mut digits, mut start, mut rest) = ([0; 16], 16, size);
    loop {
        start -= 1;
        digits[start] = b"0123456789abcdef"[rest % 16];
        rest /= 16;
        if rest == 0 {
            break;
        }
    }
    out.put_slice(&digits[start..]);
    out.put_slice(b"\r\n");
}

/// Writes a number in decimal.
pub fn write_number(out: &mut BytesMut, number: u64) {
    out.put_slice(Decimal::from(number).as_ref());
}

fn write_fields<'f>(
    out: &mut BytesMut,
    fields: impl IntoIterator<Item = (&'f HeaderName, impl AsRef<[u8]>)>,
) {
    for (name, value) in fields {
        write_field(out, name, value.as_ref());
    }
}

/// At least what the fields take: name, value, colon, space and line end.
fn room_for<'f>(fields: impl IntoIterator<Item = (&'f HeaderName, impl AsRef<[u8]>)>) -> usize {
    let each = fields
        .into_iter()
        .map(|(name, value)| name.as_str().len() + value.as_ref().len() + 4);
    each.sum()
}
