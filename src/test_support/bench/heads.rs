//! Messages of HTTP/1.1 as they arrive: heads of requests and answers, and chunks.

use bytes::BytesMut;
use http::Method;

use crate::http1::{
    self, BodyDecoder, Decoded, FINAL_CHUNK, Framing, HeadLimits, HeadScan, MOST_FIELDS,
    ScannedHead, parse_request, parse_response, write_chunk_size,
};

/// The limits of a sidecar that is not configured.
const LIMITS: HeadLimits = HeadLimits {
    max_bytes: 64 * 1024,
    max_fields: MOST_FIELDS,
};

/// What a widely used Python client sends for a call with a trace, without the empty line.
const TYPICAL: &str = "\
    POST /tools/send_email HTTP/1.1\r\n\
    Host: 127.0.0.1:8787\r\n\
    Accept: */*\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Connection: keep-alive\r\n\
    User-Agent: python-httpx/0.28.1\r\n\
    Content-Type: application/json\r\n\
    X-OnceOnly-Agent-Id: support_bot\r\n\
    Idempotency-Key: order-20240115-1240\r\n\
    traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
    Content-Length: 256\r\n";

/// What a tool answers.
const ANSWER: &str = "\
    HTTP/1.1 200 OK\r\n\
    date: Mon, 15 Jan 2024 12:40:00 GMT\r\n\
    server: uvicorn\r\n\
    content-length: 11\r\n\
    content-type: application/json\r\n\
    x-request-id: 018d0d6f-5e07-7cc1-b5a3-0c5ee2d5f3a1\r\n\r\n";

/// A request's head that has arrived.
pub struct RequestHead(String);

impl RequestHead {
    /// About 350 bytes in ten fields.
    pub fn typical() -> Self {
        Self::filled(0)
    }

    /// The same with more fields, such as tokens and cookies, up to about 4 KiB.
    pub fn large() -> Self {
        Self::filled(4096)
    }

    fn filled(size: usize) -> Self {
        let mut text = TYPICAL.to_owned();
        let mut number = 0;
        while text.len() < size {
            let value = "0123456789abcdef".repeat(16);
            text += &format!("X-Context-{number}: {value}\r\n");
            number += 1;
        }
        Self(text + "\r\n")
    }

    /// Its length in bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// A buffer with all of it, to be parsed once.
    pub fn arrived(&self) -> BytesMut {
        BytesMut::from(&*self.0)
    }

    /// Finds its end in a buffer and reads it, as a connection does.
    ///
    /// # Panics
    /// When there is no valid head.
    pub fn parse(buffer: BytesMut) -> http1::RequestHead {
        parse_request(&whole(buffer)).expect("the head is valid")
    }
}

/// An answer's head that has arrived.
pub struct AnswerHead(&'static str);

impl AnswerHead {
    /// About 180 bytes in five fields.
    pub fn typical() -> Self {
        Self(ANSWER)
    }

    /// Its length in bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// A buffer with all of it, to be parsed once.
    pub fn arrived(&self) -> BytesMut {
        BytesMut::from(self.0)
    }

    /// Finds its end in a buffer and reads it, as the exchange with a tool does.
    ///
    /// # Panics
    /// When there is no valid head.
    pub fn parse(buffer: BytesMut) -> http1::ResponseHead {
        parse_response(&whole(buffer), &Method::POST).expect("the head is valid")
    }
}

fn whole(mut buffer: BytesMut) -> ScannedHead {
    let head = HeadScan::default().take(&mut buffer, &LIMITS);
    head.expect("the head is valid").expect("and complete")
}

/// A chunked body that has arrived.
pub struct ChunkedBody(Vec<u8>);

impl ChunkedBody {
    /// `size` bytes in chunks of `chunk` bytes.
    pub fn of(size: usize, chunk: usize) -> Self {
        let mut sent = BytesMut::new();
        for piece in vec![b'x'; size].chunks(chunk) {
            write_chunk_size(&mut sent, piece.len());
            sent.extend_from_slice(piece);
            sent.extend_from_slice(b"\r\n");
        }
        sent.extend_from_slice(FINAL_CHUNK);
        Self(sent.to_vec())
    }

    /// A buffer with all of it, to be decoded once.
    pub fn arrived(&self) -> BytesMut {
        BytesMut::from(&self.0[..])
    }

    /// Takes every chunk out of a buffer; the number of bytes that were in them.
    ///
    /// # Panics
    /// When the body is not valid or not complete.
    pub fn decode(mut buffer: BytesMut) -> usize {
        let mut decoder = BodyDecoder::new(Framing::Chunked);
        let mut size = 0;
        loop {
            match decoder.decode(&mut buffer).expect("the body is valid") {
                Decoded::Data(piece) => size += piece.len(),
                Decoded::End => return size,
                Decoded::NeedMore => unreachable!("the body is complete"),
            }
        }
    }
}
