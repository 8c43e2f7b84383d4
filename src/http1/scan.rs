//! Where a head ends.
//!
//! The scan is the strict part of the grammar of lines: they end in CRLF, they are not folded, and
//! no control character is among them. A fault is told at its first byte, so nobody waits for the
//! end of a head that cannot become one. A [`ScannedHead`] is the proof that a head has passed, so
//! the parsers take nothing else and do not look at its lines' ends again. What the lines say is
//! their business.

use bytes::{Bytes, BytesMut};

use crate::http1::{Fault, HeadLimits, MOST_FIELDS};

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
    /// What was wrong. Bytes that come later cannot put it right.
    fault: Option<Fault>,
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

/// A whole head whose lines are what they have to be: only [`HeadScan::take`] makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScannedHead {
    bytes: Bytes,
    /// Where its first line begins.
    start: usize,
    fields: usize,
}

impl ScannedHead {
    /// All of it, empty lines before it and the one at its end included.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether empty lines stand before it.
    pub(super) fn has_empty_lines_before(&self) -> bool {
        self.start > 0
    }

    /// How many lines follow the first one.
    pub(super) fn fields(&self) -> usize {
        self.fields
    }

    /// Its lines without their ends, the empty one not included.
    pub(super) fn lines(&self) -> Lines<'_> {
        Lines {
            rest: &self.bytes[self.start..],
        }
    }
}

/// The lines of a scanned head.
pub(super) struct Lines<'head> {
    rest: &'head [u8],
}

impl<'head> Iterator for Lines<'head> {
    type Item = &'head [u8];

    fn next(&mut self) -> Option<&'head [u8]> {
        // A CR stands nowhere else in a head that has passed.
        let (line, rest) = self.rest.split_at(first(b'\r', self.rest)?);
        self.rest = rest.strip_prefix(b"\r\n")?;
        (!line.is_empty()).then_some(line)
    }
}

impl HeadScan {
    /// Takes the head that `buf` begins with off it, or nothing when the rest of the head has not
    /// arrived. `buf` has to begin with what it was at the call before.
    ///
    /// After a head was taken the scan is as new.
    ///
    /// # Errors
    /// At the first byte that cannot be part of a head, or that passes a limit; every further call
    /// says the same.
    // spec: FRAME-1 BODY-1
    pub fn take(
        &mut self,
        buf: &mut BytesMut,
        limits: &HeadLimits,
    ) -> Result<Option<ScannedHead>, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let found = self.find(buf, limits);
        self.fault = found.err();
        let Some(length) = found? else {
            return Ok(None);
        };
        let passed = std::mem::take(self);
        Ok(Some(ScannedHead {
            bytes: buf.split_to(length).freeze(),
            start: usize::from(passed.empty_lines) * "\r\n".len(),
            fields: passed.fields,
        }))
    }

    /// The length of the head that `buf` begins with, its empty line included.
    fn find(&mut self, buf: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Fault> {
        let seen = &buf[..buf.len().min(limits.max_bytes)];
        loop {
            if self.place == Place::Line {
                self.at += ordinary(&seen[self.at..]);
                // Most lines are followed by another one that is here, and then nobody has to
                // remember what stands between the two.
                if let [b'\r', b'\n', 0x21..0x7f, ..] = seen[self.at..] {
                    self.begin_field(limits)?;
                    self.at += 3;
                    continue;
                }
            }
            let Some(&byte) = seen.get(self.at) else {
                break;
            };
            self.at += 1;
            if self.step(byte, limits)? {
                return Ok(Some(self.at));
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
                self.begin_field(limits)?;
                Place::Line
            }
            (Place::Start | Place::Line, _) => Place::Line,
        };
        Ok(false)
    }

    fn begin_field(&mut self, limits: &HeadLimits) -> Result<(), Fault> {
        self.fields += 1;
        if self.fields > limits.max_fields.min(MOST_FIELDS) {
            return Err(Fault::TooManyFields);
        }
        Ok(())
    }
}

/// How many bytes from here on are no control characters at all.
fn ordinary(bytes: &[u8]) -> usize {
    find(bytes, first_control, u8::is_ascii_control).unwrap_or(bytes.len())
}

/// Where the first byte of this kind is.
pub(super) fn first(byte: u8, bytes: &[u8]) -> Option<usize> {
    let all = EACH * u64::from(byte);
    let in_word = |word| (less(word ^ all, 1).trailing_zeros() / 8) as usize;
    find(bytes, in_word, |other| *other == byte)
}

/// Where the first byte of a kind is, told for eight bytes at once and, for what is left behind the
/// last eight, for each.
fn find(
    bytes: &[u8],
    in_word: impl Fn(u64) -> usize,
    is_one: impl Fn(&u8) -> bool,
) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let found = in_word(u64::from_le_bytes(*word));
        if found < word.len() {
            return Some(index * word.len() + found);
        }
    }
    let last = rest.iter().position(is_one)?;
    Some(bytes.len() - rest.len() + last)
}

const EACH: u64 = u64::from_le_bytes([1; 8]);
const HIGHEST: u64 = EACH << 7;

/// The highest bit of the first of these eight bytes that is less than `than`, which is at most 128.
///
/// Heads are most of what is read of a small call, so all eight are compared at once: subtracting
/// borrows from a byte's highest bit where the byte is less. A borrow can reach the bytes behind
/// that one, which is why only the lowest bit that is set tells anything.
fn less(word: u64, than: u8) -> u64 {
    word.wrapping_sub(EACH * u64::from(than)) & !word & HIGHEST
}

/// Where in these eight bytes the first control character is; 8 where there is none.
fn first_control(word: u64) -> usize {
    let is_delete = less(word ^ (EACH * 0x7f), 1);
    ((less(word, b' ') | is_delete).trailing_zeros() / 8) as usize
}

/// Every control character but HTAB, which may stand within values (RFC 9110, 5.5).
fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}
