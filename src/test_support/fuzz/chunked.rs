//! Chunked bodies: what arrives in pieces is what was sent, and the next message begins where it
//! should.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::http1::{BodyDecoder, Decoded, FINAL_CHUNK, Fault, Framing, write_chunk_size};
use crate::test_support::fuzz::cuts;

/// Room for every limit of the coding.
const MOST_BYTES: usize = 16 * 1024;
/// What is sent is any data, so that more of it shows nothing else.
const MOST_BYTES_SENT: usize = 512;

/// What came of a body.
#[derive(Debug, Eq, PartialEq)]
struct Read {
    data: Vec<u8>,
    /// How many bytes are behind the body; `None` when it goes on.
    left: Result<Option<usize>, Fault>,
}

/// A chunked body, and whatever follows it.
///
/// # Panics
/// When it depends on anything but the bytes what the body is and where it ends.
pub fn chunked_body(data: &[u8]) {
    if data.len() > MOST_BYTES {
        return;
    }
    let whole = decode(&[data]);
    for pieces in cuts(data) {
        assert_eq!(decode(&pieces), whole, "the pieces change the body");
    }
    assert!(whole.data.len() <= data.len());
    match whole.left {
        Ok(Some(left)) => assert_complete(data, &whole.data, left),
        Ok(None) => {}
        Err(fault) => {
            let longer = [data, b"\r\n0\r\n\r\n"].concat();
            assert_eq!(decode(&[&longer]).left, Err(fault), "a fault was forgotten");
        }
    }
    assert_survives_the_way(&data[..data.len().min(MOST_BYTES_SENT)]);
}

fn decode(pieces: &[&[u8]]) -> Read {
    let mut decoder = BodyDecoder::new(Framing::Chunked);
    let (mut buf, mut data) = (BytesMut::new(), Vec::new());
    for (index, piece) in pieces.iter().enumerate() {
        buf.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buf) {
                Ok(Decoded::Data(more)) => {
                    assert!(!more.is_empty());
                    data.extend_from_slice(&more);
                }
                Ok(Decoded::NeedMore) => {
                    assert!(!decoder.is_ended() && decoder.finish_at_eof().is_err());
                    break;
                }
                Ok(Decoded::End) => {
                    assert!(decoder.is_ended() && decoder.finish_at_eof().is_ok());
                    assert_eq!(decoder.decode(&mut buf), Ok(Decoded::End));
                    let unread: usize = pieces[index + 1..].iter().map(|piece| piece.len()).sum();
                    let left = Ok(Some(buf.len() + unread));
                    assert!(piece.ends_with(&buf), "what is left is not what came last");
                    return Read { data, left };
                }
                Err(fault) => {
                    let left = Err(fault);
                    return Read { data, left };
                }
            }
        }
    }
    let left = Ok(None);
    Read { data, left }
}

/// A body that has ended: its end is exactly there, and httparse reads the same chunks.
fn assert_complete(sent: &[u8], data: &[u8], left: usize) {
    let body = &sent[..sent.len() - left];
    assert!(body.ends_with(b"\r\n"));
    assert_eq!(decode(&[&body[..body.len() - 1]]).left, Ok(None));
    assert_eq!(by_httparse(body), data);
    let again = decode(&[&encode(&[data])]);
    assert_eq!((again.data, again.left), (data.to_vec(), Ok(Some(0))));
}

/// The data of a valid body, by httparse's reading of the lines with sizes.
fn by_httparse(body: &[u8]) -> Vec<u8> {
    let (mut data, mut rest) = (Vec::new(), body);
    loop {
        let size = httparse::parse_chunk_size(rest).expect("httparse reads the size as well");
        let httparse::Status::Complete((line, size)) = size else {
            panic!("a complete body has complete lines");
        };
        let (_, behind) = rest.split_at(line);
        if size == 0 {
            assert_trailers(behind);
            return data;
        }
        let size = usize::try_from(size).expect("the chunk is here");
        let (chunk, behind) = behind.split_at(size);
        data.extend_from_slice(chunk);
        rest = behind.strip_prefix(b"\r\n").expect("CRLF ends a chunk");
    }
}

/// What is behind the last chunk is fields and an empty line, and every line ends in CRLF.
fn assert_trailers(section: &[u8]) {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let read = httparse::parse_headers(section, &mut slots).expect("httparse reads it as well");
    let httparse::Status::Complete((length, fields)) = read else {
        panic!("a complete body has complete lines");
    };
    assert_eq!(length, section.len());
    let lines = section.split(|byte| *byte == b'\n');
    // Behind the last line feed there is one more part, which is empty.
    assert_eq!(lines.clone().count(), fields.len() + 2);
    for line in lines.take(fields.len() + 1) {
        let text = line.strip_suffix(b"\r").expect("CRLF ends a line");
        assert!(!text.contains(&b'\r'));
    }
}

/// Whatever is sent in chunks arrives, whatever follows it.
fn assert_survives_the_way(data: &[u8]) {
    const NEXT: &[u8] = b"GET / HTTP/1.1\r\n";
    for pieces in cuts(data) {
        let sent = [&encode(&pieces)[..], NEXT].concat();
        let read = decode(&cuts(&sent)[2]);
        assert_eq!(
            (&read.data[..], read.left),
            (data, Ok(Some(NEXT.len()))),
            "what was sent did not arrive"
        );
    }
}

fn encode(pieces: &[&[u8]]) -> Bytes {
    let mut out = BytesMut::new();
    // An empty chunk would end the body.
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        write_chunk_size(&mut out, piece.len());
        out.put_slice(piece);
        out.put_slice(b"\r\n");
    }
    out.put_slice(FINAL_CHUNK);
    out.freeze()
}
