//! The chunked coding (RFC 9112, 7.1), byte by byte between the data.
//!
//! Stricter than the RFC where readers are known to differ: no white space around a size, no control
//! character in an extension, CRLF and nothing else at the end of every line. Extensions and
//! trailers are checked, bounded and thrown away.

use bytes::{Buf as _, BytesMut};

use crate::http1::Fault;

/// Hexadecimal digits of a chunk's size, zeros in front included.
const MOST_DIGITS: u8 = 16;
/// Bytes of extensions over a whole body. Each chunk may have one, and nobody reads them.
const MOST_EXTENSION_BYTES: usize = 4 * 1024;
/// Bytes of the trailer section.
const MOST_TRAILER_BYTES: usize = 8 * 1024;
/// Fields of the trailer section.
const MOST_TRAILERS: usize = 32;

const SIZE: Fault = Fault::Malformed("a chunk's size is not 1 to 16 hexadecimal digits");
const EXTENSION: Fault = Fault::Malformed("a chunk's extension holds a control character");
const EXTENSIONS: Fault = Fault::Malformed("the chunk extensions are too long");
const LINE_END: Fault = Fault::Malformed("a line of the chunked coding does not end in CRLF");
const DATA_END: Fault = Fault::Malformed("a chunk is not as long as its size says");
const TRAILER: Fault = Fault::Malformed("a trailer field is malformed");
const TRAILERS: Fault = Fault::Malformed("the trailer section is too long");

/// What comes next.
pub(super) enum Step<'c> {
    /// Data of the current chunk, of which so much is left, never 0.
    Data(&'c mut u64),
    /// A byte that has not arrived.
    NeedMore,
    /// Nothing: the body is complete.
    End,
}

/// A chunked body that is being read.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    place: Place,
    /// What is left of the current chunk.
    left: u64,
    extension_bytes: usize,
    trailer_bytes: usize,
    trailers: usize,
}

/// Where in the coding the next byte is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// In a size of which so many digits have been read.
    Size(u8),
    Extension,
    /// After the CR of a line with a size.
    SizeLf,
    Data,
    /// Behind a chunk's data.
    DataCr,
    DataLf,
    /// At the beginning of a line of the trailer section.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// After the CR of the last, empty line.
    LastLf,
    End,
}

impl Default for Place {
    fn default() -> Self {
        Self::Size(0)
    }
}

impl Chunks {
    pub(super) fn is_ended(&self) -> bool {
        self.place == Place::End
    }

    /// Takes everything up to the next data off `buf`.
    pub(super) fn advance(&mut self, buf: &mut BytesMut) -> Result<Step<'_>, Fault> {
        if self.place == Place::Data && self.left == 0 {
            self.place = Place::DataCr;
        }
        let mut taken = 0;
        while !matches!(self.place, Place::Data | Place::End) {
            let Some(&byte) = buf.get(taken) else {
                break;
            };
            taken += 1;
            self.place = self.after(byte)?;
        }
        buf.advance(taken);
        Ok(match self.place {
            Place::Data => Step::Data(&mut self.left),
            Place::End => Step::End,
            Place::Size(_)
            | Place::Extension
            | Place::SizeLf
            | Place::DataCr
            | Place::DataLf
            | Place::Trailer
            | Place::TrailerName
            | Place::TrailerValue
            | Place::TrailerLf
            | Place::LastLf => Step::NeedMore,
        })
    }

    fn after(&mut self, byte: u8) -> Result<Place, Fault> {
        match self.place {
            Place::Size(digits) => self.after_size(digits, byte),
            Place::Extension => self.after_extension(byte),
            Place::SizeLf => {
                let next = if self.left == 0 {
                    Place::Trailer
                } else {
                    Place::Data
                };
                (byte == b'\n').then_some(next).ok_or(LINE_END)
            }
            Place::DataCr => (byte == b'\r').then_some(Place::DataLf).ok_or(DATA_END),
            Place::DataLf => (byte == b'\n').then_some(Place::default()).ok_or(DATA_END),
            Place::Trailer | Place::TrailerName | Place::TrailerValue | Place::TrailerLf => {
                self.after_trailer(byte)
            }
            Place::LastLf => (byte == b'\n').then_some(Place::End).ok_or(LINE_END),
            Place::Data | Place::End => unreachable!("neither is read byte by byte"),
        }
    }

    fn after_size(&mut self, digits: u8, byte: u8) -> Result<Place, Fault> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if digits > 0 => return Ok(Place::SizeLf),
            b';' if digits > 0 => return self.after_extension(byte),
            _ => return Err(SIZE),
        };
        if digits == MOST_DIGITS {
            return Err(SIZE);
        }
        let before = if digits == 0 { 0 } else { self.left };
        self.left = before << 4 | u64::from(digit);
        Ok(Place::Size(digits + 1))
    }

    fn after_extension(&mut self, byte: u8) -> Result<Place, Fault> {
        if byte == b'\r' {
            return Ok(Place::SizeLf);
        }
        if byte < b' ' || byte == 0x7f {
            return Err(EXTENSION);
        }
        self.extension_bytes += 1;
        if self.extension_bytes > MOST_EXTENSION_BYTES {
            return Err(EXTENSIONS);
        }
        Ok(Place::Extension)
    }

    fn after_trailer(&mut self, byte: u8) -> Result<Place, Fault> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > MOST_TRAILER_BYTES {
            return Err(TRAILERS);
        }
        Ok(match (self.place, byte) {
            (Place::TrailerLf, b'\n') => Place::Trailer,
            (Place::TrailerLf, _) => return Err(LINE_END),
            (Place::Trailer, b'\r') => Place::LastLf,
            (Place::TrailerValue, b'\r') => Place::TrailerLf,
            (Place::TrailerName, b':') => Place::TrailerValue,
            (Place::TrailerName, byte) if is_token(byte) => Place::TrailerName,
            (Place::Trailer, byte) if is_token(byte) => {
                self.trailers += 1;
                if self.trailers > MOST_TRAILERS {
                    return Err(TRAILERS);
                }
                Place::TrailerName
            }
            (Place::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Place::TrailerValue,
            _ => return Err(TRAILER),
        })
    }
}

/// RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
