//! Heads of HTTP/1.1 messages: what is accepted has one reading, and others share it.
//!
//! The second readings are httparse's own, a split into lines by hand, and the head that we would
//! write for what was understood.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Uri, Version};

use crate::http1::{
    Fault, Framing, HeadLimits, HeadScan, RequestHead, ResponseHead, parse_request, parse_response,
    write_head_end, write_request_head, write_response_head,
};
use crate::test_support::fuzz::cuts;

/// Small, so that inputs reach them.
const LIMITS: HeadLimits = HeadLimits {
    max_bytes: 2048,
    max_fields: 16,
};
/// What is written anew may be longer: a space behind every colon.
const ROOMY: HeadLimits = HeadLimits {
    max_bytes: 4096,
    max_fields: 16,
};
/// Longer inputs only repeat that the limit is kept.
const MOST_BYTES: usize = 2 * LIMITS.max_bytes;

/// A field by hand: its name in lower case and its value without the white space around it.
type Line = (String, Vec<u8>);

/// A request's head, and whatever follows it.
///
/// # Panics
/// When it can be read in two ways.
pub fn request_head(data: &[u8]) {
    let read = |head: Bytes| parse_request(head, &LIMITS);
    let Some((bytes, head)) = accepted(data, read) else {
        return;
    };
    assert_lines(&bytes);
    let (_, fields) = by_hand(&bytes);
    assert_eq!(fields, of_map(&head.headers));
    assert_is_httparses_request(&bytes, &head);
    assert_request_framing(&head, &fields);
    if head.version == Version::HTTP_11 {
        assert_eq!(count(&fields, HOST.as_str()), 1);
        assert_rewritten_request(&head);
    }
}

/// An answer's head, to a GET and to a HEAD, and whatever follows it.
///
/// # Panics
/// When it can be read in two ways.
pub fn response_head(data: &[u8]) {
    for method in [Method::GET, Method::HEAD] {
        let read = |head: Bytes| parse_response(head, &method, &LIMITS);
        let Some((bytes, head)) = accepted(data, read) else {
            continue;
        };
        assert_lines(&bytes);
        assert_is_httparses_response(&bytes, &head);
        assert_response_framing(&head, &by_hand(&bytes).1, &method);
        assert_rewritten_response(&head, &method);
    }
}

/// The head that `data` begins with, if it is accepted; however it arrives.
fn accepted<H>(data: &[u8], read: impl Fn(Bytes) -> Result<H, Fault>) -> Option<(Bytes, H)> {
    if data.len() > MOST_BYTES {
        return None;
    }
    let found = HeadScan::default().find(data, &LIMITS);
    for pieces in cuts(data) {
        assert_eq!(find_in(&pieces), found, "the pieces change the reading");
    }
    match found {
        Err(fault) => {
            assert_stays_refused(data, fault, read);
            None
        }
        Ok(None) => None,
        Ok(Some(length)) => {
            let cut = HeadScan::default().find(&data[..length - 1], &LIMITS);
            assert_eq!(cut, Ok(None), "the head ends before its end");
            let bytes = Bytes::copy_from_slice(&data[..length]);
            let head = read(bytes.clone()).ok()?;
            Some((bytes, head))
        }
    }
}

