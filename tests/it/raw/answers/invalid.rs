//! Answers whose head is none. The upstream keeps the connection open, so waiting for more would show.

use super::{INVALID, Row, interims, of_bytes, of_fields, says, says_long};

/// Answers whose head is none.
// spec: FRAME-1 RETRY-4
pub fn invalid_ones() -> Vec<Row> {
    let rows: &[(&'static str, &'static [u8])] = &[
        ("two different lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        ("a list of equal lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"),
        ("a list of lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello"),
        ("a length with a plus", b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
        ("a length with a minus", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
        ("a hexadecimal length", b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello"),
        ("an empty length", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello"),
        ("two lengths in one", b"HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\nhello"),
        ("a length with a parameter", b"HTTP/1.1 200 OK\r\nContent-Length: 5;\r\n\r\nhello"),
        ("a length of 20 digits", b"HTTP/1.1 200 OK\r\nContent-Length: 00000000000000000005\r\n\r\nhello"),
        ("a length over 2^64", b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhello"),
        ("a length in Arabic digits", b"HTTP/1.1 200 OK\r\nContent-Length: \xd9\xa5\r\n\r\nhello"),
        ("a bad length of 204", b"HTTP/1.1 204 No Content\r\nContent-Length: +5\r\n\r\n"),
        ("an unknown coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello"),
        ("two codings", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("identity", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello"),
        ("identity and a length", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello"),
        ("chunked twice", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("chunked twice in a list", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("a coding that ends in chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("chunked after a vertical tab", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("chunked with a parameter", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;a=b\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("101", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"),
        ("101 after 100", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
        ("a bad interim answer", b"HTTP/1.1 100 Continue\r\nX: \0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ("garbage after an interim answer", b"HTTP/1.1 100 Continue\r\n\r\n\0\0\0\0\r\n\r\n"),
        ("a status line that ends in LF", b"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello"),
        ("a field that ends in LF", b"HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\nhello"),
        ("a head that ends in LF", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello"),
        ("a head of LF alone", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
        ("a head of CR alone", b"HTTP/1.1 200 OK\rContent-Length: 5\r\rhello"),
        ("a bare CR in a value", b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 5\r\n\r\nhello"),
        ("NUL in a value", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 5\r\n\r\nhello"),
        ("an escape in a value", b"HTTP/1.1 200 OK\r\nX: a\x1b[2J\r\nContent-Length: 5\r\n\r\nhello"),
        ("NUL in a name", b"HTTP/1.1 200 OK\r\nX\0: a\r\nContent-Length: 5\r\n\r\nhello"),
        ("NUL in the reason", b"HTTP/1.1 200 O\0K\r\nContent-Length: 5\r\n\r\nhello"),
        ("a folded field", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello"),
        ("a space before a colon", b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello"),
        ("an empty field name", b"HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 5\r\n\r\nhello"),
        ("a field without a colon", b"HTTP/1.1 200 OK\r\nX-Alone\r\nContent-Length: 5\r\n\r\nhello"),
        ("a space before the first field", b"HTTP/1.1 200 OK\r\n Content-Length: 5\r\n\r\nhello"),
        ("an empty line before the answer", b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ("a space before the answer", b" HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ("a status of 099", b"HTTP/1.1 099 Odd\r\nContent-Length: 5\r\n\r\nhello"),
        ("a status of 99", b"HTTP/1.1 99 Odd\r\nContent-Length: 5\r\n\r\nhello"),
        ("a status of 1000", b"HTTP/1.1 1000 Odd\r\nContent-Length: 5\r\n\r\nhello"),
        ("a status of 000", b"HTTP/1.1 000 Odd\r\nContent-Length: 5\r\n\r\nhello"),
        ("a status with a sign", b"HTTP/1.1 +20 Odd\r\nContent-Length: 5\r\n\r\nhello"),
        ("a status of letters", b"HTTP/1.1 OK Odd\r\nContent-Length: 5\r\n\r\nhello"),
        ("two spaces before the status", b"HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ("no status", b"HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
        ("HTTP/1.2", b"HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ("HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ("a version in lower case", b"http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ("a version of SHOUTcast", b"ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ("a request", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("the banner of SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("the banner of SMTP", b"220 mail.test ESMTP\r\n"),
        ("the settings of HTTP/2", b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff"),
        ("an alert of TLS", b"\x15\x03\x01\0\x02\x02\x0a"),
        ("HTTP/0.9", b"<html>hello</html>\r\n\r\n"),
        ("garbage", b"\xff\xfe\xfd\xfc"),
        ("only line ends", b"\r\n\r\n\r\n\r\n\r\n\r\n"),
    ];
    let mut rows: Vec<Row> = rows
        .iter()
        .map(|(name, bytes)| says(name, INVALID, bytes))
        .collect();
    rows.extend([
        says_long("17 interim answers", INVALID, interims(17)),
        says_long("10,000 interim answers", INVALID, interims(10_000)),
        says_long("101 fields", INVALID, of_fields(101)),
        says_long(
            "a head of a byte more than 64 KiB",
            INVALID,
            of_bytes(65_537),
        ),
        says_long("a head of 1 MiB", INVALID, of_bytes(1 << 20)),
        says_long(
            "a head without an end",
            INVALID,
            [b"HTTP/1.1 200 OK\r\n", &b"X: y\r\n".repeat(200_000)[..]].concat(),
        ),
        says_long(
            "a field without an end",
            INVALID,
            [b"HTTP/1.1 200 OK\r\nX: ", &b"y".repeat(1 << 20)[..]].concat(),
        ),
        says_long(
            "a status line without an end",
            INVALID,
            [b"HTTP/1.1 200 ", &b"y".repeat(1 << 20)[..]].concat(),
        ),
    ]);
    rows
}
