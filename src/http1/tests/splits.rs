//! However a message is cut into pieces on its way, it is read in the same way.

use bytes::BytesMut;
use proptest::prelude::*;

use super::LIMITS;
use super::bodies::decode;
use crate::http1::{BodyDecoder, Fault, Framing, HeadScan};

/// Lines that fit together often enough, and bytes that break them.
fn head() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(&b"GET / HTTP/1.1\r\n"[..]),
        4 => Just(&b"Host: a\r\n"[..]),
        3 => Just(&b"\r\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b" "[..]),
        1 => Just(&b"\0"[..]),
        1 => Just(&[b'x'; 400][..]),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn chunks() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => Just(&b"3\r\nabc\r\n"[..]),
        2 => Just(&b"1;x=y\r\n\n\r\n"[..]),
        3 => Just(&b"0\r\n"[..]),
        3 => Just(&b"\r\n"[..]),
        1 => Just(&b"X-Sum: 1\r\n"[..]),
        1 => Just(&b"z"[..]),
        1 => Just(&b"\n"[..]),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn cuts(bytes: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let (mut rest, mut pieces) = (bytes, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, more) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = more;
    }
    pieces
}

fn scan_pieces(pieces: &[Vec<u8>]) -> Result<Option<usize>, Fault> {
    let (mut scan, mut buf) = (HeadScan::default(), BytesMut::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        if let Some(head) = scan.take(&mut buf, &LIMITS)? {
            return Ok(Some(head.bytes().len()));
        }
    }
    Ok(None)
}

/// What was decoded, and with its end what is left.
type Read = (Vec<u8>, Result<Option<Vec<u8>>, Fault>);

fn decode_pieces(pieces: &[Vec<u8>]) -> Read {
    let mut decoder = BodyDecoder::new(Framing::Chunked);
    let (mut buf, mut out, mut ended) = (BytesMut::new(), Vec::new(), false);
    for piece in pieces {
        buf.extend_from_slice(piece);
        match decode(&mut decoder, &mut buf, &mut out) {
            Ok(now) => ended = now,
            Err(fault) => return (out, Err(fault)),
        }
    }
    (out, Ok(ended.then(|| buf.to_vec())))
}

proptest! {
    #[test]
    fn of_a_head(bytes in head(), sizes in prop::collection::vec(1_usize..9, 1..6)) {
        let whole = scan_pieces(std::slice::from_ref(&bytes));
        prop_assert_eq!(scan_pieces(&cuts(&bytes, &sizes)), whole);
    }

    #[test]
    fn of_a_chunked_body(bytes in chunks(), sizes in prop::collection::vec(1_usize..9, 1..6)) {
        let whole = decode_pieces(std::slice::from_ref(&bytes));
        prop_assert_eq!(decode_pieces(&cuts(&bytes, &sizes)), whole);
    }
}
