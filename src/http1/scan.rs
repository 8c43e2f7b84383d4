//! Where a head ends.
//!
//! The scan is the strict part of the grammar of lines: they end in CRLF, they are not folded, and
//! no control character is among them. A fault is told at its first byte, so nobody waits for the
//! end of a head that cannot become one. What the lines say is the parsers' business.

use crate::http1::{Fault, HeadLimits};

/// Empty lines that may stand before a request (RFC 9112, 2.2): some clients of old end a body with
/// one that they do not count.
const MOST_EMPTY_LINES: u8 = 2;

const BARE_LF: Fault = Fault::Malformed("a line of the head ends in LF without CR");
const BARE_CR: Fault = Fault::Malformed("the head holds a CR that no LF follows");
const CONTROL: Fault = Fault::Malformed("the head holds a control character");
const FOLDED: Fault = Fault::Malformed("a line of the head begins with white space");
const EMPTY_LINES: Fault = Fault::Malformed("there are too many empty lines before the head");

/// Looks for the end of a head and remembers how far it has looked, so that a head which arrives
/// byte by byte is still read once.
#[derive(Clone, Debug, Default)]
pub struct HeadScan {
    at: usize,
    place: Place,
    empty_lines: u8,
    fields: usize,
}

/// Where in the grammar of lines the next byte is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Place {
    /// Before the first line.
    #[default]
    Start,
    /// After the CR of an empty line before the first line.
    StartCr,
    /// Within a line that is not empty.
    Line,
    /// After a CR that ends such a line.
    LineCr,
    /// At the beginning of any line but the first.
    NextLine,
    /// After the CR of the empty line that ends the head.
    EndCr,
}

impl HeadScan {
    /// The length of the head that `buf` begins with, its empty line included, or `None` when the
    /// rest of it has not arrived. `buf` has to begin with what it was at the call before.
    ///
    /// After a head was found the scan is as new.
    ///
    /// # Errors
    /// At the first byte that cannot be part of a head, or that passes a limit.
    // spec: FRAME-1 BODY-1
    pub fn find(&mut self, buf: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Fault> {
        let seen = &buf[..buf.len().min(limits.max_bytes)];
        loop {
            if self.place == Place::Line {
                self.at += ordinary(&seen[self.at..]);
            }
            let Some(&byte) = seen.get(self.at) else {
                break;
            };
            self.at += 1;
            if self.step(byte, limits)? {
                return Ok(Some(std::mem::take(self).at));
            }
        }
        if buf.len() >= limits.max_bytes {
            return Err(Fault::HeadTooLarge);
        }
        Ok(None)
    }

    /// Takes one byte; true when it is the last one of the head.
    fn step(&mut self, byte: u8, limits: &HeadLimits) -> Result<bool, Fault> {
        self.place = match (self.place, byte) {
            (Place::EndCr, b'\n') => return Ok(true),
            (Place::LineCr, b'\n') => Place::NextLine,
            (Place::StartCr, b'\n') => {
                self.empty_lines += 1;
                if self.empty_lines > MOST_EMPTY_LINES {
                    return Err(EMPTY_LINES);
                }
                Place::Start
            }
            (Place::StartCr | Place::LineCr | Place::EndCr, _) => return Err(BARE_CR),
            (_, b'\n') => return Err(BARE_LF),
            (Place::Start, b'\r') => Place::StartCr,
            (Place::Line, b'\r') => Place::LineCr,
            (Place::NextLine, b'\r') => Place::EndCr,
            (Place::Start | Place::NextLine, b' ' | b'\t') => return Err(FOLDED),
            (_, byte) if is_control(byte) => return Err(CONTROL),
            (Place::NextLine, _) => {
                self.fields += 1;
                if self.fields > limits.max_fields {
                    return Err(Fault::TooManyFields);
                }
                Place::Line
            }
            (Place::Start | Place::Line, _) => Place::Line,
        };
        Ok(false)
    }
}

/// How many bytes from here on are neither a line's end nor a fault.
fn ordinary(bytes: &[u8]) -> usize {
    let special = bytes.iter().position(|byte| is_control(*byte));
    special.unwrap_or(bytes.len())
}

/// Every control character but HTAB, which may stand within values (RFC 9110, 5.5).
fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}
