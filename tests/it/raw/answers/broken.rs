//! Upstreams that end the connection, or the coding, before the answer has ended.

use super::super::upstream::Act;
use super::{CLOSED, Outcome, Row, says_and_closes, says_and_resets, says_long};

/// Upstreams that end the connection too early.
// spec: RETRY-4 RESP-2
pub fn broken_ones() -> Vec<Row> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let mut rows = vec![
        says_and_closes("closed without a byte", CLOSED, b""),
        Row::new("reset without a byte", CLOSED, || vec![Act::Reset]),
        says_and_closes("closed in the version", Outcome::RefusedAnyhow, b"HTTP/1"),
        says_and_closes(
            "closed in the status",
            Outcome::RefusedAnyhow,
            b"HTTP/1.1 20",
        ),
        says_and_closes(
            "closed after the status line",
            Outcome::RefusedAnyhow,
            b"HTTP/1.1 200 OK\r\n",
        ),
        says_and_closes(
            "closed in a field",
            Outcome::RefusedAnyhow,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r",
        ),
        says_and_closes(
            "closed before the end of the head",
            Outcome::RefusedAnyhow,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r",
        ),
        Row::new("reset in the head", Outcome::RefusedAnyhow, || {
            vec![Act::Write(b"HTTP/1.1 200 OK\r\n".into()), Act::Reset]
        }),
        says_and_closes(
            "closed after an interim answer",
            Outcome::RefusedAnyhow,
            b"HTTP/1.1 100 Continue\r\n\r\n",
        ),
        says_and_closes(
            "a banner, and closed",
            Outcome::RefusedAnyhow,
            b"SSH-2.0-OpenSSH_9.2\r\n",
        ),
        says_and_closes(
            "closed before the body",
            Outcome::Aborted,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        ),
        says_and_closes(
            "closed a byte before the end",
            Outcome::Aborted,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        ),
        says_and_resets(
            "reset in the body",
            Outcome::Aborted,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        ),
        says_and_resets(
            "reset in a body up to the end",
            Outcome::Aborted,
            b"HTTP/1.1 200 OK\r\n\r\nhell",
        ),
        says_and_closes(
            "closed before the first chunk",
            Outcome::Aborted,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        says_and_closes(
            "closed in a chunk's size",
            Outcome::Aborted,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5",
        ),
        says_and_closes(
            "closed in a chunk",
            Outcome::Aborted,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell",
        ),
        says_and_closes(
            "closed after a chunk",
            Outcome::Aborted,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ),
        says_and_closes(
            "closed in the last chunk",
            Outcome::Aborted,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        ),
        says_and_closes(
            "closed in the trailers",
            Outcome::Aborted,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n",
        ),
        says_and_resets(
            "reset after a chunk",
            Outcome::Aborted,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ),
    ];
    for (name, rest) in [
        ("an empty size", "\r\nhello\r\n0\r\n\r\n"),
        ("a size with a plus", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a size after a space", " 5\r\nhello\r\n0\r\n\r\n"),
        ("a size before a space", "5 \r\nhello\r\n0\r\n\r\n"),
        (
            "a size of 17 digits",
            "00000000000000005\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "a size of 2^64 plus 5",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
        ),
        ("a size that is no number", "zz\r\nhello\r\n0\r\n\r\n"),
        ("a size line that ends in LF", "5\nhello\r\n0\r\n\r\n"),
        ("data without an end", "5\r\nhello0\r\n\r\n"),
        ("data that ends in LF", "5\r\nhello\n0\r\n\r\n"),
        ("data longer than its size", "4\r\nhello\r\n0\r\n\r\n"),
        ("NUL in an extension", "5;\0\r\nhello\r\n0\r\n\r\n"),
        ("a bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("a trailer without a colon", "0\r\nX-Later\r\n\r\n"),
        ("NUL in a trailer", "0\r\nX-Later: \0\r\n\r\n"),
        ("LF at the end of the trailers", "0\r\n\n"),
    ] {
        rows.push(says_long(
            name,
            Outcome::Aborted,
            [chunked, rest].concat().into_bytes(),
        ));
    }
    let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(5000));
    let trailers = format!("0\r\n{}\r\n", "X: y\r\n".repeat(33));
    rows.push(says_long(
        "an extension of 5,000 bytes",
        Outcome::Aborted,
        [chunked, &extension].concat().into_bytes(),
    ));
    rows.push(says_long(
        "33 trailers",
        Outcome::Aborted,
        [chunked, &trailers].concat().into_bytes(),
    ));
    rows
}
