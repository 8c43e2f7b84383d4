//! Bodies: where they end, and what is no body.

use bytes::BytesMut;

use crate::http1::{BodyDecoder, Decoded, Fault, Framing};

/// Whether the body has ended; its data is in `out` and what is left in `buf`.
pub(super) fn decode(
    decoder: &mut BodyDecoder,
    buf: &mut BytesMut,
    out: &mut Vec<u8>,
) -> Result<bool, Fault> {
    loop {
        match decoder.decode(buf)? {
            Decoded::Data(data) => {
                assert!(!data.is_empty());
                out.extend_from_slice(&data);
            }
            Decoded::NeedMore => return Ok(false),
            Decoded::End => return Ok(true),
        }
    }
}

/// A body and what is left behind it.
type Whole = (Vec<u8>, Vec<u8>);

/// `None` where more is needed.
fn whole(framing: Framing, bytes: &[u8]) -> Result<Option<Whole>, Fault> {
    let mut decoder = BodyDecoder::new(framing);
    let (mut buf, mut out) = (BytesMut::from(bytes), Vec::new());
    let ended = decode(&mut decoder, &mut buf, &mut out)?;
    assert_eq!(ended, decoder.is_ended());
    if ended {
        decoder.finish_at_eof().unwrap();
    }
    Ok(ended.then(|| (out, buf.to_vec())))
}

// spec: FRAME-1
#[test]
fn chunks_become_one_body() {
    let long = format!("{}\r\n0\r\n\r\n", "0000000000000003\r\nabc");
    for (bytes, body, rest) in [
        ("0\r\n\r\n", "", ""),
        ("3\r\nabc\r\n0\r\n\r\nGET", "abc", "GET"),
        (
            "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
            "abc0123456789",
            "",
        ),
        ("3;x=y;z=\"a b\"\r\nabc\r\n0;last\r\n\r\n", "abc", ""),
        ("000\r\n\r\n\r\n", "", "\r\n"),
        ("1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n", "\r\n", ""),
        ("0\r\nX-Sum: 1\r\nb:\t\x7e\r\n\r\n!", "", "!"),
        (&long, "abc", ""),
    ] {
        let got = whole(Framing::Chunked, bytes.as_bytes());
        let expected = (body.as_bytes().to_vec(), rest.as_bytes().to_vec());
        assert_eq!(got, Ok(Some(expected)), "{bytes:?}");
    }
}

