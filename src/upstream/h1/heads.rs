//! The heads of an answer: interim ones are passed over, the final one is what was asked for.

use bytes::BytesMut;
use http::{Method, StatusCode};

use crate::http1::{HeadLimits, HeadScan, ResponseHead, parse_response};
use crate::upstream::framing::{MAX_FIELDS, MAX_HEAD_BYTES};
use crate::upstream::h1::error::{Http1Error, MOST_INTERIM};

/// How every answer begins. HTTP/2 is agreed on before the first byte, never found out here.
const BEGINNING: &[u8] = b"HTTP/1.";

/// Reads heads up to the final one.
pub(super) struct Heads {
    scan: HeadScan,
    /// For all heads of one answer together.
    limits: HeadLimits,
    interim: usize,
}

impl Heads {
    pub(super) fn new() -> Self {
        Self {
            scan: HeadScan::default(),
            limits: HeadLimits {
                max_bytes: MAX_HEAD_BYTES,
                max_fields: MAX_FIELDS,
            },
            interim: 0,
        }
    }

    /// Takes the final head off the buffer, and the interim ones before it; `None` while it is not
    /// complete.
    ///
    /// # Errors
    /// At the first byte that cannot belong to an answer, and for one that cannot be passed on.
    // spec: FRAME-1 RESP-1
    pub(super) fn take(
        &mut self,
        buffer: &mut BytesMut,
        method: &Method,
    ) -> Result<Option<ResponseHead>, Http1Error> {
        loop {
            // A banner would otherwise be waited upon until it looks like a whole head.
            let known = BEGINNING.len().min(buffer.len());
            if buffer[..known] != BEGINNING[..known] {
                return Err(Http1Error::NotHttp);
            }
            let Some(scanned) = self.scan.take(buffer, &self.limits)? else {
                return Ok(None);
            };
            let head = parse_response(&scanned, method)?;
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(Http1Error::SwitchedProtocols);
            }
            if !head.status.is_informational() {
                return Ok(Some(head));
            }
            self.interim += 1;
            if self.interim > MOST_INTERIM {
                return Err(Http1Error::TooManyInterim);
            }
            self.limits.max_bytes -= scanned.bytes().len();
        }
    }
}
