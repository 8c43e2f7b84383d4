//! Paths: what is taken for a tool's name is one, and what is appended to its URL stays below it.

use crate::proxy::parse_route;

const MOST_BYTES: usize = 4 * 1024;

/// A request's path.
///
/// # Panics
/// When a name is accepted that is none, or a rest that leads somewhere else.
// spec: CALL-1
pub fn route(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else {
        return;
    };
    if path.len() > MOST_BYTES {
        return;
    }
    let Ok(route) = parse_route(path) else {
        return;
    };
    let below = path.strip_prefix("/tools/").expect("the only prefix");
    let (name, rest) = match below.find('/') {
        Some(at) => (&below[..at], Some(&below[at + 1..])),
        None => (below, None),
    };
    assert_eq!(route.rest.as_deref(), rest, "the rest is not as encoded");
    assert_eq!(route.tool.as_str().as_bytes(), decode(name.as_bytes()));
    assert_name(route.tool.as_str());
    if let Some(rest) = rest {
        assert_stays_below(rest);
    }
}

fn assert_name(name: &str) {
    let allowed = |c: char| matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '.' | ':' | '-');
    assert!((1..=128).contains(&name.len()) && name.chars().all(allowed));
    assert!(name != "." && name != "..");
}

/// However often and however leniently it is decoded, there is no dot segment.
fn assert_stays_below(rest: &str) {
    let mut bytes = rest.as_bytes().to_vec();
    loop {
        for segment in bytes.split(|byte| matches!(byte, b'/' | b'\\' | b';')) {
            assert!(!matches!(segment, b"." | b".."), "a dot segment got by");
        }
        let decoded = decode(&bytes);
        if decoded == bytes {
            return;
        }
        bytes = decoded;
    }
}

/// One pass over every escape, with what is no escape left as it is.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| text[at] == b'%');
        let escape = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escape.unwrap_or(text[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    decoded
}
