//! Second readings of heads, by httparse and by hand, and what ours must have in common with them.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, Version};

use super::LIMITS;
use crate::http1::{Framing, RequestHead, ResponseHead};

/// A field by hand: its name in lower case and its value without the white space around it.
pub(super) type Line = (String, Vec<u8>);

/// Lines end in CRLF and hold no control character but HTAB.
pub(super) fn assert_lines(head: &[u8]) {
    assert!(head.ends_with(b"\r\n\r\n"));
    for (at, byte) in head.iter().enumerate() {
        match byte {
            b'\n' => assert_eq!(head[at - 1], b'\r'),
            b'\r' => assert_eq!(head[at + 1], b'\n'),
            byte => assert!(*byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)),
        }
    }
}

/// The fields, sorted, by nothing but line ends and colons.
pub(super) fn by_hand(head: &[u8]) -> Vec<Line> {
    let text: String = head.iter().map(|byte| char::from(*byte)).collect();
    let lines = text.split("\r\n").filter(|line| !line.is_empty());
    // The first line is no field.
    let mut fields: Vec<_> = lines
        .skip(1)
        .map(|line| {
            let (name, value) = line.split_once(':').expect("a field has a colon");
            let value = value.trim_matches([' ', '\t']).chars();
            let value = value.map(|c| u8::try_from(c).expect("made from a byte"));
            (name.to_ascii_lowercase(), value.collect())
        })
        .collect();
    fields.sort();
    fields
}

/// The fields, sorted, as they were understood.
pub(super) fn understood<'f>(
    fields: impl IntoIterator<Item = (&'f HeaderName, &'f HeaderValue)>,
) -> Vec<Line> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    let mut fields: Vec<_> = fields.into_iter().map(line).collect();
    fields.sort();
    fields
}

pub(super) fn count(fields: &[Line], name: &str) -> usize {
    fields.iter().filter(|(other, _)| other == name).count()
}

pub(super) fn assert_is_httparses_request(bytes: &[u8], head: &RequestHead) {
    let mut slots = [httparse::EMPTY_HEADER; LIMITS.max_fields];
    let mut other = httparse::Request::new(&mut slots);
    let read = other.parse(bytes).expect("httparse reads it as well");
    assert_eq!(read, httparse::Status::Complete(bytes.len()));
    assert_eq!(other.method, Some(head.method.as_str()));
    assert_eq!(other.version, Some(minor(head.version)));
    assert_eq!(other.headers.len(), head.fields.len());
    assert_target(other.path.expect("a request has a target"), &head.uri);
}

pub(super) fn assert_is_httparses_response(bytes: &[u8], head: &ResponseHead) {
    let mut slots = [httparse::EMPTY_HEADER; LIMITS.max_fields];
    let mut other = httparse::Response::new(&mut slots);
    let read = other.parse(bytes).expect("httparse reads it as well");
    assert_eq!(read, httparse::Status::Complete(bytes.len()));
    assert_eq!(other.code, Some(head.status.as_u16()));
    assert!(other.headers.len() >= head.headers.len());
}

fn minor(version: Version) -> u8 {
    u8::from(version == Version::HTTP_11)
}

/// The URI is the text, and nothing was dropped or repaired.
fn assert_target(text: &str, uri: &Uri) {
    if text.starts_with('/') || text == "*" {
        assert_eq!(uri.to_string(), text);
        return;
    }
    let (scheme, rest) = text.split_once("://").expect("a URL");
    assert!(uri.scheme_str() == Some(&*scheme.to_ascii_lowercase()));
    let authority = uri.authority().expect("a URL").as_str();
    let behind = rest.strip_prefix(authority).expect("the URL's own host");
    assert!(!authority.contains('@'), "user information was accepted");
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    assert!(path == behind || path == format!("/{behind}"), "{path}");
}

pub(super) fn assert_request_framing(head: &RequestHead, fields: &[Line]) {
    let codings = count(fields, TRANSFER_ENCODING.as_str());
    let lengths = count(fields, CONTENT_LENGTH.as_str());
    assert!(codings + lengths <= 1, "the body is framed twice");
    assert!(count(fields, HOST.as_str()) <= 1);
    match head.framing {
        Framing::None => assert_eq!(codings + lengths, 0),
        Framing::Chunked => {
            assert_eq!(codings, 1);
            assert_eq!(head.version, Version::HTTP_11);
        }
        Framing::Length(length) => assert_eq!(length_of(fields), Some(length)),
        Framing::UntilClose => panic!("a request cannot end with its connection"),
    }
}

/// The number of the first `Content-Length`; nothing but digits makes one.
fn length_of(fields: &[Line]) -> Option<u64> {
    let (_, value) = fields.iter().find(|(name, _)| name == "content-length")?;
    let text = std::str::from_utf8(value).ok()?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

pub(super) fn assert_response_framing(head: &ResponseHead, fields: &[Line], method: &Method) {
    let codings = count(fields, TRANSFER_ENCODING.as_str());
    let lengths = count(fields, CONTENT_LENGTH.as_str());
    let passed_on = understood(&head.headers);
    let is_length = |line: &Line| line.0 == CONTENT_LENGTH.as_str();
    let others = |fields: &[Line]| -> Vec<Line> {
        let others = fields.iter().filter(|line| !is_length(line));
        others.cloned().collect()
    };
    assert_eq!(others(fields), others(&passed_on));
    let kept = passed_on.iter().filter(|line| is_length(line)).count();
    assert!(kept <= 1 && codings <= 1);
    assert!(kept == 0 || codings == 0, "two framings are passed on");
    let bodiless = head.status.is_informational()
        || matches!(
            head.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        )
        || *method == Method::HEAD;
    match head.framing {
        Framing::None => assert!(bodiless),
        Framing::Chunked => assert_eq!(codings, 1),
        Framing::Length(length) => {
            assert_eq!(codings, 0);
            assert_eq!(length_of(fields), Some(length));
            assert_eq!(length_of(&passed_on), Some(length));
        }
        Framing::UntilClose => {
            assert_eq!(codings + lengths, 0);
            assert!(!head.keep_alive);
        }
    }
    assert!(codings == 0 || lengths == 0 || !head.keep_alive);
}