fn find_in(pieces: &[&[u8]]) -> Result<Option<usize>, Fault> {
    let (mut scan, mut buf) = (HeadScan::default(), Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        if let Some(length) = scan.find(&buf, &LIMITS)? {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// No continuation turns what was refused into a head, not even for one who goes on asking.
fn assert_stays_refused<H>(data: &[u8], fault: Fault, read: impl Fn(Bytes) -> Result<H, Fault>) {
    let mut scan = HeadScan::default();
    let mut buf = data.to_vec();
    assert_eq!(scan.find(&buf, &LIMITS), Err(fault));
    for more in ["\r\n", "Host: a\r\n", "\r\n\r\n"] {
        buf.extend_from_slice(more.as_bytes());
        assert_eq!(HeadScan::default().find(&buf, &LIMITS), Err(fault));
        if let Ok(Some(length)) = scan.find(&buf, &LIMITS) {
            let head = Bytes::copy_from_slice(&buf[..length]);
            assert!(read(head).is_err(), "a refused head was accepted later");
            return;
        }
    }
}

/// Lines end in CRLF and hold no control character but HTAB.
fn assert_lines(head: &[u8]) {
    assert!(head.ends_with(b"\r\n\r\n"));
    for (at, byte) in head.iter().enumerate() {
        match byte {
            b'\n' => assert_eq!(head[at - 1], b'\r'),
            b'\r' => assert_eq!(head[at + 1], b'\n'),
            byte => assert!(*byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)),
        }
    }
}

/// The first line and the fields, sorted, by nothing but line ends and colons.
fn by_hand(head: &[u8]) -> (String, Vec<Line>) {
    let text: String = head.iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
    let first = lines.next().expect("a head has a first line").to_owned();
    let mut fields: Vec<_> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').expect("a field has a colon");
            let value = value.trim_matches([' ', '\t']).chars();
            let value = value.map(|c| u8::try_from(c).expect("made from a byte"));
            (name.to_ascii_lowercase(), value.collect())
        })
        .collect();
    fields.sort();
    (first, fields)
}

fn of_map(headers: &HeaderMap) -> Vec<Line> {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    let mut fields: Vec<_> = headers.iter().map(line).collect();
    fields.sort();
    fields
}

fn count(fields: &[Line], name: &str) -> usize {
    fields.iter().filter(|(other, _)| other == name).count()
}

fn assert_is_httparses_request(bytes: &[u8], head: &RequestHead) {
    let mut slots = [httparse::EMPTY_HEADER; LIMITS.max_fields];
    let mut other = httparse::Request::new(&mut slots);
    let read = other.parse(bytes).expect("httparse reads it as well");
    assert_eq!(read, httparse::Status::Complete(bytes.len()));
    assert_eq!(other.method, Some(head.method.as_str()));
    assert_eq!(other.version, Some(minor(head.version)));
    assert_eq!(other.headers.len(), head.headers.len());
    assert_target(other.path.expect("a request has a target"), &head.uri);
}

fn assert_is_httparses_response(bytes: &[u8], head: &ResponseHead) {
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

fn assert_request_framing(head: &RequestHead, fields: &[Line]) {
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

fn assert_response_framing(head: &ResponseHead, fields: &[Line], method: &Method) {
    let codings = count(fields, TRANSFER_ENCODING.as_str());
    let lengths = count(fields, CONTENT_LENGTH.as_str());
    let passed_on = of_map(&head.headers);
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

/// What we would write for a request means the same request.
fn assert_rewritten_request(head: &RequestHead) {
    let query = head
        .uri
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    // A URL may have an empty path, which is `/` to whoever writes it into a first line.
    let path = format!("{}{query}", head.uri.path());
    let path: PathAndQuery = path.parse().expect("it was parsed before");
    let mut out = BytesMut::new();
    write_request_head(&mut out, &head.method, &path, &head.headers);
    let found = HeadScan::default().find(&out, &ROOMY);
    assert_eq!(found, Ok(Some(out.len())));
    let again = parse_request(out.freeze(), &ROOMY).expect("we read what we write");
    assert_eq!(again.method, head.method);
    assert_eq!(again.uri.path_and_query(), Some(&path));
    assert_eq!(again.headers, head.headers);
    assert_eq!(
        (again.framing, again.keep_alive, again.expects_continue),
        (head.framing, head.keep_alive, head.expects_continue)
    );
}

/// What we would write for an answer means the same answer.
fn assert_rewritten_response(head: &ResponseHead, method: &Method) {
    let mut out = BytesMut::new();
    write_response_head(&mut out, Version::HTTP_11, head.status, &head.headers);
    write_head_end(&mut out);
    let again = parse_response(out.freeze(), method, &ROOMY).expect("we read what we write");
    assert_eq!(again.status, head.status);
    assert_eq!(again.headers, head.headers);
    assert_eq!(again.framing, head.framing);
}
