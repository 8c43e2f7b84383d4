//! Heads that are refused whatever they ask for, on both listeners.
//!
//! A row is what is wrong and the bytes. Rows of [`FIELDS`] are fields only and stand in
//! `POST /tools/t HTTP/1.1`, after `Host: localhost`, with an empty chunked body behind them.

/// What is wrong, and the bytes that are.
pub type Row = (&'static str, &'static [u8]);

/// Fields about the length of the body that leave a doubt about it.
pub const FIELDS: &[Row] = &[
    (
        "a length and a coding",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "a coding and a length",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ),
    (
        "a length of zero and a coding",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "a length and an unknown coding",
        b"Content-Length: 5\r\nTransfer-Encoding: cow\r\n",
    ),
    (
        "two equal lengths",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
    ),
    (
        "two different lengths",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
    ),
    (
        "two lengths in different cases",
        b"Content-Length: 5\r\ncontent-LENGTH: 5\r\n",
    ),
    ("a list of two lengths", b"Content-Length: 5, 6\r\n"),
    ("a list of equal lengths", b"Content-Length: 5, 5\r\n"),
    (
        "two lengths with a space between",
        b"Content-Length: 5 5\r\n",
    ),
    ("a length with a plus", b"Content-Length: +5\r\n"),
    ("a length with a minus", b"Content-Length: -5\r\n"),
    ("a length of minus zero", b"Content-Length: -0\r\n"),
    ("a hexadecimal length", b"Content-Length: 0x5\r\n"),
    ("a length of hexadecimal digits", b"Content-Length: a\r\n"),
    ("a length with a parameter", b"Content-Length: 5;\r\n"),
    ("a length with a fraction", b"Content-Length: 5.0\r\n"),
    ("a length with an exponent", b"Content-Length: 1e1\r\n"),
    ("a length with an underscore", b"Content-Length: 1_0\r\n"),
    ("a quoted length", b"Content-Length: \"5\"\r\n"),
    ("an empty length", b"Content-Length:\r\n"),
    ("a length of spaces", b"Content-Length:   \r\n"),
    (
        "a length of 20 digits",
        b"Content-Length: 00000000000000000005\r\n",
    ),
    (
        "a length over 2^64",
        b"Content-Length: 18446744073709551621\r\n",
    ),
    ("a length in Arabic digits", b"Content-Length: \xd9\xa5\r\n"),
    (
        "a length in wide digits",
        b"Content-Length: \xef\xbc\x95\r\n",
    ),
    (
        "a length after a vertical tab",
        b"Content-Length: \x0b5\r\n",
    ),
    ("a length before a form feed", b"Content-Length: 5\x0c\r\n"),
    ("a length and NUL", b"Content-Length: 5\0\r\n"),
    (
        "two codings in a list",
        b"Transfer-Encoding: gzip, chunked\r\n",
    ),
    (
        "two codings, chunked first",
        b"Transfer-Encoding: chunked, gzip\r\n",
    ),
    ("identity alone", b"Transfer-Encoding: identity\r\n"),
    (
        "identity and chunked",
        b"Transfer-Encoding: identity, chunked\r\n",
    ),
    (
        "chunked twice in a list",
        b"Transfer-Encoding: chunked, chunked\r\n",
    ),
    (
        "chunked twice",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "chunked and another coding",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n",
    ),
    (
        "another coding and chunked",
        b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "a coding that ends in chunked",
        b"Transfer-Encoding: xchunked\r\n",
    ),
    (
        "a coding that begins with chunked",
        b"Transfer-Encoding: chunkedx\r\n",
    ),
    (
        "chunked with a parameter",
        b"Transfer-Encoding: chunked;a=b\r\n",
    ),
    ("chunked in quotes", b"Transfer-Encoding: \"chunked\"\r\n"),
    (
        "chunked in apostrophes",
        b"Transfer-Encoding: 'chunked'\r\n",
    ),
    (
        "a comma before chunked",
        b"Transfer-Encoding: , chunked\r\n",
    ),
    ("a comma after chunked", b"Transfer-Encoding: chunked,\r\n"),
    ("an empty coding", b"Transfer-Encoding:\r\n"),
    (
        "chunked after a vertical tab",
        b"Transfer-Encoding: \x0bchunked\r\n",
    ),
    (
        "chunked before a form feed",
        b"Transfer-Encoding: chunked\x0c\r\n",
    ),
    ("chunked after NUL", b"Transfer-Encoding: \0chunked\r\n"),
    (
        "chunked after a no-break space",
        b"Transfer-Encoding: \xa0chunked\r\n",
    ),
    (
        "chunked with a letter from elsewhere",
        b"Transfer-Encoding: chun\xe2\x84\xaaed\r\n",
    ),
    (
        "chunked on a folded line",
        b"Transfer-Encoding:\r\n chunked\r\n",
    ),
    (
        "chunked on a line folded by a tab",
        b"Transfer-Encoding:\r\n\tchunked\r\n",
    ),
    (
        "a coding's name before a space",
        b"Transfer-Encoding : chunked\r\n",
    ),
    (
        "a coding's name before a tab",
        b"Transfer-Encoding\t: chunked\r\n",
    ),
    (
        "a coding's name after a space",
        b" Transfer-Encoding: chunked\r\n",
    ),
    ("a length's name before a space", b"Content-Length : 5\r\n"),
    ("a length's name before NUL", b"Content-Length\0: 5\r\n"),
    (
        "a coding behind a bare CR",
        b"X: y\rTransfer-Encoding: chunked\r\n",
    ),
    (
        "a coding behind a bare LF",
        b"X: y\nTransfer-Encoding: chunked\r\n",
    ),
    ("a folded field", b"X-Folded: a\r\n b\r\n"),
    ("a field folded by a tab", b"X-Folded: a\r\n\tb\r\n"),
    ("a fold of nothing", b"X-Folded: a\r\n \r\n"),
    ("an empty field name", b": value\r\n"),
    ("a space in a field name", b"X Y: value\r\n"),
    ("a field without a colon", b"X-Alone\r\n"),
    ("NUL in a field name", b"X\0Y: value\r\n"),
    ("DEL in a field name", b"X\x7fY: value\r\n"),
    ("a tab in a field name", b"X\tY: value\r\n"),
    ("a field name in Latin-1", b"X-\xe9: value\r\n"),
    ("a field name in UTF-8", b"X-\xc3\xa9: value\r\n"),
    ("a field name in brackets", b"(X): value\r\n"),
    ("a field name in quotes", b"\"X\": value\r\n"),
    ("a slash in a field name", b"X/Y: value\r\n"),
    ("NUL in a value", b"X: a\0b\r\n"),
    ("a bell in a value", b"X: a\x07b\r\n"),
    ("an escape in a value", b"X: a\x1b[2Jb\r\n"),
    ("a vertical tab in a value", b"X: a\x0bb\r\n"),
    ("DEL in a value", b"X: a\x7fb\r\n"),
    ("a bare CR in a value", b"X: a\rb\r\n"),
    ("two CR at the end of a field", b"X: a\r\r\n"),
    ("a bare LF at the end of a field", b"X: a\n"),
    ("LF and CR in the wrong order", b"X: a\n\rY: b\r\n"),
    ("a second Host", b"Host: localhost\r\n"),
    ("a second Host of another name", b"Host: 127.0.0.1\r\n"),
];