// spec: FRAME-1
#[test]
fn what_is_no_chunk_is_refused() {
    const SIZE: &str = "a chunk's size is not 1 to 16 hexadecimal digits";
    const LINE_END: &str = "a line of the chunked coding does not end in CRLF";
    const DATA_END: &str = "a chunk is not as long as its size says";
    const EXTENSION: &str = "a chunk's extension holds a control character";
    const EXTENSIONS: &str = "the chunk extensions are too long";
    const TRAILER: &str = "a trailer field is malformed";
    const TRAILERS: &str = "the trailer section is too long";
    let long_extension = format!("0;{}\r\n\r\n", "x".repeat(4096));
    let many_extensions = "1;123456789\r\na\r\n".repeat(410);
    let long_trailer = format!("0\r\nX: {}\r\n\r\n", "x".repeat(8192));
    let many_trailers = format!("0\r\n{}\r\n", "X: 1\r\n".repeat(33));
    for (bytes, fault) in [
        ("\r\n", SIZE),
        (";x\r\n", SIZE),
        ("g\r\n", SIZE),
        ("0x3\r\nabc\r\n", SIZE),
        ("+3\r\nabc\r\n", SIZE),
        ("-1\r\n", SIZE),
        (" 3\r\nabc\r\n", SIZE),
        ("3 \r\nabc\r\n", SIZE),
        ("3 ;x\r\nabc\r\n", SIZE),
        ("3\t\r\nabc\r\n", SIZE),
        ("3\nabc\r\n", SIZE),
        ("00000000000000003\r\nabc\r\n", SIZE),
        ("10000000000000000\r\n", SIZE),
        ("3\r\nabc\r\n\r\n", SIZE),
        ("3\rabc\r\n", LINE_END),
        ("3;x\n\nabc\r\n", EXTENSION),
        ("3;x\0\r\nabc\r\n", EXTENSION),
        ("3;\tx\r\nabc\r\n", EXTENSION),
        ("3;\x7f\r\nabc\r\n", EXTENSION),
        ("3\r\nabcd\r\n", DATA_END),
        ("3\r\nabc\n0\r\n\r\n", DATA_END),
        ("3\r\nabc\r0\r\n\r\n", DATA_END),
        ("3\r\nabc0\r\n\r\n", DATA_END),
        ("0\r\n\n", TRAILER),
        ("0\r\n\rX", LINE_END),
        ("0\r\nX: 1\n\r\n", TRAILER),
        ("0\r\nX: 1\rY: 2\r\n\r\n", LINE_END),
        ("0\r\nX: \0\r\n\r\n", TRAILER),
        ("0\r\nX : 1\r\n\r\n", TRAILER),
        ("0\r\n: 1\r\n\r\n", TRAILER),
        ("0\r\n X: 1\r\n\r\n", TRAILER),
        ("0\r\nX: 1\r\n 2\r\n\r\n", TRAILER),
        ("0\r\nGET / HTTP/1.1\r\n\r\n", TRAILER),
        (&long_extension, EXTENSIONS),
        (&many_extensions, EXTENSIONS),
        (&long_trailer, TRAILERS),
        (&many_trailers, TRAILERS),
    ] {
        let got = whole(Framing::Chunked, bytes.as_bytes());
        let shown = &bytes[..bytes.len().min(40)];
        assert_eq!(got, Err(Fault::Malformed(fault)), "{shown:?}");
    }
}

#[test]
fn the_largest_chunk_is_waited_for() {
    assert_eq!(
        whole(Framing::Chunked, b"FFFFFFFFFFFFFFFF\r\nabc"),
        Ok(None)
    );
}

#[test]
fn a_length_is_counted_down() {
    let mut decoder = BodyDecoder::new(Framing::Length(5));
    let mut buf = BytesMut::from(&b"abc"[..]);
    assert_eq!(decoder.remaining_hint(), Some(5));
    assert_eq!(decoder.decode(&mut buf), Ok(Decoded::Data("abc".into())));
    assert_eq!(decoder.decode(&mut buf), Ok(Decoded::NeedMore));
    assert_eq!(decoder.remaining_hint(), Some(2));
    decoder.finish_at_eof().unwrap_err();
    buf.extend_from_slice(b"deGET");
    assert_eq!(decoder.decode(&mut buf), Ok(Decoded::Data("de".into())));
    assert_eq!(decoder.decode(&mut buf), Ok(Decoded::End));
    assert_eq!((&buf[..], decoder.is_ended()), (&b"GET"[..], true));
    decoder.finish_at_eof().unwrap();
}

#[test]
fn no_body_takes_nothing() {
    for framing in [Framing::None, Framing::Length(0)] {
        let left = (Vec::new(), b"GET".to_vec());
        assert_eq!(whole(framing, b"GET"), Ok(Some(left)));
    }
}

#[test]
fn the_end_of_the_stream_ends_one_kind_only() {
    let mut decoder = BodyDecoder::new(Framing::UntilClose);
    let mut buf = BytesMut::from(&b"abc"[..]);
    assert_eq!(decoder.decode(&mut buf), Ok(Decoded::Data("abc".into())));
    assert_eq!(decoder.decode(&mut buf), Ok(Decoded::NeedMore));
    decoder.finish_at_eof().unwrap();
    for cut in [
        "",
        "3",
        "3\r\nabc",
        "3\r\nabc\r\n",
        "0\r\n",
        "0\r\nX: 1\r\n",
    ] {
        let mut decoder = BodyDecoder::new(Framing::Chunked);
        let mut buf = BytesMut::from(cut);
        assert_eq!(decode(&mut decoder, &mut buf, &mut Vec::new()), Ok(false));
        decoder.finish_at_eof().expect_err(cut);
    }
}
