//! A signed request as a command line that a person can paste into a shell.

use std::fmt::Write as _;
use std::path::Path;

use http::HeaderMap;

/// Longer bodies are left in their file: shells and kernels bound what a command line holds.
const MOST_INLINE_BYTES: usize = 32 * 1024;

/// The body as curl gets it.
#[derive(Clone, Copy, Debug)]
pub enum CurlBody<'a> {
    /// In the command line, as it is.
    Inline(&'a str),
    /// From a file, byte for byte.
    File(&'a Path),
}

impl<'a> CurlBody<'a> {
    /// How `body` can be passed on; `None` for one that is no text and came from no file.
    pub fn of(body: &'a [u8], file: Option<&'a Path>) -> Option<Self> {
        let text = std::str::from_utf8(body).ok().filter(|text| {
            // A command line cannot carry NUL, and a carriage return does not survive pasting.
            text.len() <= MOST_INLINE_BYTES && !text.contains(['\0', '\r', '\x1b'])
        });
        text.map(Self::Inline).or(file.map(Self::File))
    }
}

/// A curl command that sends `body` to `url` with `headers`, one header a line.
pub fn line(url: &str, headers: &HeaderMap, body: CurlBody<'_>) -> String {
    let mut line = format!("curl {}", quote(url));
    // curl reads these as patterns, also within quotes.
    if url.contains(['[', ']', '{', '}']) {
        line.push_str(" --globoff");
    }
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let _ = write!(line, " \\\n  -H {}", quote(&format!("{name}: {value}")));
    }
    // `--data` would drop line ends of a file and read `@name` in a text as a file.
    let _ = match body {
        CurlBody::Inline(text) => write!(line, " \\\n  --data-raw {}", quote(text)),
        CurlBody::File(path) => {
            let from = format!("@{}", path.display());
            write!(line, " \\\n  --data-binary {}", quote(&from))
        }
    };
    line
}

/// The text as one word of a POSIX shell.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        let texts = [
            "",
            "plain",
            "it's",
            "''",
            "$HOME `id` \\ \"q\" !x *",
            "a\nb\t",
            "-n",
            "é🔑",
        ];
        for text in texts {
            let script = format!("printf %s {}", quote(text));
            let echoed = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(echoed.stdout).unwrap(), text);
        }
    }

    #[test]
    fn a_body_goes_inline_only_where_a_shell_can_carry_it() {
        let file = Some(Path::new("body.bin"));
        assert!(matches!(
            CurlBody::of(b"{}", file),
            Some(CurlBody::Inline("{}"))
        ));
        let long = vec![b'x'; MOST_INLINE_BYTES + 1];
        for body in [&b"\0"[..], b"\xff", b"a\r\n", b"\x1b[2J", &long] {
            assert!(matches!(CurlBody::of(body, file), Some(CurlBody::File(_))));
            assert!(CurlBody::of(body, None).is_none());
        }
    }

    #[test]
    fn brackets_in_a_url_are_not_patterns() {
        let body = CurlBody::Inline("");
        let line = line("http://[::1]:8000/", &HeaderMap::new(), body);
        assert_eq!(
            line,
            "curl 'http://[::1]:8000/' --globoff \\\n  --data-raw ''"
        );
    }
}
