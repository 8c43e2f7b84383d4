//! Requests that mean one thing, however they are spelled, and what becomes of each.

use super::chunks;
use super::exchange::{Case, forwarded, refused_as};
use super::heads::{of_bytes, of_fields};
use super::stage::Reached;

const GET: &str = "GET /v1/t HTTP/1.1";
const POST: &str = "POST /v1/t HTTP/1.1";

fn hello() -> Reached {
    Reached::new(POST, b"hello")
}

fn got() -> Reached {
    Reached::new(GET, b"")
}

/// All but the first field, which is `Host`.
fn hundred() -> Reached {
    let others = (1..=99).map(|n| format!("x-{n}"));
    others.fold(got(), |reached, name| reached.field(&name, "1"))
}

/// A request of these fields with the body `hello`, and one more field that should pass.
fn fields(name: &'static str, fields: &str, passed: &[(&str, &str)]) -> Case {
    let request = format!(
        "POST /tools/t HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: 5\r\n\r\nhello"
    );
    let add = |reached: Reached, (name, value): &(&str, &str)| reached.field(name, value);
    forwarded(name, request.into_bytes(), passed.iter().fold(hello(), add))
}

fn target(name: &'static str, target: &str, line: &'static str) -> Case {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    forwarded(name, request.into_bytes(), Reached::new(line, b""))
}

fn nowhere(name: &'static str, line: &str) -> Case {
    let request = format!("{line}\r\nHost: localhost\r\n\r\n");
    Case::new(name)
        .send(request.into_bytes())
        .refusal(404, "not_found")
        .open()
}

fn host(name: &'static str, host: &str) -> Case {
    let request = format!("GET /tools/t HTTP/1.1\r\nHost: {host}\r\n\r\n");
    forwarded(name, request.into_bytes(), got())
}

