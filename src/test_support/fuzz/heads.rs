//! Heads of HTTP/1.1 messages: what is accepted has one reading, and others share it.
//!
//! The second readings are httparse's own, a split into lines by hand, and the head that we would
//! write for what was understood.

mod readings;

use bytes::{Bytes, BytesMut};
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{Method, Version};

use crate::http1::{
    Fault, HeadLimits, HeadScan, RequestHead, ResponseHead, parse_request, parse_response,
    write_head_end, write_request_head, write_response_head,
};
use crate::test_support::fuzz::cuts;

use readings::{
    assert_is_httparses_request, assert_is_httparses_response, assert_lines,
    assert_request_framing, assert_response_framing, by_hand, count, of_map,
};

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
    let fields = by_hand(&bytes);
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
        assert_response_framing(&head, &by_hand(&bytes), &method);
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
