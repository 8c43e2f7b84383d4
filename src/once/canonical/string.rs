//! Strings of canonical JSON: decoding, the one way to write each, and the order of names.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::io::Write as _;

use crate::once::canonical::ArgsError;

/// Reads the string whose quote begins `text`: the string, and what stands behind it.
///
/// # Errors
/// When an escape is half of a surrogate pair.
pub(super) fn read(text: &str) -> Result<(Cow<'_, str>, &str), ArgsError> {
    let inside = &text[1..];
    let end = inside
        .bytes()
        .position(|byte| matches!(byte, b'"' | b'\\'))
        .unwrap_or(inside.len());
    if inside.as_bytes().get(end) != Some(&b'\\') {
        let rest = inside.get(end + 1..).unwrap_or_default();
        return Ok((Cow::Borrowed(&inside[..end]), rest));
    }
    let mut decoded = inside[..end].to_owned();
    let mut rest = &inside[end..];
    loop {
        let plain = rest
            .bytes()
            .position(|byte| matches!(byte, b'"' | b'\\'))
            .unwrap_or(rest.len());
        decoded.push_str(&rest[..plain]);
        rest = &rest[plain..];
        if !rest.starts_with('\\') {
            return Ok((Cow::Owned(decoded), rest.get(1..).unwrap_or_default()));
        }
        let (character, behind) = escape(rest)?;
        decoded.push(character);
        rest = behind;
    }
}

/// The character of the escape that begins `text`, and what stands behind it.
fn escape(text: &str) -> Result<(char, &str), ArgsError> {
    let short = match text.as_bytes().get(1) {
        Some(b'b') => '\u{8}',
        Some(b't') => '\t',
        Some(b'n') => '\n',
        Some(b'f') => '\u{c}',
        Some(b'r') => '\r',
        Some(b'u') => return unicode(text),
        Some(other) => char::from(*other),
        None => return Err(ArgsError::LoneSurrogate),
    };
    Ok((short, &text[2..]))
}

/// The character of `\uXXXX`, or of a pair of them.
fn unicode(text: &str) -> Result<(char, &str), ArgsError> {
    let (high, behind) = unit(text).ok_or(ArgsError::LoneSurrogate)?;
    if let Some(character) = char::from_u32(high.into()) {
        return Ok((character, behind));
    }
    let (low, behind) = unit(behind).ok_or(ArgsError::LoneSurrogate)?;
    match char::decode_utf16([high, low]).next() {
        Some(Ok(character)) => Ok((character, behind)),
        Some(Err(_)) | None => Err(ArgsError::LoneSurrogate),
    }
}

/// The UTF-16 code unit of the `\uXXXX` that begins `text`.
fn unit(text: &str) -> Option<(u16, &str)> {
    let digits = text.strip_prefix("\\u")?;
    let unit = u16::from_str_radix(digits.get(..4)?, 16).ok()?;
    Some((unit, &digits[4..]))
}

/// Writes a string in quotes. Only what JSON demands is escaped, in its shortest way.
pub(super) fn write(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut written = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[written..index]);
        written = index + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            control => write!(out, "\\u{control:04x}").expect("writing to a Vec cannot fail"),
        }
    }
    out.extend_from_slice(&text.as_bytes()[written..]);
    out.push(b'"');
}

/// The order of names: by UTF-16 code units, in which a character beyond U+FFFF comes before those
/// from U+E000 to U+FFFF.
pub(super) fn by_utf16(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.cmp(b);
    }
    a.encode_utf16().cmp(b.encode_utf16())
}
