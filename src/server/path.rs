//! What both listeners read from a path.

use std::borrow::Cow;

/// Percent-decodes once; `None` when the encoding is broken or not UTF-8. What it decodes to may
/// hold anything, separators included.
pub fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            u8::try_from(high << 4 | low).expect("two hex digits make a byte")
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_decoded_once_and_strictly() {
        for (text, expected) in [
            ("", Some("")),
            ("send_email", Some("send_email")),
            ("a%3Ab%3a", Some("a:b:")),
            ("%252e", Some("%2e")),
            ("caf%C3%A9", Some("café")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
            ("%ff", None),
        ] {
            assert_eq!(percent_decode(text).as_deref(), expected, "{text}");
        }
    }
}
