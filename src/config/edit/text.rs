//! Finding one's way in a file's text: lines, line breaks, and what lies between tokens.
//!
//! Offsets are bytes and always at a character's first. Nothing here knows what a token means; that
//! is the parser's business, and `outline` asks it.

/// The offset of the first character of the line that `at` is in.
pub fn line_start(text: &str, at: usize) -> usize {
    text[..at]
        .rfind(['\n', '\r'])
        .map_or(0, |line_break| line_break + 1)
}

/// The offset of the line break that ends the line that `at` is in, or the end of the text.
pub fn line_end(text: &str, at: usize) -> usize {
    text[at..]
        .find(['\n', '\r'])
        .map_or(text.len(), |offset| at + offset)
}

/// The offset behind the line break at `at`; `at` itself where there is none.
pub fn after_break(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    if rest.starts_with("\r\n") {
        at + 2
    } else if rest.starts_with(['\n', '\r']) {
        at + 1
    } else {
        at
    }
}

/// The offset of the line after the one that `at` is in, or the end of the text.
pub fn next_line(text: &str, at: usize) -> usize {
    after_break(text, line_end(text, at))
}

/// The offset of the line before the one that begins at `start`; `None` for the first.
pub fn previous_line(text: &str, start: usize) -> Option<usize> {
    let before = before_break(text, start)?;
    Some(line_start(text, before))
}

/// The offset of the line break before the line that begins at `start`; `None` for the first.
pub fn before_break(text: &str, start: usize) -> Option<usize> {
    let before = &text[..start];
    let without = before
        .strip_suffix("\r\n")
        .or_else(|| before.strip_suffix(['\n', '\r']))?;
    Some(without.len())
}

/// The text's own line break: its first, or a line feed where it has none.
pub fn line_break(text: &str) -> &'static str {
    match text.find(['\n', '\r']) {
        Some(at) if text[at..].starts_with("\r\n") => "\r\n",
        Some(at) if text[at..].starts_with('\r') => "\r",
        Some(_) | None => "\n",
    }
}

/// Whether there is nothing but spaces and tabs.
pub fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// Whether there is nothing, or nothing but a comment, before the end of the line.
pub fn is_rest_of_line(text: &str) -> bool {
    let trimmed = text.trim_start_matches([' ', '\t']);
    trimmed.is_empty() || trimmed.starts_with('#')
}

/// The column, in bytes, of a line's `#` where the line is a comment and nothing else.
pub fn comment_column(line: &str) -> Option<usize> {
    let trimmed = line.trim_start_matches([' ', '\t']);
    trimmed
        .starts_with('#')
        .then_some(line.len() - trimmed.len())
}

/// The offset of the next character that is neither blank nor part of a comment.
///
/// `at` must lie behind a token, where `#` begins a comment.
pub fn skip_gap(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'#' => at = line_end(text, at),
            _ => break,
        }
    }
    at
}

/// The offset of the next value: [`skip_gap`], and past `-`, `?`, `:`, anchors and tags too.
pub fn skip_to_value(text: &str, mut at: usize) -> usize {
    loop {
        at = skip_gap(text, at);
        let rest = &text[at..];
        let indicates = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']);
        if let Some(after) = rest.strip_prefix(['-', '?', ':'])
            && indicates(after)
        {
            at += 1;
        } else if rest.starts_with(['&', '!']) {
            at += rest.find([' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        } else {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_their_file_ends_them() {
        for text in ["ab\ncd\nef", "ab\r\ncd\r\nef", "ab\rcd\ref"] {
            let at = text.find('d').unwrap();
            let start = line_start(text, at);
            assert_eq!(&text[start..line_end(text, at)], "cd");
            assert_eq!(&text[next_line(text, at)..], "ef");
            assert_eq!(previous_line(text, start), Some(0));
            assert_eq!(before_break(text, start), Some(2));
            assert_eq!(&text[2..after_break(text, 2)], line_break(text));
        }
        assert_eq!(previous_line("ab", 0), None);
        assert_eq!(next_line("ab", 1), 2);
    }

    #[test]
    fn what_lies_between_tokens_is_skipped() {
        for (text, expected) in [
            (": # a: b\n  # - c\n  | x", "| x"),
            ("\n- &anchor !!str\t>-", ">-"),
            (" -5", "-5"),
            (": \r\n", ""),
            ("- - ? a", "a"),
        ] {
            assert_eq!(&text[skip_to_value(text, 0)..], expected, "{text:?}");
        }
    }
}
