//! Heads of answers.

use bytes::BytesMut;
use http::header::CONTENT_LENGTH;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use super::whole;
use crate::http1::{
    Fault, Framing, ResponseHead, parse_response, write_chunk_size, write_field, write_head_end,
    write_number, write_request_head, write_response_head,
};

fn parse(method: Method, head: &str) -> Result<ResponseHead, Fault> {
    parse_response(&whole(head.as_bytes())?, &method)
}

/// Framing, the length that is left in the head, and whether the connection can be used again.
type Reading = (Framing, Option<&'static str>, bool);

#[track_caller]
fn check(method: Method, head: &str, expected: Result<Reading, &'static str>) {
    let text = format!("HTTP/1.1 {head}\r\n");
    let read = parse(method, &text);
    let got = read.as_ref().map(|read| {
        let lengths: Vec<_> = read.headers.get_all(CONTENT_LENGTH).iter().collect();
        assert!(lengths.len() <= 1, "{head:?}");
        let length = lengths.first().map(|value| value.to_str().unwrap());
        (read.framing, length, read.keep_alive)
    });
    assert_eq!(
        got,
        expected
            .as_ref()
            .copied()
            .map_err(|fault| { Box::leak(Box::new(Fault::Malformed(fault))) as &Fault }),
        "{head:?}"
    );
}

// spec: FRAME-1
#[test]
fn where_an_answer_ends() {
    use Framing::{Chunked, Length, UntilClose};
    let none = Framing::None;
    let get = || Method::GET;
    const CODING: &str = "the only transfer coding is one `chunked`";
    const LENGTH: &str = "Content-Length is not 1 to 19 digits";
    check(get(), "200 OK\r\n", Ok((UntilClose, None, false)));
    check(
        get(),
        "200 OK\r\nContent-Length: 5\r\n",
        Ok((Length(5), Some("5"), true)),
    );
    check(
        get(),
        "200 OK\r\nContent-Length: 5\r\nConnection: close\r\n",
        Ok((Length(5), Some("5"), false)),
    );
    check(
        get(),
        "200 OK\r\nTransfer-Encoding: Chunked\r\n",
        Ok((Chunked, None, true)),
    );
    for both in [
        "200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    ] {
        check(get(), both, Ok((Chunked, None, false)));
    }
    check(
        get(),
        "200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
        Ok((Length(5), Some("5"), true)),
    );
    check(
        get(),
        "200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
        Err("the Content-Length fields differ"),
    );
    for length in ["5, 5", "+5", "-1", "", "0x5", "99999999999999999999"] {
        check(
            get(),
            &format!("200 OK\r\nContent-Length: {length}\r\n"),
            Err(LENGTH),
        );
    }
    for coding in [
        "gzip, chunked",
        "identity",
        "gzip",
        "cow\r\nTransfer-Encoding: chunked",
    ] {
        check(
            get(),
            &format!("200 OK\r\nTransfer-Encoding: {coding}\r\n"),
            Err(CODING),
        );
    }
    let length = "Content-Length: 5\r\n";
    check(
        Method::HEAD,
        &format!("200 OK\r\n{length}"),
        Ok((none, Some("5"), true)),
    );
    check(Method::HEAD, "200 OK\r\n", Ok((none, None, true)));
    check(
        get(),
        &format!("304 Not Modified\r\n{length}"),
        Ok((none, Some("5"), true)),
    );
    check(get(), "304 Not Modified\r\n", Ok((none, None, true)));
    check(
        get(),
        &format!("204 No Content\r\n{length}"),
        Ok((none, None, false)),
    );
    check(
        get(),
        "204 No Content\r\nContent-Length: 0\r\n",
        Ok((none, None, true)),
    );
    check(
        get(),
        "204 No Content\r\nTransfer-Encoding: chunked\r\n",
        Ok((none, None, false)),
    );
    check(get(), "100 Continue\r\n", Ok((none, None, true)));
    check(
        get(),
        &format!("103 Early Hints\r\n{length}"),
        Err("an interim answer states a body"),
    );
}

// spec: FRAME-1
#[test]
fn the_first_line_says_version_and_status() {
    const LINE: &str = "the first line is not version, status and reason";
    for (line, status) in [
        ("HTTP/1.1 200 OK", 200),
        ("HTTP/1.0 404 ", 404),
        ("HTTP/1.1 599", 599),
        ("HTTP/1.1 200 \u{e9}t\u{e9} (as\tgiven)", 200),
    ] {
        let head = parse(Method::GET, &format!("{line}\r\n\r\n")).unwrap();
        assert_eq!(head.status.as_u16(), status, "{line}");
    }
    let version = "the version is not HTTP/1.1 or HTTP/1.0";
    for (line, fault) in [
        ("HTTP/1.1", LINE),
        ("HTTP/1.1  200 OK", LINE),
        ("HTTP/1.1 20", LINE),
        ("HTTP/1.1 2000 OK", LINE),
        ("HTTP/1.1 099 Low", LINE),
        ("HTTP/1.1 +20 OK", LINE),
        ("HTTP/1.1\t200 OK", LINE),
        ("ok", LINE),
        ("HTTP/2.0 200 OK", version),
        ("SSH-2.0-OpenSSH_9.6", version),
        ("<!doctype html>", version),
    ] {
        let fault = Fault::Malformed(fault);
        let got = parse(Method::GET, &format!("{line}\r\n\r\n")).unwrap_err();
        assert_eq!(got, fault, "{line}");
    }
    parse(Method::GET, "HTTP/1.1 200 OK\n\n").unwrap_err();
    parse(Method::GET, "\r\nHTTP/1.1 200 OK\r\n\r\n").unwrap_err();
    parse(
        Method::GET,
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    .unwrap_err();
}

#[test]
fn heads_are_written_as_they_are_read() {
    let mut headers = HeaderMap::new();
    headers.append("host", HeaderValue::from_static("tool.test"));
    headers.append("x-twice", HeaderValue::from_static("1"));
    headers.append("x-twice", HeaderValue::from_static(""));
    let mut out = BytesMut::new();
    let path = PathAndQuery::from_static("/v1/t?q=1");
    write_request_head(&mut out, &Method::POST, &path, &headers, 0);
    assert_eq!(
        out,
        "POST /v1/t?q=1 HTTP/1.1\r\nhost: tool.test\r\nx-twice: 1\r\nx-twice: \r\n\r\n"
    );
    out.clear();
    let but_host = |name: &HeaderName| name != "host";
    let status = StatusCode::NOT_FOUND;
    write_response_head(&mut out, Version::HTTP_10, status, &headers, but_host, 0);
    write_field(&mut out, &HeaderName::from_static("date"), b"now");
    write_head_end(&mut out);
    assert_eq!(
        out,
        "HTTP/1.0 404 Not Found\r\nx-twice: 1\r\nx-twice: \r\ndate: now\r\n\r\n"
    );
    out.clear();
    let unnamed = StatusCode::from_u16(599).unwrap();
    let none = HeaderMap::new();
    write_response_head(&mut out, Version::HTTP_11, unnamed, &none, |_| true, 0);
    assert_eq!(out, "HTTP/1.1 599 \r\n");
}

#[test]
fn numbers_are_written_whole() {
    for (number, decimal, size) in [
        (0, "0", "0\r\n"),
        (9, "9", "9\r\n"),
        (10, "10", "a\r\n"),
        (65_536, "65536", "10000\r\n"),
        (u64::MAX, "18446744073709551615", "ffffffffffffffff\r\n"),
    ] {
        let mut out = BytesMut::new();
        write_number(&mut out, number);
        assert_eq!(out, decimal);
        out.clear();
        write_chunk_size(&mut out, usize::try_from(number).unwrap());
        assert_eq!(out, size);
    }
}
