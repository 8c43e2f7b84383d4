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
    Fault, HeadLimits, HeadScan, RequestHead, ResponseHead, ScannedHead, parse_request,
    parse_response, write_head_end, write_request_head, write_response_head,
};
use crate::test_support::fuzz::cuts;

use readings::{
    assert_is_httparses_request, assert_is_httparses_response, assert_lines,
    assert_request_framing, assert_response_framing, by_hand, count, understood,
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
    let Some((bytes, head)) = accepted(data, parse_request) else {
        return;
    };
    assert_lines(&bytes);
    let fields = by_hand(&bytes);
    assert_eq!(fields, understood(&head.fields));
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
        let read = |head: &ScannedHead| parse_response(head, &method);
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
fn accepted<H>(data: &[u8], read: impl Fn(&ScannedHead) -> Result<H, Fault>) -> Option<(Bytes, H)> {
    if data.len() > MOST_BYTES {
        return None;
    }
    let found = take_from(&[data]);
    let bytes = |found: &Found| {
        found
            .clone()
            .map(|head| head.map(|head| head.bytes().clone()))
    };
    for pieces in cuts(data) {
        let again = take_from(&pieces);
        assert_eq!(
            bytes(&again),
            bytes(&found),
            "the pieces change the reading"
        );
    }
    match found {
        Err(fault) => {
            assert_stays_refused(data, fault);
            None
        }
        Ok(None) => None,
        Ok(Some(scanned)) => {
            let bytes = scanned.bytes();
            assert!(data.starts_with(bytes), "the head is not what came");
            let cut = take_from(&[&data[..bytes.len() - 1]]);
            assert_eq!(cut, Ok(None), "the head ends before its end");
            let head = read(&scanned).ok()?;
            Some((bytes.clone(), head))
        }
    }
}

type Found = Result<Option<ScannedHead>, Fault>;

fn take_from(pieces: &[&[u8]]) -> Found {
    let (mut scan, mut buf) = (HeadScan::default(), BytesMut::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        if let Some(head) = scan.take(&mut buf, &LIMITS)? {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// No continuation turns what was refused into a head, not even for one who goes on asking.
fn assert_stays_refused(data: &[u8], fault: Fault) {
    let mut scan = HeadScan::default();
    let mut buf = BytesMut::from(data);
    assert_eq!(scan.take(&mut buf, &LIMITS).err(), Some(fault));
    for more in ["\r\n", "Host: a\r\n", "\r\n\r\n"] {
        buf.extend_from_slice(more.as_bytes());
        assert_eq!(take_from(&[&buf]).err(), Some(fault));
        let again = scan.take(&mut buf, &LIMITS);
        assert_eq!(
            again.err(),
            Some(fault),
            "a refused head was accepted later"
        );
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
    write_request_head(&mut out, &head.method, &path, &head.fields, 0);
    let again = parse_request(&written(out)).expect("we read what we write");
    assert_eq!(again.method, head.method);
    assert_eq!(again.uri.path_and_query(), Some(&path));
    assert_eq!(again.fields, head.fields);
    assert_eq!(
        (again.framing, again.keep_alive, again.expects_continue),
        (head.framing, head.keep_alive, head.expects_continue)
    );
}

/// What we would write for an answer means the same answer.
fn assert_rewritten_response(head: &ResponseHead, method: &Method) {
    let mut out = BytesMut::new();
    let (status, headers) = (head.status, &head.headers);
    write_response_head(&mut out, Version::HTTP_11, status, headers, |_| true, 0);
    write_head_end(&mut out);
    let again = parse_response(&written(out), method).expect("we read what we write");
    assert_eq!(again.status, head.status);
    assert_eq!(again.headers, head.headers);
    assert_eq!(again.framing, head.framing);
}

/// What was written, which has to be one head and nothing else.
fn written(mut out: BytesMut) -> ScannedHead {
    let head = HeadScan::default().take(&mut out, &ROOMY);
    let head = head.ok().flatten().expect("what we write is a head");
    assert!(out.is_empty(), "the head ends before its end");
    head
}
