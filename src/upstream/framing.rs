//! Message framing: how long a request says it is, where it says it goes, and what an answer's head
//! over HTTP/2 may say.
//!
//! The head that is passed on never contradicts the body that follows it. Over HTTP/1.1 the codec
//! sees to that; over HTTP/2 hyper decodes and this file checks the head.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme, Uri};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Body as _;

use crate::body::ReplayBody;
use crate::http1::Decimal;
use crate::sign::Signed;

/// Largest head of an answer in bytes, as for a request's.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Most header fields of an answer, as for a request's.
pub(super) const MAX_FIELDS: usize = 100;

/// Why an answer's head cannot be passed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum InvalidHead {
    #[error("the upstream switched protocols, which nobody asked for")]
    SwitchedProtocols,
    #[error("the answer has more than {MAX_FIELDS} header fields")]
    TooManyFields,
    #[error("the answer states a transfer encoding, which HTTP/2 does not have")]
    TransferEncoding,
    #[error("the answer's content length is not one number")]
    ContentLength,
}

/// What a request's head says about the length of its body. That is ours to say: it is the length of
/// the bytes that were signed, whatever the agent's head claimed.
// spec: BODY-1
pub(super) fn stated_length(method: &Method, length: u64) -> Option<Decimal> {
    let wants_zero = !matches!(
        *method,
        Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS | Method::TRACE
    );
    // An empty POST without a length is refused by some servers with 411.
    (length > 0 || wants_zero).then(|| length.into())
}

/// The request as HTTP/2 has it: it is addressed in pseudo-header fields.
pub(super) fn http2_request(signed: &Signed<'_>, authority: &Authority) -> Request<ReplayBody> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(authority.clone());
    parts.path_and_query = Some(signed.path().clone());
    let length = stated_length(signed.method(), signed.body().size_hint().lower());
    let mut request = Request::new(signed.body().clone());
    *request.method_mut() = signed.method().clone();
    *request.uri_mut() =
        Uri::from_parts(parts).expect("scheme, authority and path together are a complete URI");
    *request.headers_mut() = signed.to_headers();
    if let Some(length) = length {
        let length = HeaderValue::from_bytes(length.as_ref()).expect("digits are visible ASCII");
        request.headers_mut().insert(CONTENT_LENGTH, length);
    }
    request
}

/// Checks the head of an answer over HTTP/2 and leaves one length in it at most. Where its body
/// ends the frames say.
///
/// # Errors
/// When the head must not be passed on.
// spec: FRAME-1
pub(super) fn check_http2_answer<B>(answer: &mut Response<B>) -> Result<(), InvalidHead> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(InvalidHead::SwitchedProtocols);
    }
    let headers = answer.headers_mut();
    if headers.len() > MAX_FIELDS {
        return Err(InvalidHead::TooManyFields);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(InvalidHead::TransferEncoding);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return Ok(());
    };
    let number = parse_length(first).ok_or(InvalidHead::ContentLength)?;
    let mut is_repeated = false;
    for other in lengths {
        is_repeated = true;
        if parse_length(other) != Some(number) {
            return Err(InvalidHead::ContentLength);
        }
    }
    if is_repeated {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(number));
    }
    Ok(())
}

fn parse_length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    // `u64::from_str` would accept a sign.
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: BODY-1
    #[test]
    fn an_empty_body_has_a_length_where_one_is_expected() {
        for (method, length, expected) in [
            (Method::POST, 5, Some("5")),
            (Method::POST, 0, Some("0")),
            (Method::PUT, 0, Some("0")),
            (Method::GET, 0, None),
            (Method::GET, 1, Some("1")),
            (Method::DELETE, 0, None),
        ] {
            let stated = stated_length(&method, length);
            let stated = stated.as_ref().map(AsRef::as_ref);
            assert_eq!(stated, expected.map(str::as_bytes), "{method} {length}");
        }
    }

    // spec: FRAME-1
    #[test]
    fn a_length_that_cannot_be_trusted_is_refused() {
        fn check(
            fields: &[(http::HeaderName, &'static str)],
            expected: Result<Option<&str>, InvalidHead>,
        ) {
            let mut answer = Response::new(());
            for (name, value) in fields {
                let value = HeaderValue::from_static(value);
                answer.headers_mut().append(name, value);
            }
            let got = check_http2_answer(&mut answer).map(|()| {
                let lengths: Vec<_> = answer.headers().get_all(CONTENT_LENGTH).iter().collect();
                assert!(lengths.len() <= 1, "{fields:?}");
                lengths.first().and_then(|value| value.to_str().ok())
            });
            assert_eq!(got, expected, "{fields:?}");
        }
        use InvalidHead::{ContentLength, TransferEncoding};
        let (cl, te) = (CONTENT_LENGTH, TRANSFER_ENCODING);
        check(&[], Ok(None));
        check(&[(cl.clone(), "5")], Ok(Some("5")));
        check(&[(cl.clone(), "5"), (cl.clone(), "5")], Ok(Some("5")));
        check(&[(cl.clone(), "5"), (cl.clone(), "6")], Err(ContentLength));
        for length in ["5, 5", "+5", "-1", "", "0x5", "99999999999999999999"] {
            check(&[(cl.clone(), length)], Err(ContentLength));
        }
        check(&[(te, "chunked")], Err(TransferEncoding));
    }
}
