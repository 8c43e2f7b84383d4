//! Heads of requests.

use bytes::BytesMut;
use http::{Method, Version};

use super::{LIMITS, scan, whole};
use crate::http1::host::is_host;
use crate::http1::{Fault, Framing, HeadLimits, HeadScan, RequestHead, parse_request};

fn parse(bytes: &[u8]) -> Result<RequestHead, Fault> {
    parse_request(&whole(bytes)?)
}

#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, expected: &'static str) {
    let shown = String::from_utf8_lossy(bytes.as_ref()).into_owned();
    let fault = parse(bytes.as_ref()).expect_err(&shown);
    assert_eq!(fault, Fault::Malformed(expected), "{shown:?}");
}

fn with(fields: &str) -> String {
    format!("POST /t HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")
}

#[test]
fn a_whole_head_is_read() {
    let head = parse(
        b"POST /tools/t?q=%20 HTTP/1.1\r\nHost: 127.0.0.1:8787\r\n\
          X-Twice:one\r\nx-twice: \t two \t\r\nX-Bytes: \xe9\t!\r\n\r\nnot of the head",
    )
    .unwrap();
    assert_eq!(head.method, Method::POST);
    assert_eq!(head.uri, "/tools/t?q=%20");
    assert_eq!(head.version, Version::HTTP_11);
    let twice: Vec<_> = head.fields.get_all("x-twice").collect();
    assert_eq!(twice, ["one", "two"]);
    assert_eq!(head.fields.get("x-bytes").unwrap(), &b"\xe9\t!"[..]);
    assert_eq!(head.fields.len(), 4);
    assert_eq!(head.framing, Framing::None);
    assert!(head.keep_alive && !head.expects_continue);
}

