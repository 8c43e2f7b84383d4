//! Header fields, and what they say about the message's framing and the connection's future.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use crate::http1::scan::{self, Lines};
use crate::http1::{Fault, ScannedHead};

/// Reads `lines`, those of `head` behind its first one, until one is at fault.
///
/// Values are slices of the head and keep it alive; nothing is copied but names that have no
/// constant.
pub(super) fn parse(
    head: &ScannedHead,
    lines: Lines<'_>,
) -> impl Iterator<Item = Result<(HeaderName, HeaderValue), Fault>> {
    const NAME: Fault = Fault::Malformed("a field's name is not a token followed by a colon");
    const VALUE: Fault = Fault::Malformed("a field's value holds a control character");
    lines.map(|line| {
        let colon = scan::first(b':', line).ok_or(NAME)?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).map_err(|_| NAME)?;
        let value = head.bytes().slice_ref(trim(&value[1..]));
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| VALUE)?;
        Ok((name, value))
    })
}

/// Without the white space around a value (RFC 9110, 5.5), which is of two kinds only.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether the body is chunked, by all values of `Transfer-Encoding`.
///
/// # Errors
/// For every other coding, and for chunked more than once: whoever sees only the first or only the
/// last of them reads another body.
// spec: FRAME-1
pub(super) fn is_chunked<'v>(
    codings: impl IntoIterator<Item = &'v HeaderValue>,
) -> Result<bool, Fault> {
    let mut codings = codings.into_iter();
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

/// Whether the peer wants to use the connection again (RFC 9112, 9.3), by all values of
/// `Connection`.
pub(super) fn keeps_alive<'v>(
    version: Version,
    connection: impl IntoIterator<Item = &'v HeaderValue>,
) -> bool {
    let mut keeps = version == Version::HTTP_11;
    for value in connection {
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