/// Spellings that have to be understood.
// spec: CALL-1 FRAME-1 HDR-1
pub fn spellings() -> Vec<Case> {
    let request = |bytes: &'static [u8]| bytes;
    vec![
        forwarded("a length", request(b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"), hello()),
        forwarded("a length with leading zeros", request(b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0000000000000000005\r\n\r\nhello"), hello()),
        forwarded("a length without a space before it", request(b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length:5\r\n\r\nhello"), hello()),
        forwarded("a length between white space", request(b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: \t 5 \t\r\n\r\nhello"), hello()),
        forwarded("field names in capitals", request(b"POST /tools/t HTTP/1.1\r\nHOST: localhost\r\nCONTENT-LENGTH: 5\r\n\r\nhello"), hello()),
        forwarded("a coding in capitals", request(b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), hello()),
        forwarded("a coding between white space", request(b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \t chunked \t\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), hello()),
        forwarded("an empty chunked body", request(b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Reached::new(POST, b"")),
        forwarded("no body", request(b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n"), Reached::new(POST, b"")),
        forwarded("a body of GET", request(b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"), Reached::new(GET, b"hello")),
        forwarded("a chunked body of DELETE", request(b"DELETE /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), Reached::new("DELETE /v1/t HTTP/1.1", b"hello")),
        forwarded("a body of every kind of byte", request(b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\n\0\r\n\r\n\xff\x7f\n"), Reached::new(POST, b"\0\r\n\r\n\xff\x7f\n")),
        forwarded("a body that looks like a request", request(b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 39\r\n\r\nGET /tools/t HTTP/1.1\r\nHost: hidden\r\n\r\n"), Reached::new(POST, b"GET /tools/t HTTP/1.1\r\nHost: hidden\r\n\r\n")),
        forwarded("HEAD", request(b"HEAD /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n"), Reached::new("HEAD /v1/t HTTP/1.1", b"")),
        forwarded("OPTIONS of a tool", request(b"OPTIONS /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n"), Reached::new("OPTIONS /v1/t HTTP/1.1", b"")),
        forwarded("a method that nobody has heard of", request(b"M-SEARCH! /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n"), Reached::new("M-SEARCH! /v1/t HTTP/1.1", b"")),
        forwarded("a method in lower case", request(b"get /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nok"), Reached::new("get /v1/t HTTP/1.1", b"ok")),
        forwarded("an empty line before the head", request(b"\r\nGET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n"), got()),
        forwarded("two empty lines before the head", request(b"\r\n\r\nGET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n"), got()),
        forwarded("100 fields", of_fields(100), hundred()),
        forwarded("a head of 64 KiB", of_bytes(65_536), got().field("x-long", &"x".repeat(65_536 - 52))),
        forwarded("a body as large as it may be", [b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", &[b'x'; 1000][..]].concat(), Reached::new(POST, vec![b'x'; 1000])),
        host("a Host with a port", "localhost:8787"),
        host("a Host with an empty port", "localhost:"),
        host("a Host in capitals", "LOCALHOST"),
        host("a Host that is an address", "127.0.0.1:8787"),
        host("a Host that is an address of IPv6", "[::1]"),
        host("a Host that is an address of IPv6 with a port", "[::1]:8787"),
        target("a query", "/tools/t?q=a%20b&c", "GET /v1/t?q=a%20b&c HTTP/1.1"),
        target("an empty query", "/tools/t?", "GET /v1/t? HTTP/1.1"),
        target("a question mark in a query", "/tools/t?a?b", "GET /v1/t?a?b HTTP/1.1"),
        target("a URL in a query", "/tools/t?u=http://evil.test/", "GET /v1/t?u=http://evil.test/ HTTP/1.1"),
        target("an encoded CRLF in a query", "/tools/t?a=%0d%0aX:b", "GET /v1/t?a=%0d%0aX:b HTTP/1.1"),
        target("an encoded name", "/tools/%74", "GET /v1/t HTTP/1.1"),
        target("an absolute target", "http://localhost/tools/t?q", "GET /v1/t?q HTTP/1.1"),
        target("an absolute target of another host", "http://evil.test:1/tools/t", "GET /v1/t HTTP/1.1"),
        target("an absolute target of https", "HTTPS://localhost/tools/t", "GET /v1/t HTTP/1.1"),
        target("an absolute target of IPv6", "http://[::1]:80/tools/t", "GET /v1/t HTTP/1.1"),
        nowhere("an asterisk with OPTIONS", "OPTIONS * HTTP/1.1"),
        nowhere("an absolute target without a path", "GET http://localhost HTTP/1.1"),
        nowhere("an absolute target of the tool's own URL", "GET http://localhost/v1/t HTTP/1.1"),
        nowhere("a network-path reference", "GET //tools/t HTTP/1.1"),
        nowhere("a dot segment before the name", "GET /./tools/t HTTP/1.1"),
        nowhere("a backslash in the path", "GET /tools\\t HTTP/1.1"),
        nowhere("a backslash behind the name", "GET /tools/t\\..\\u HTTP/1.1"),
        nowhere("an encoded slash", "GET /tools%2Ft HTTP/1.1"),
        nowhere("an encoded NUL", "GET /tools/t%00 HTTP/1.1"),
        nowhere("an encoded CRLF", "GET /tools/t%0d%0a HTTP/1.1"),
        nowhere("an encoding that is cut off", "GET /tools/t%7 HTTP/1.1"),
    ]
}

/// Fields that pass, and fields that do not.
// spec: HDR-1 HDR-2
pub fn passing_fields() -> Vec<Case> {
    vec![
        fields("a field", "X-Own: a b\r\n", &[("x-own", "a b")]),
        fields("an empty field", "X-Own:\r\n", &[("x-own", "")]),
        fields("a field between white space", "X-Own: \t a \t\r\n", &[("x-own", "a")]),
        fields("a tab in a field", "X-Own: a\tb\r\n", &[("x-own", "a\tb")]),
        fields("a field twice", "X-Own: a\r\nX-Own: b\r\n", &[("x-own", "a"), ("x-own", "b")]),
        fields("a field name of every kind", "!#$%&'*+-.^_`|~0: a\r\n", &[("!#$%&'*+-.^_`|~0", "a")]),
        fields("a field with a colon", "X-Own: a: b\r\n", &[("x-own", "a: b")]),
        Case::new("a field in Latin-1")
            .send(&b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nX-Own: caf\xe9\r\nContent-Length: 5\r\n\r\nhello"[..])
            .reaches(hello().field("x-own", "caf\u{e9}"))
            .open(),
        fields("a coding spelled with an underscore", "Transfer_Encoding: chunked\r\n", &[("transfer_encoding", "chunked")]),
        fields("a length spelled with an underscore", "Content_Length: 0\r\n", &[("content_length", "0")]),
        fields("a nominated field", "Connection: X-Own\r\nX-Own: a\r\n", &[]),
        fields("nominations in two fields", "Connection: x-one,,\r\nConnection: , X-TWO\r\nX-One: 1\r\nX-Two: 2\r\n", &[]),
        fields("a nomination of the signature", "Connection: X-OnceOnly-Signature\r\n", &[]),
        fields("a nomination of all that is added", "Connection: host, x-onceonly-tool, x-onceonly-timestamp, x-request-id, traceparent\r\n", &[]),
        fields("a nomination of the length", "Connection: content-length\r\n", &[]),
        fields("a nomination of the coding", "Connection: transfer-encoding\r\n", &[]),
        fields("a forged signature", "X-OnceOnly-Signature: 00\r\nx-onceonly-signature: 11\r\n", &[]),
        fields("a forged signature with underscores", "X_OnceOnly_Signature: 00\r\nX-OnceOnly_Signature: 11\r\nx_onceonly-signature: 22\r\n", &[]),
        fields("a forged timestamp", "X-ONCEONLY-TIMESTAMP: 1\r\n", &[]),
        fields("a forged field of ours that does not exist", "X-OnceOnly-New: 1\r\nX-Countersign-New: 1\r\nX_Countersign_New: 1\r\n", &[]),
        fields("a field that only begins like ours", "X-OnceOnly: 1\r\nX-Countersigned: 1\r\n", &[("x-onceonly", "1"), ("x-countersigned", "1")]),
        fields("an upgrade to a WebSocket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", &[("sec-websocket-version", "13")]),
        fields("an upgrade to HTTP/2", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", &[]),
        fields("what belongs to the connection", "Keep-Alive: timeout=5\r\nTE: trailers\r\nTrailer: X-Later\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n", &[]),
        fields("an expectation of something else", "Expect: a-miracle\r\n", &[]),
    ]
}

/// Chunked bodies that are clear, up to their limits.
// spec: BODY-1 FRAME-1
pub fn chunked() -> Vec<Case> {
    let body =
        |name: &'static str, body: &[u8]| forwarded(name, [chunks::HEAD, body].concat(), hello());
    let mut cases: Vec<_> = chunks::CLEAR
        .iter()
        .map(|(name, bytes)| body(name, bytes))
        .collect();
    let hex = [b"a\r\n0123456789\r\nA\r\n0123456789\r\n", &b"0\r\n\r\n"[..]].concat();
    let twenty = Reached::new(POST, b"01234567890123456789");
    cases.extend([
        forwarded("sizes in both cases", [chunks::HEAD, &hex].concat(), twenty),
        body("an extension of 4 KiB", &chunks::with_extension(4096)),
        body("extensions of 4 KiB in all", &chunks::with_extensions(4000)),
        body("32 trailers", &chunks::with_trailers(32)),
        body("a trailer of 8,000 bytes", &chunks::with_long_trailer(8000)),
    ]);
    cases
}

/// Requests that are clear and too large.
// spec: BODY-1
pub fn too_large() -> Vec<Case> {
    let declared = |name: &'static str, length: &str| {
        let head = format!(
            "POST /tools/t HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        );
        refused_as(name, 413, "body_too_large", head.as_bytes())
    };
    let chunked = |name: &'static str, body: &[u8]| {
        refused_as(name, 413, "body_too_large", &[chunks::HEAD, body].concat())
    };
    // What follows is clear, so the connection may go on when all of the body has arrived.
    let measured = |name: &'static str, body: &[u8]| {
        let request = [chunks::HEAD, body].concat();
        Case::new(name).send(request).refusal(413, "body_too_large")
    };
    let x = [b'x'; 1001];
    vec![
        refused_as(
            "a head of a byte more than 64 KiB",
            431,
            "head_too_large",
            &of_bytes(65_537),
        ),
        refused_as("a head of 1 MiB", 431, "head_too_large", &of_bytes(1 << 20)),
        refused_as("101 fields", 431, "head_too_large", &of_fields(101)),
        refused_as("10,000 fields", 431, "head_too_large", &of_fields(10_000)),
        refused_as(
            "a target of 1 MiB",
            431,
            "head_too_large",
            format!(
                "GET /tools/t?{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "x".repeat(1 << 20)
            )
            .as_bytes(),
        ),
        refused_as(
            "a method of 1 MiB",
            431,
            "head_too_large",
            "X".repeat(1 << 20).as_bytes(),
        ),
        refused_as(
            "empty lines and a head of more than 64 KiB",
            431,
            "head_too_large",
            &[b"\r\n\r\n", &of_bytes(65_536)[..]].concat(),
        ),
        declared("a length of a byte too much", "1001"),
        declared("a length of 19 nines", "9999999999999999999"),
        measured(
            "a chunk of a byte too much",
            &[b"3e9\r\n", &x[..], b"\r\n0\r\n\r\n"].concat(),
        ),
        measured(
            "chunks of a byte too much",
            &[b"3e8\r\n", &x[..1000], b"\r\n1\r\nx\r\n0\r\n\r\n"].concat(),
        ),
        chunked(
            "a chunk that says FFFFFFFFFFFFFFFF",
            &[b"FFFFFFFFFFFFFFFF\r\n", &x[..]].concat(),
        ),
        chunked(
            "chunks that together say 2^64",
            &[b"1\r\nx\r\nFFFFFFFFFFFFFFFF\r\n", &x[..]].concat(),
        ),
    ]
}