// spec: FRAME-1
#[test]
fn lines_end_in_one_way() {
    const BARE_LF: &str = "a line of the head ends in LF without CR";
    const BARE_CR: &str = "the head holds a CR that no LF follows";
    const CONTROL: &str = "the head holds a control character";
    const FOLDED: &str = "a line of the head begins with white space";
    for (bytes, fault) in [
        ("GET / HTTP/1.1\n", BARE_LF),
        ("GET / HTTP/1.1\r\nHost: a\n", BARE_LF),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", BARE_LF),
        ("\n", BARE_LF),
        ("GET / HTTP/1.1\rH", BARE_CR),
        ("GET / HTTP/1.1\r\nHost: a\rb", BARE_CR),
        ("GET / HTTP/1.1\r\nHost: a\r\r", BARE_CR),
        ("GET / HTTP/1.1\r\nHost: a\r\n\rX", BARE_CR),
        ("\rG", BARE_CR),
        ("GET /\0", CONTROL),
        ("GET / HTTP/1.1\r\nHost: a\0", CONTROL),
        ("GET / HTTP/1.1\r\nHost: a\u{1b}", CONTROL),
        ("GET / HTTP/1.1\r\n\u{b}", CONTROL),
        ("GET / HTTP/1.1\r\nX: \u{7f}", CONTROL),
        ("GET / HTTP/1.1\r\nX: a\r\n ", FOLDED),
        ("GET / HTTP/1.1\r\nX: a\r\n\t", FOLDED),
        ("GET / HTTP/1.1\r\n ", FOLDED),
        (" ", FOLDED),
        (
            "\r\n\r\n\r\n",
            "there are too many empty lines before the head",
        ),
    ] {
        // Told at the last byte shown: the rest of the head is not waited for.
        assert_eq!(
            scan(bytes.as_bytes(), &LIMITS),
            Err(Fault::Malformed(fault)),
            "{bytes:?}"
        );
        let before = &bytes.as_bytes()[..bytes.len() - 1];
        assert_eq!(scan(before, &LIMITS), Ok(None), "{bytes:?}");
    }
    parse(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
}

// spec: BODY-1
#[test]
fn heads_have_limits() {
    let head = b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nHost: a\r\n\r\n";
    let limits = |max_bytes, max_fields| HeadLimits {
        max_bytes,
        max_fields,
    };
    let fault = |head: &[u8], limits| scan(head, &limits).unwrap_err();
    assert!(scan(head, &limits(head.len(), 4)).unwrap().is_some());
    let all_but_one = limits(head.len() - 1, 4);
    assert_eq!(fault(head, all_but_one), Fault::HeadTooLarge);
    assert_eq!(fault(&head[..20], limits(20, 4)), Fault::HeadTooLarge);
    assert_eq!(fault(head, limits(1024, 3)), Fault::TooManyFields);
    let many: String = (0..101).map(|n| format!("X-{n}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.0\r\n{many}\r\n");
    let roomy = limits(64 * 1024, 1000);
    assert_eq!(fault(many.as_bytes(), roomy), Fault::TooManyFields);
}

#[test]
fn what_is_not_whole_is_no_head() {
    for bytes in [
        "",
        "\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r",
    ] {
        assert!(
            scan(bytes.as_bytes(), &LIMITS).unwrap().is_none(),
            "{bytes:?}"
        );
    }
}

#[test]
fn a_head_is_taken_off_and_what_follows_is_left() {
    for (before, head) in [
        ("", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"),
    ] {
        let mut buf = BytesMut::from(format!("{before}{head}\r\nmore").as_bytes());
        let mut scan = HeadScan::default();
        let taken = scan.take(&mut buf, &LIMITS).unwrap().unwrap();
        assert_eq!(taken.bytes(), &format!("{before}{head}"));
        assert_eq!(buf, "\r\nmore");
    }
}

/// The scan looks at eight bytes at once, so every byte is tried at each place among them.
// spec: FRAME-1
#[test]
fn every_byte_is_told_apart_wherever_it_stands() {
    for before in 0..17 {
        for byte in 0..=u8::MAX {
            let value = [vec![b'v'; before], vec![byte], vec![b'w'; 9]].concat();
            let head = [b"GET / HTTP/1.0\r\na:", &value[..], b"\r\n\r\n"].concat();
            let read = parse(&head).map(|head| head.fields.get("a").unwrap().as_bytes().to_vec());
            match byte {
                b'\t' | b' ' if before == 0 => assert_eq!(read, Ok(b"w".repeat(9))),
                b'\t' | b' '..=b'~' | 0x80.. => assert_eq!(read, Ok(value)),
                0..=31 | 127 => assert!(read.is_err(), "{byte} at {before}"),
            }
        }
    }
}

// spec: FRAME-1
#[test]
fn the_first_line_has_three_words() {
    const LINE: &str = "the first line is not method, target and version, one space apart";
    const METHOD: &str = "the method is not a token";
    const VERSION: &str = "the version is not HTTP/1.1 or HTTP/1.0";
    for (line, fault) in [
        ("GET", LINE),
        ("GET /", LINE),
        ("GET  / HTTP/1.1", LINE),
        ("GET / HTTP/1.1 ", LINE),
        ("GET /a b HTTP/1.1", LINE),
        ("GET\t/\tHTTP/1.1", LINE),
        ("G(T / HTTP/1.1", METHOD),
        ("GÉT / HTTP/1.1", METHOD),
        ("GET / HTTP/1.2", VERSION),
        ("GET / HTTP/2.0", VERSION),
        ("GET / http/1.1", VERSION),
        ("GET / HTTP/1.10", VERSION),
        ("GET / HTTP/01.1", VERSION),
        ("GET / HTTP/1.1\t", VERSION),
        ("PRI * HTTP/2.0", VERSION),
    ] {
        refused(format!("{line}\r\nHost: a\r\n\r\n"), fault);
    }
    let odd = parse(b"get / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(odd.method.as_str(), "get");
}

// spec: FRAME-1
#[test]
fn targets_have_one_form_each() {
    const FORM: &str = "the target is not a path, an http or https URL, or the `*` of OPTIONS";
    const BYTES: &str = "the target holds a fragment or a character that has to be percent-encoded";
    const AUTHORITY: &str = "the target's host is missing, malformed or has user information";
    let line = |method: &str, target: &str| {
        format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
    };
    for (target, fault) in [
        ("tools/t", FORM),
        ("*", FORM),
        ("a:80", FORM),
        ("ftp://a/", FORM),
        ("http:/a", FORM),
        ("/a#b", BYTES),
        ("/é", BYTES),
        ("/a\tb", BYTES),
        ("http://a/#", BYTES),
        ("http://", AUTHORITY),
        ("http:///t", AUTHORITY),
        ("http://?q", AUTHORITY),
        ("http://u@a/", AUTHORITY),
        ("http://u:p@a/", AUTHORITY),
        ("http://a:x/", AUTHORITY),
        ("http://a:65536/", AUTHORITY),
        ("http://[::1/", AUTHORITY),
        ("http://[::1]x/", AUTHORITY),
        ("http://[127.0.0.1]/", AUTHORITY),
    ] {
        refused(line("GET", target), fault);
    }
    let tunnel = "CONNECT is not served, this is no tunnel";
    refused(line("CONNECT", "a:80"), tunnel);
    refused(line("CONNECT", "/"), tunnel);
    for (target, path) in [
        ("/", "/"),
        ("//a/b", "//a/b"),
        ("/a?b?c", "/a"),
        ("HTTP://A:80/t?q", "/t"),
        ("https://[::1]:8787/t", "/t"),
        ("http://a", "/"),
        ("http://a?q", "/"),
    ] {
        let head = parse(&line("GET", target)).unwrap_or_else(|fault| panic!("{target}: {fault}"));
        assert_eq!(head.uri.path(), path, "{target}");
    }
    assert_eq!(parse(&line("OPTIONS", "*")).unwrap().uri, "*");
}

// spec: FRAME-1
#[test]
fn names_and_values_are_what_they_seem() {
    const NAME: &str = "a field's name is not a token followed by a colon";
    for fields in [
        "X : 1", "X\t: 1", ": 1", "X", "X 1", "X(: 1", "É: 1", "X@: 1", "[X]: 1", "\"X\": 1",
    ] {
        refused(with(fields), NAME);
    }
}

// spec: FRAME-1
#[test]
fn a_length_is_one_number() {
    const LENGTH: &str = "Content-Length is not 1 to 19 digits";
    for value in [
        "",
        " ",
        "+5",
        "-0",
        "-1",
        "0x5",
        "5, 5",
        "5,5",
        "5 5",
        "5;",
        "5.0",
        "1e1",
        "five",
        "5\t5",
        "٥",
        "10000000000000000000",
        "00000000000000000005",
    ] {
        refused(with(&format!("Content-Length: {value}")), LENGTH);
    }
    for (value, length) in [
        ("0", 0),
        ("5", 5),
        (" \t5 \t", 5),
        ("007", 7),
        ("9999999999999999999", 9_999_999_999_999_999_999),
    ] {
        let head = parse(with(&format!("Content-Length:{value}")).as_bytes()).unwrap();
        assert_eq!(head.framing, Framing::Length(length), "{value:?}");
    }
    let twice = "there is more than one Content-Length";
    refused(with("Content-Length: 5\r\nContent-Length: 5"), twice);
    refused(with("Content-Length: 5\r\ncontent-length: 6"), twice);
}

// spec: FRAME-1
#[test]
fn a_coding_is_chunked_or_nothing() {
    const CODING: &str = "the only transfer coding is one `chunked`";
    for value in [
        "",
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "identity",
        "chunked;q=1",
        "\"chunked\"",
        "xchunked",
        "chunkedx",
        "chu\tnked",
        "cow\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\ntransfer-encoding: cow",
    ] {
        refused(with(&format!("Transfer-Encoding: {value}")), CODING);
    }
    for value in ["chunked", "Chunked", " CHUNKED\t"] {
        let head = parse(with(&format!("Transfer-Encoding:{value}")).as_bytes()).unwrap();
        assert_eq!(head.framing, Framing::Chunked, "{value:?}");
    }
    let both = "Content-Length and Transfer-Encoding exclude each other";
    refused(
        with("Content-Length: 5\r\nTransfer-Encoding: chunked"),
        both,
    );
    refused(
        with("Transfer-Encoding: chunked\r\nContent-Length: 5"),
        both,
    );
    refused(with("Transfer-Encoding: cow\r\nContent-Length: 0"), both);
    refused(
        "POST /t HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 has no transfer codings",
    );
}

// spec: FRAME-1
#[test]
fn there_is_one_host() {
    let get = |version: &str, fields: &str| format!("GET / HTTP/{version}\r\n{fields}\r\n");
    refused(get("1.1", ""), "Host is missing");
    for version in ["1.0", "1.1"] {
        let twice = "there is more than one Host";
        refused(get(version, "Host: a\r\nHost: a\r\n"), twice);
        refused(get(version, "Host:\r\n"), "Host is not valid");
        refused(get(version, "Host: a, b\r\n"), "Host is not valid");
    }
    parse(get("1.0", "").as_bytes()).unwrap();
}

// spec: FRAME-1
#[test]
fn a_host_is_a_name_or_an_address() {
    for bad in [
        "",
        ":80",
        "a@b",
        "@a",
        "a/../b",
        "a b",
        "é",
        "a#b",
        "a?b",
        "a\\b",
        "[::1",
        "::1",
        "[::1]x",
        "[::1]:x",
        "[::1]80",
        "[]",
        "[127.0.0.1]",
        "[fe80::1%25eth0]",
        "a:b",
        "a:80:80",
        "a:+80",
        "a:65536",
        "http://a",
    ] {
        assert!(!is_host(bad.as_bytes()), "{bad:?}");
    }
    for good in [
        "a",
        "A.Example.",
        "a:80",
        "a:",
        "a:00080",
        "127.0.0.1:65535",
        "[::1]",
        "[::1]:",
        "[::ffff:127.0.0.1]:8787",
        "under_score",
        "tilde~:80",
    ] {
        assert!(is_host(good.as_bytes()), "{good:?}");
    }
}

#[test]
fn a_connection_goes_on_where_both_want_it() {
    let check = |version: &str, fields: &str, expected: bool| {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        let head = parse(head.as_bytes()).unwrap();
        assert_eq!(head.keep_alive, expected, "{version} {fields:?}");
    };
    check("1.1", "", true);
    check("1.1", "Connection: close\r\n", false);
    check("1.1", "Connection: x, Close\r\n", false);
    check(
        "1.1",
        "Connection: keep-alive\r\nConnection: close\r\n",
        false,
    );
    check("1.1", "Connection: closed\r\n", true);
    check("1.0", "", false);
    check("1.0", "Connection: Keep-Alive\r\n", true);
    check("1.0", "Connection: keep-alive, close\r\n", false);
}

#[test]
fn an_interim_answer_is_expected_for_a_body_only() {
    let check = |version: &str, fields: &str, expected: bool| {
        let head = format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        let head = parse(head.as_bytes()).unwrap();
        assert_eq!(head.expects_continue, expected, "{version} {fields:?}");
    };
    check("1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n", true);
    check(
        "1.1",
        "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n",
        true,
    );
    check(
        "1.1",
        "Expect: 100-continue\r\nContent-Length: 0\r\n",
        false,
    );
    check("1.1", "Expect: 100-continue\r\n", false);
    check("1.1", "Expect: 200-ok\r\nContent-Length: 1\r\n", false);
    check(
        "1.0",
        "Expect: 100-continue\r\nContent-Length: 1\r\n",
        false,
    );
}
