//! Header fields, and what they say about the message's framing and the connection's future.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use crate::http1::{Fault, HeadLimits, MOST_FIELDS};

/// Reads the lines of `block`, a part of `head`, up to and including the empty one.
///
/// Values are slices of `head` and keep it alive; nothing is copied but names that have no constant.
/// There is room for `more` fields that whoever passes the head on adds, because a map that grows is
/// built anew.
pub(super) fn parse(
    head: &Bytes,
    block: &[u8],
    limits: &HeadLimits,
    more: usize,
) -> Result<HeaderMap, Fault> {
    const NAME: Fault = Fault::Malformed("a field's name is not a token followed by a colon");
    const VALUE: Fault = Fault::Malformed("a field's value holds a control character");
    const LINES: Fault = Fault::Malformed("the head is not complete");
    let mut slots = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let room = &mut slots[..limits.max_fields.min(MOST_FIELDS)];
    let fields = match httparse::parse_headers(block, room) {
        Ok(httparse::Status::Complete((length, fields))) if length == block.len() => fields,
        Ok(httparse::Status::Complete(_) | httparse::Status::Partial) => return Err(LINES),
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooManyFields),
        Err(httparse::Error::HeaderName) => return Err(NAME),
        Err(httparse::Error::HeaderValue) => return Err(VALUE),
        Err(
            httparse::Error::NewLine
            | httparse::Error::Status
            | httparse::Error::Token
            | httparse::Error::Version,
        ) => return Err(LINES),
    };
    let mut headers = HeaderMap::with_capacity(fields.len() + more);
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| NAME)?;
        let value = head.slice_ref(field.value);
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| VALUE)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// Whether the body is chunked.
///
/// # Errors
/// For every other coding, and for chunked more than once: whoever sees only the first or only the
/// last of them reads another body.
// spec: FRAME-1
pub(super) fn is_chunked(headers: &HeaderMap) -> Result<bool, Fault> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(true),
        (Some(_), _) => Err(Fault::Malformed(
            "the only transfer coding is one `chunked`",
        )),
    }
}

/// The number of a `Content-Length`.
///
/// # Errors
/// For anything but digits, and for more of them than every receiver can hold.
// spec: FRAME-1
pub(super) fn parse_length(value: &HeaderValue) -> Result<u64, Fault> {
    const LENGTH: Fault = Fault::Malformed("Content-Length is not 1 to 19 digits");
    let digits = value.as_bytes();
    if !(1..=19).contains(&digits.len()) {
        return Err(LENGTH);
    }
    digits.iter().try_fold(0_u64, |sum, digit| match digit {
        b'0'..=b'9' => Ok(sum * 10 + u64::from(digit - b'0')),
        _ => Err(LENGTH),
    })
}

/// Removes the length, where something else has decided about it.
pub(super) fn remove_length(headers: &mut HeaderMap) -> bool {
    headers.remove(CONTENT_LENGTH).is_some()
}

/// Whether the peer wants to use the connection again (RFC 9112, 9.3).
pub(super) fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let mut keeps = version == Version::HTTP_11;
    for value in headers.get_all(CONNECTION) {
        for option in value.as_bytes().split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            if option.eq_ignore_ascii_case(b"close") {
                return false;
            }
            keeps |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    keeps
}
