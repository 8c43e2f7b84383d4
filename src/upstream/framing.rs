//! Message framing: what we say about a request's length, and whether to believe an answer's.
//!
//! hyper decodes bodies; this file keeps the headers in step with what hyper decodes, so that the
//! head that is passed on never contradicts the body that follows it.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};

use crate::body::ReplayBody;
use crate::registry::Origin;

/// Most header fields of an answer, as for a request's.
pub(super) const MAX_FIELDS: usize = 100;

/// Why an answer's head cannot be passed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum InvalidHead {
    #[error("the upstream switched protocols, which nobody asked for")]
    SwitchedProtocols,
    #[error("the answer has more than {MAX_FIELDS} header fields")]
    TooManyFields,
    #[error("the answer's transfer encoding is not just chunked")]
    TransferEncoding,
    #[error("the answer's content length is not one number")]
    ContentLength,
}

/// Whether the connection may carry another request after this answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reuse {
    Yes,
    No,
}

/// States the body's length in the head. The length is ours to say: it is the length of the bytes
/// that were signed, whatever the agent's head claimed.
// spec: BODY-1
pub(super) fn state_length(request: &mut Request<ReplayBody>) {
    let length = request.body().size_hint().lower();
    let wants_zero = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS | Method::TRACE
    );
    let headers = request.headers_mut();
    headers.remove(TRANSFER_ENCODING);
    if length > 0 || wants_zero {
        // An empty POST without a length is refused by some servers with 411.
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    } else {
        headers.remove(CONTENT_LENGTH);
    }
}

/// Addresses the request the way HTTP/1.1 does: path in the request line, host in a field.
pub(super) fn address_http1(request: &mut Request<ReplayBody>, origin: &Origin) {
    if request.uri().scheme().is_some() {
        *request.uri_mut() = Uri::from(path_of(request.uri()));
    }
    let host = origin.authority().clone();
    request.headers_mut().insert(HOST, host);
}

/// Addresses the request the way HTTP/2 does: everything in pseudo-header fields.
pub(super) fn address_http2(request: &mut Request<ReplayBody>, authority: &Authority) {
    request.headers_mut().remove(HOST);
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(authority.clone());
    parts.path_and_query = Some(path_of(request.uri()));
    *request.uri_mut() =
        Uri::from_parts(parts).expect("scheme, authority and path together are a complete URI");
}

fn path_of(uri: &Uri) -> PathAndQuery {
    uri.path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"))
}

/// Checks an answer's head and removes what contradicts its body.
///
/// # Errors
/// When the answer's length cannot be trusted or its head must not be passed on; its connection
/// must then be closed.
pub(super) fn check_answer(answer: &mut Response<Incoming>) -> Result<Reuse, InvalidHead> {
    let upgrades = answer.extensions().get::<hyper::upgrade::OnUpgrade>();
    if upgrades.is_some() || answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(InvalidHead::SwitchedProtocols);
    }
    check_fields(answer.headers_mut())
}

fn check_fields(headers: &mut HeaderMap) -> Result<Reuse, InvalidHead> {
    if headers.len() > MAX_FIELDS {
        return Err(InvalidHead::TooManyFields);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
        // hyper undoes the last encoding only; the rest would be passed on without its name.
        if !encodings.next().is_some_and(chunked) || encodings.next().is_some() {
            return Err(InvalidHead::TransferEncoding);
        }
        // The encoding decides (RFC 9112, 6.3), and the peer that says both is not to be trusted
        // with where its next answer begins.
        return Ok(match headers.remove(CONTENT_LENGTH) {
            Some(_) => Reuse::No,
            None => Reuse::Yes,
        });
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if let Some(first) = lengths.next() {
        let number = parse_length(first).ok_or(InvalidHead::ContentLength)?;
        let mut repeated = false;
        for other in lengths {
            repeated = true;
            if parse_length(other) != Some(number) {
                return Err(InvalidHead::ContentLength);
            }
        }
        if repeated {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(number));
        }
    }
    Ok(Reuse::Yes)
}

fn parse_length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    // `u64::from_str` would accept a sign.
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn length_of(method: Method, body: &'static str) -> Option<String> {
        let mut request = Request::new(ReplayBody::from_bytes(Bytes::from_static(body.as_bytes())));
        *request.method_mut() = method;
        let stale = [(CONTENT_LENGTH, "999"), (TRANSFER_ENCODING, "chunked")];
        for (name, value) in stale {
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        state_length(&mut request);
        assert!(!request.headers().contains_key(TRANSFER_ENCODING));
        let length = request.headers().get(CONTENT_LENGTH)?;
        Some(length.to_str().unwrap().to_owned())
    }

    // spec: BODY-1
    #[test]
    fn the_stated_length_is_the_length_of_the_signed_bytes() {
        assert_eq!(length_of(Method::POST, "12345").as_deref(), Some("5"));
        assert_eq!(length_of(Method::POST, "").as_deref(), Some("0"));
        assert_eq!(length_of(Method::PUT, "").as_deref(), Some("0"));
        assert_eq!(length_of(Method::GET, ""), None);
        assert_eq!(length_of(Method::GET, "1").as_deref(), Some("1"));
        assert_eq!(length_of(Method::DELETE, ""), None);
    }

    #[test]
    fn a_length_that_cannot_be_trusted_is_refused() {
        fn check(
            fields: &[(http::HeaderName, &'static str)],
            expected: Result<(Reuse, Option<&str>), InvalidHead>,
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(name, HeaderValue::from_static(value));
            }
            let got = check_fields(&mut headers).map(|reuse| {
                let lengths: Vec<_> = headers.get_all(CONTENT_LENGTH).iter().collect();
                assert!(lengths.len() <= 1, "{fields:?}");
                (reuse, lengths.first().and_then(|value| value.to_str().ok()))
            });
            assert_eq!(got, expected, "{fields:?}");
        }
        use InvalidHead::{ContentLength, TransferEncoding};
        let (cl, te) = (CONTENT_LENGTH, TRANSFER_ENCODING);
        check(&[], Ok((Reuse::Yes, None)));
        check(&[(cl.clone(), "5")], Ok((Reuse::Yes, Some("5"))));
        check(&[(te.clone(), "Chunked")], Ok((Reuse::Yes, None)));
        check(
            &[(cl.clone(), "3"), (te.clone(), "chunked")],
            Ok((Reuse::No, None)),
        );
        check(
            &[(cl.clone(), "5"), (cl.clone(), "5")],
            Ok((Reuse::Yes, Some("5"))),
        );
        check(&[(cl.clone(), "5"), (cl.clone(), "6")], Err(ContentLength));
        for length in ["5, 5", "+5", "-1", "", "0x5", "99999999999999999999"] {
            check(&[(cl.clone(), length)], Err(ContentLength));
        }
        for encoding in ["gzip, chunked", "identity", "gzip", "chunked, chunked"] {
            check(&[(te.clone(), encoding)], Err(TransferEncoding));
        }
        check(
            &[(te.clone(), "cow"), (te, "chunked")],
            Err(TransferEncoding),
        );
    }
}