/// Heads with something else wrong, as they stand on the wire.
pub const HEADS: &[Row] = &[
    ("no Host", b"GET /tools/t HTTP/1.1\r\n\r\n"),
    ("an empty Host", b"GET /tools/t HTTP/1.1\r\nHost:\r\n\r\n"),
    (
        "a Host with a user",
        b"GET /tools/t HTTP/1.1\r\nHost: a@localhost\r\n\r\n",
    ),
    (
        "a Host with a path",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost/../b\r\n\r\n",
    ),
    (
        "a Host with a space",
        b"GET /tools/t HTTP/1.1\r\nHost: local host\r\n\r\n",
    ),
    (
        "a Host with a fragment",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost#b\r\n\r\n",
    ),
    (
        "a Host with a query",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost?b\r\n\r\n",
    ),
    (
        "a Host with a comma",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost, localhost\r\n\r\n",
    ),
    (
        "a Host with a backslash",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost\\b\r\n\r\n",
    ),
    (
        "a Host in Latin-1",
        b"GET /tools/t HTTP/1.1\r\nHost: \xe9\r\n\r\n",
    ),
    (
        "a Host in UTF-8",
        b"GET /tools/t HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n",
    ),
    (
        "a Host with an open bracket",
        b"GET /tools/t HTTP/1.1\r\nHost: [::1\r\n\r\n",
    ),
    (
        "a Host with text behind its bracket",
        b"GET /tools/t HTTP/1.1\r\nHost: [::1]x\r\n\r\n",
    ),
    (
        "a Host with a name in brackets",
        b"GET /tools/t HTTP/1.1\r\nHost: [localhost]\r\n\r\n",
    ),
    (
        "a Host with a port that is none",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost:x\r\n\r\n",
    ),
    (
        "a Host with too large a port",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost:65536\r\n\r\n",
    ),
    (
        "a Host with a negative port",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost:-1\r\n\r\n",
    ),
    (
        "a Host with two ports",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost:1:2\r\n\r\n",
    ),
    (
        "a Host that is a URL",
        b"GET /tools/t HTTP/1.1\r\nHost: http://localhost\r\n\r\n",
    ),
    (
        "a Host that is only a port",
        b"GET /tools/t HTTP/1.1\r\nHost: :80\r\n\r\n",
    ),
    (
        "two Hosts in HTTP/1.0",
        b"GET /tools/t HTTP/1.0\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    ),
    (
        "no Host beside an absolute target",
        b"GET http://localhost/tools/t HTTP/1.1\r\n\r\n",
    ),
    (
        "chunked in HTTP/1.0",
        b"POST /tools/t HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "a space before the first field",
        b"GET /tools/t HTTP/1.1\r\n Host: localhost\r\n\r\n",
    ),
    (
        "a tab before the first field",
        b"GET /tools/t HTTP/1.1\r\n\tHost: localhost\r\n\r\n",
    ),
    (
        "a request line that ends in LF",
        b"GET /tools/t HTTP/1.1\nHost: localhost\r\n\r\n",
    ),
    (
        "a request line that ends in CR",
        b"GET /tools/t HTTP/1.1\rHost: localhost\r\n\r\n",
    ),
    (
        "a request line that ends in CR CR LF",
        b"GET /tools/t HTTP/1.1\r\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a last field that ends in LF",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost\n\r\n",
    ),
    (
        "a head that ends in LF",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\n\n",
    ),
    (
        "a head that ends in CR",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r",
    ),
    (
        "a head that ends in CR CR LF",
        b"GET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\r\n",
    ),
    (
        "a head of LF alone",
        b"GET /tools/t HTTP/1.1\nHost: localhost\n\n",
    ),
    (
        "a head of CR alone",
        b"GET /tools/t HTTP/1.1\rHost: localhost\r\r",
    ),
    (
        "three empty lines before the head",
        b"\r\n\r\n\r\nGET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "an empty line of LF before the head",
        b"\nGET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a space before the method",
        b" GET /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "two spaces before the target",
        b"GET  /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "two spaces before the version",
        b"GET /tools/t  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a space behind the version",
        b"GET /tools/t HTTP/1.1 \r\nHost: localhost\r\n\r\n",
    ),
    (
        "a tab before the target",
        b"GET\t/tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a tab before the version",
        b"GET /tools/t\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a form feed before the target",
        b"GET\x0c/tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a fourth word",
        b"GET /tools/t HTTP/1.1 x\r\nHost: localhost\r\n\r\n",
    ),
    ("no method", b"/tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("no target", b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("no version", b"GET /tools/t\r\nHost: localhost\r\n\r\n"),
    ("HTTP/0.9", b"GET /tools/t\r\n\r\n"),
    (
        "HTTP/1.2",
        b"GET /tools/t HTTP/1.2\r\nHost: localhost\r\n\r\n",
    ),
    (
        "HTTP/2.0",
        b"GET /tools/t HTTP/2.0\r\nHost: localhost\r\n\r\n",
    ),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (
        "a version in lower case",
        b"GET /tools/t http/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a version without a minor",
        b"GET /tools/t HTTP/1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a version with a long minor",
        b"GET /tools/t HTTP/1.10\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a version with a leading zero",
        b"GET /tools/t HTTP/01.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a version of another protocol",
        b"GET /tools/t ICAP/1.0\r\nHost: localhost\r\n\r\n",
    ),
    (
        "NUL in the method",
        b"GE\0T /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a bracket in the method",
        b"G(T /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a colon in the method",
        b"GET: /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a method in UTF-8",
        b"G\xc3\x89T /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "NUL in the target",
        b"GET /tools/t\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "DEL in the target",
        b"GET /tools/t\x7f HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a control byte in the target",
        b"GET /tools/t\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a target in Latin-1",
        b"GET /tools/t?\xe9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a target in UTF-8",
        b"GET /tools/t?\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a fragment",
        b"GET /tools/t#f HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a fragment behind a query",
        b"GET /tools/t?q#f HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a target without a slash",
        b"GET tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a query alone",
        b"GET ?q HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a backslash for the first slash",
        b"GET \\tools\\t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "an absolute target with a user",
        b"GET http://a@localhost/tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "an absolute target without a host",
        b"GET http:///tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "an absolute target with a bad port",
        b"GET http://localhost:x/tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "an absolute target with an open bracket",
        b"GET http://[::1/tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "an absolute target of a file",
        b"GET file:///tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "an absolute target of another scheme",
        b"GET ftp://localhost/tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a target that is a host and a port",
        b"GET localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "CONNECT to a host and a port",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "CONNECT to a path",
        b"CONNECT /tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "an asterisk with GET",
        b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    (
        "a target that begins with an asterisk",
        b"OPTIONS */tools/t HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ),
    ("an answer", b"HTTP/1.1 200 OK\r\nHost: localhost\r\n\r\n"),
    (
        "the hello of TLS",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ),
    ("the banner of SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ("a request of SOCKS", b"\x05\x01\x00\r\n\r\n"),
    ("NUL alone", b"\0\0\0\0\r\n\r\n"),
];

/// A row of [`FIELDS`] as a request.
pub fn with_fields(fields: &[u8]) -> Vec<u8> {
    let line = b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\n";
    [line, fields, b"\r\n0\r\n\r\n"].concat()
}

/// A head of exactly this many bytes.
pub fn of_bytes(size: usize) -> Vec<u8> {
    let start = "GET /tools/t HTTP/1.1\r\nHost: localhost\r\nX-Long: ";
    let padding = "x".repeat(size - start.len() - "\r\n\r\n".len());
    format!("{start}{padding}\r\n\r\n").into_bytes()
}

/// A head of exactly this many fields.
pub fn of_fields(count: usize) -> Vec<u8> {
    let more: String = (1..count).map(|n| format!("X-{n}: 1\r\n")).collect();
    format!("GET /tools/t HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").into_bytes()
}
