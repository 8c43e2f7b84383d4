//! Numbers of canonical JSON: as ECMAScript prints the double, unless that is another integer.

use crate::once::canonical::ArgsError;

/// Digits of an integer that is a double and is printed as it is written, whatever it is.
const ALWAYS_EXACT: usize = 15;

/// Writes the number `text`.
///
/// RFC 8785 takes every number for a double. Two integers beyond 2^53 can be one double, and two
/// orders with such ids must not become one call: an integer that printing would change stays as it
/// is written. That leaves everything that the RFC defines as it is, because integers which are
/// no doubles are outside of what it is for.
///
/// # Errors
/// When it lies beyond the range of a double.
// spec: ONCE-2
pub(super) fn write(text: &str, out: &mut Vec<u8>) -> Result<(), ArgsError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_integer = digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_integer && digits.len() <= ALWAYS_EXACT && text != "-0" {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let value: f64 = text.parse().map_err(|_| ArgsError::NumberTooLarge)?;
    if !value.is_finite() {
        return Err(ArgsError::NumberTooLarge);
    }
    let mut buffer = ryu_js::Buffer::new();
    let printed = buffer.format_finite(value);
    let kept = if is_integer && !is_same_integer(printed, text) {
        text
    } else {
        printed
    };
    out.extend_from_slice(kept.as_bytes());
    Ok(())
}

/// Whether `printed`, an integer as ECMAScript prints it, has the digits of `written`.
fn is_same_integer(printed: &str, written: &str) -> bool {
    if written == "-0" {
        return true;
    }
    let Some((mantissa, exponent)) = printed.split_once("e+") else {
        return printed == written;
    };
    let whole = mantissa
        .split_once('.')
        .map_or(mantissa, |(whole, _)| whole);
    let sign = whole.len() - whole.trim_start_matches('-').len();
    let exponent: usize = exponent.parse().unwrap_or_default();
    let significant = mantissa.bytes().filter(|byte| *byte != b'.');
    let zeros = std::iter::repeat(b'0');
    significant
        .chain(zeros)
        .take(sign + 1 + exponent)
        .eq(written.bytes())
}
