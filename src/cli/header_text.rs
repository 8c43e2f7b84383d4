//! Headers as people have them at hand: copied from a log, from `curl -v` or out of a raw request.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A line that is no header. Its text is not repeated, since it may be a credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line} is not a header of the form `Name: value`")]
pub struct NotAHeader {
    /// Counted from 1.
    pub line: usize,
}

/// Reads one header a line, up to an empty line or the end.
///
/// A request line before the headers is skipped, and so is the `> ` that `curl -v` puts before each
/// line. Repeated names stay repeated.
///
/// # Errors
/// The first line that is no header.
pub fn parse(text: &[u8]) -> Result<HeaderMap, NotAHeader> {
    let mut headers = HeaderMap::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = line.strip_prefix(b"> ").unwrap_or(line);
        if matches!(line, b"" | b">") {
            break;
        }
        if index == 0 && is_request_line(line) {
            continue;
        }
        let (name, value) = header(line).ok_or(NotAHeader { line: index + 1 })?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn is_request_line(line: &[u8]) -> bool {
    let last = line.rsplit(|byte| *byte == b' ').next();
    last.is_some_and(|version| version.starts_with(b"HTTP/"))
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[(&str, &str)], usize>) {
        let parsed = parse(text.as_bytes()).map_err(|error| error.line);
        let pairs = parsed.as_ref().map(|headers| {
            headers
                .iter()
                .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
                .collect::<Vec<_>>()
        });
        assert_eq!(
            pairs.as_deref().map_err(|line| **line),
            expected,
            "{text:?}"
        );
    }

    #[test]
    fn headers_are_read_in_every_form_that_people_copy() {
        check("", Ok(&[]));
        check("A: 1\nb:2", Ok(&[("a", "1"), ("b", "2")]));
        check("A: 1\r\nA:  2 \r\n\r\nbody", Ok(&[("a", "1"), ("a", "2")]));
        check("POST /x?y=1 HTTP/1.1\nA: 1\n", Ok(&[("a", "1")]));
        check(
            "> POST /x HTTP/1.1\r\n> A: b: c\r\n>\r\n",
            Ok(&[("a", "b: c")]),
        );
        check("A: 1\nsupersecret\n", Err(2));
        check("A b: 1", Err(1));
        check("A: 1\nGET / HTTP/1.1\n", Err(2));
    }
}
