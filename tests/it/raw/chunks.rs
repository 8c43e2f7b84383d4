//! Chunked bodies. A row stands behind the head of `POST /tools/t` with one `Transfer-Encoding`.

use super::heads::Row;

/// The head before every row.
pub const HEAD: &[u8] =
    b"POST /tools/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Bodies that break the coding.
pub const BROKEN: &[Row] = &[
    // What is refused must not be read a second time from where the fault was found.
    (
        "a size that would be clear if its line were read again",
        b"5\r\nhello\r\n5 abc\r\n0\r\n\r\n",
    ),
    (
        "trailers that would be clear if they were read again",
        b"5\r\nhello\r\n0\r\n: a\r\n\r\n\r\n",
    ),
    ("an empty size", b"\r\nhello\r\n0\r\n\r\n"),
    ("a size with a plus", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("a size with a minus", b"-1\r\nhello\r\n0\r\n\r\n"),
    ("a size of minus zero", b"-0\r\n\r\n"),
    ("a size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("a size with an underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
    ("a size with a fraction", b"5.0\r\nhello\r\n0\r\n\r\n"),
    ("a size that is no number", b"five\r\nhello\r\n0\r\n\r\n"),
    ("a size in Arabic digits", b"\xd9\xa5\r\nhello\r\n0\r\n\r\n"),
    ("a size before a space", b"5 \r\nhello\r\n0\r\n\r\n"),
    ("a size before a tab", b"5\t\r\nhello\r\n0\r\n\r\n"),
    ("a size after a space", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("a size before NUL", b"5\0\r\nhello\r\n0\r\n\r\n"),
    (
        "a size before a space and an extension",
        b"5 ;a=b\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "a size of 17 digits",
        b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "a size of 2^64 plus 5",
        b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    ),
    ("a size line that ends in LF", b"5\nhello\r\n0\r\n\r\n"),
    ("a size line that ends in CR", b"5\rhello\r\n0\r\n\r\n"),
    (
        "a size line that ends in CR CR LF",
        b"5\r\r\nhello\r\n0\r\n\r\n",
    ),
    ("data without an end", b"5\r\nhello0\r\n\r\n"),
    ("data that ends in LF", b"5\r\nhello\n0\r\n\r\n"),
    ("data that ends in CR", b"5\r\nhello\r0\r\n\r\n"),
    ("data longer than its size", b"4\r\nhello\r\n0\r\n\r\n"),
    ("data shorter than its size", b"6\r\nhello\r\n0\r\n\r\n"),
    ("NUL in an extension", b"5;a\0b\r\nhello\r\n0\r\n\r\n"),
    ("a bell in an extension", b"5;a=\x07\r\nhello\r\n0\r\n\r\n"),
    ("DEL in an extension", b"5;a=\x7f\r\nhello\r\n0\r\n\r\n"),
    ("a bare LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    ("a bare CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("LF after the last chunk", b"5\r\nhello\r\n0\n\n"),
    ("LF at the end of the trailers", b"5\r\nhello\r\n0\r\n\n"),
    (
        "a trailer without a colon",
        b"5\r\nhello\r\n0\r\nX-Trailer\r\n\r\n",
    ),
    (
        "a trailer without a name",
        b"5\r\nhello\r\n0\r\n: a\r\n\r\n",
    ),
    (
        "a trailer's name before a space",
        b"5\r\nhello\r\n0\r\nX-Trailer : a\r\n\r\n",
    ),
    (
        "a folded trailer",
        b"5\r\nhello\r\n0\r\nX-Trailer: a\r\n b\r\n\r\n",
    ),
    (
        "NUL in a trailer",
        b"5\r\nhello\r\n0\r\nX-Trailer: \0\r\n\r\n",
    ),
    (
        "a bare LF in a trailer",
        b"5\r\nhello\r\n0\r\nX-Trailer: a\nb: c\r\n\r\n",
    ),
    (
        "a bare CR in a trailer",
        b"5\r\nhello\r\n0\r\nX-Trailer: a\rb: c\r\n\r\n",
    ),
];

/// Bodies in unusual but clear spellings; all of them say `hello`.
pub const CLEAR: &[Row] = &[
    ("one chunk", b"5\r\nhello\r\n0\r\n\r\n"),
    ("a chunk for each byte", b"1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n"),
    ("leading zeros", b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n"),
    ("an extension", b"5;a=b\r\nhello\r\n0\r\n\r\n"),
    ("an extension without a value", b"5;a\r\nhello\r\n0;z\r\n\r\n"),
    ("a quoted extension", b"5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n"),
    ("an extension after spaces", b"5; a = b\r\nhello\r\n0\r\n\r\n"),
    ("trailers", b"5\r\nhello\r\n0\r\nX-One: 1\r\nX-Two: 2\r\n\r\n"),
    (
        "trailers that would mean something",
        b"5\r\nhello\r\n0\r\nContent-Length: 9\r\nX-OnceOnly-Signature: 00\r\nHost: evil.test\r\n\r\n",
    ),
];

/// `hello` in one chunk with one extension of this many bytes.
pub fn with_extension(size: usize) -> Vec<u8> {
    format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(size - 1)).into_bytes()
}

/// `hello` in chunks of one byte, each with an extension, of this many bytes in all.
pub fn with_extensions(size: usize) -> Vec<u8> {
    let extension = "x".repeat(size / 5 - 1);
    let chunk = |letter: char| format!("1;{extension}\r\n{letter}\r\n");
    let chunks: String = "hello".chars().map(chunk).collect();
    format!("{chunks}0\r\n\r\n").into_bytes()
}

/// `hello` with this many trailers.
pub fn with_trailers(count: usize) -> Vec<u8> {
    let trailers: String = (0..count).map(|n| format!("X-{n}: 1\r\n")).collect();
    format!("5\r\nhello\r\n0\r\n{trailers}\r\n").into_bytes()
}

/// `hello` with one trailer whose value has this many bytes.
pub fn with_long_trailer(size: usize) -> Vec<u8> {
    format!("5\r\nhello\r\n0\r\nX: {}\r\n\r\n", "x".repeat(size)).into_bytes()
}
