//! W3C Trace Context, level 1: which trace a call belongs to, and a span for each attempt.
//!
//! A [`TraceContext`] always has a valid trace: the agent's if its header can be trusted to the
//! letter, a new one if not. Spans are named here and recorded by nobody yet; the ids tie the access
//! log to the logs on both sides.

use http::HeaderValue;

const TRACE_HEX: usize = 32;
const SPAN_HEX: usize = 16;
/// `00-` trace `-` span `-` flags.
const LEN: usize = 2 + 1 + TRACE_HEX + 1 + SPAN_HEX + 1 + 2;
/// The one flag that level 1 defines.
const SAMPLED: u8 = 1;

/// The trace of one call.
#[derive(Clone, Debug)]
pub struct TraceContext {
    /// Lowercase hex digits, not all zero.
    trace_id: [u8; TRACE_HEX],
    sampled: bool,
    continued: bool,
}

impl TraceContext {
    /// The agent's trace, by all values of its `traceparent`, or a new one where that is missing,
    /// repeated or malformed.
    ///
    /// A new trace is not sampled: the specification asks that of whoever starts a trace without
    /// deciding to record it.
    // spec: HDR-2
    // spec: OBS-3
    pub fn child_of<'v>(traceparent: impl IntoIterator<Item = &'v HeaderValue>) -> Self {
        let mut fields = traceparent.into_iter();
        match (fields.next(), fields.next()) {
            (Some(only), None) => parse(only.as_bytes()).unwrap_or_else(Self::fresh),
            (None, _) | (Some(_), Some(_)) => Self::fresh(),
        }
    }

    fn fresh() -> Self {
        let mut trace_id = [0; TRACE_HEX];
        write_hex(&mut trace_id, fastrand::u128(1..));
        Self {
            trace_id,
            sampled: false,
            continued: false,
        }
    }

    /// The value of `traceparent` for the next attempt: a fresh span of the same trace.
    ///
    /// It is of version 00 and carries the sampled flag alone, whatever came in: flags that level 1
    /// does not define must be zero.
    pub fn next_span(&self) -> [u8; LEN] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..][..TRACE_HEX].copy_from_slice(&self.trace_id);
        write_hex(
            &mut text[4 + TRACE_HEX..][..SPAN_HEX],
            fastrand::u64(1..).into(),
        );
        text[LEN - 1] += u8::from(self.sampled);
        text
    }

    /// The trace id: 32 lowercase hex digits.
    pub fn trace_id(&self) -> &str {
        str::from_utf8(&self.trace_id).expect("hex digits are ASCII")
    }

    /// Whether the agent's `tracestate` goes on: it belongs to its trace and to no other.
    pub fn keep_tracestate(&self) -> bool {
        self.continued
    }
}

/// `None` for everything that the specification does not let us continue.
fn parse(text: &[u8]) -> Option<TraceContext> {
    if text.len() < LEN || [2, 35, 52].iter().any(|&at| text[at] != b'-') {
        return None;
    }
    // A later version may say more, after another hyphen; the first four fields stay as they are.
    match hex_byte(&text[..2])? {
        0xff => return None,
        0 if text.len() > LEN => return None,
        0..=0xfe if text.len() > LEN && text[LEN] != b'-' => return None,
        0..=0xfe => {}
    }
    let trace_id: [u8; TRACE_HEX] = text[3..35].try_into().ok()?;
    let flags = hex_byte(&text[53..LEN])?;
    (is_id(&trace_id) && is_id(&text[36..52])).then_some(TraceContext {
        trace_id,
        sampled: flags & SAMPLED != 0,
        continued: true,
    })
}

fn is_id(digits: &[u8]) -> bool {
    digits.iter().all(|&digit| hex_digit(digit).is_some()) && digits.iter().any(|&d| d != b'0')
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    digits
        .iter()
        .try_fold(0, |byte, &digit| Some(byte << 4 | hex_digit(digit)?))
}

/// Lowercase only, as the specification has it.
fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Fills `out` with the lowest digits of `value`.
fn write_hex(out: &mut [u8], mut value: u128) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 0xf) as usize];
        value >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn incoming(fields: &[&str]) -> TraceContext {
        let value = |field: &&str| HeaderValue::from_bytes(field.as_bytes()).unwrap();
        let values: Vec<_> = fields.iter().map(value).collect();
        TraceContext::child_of(&values)
    }

    /// Trace and flags of what goes out; the span is new every time.
    fn outgoing(trace: &TraceContext) -> (String, String) {
        let span = trace.next_span();
        let fields: Vec<_> = str::from_utf8(&span).unwrap().split('-').collect();
        assert_eq!((fields.len(), fields[0]), (4, "00"));
        assert_eq!(fields[2].len(), 16);
        (fields[1].to_owned(), fields[3].to_owned())
    }

    #[test]
    fn a_valid_trace_is_continued() {
        for (field, trace_id, flags) in [
            // The examples of the specification, sections 3.2.3 and 4.
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "4bf92f3577b34da6a3ce929d0e0e4736",
                "01",
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
                "4bf92f3577b34da6a3ce929d0e0e4736",
                "00",
            ),
            (
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "0af7651916cd43dd8448eb211c80319c",
                "01",
            ),
            // Flags that level 1 does not know are not passed on.
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
                "4bf92f3577b34da6a3ce929d0e0e4736",
                "01",
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02",
                "4bf92f3577b34da6a3ce929d0e0e4736",
                "00",
            ),
            // A later version, with and without more fields.
            (
                "cc-12345678901234567890123456789012-1234567890123456-01",
                "12345678901234567890123456789012",
                "01",
            ),
            (
                "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be",
                "12345678901234567890123456789012",
                "01",
            ),
        ] {
            let trace = incoming(&[field]);
            assert_eq!(trace.trace_id(), trace_id, "{field}");
            assert_eq!(outgoing(&trace), (trace_id.to_owned(), flags.to_owned()));
            assert!(trace.keep_tracestate(), "{field}");
        }
    }

    #[test]
    fn anything_else_starts_a_new_unsampled_trace() {
        const GOOD: &str = "00-12345678901234567890123456789012-1234567890123456-01";
        for fields in [
            &[][..],
            &[""],
            // Two of them, even alike.
            &[GOOD, GOOD],
            &["00-12345678901234567890123456789012-1234567890123456-01-what-now"],
            &["00-12345678901234567890123456789012-1234567890123456-01-"],
            &["00-12345678901234567890123456789012-1234567890123456-01."],
            &["00-12345678901234567890123456789012-1234567890123456-1"],
            &["00-12345678901234567890123456789012-1234567890123456-01 "],
            &[
                "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-not-be",
            ],
            &["ff-12345678901234567890123456789012-1234567890123456-01"],
            &[".0-12345678901234567890123456789012-1234567890123456-01"],
            &["0-12345678901234567890123456789012-1234567890123456-010"],
            &["00-00000000000000000000000000000000-1234567890123456-01"],
            &["00-12345678901234567890123456789012-0000000000000000-01"],
            &["00-1234567890123456789012345678901A-1234567890123456-01"],
            &["00-1234567890123456789012345678901.-1234567890123456-01"],
            &["00-12345678901234567890123456789012-123456789012345A-01"],
            &["00-12345678901234567890123456789012-1234567890123456-.0"],
            &["00-12345678901234567890123456789012-1234567890123456-0A"],
            &["00_12345678901234567890123456789012_1234567890123456_01"],
            &["00-123456789012345678901234567890123-123456789012345-01"],
            &["00-ёёёёёёёёёёёёёёёё-1234567890123456-01"],
        ] {
            let trace = incoming(fields);
            let sent = outgoing(&trace);
            assert_eq!(sent, (trace.trace_id().to_owned(), "00".to_owned()));
            assert!(is_id(trace.trace_id().as_bytes()));
            assert!(!trace.trace_id().starts_with("1234567890"), "{fields:?}");
            assert!(!trace.keep_tracestate(), "{fields:?}");
        }
    }

    #[test]
    fn every_attempt_is_a_span_of_its_own() {
        let trace = incoming(&[]);
        assert_ne!(trace.next_span(), trace.next_span());
        assert_ne!(trace.trace_id(), incoming(&[]).trace_id());
    }

    #[test]
    fn hex_is_padded_and_lowercase() {
        let mut out = [0; 6];
        write_hex(&mut out, 0xabc);
        assert_eq!(&out, b"000abc");
    }
}
