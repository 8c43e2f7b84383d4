//! Folding text at the edge of a page. A character counts as one column, whatever a terminal draws.

/// Lines of at most `width` characters, broken at spaces; text without spaces is broken where the
/// line ends.
pub fn wrap(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while rest.chars().count() > width {
        let end = rest
            .char_indices()
            .nth(width)
            .map_or(rest.len(), |(index, _)| index);
        let space = if rest[end..].starts_with(' ') {
            Some(end)
        } else {
            rest[..end].rfind(' ')
        };
        let at = space.filter(|at| *at > 0).unwrap_or(end);
        lines.push(&rest[..at]);
        rest = rest[at..].trim_start();
    }
    lines.push(rest);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(wrap(text, 8), expected, "{text:?}");
    }

    #[test]
    fn lines_are_folded_at_spaces_and_at_the_edge() {
        check("", &[""]);
        check("12345678", &["12345678"]);
        check("1234 678 0", &["1234 678", "0"]);
        check("1234567890", &["12345678", "90"]);
        check("12 4567890", &["12", "4567890"]);
        check("éééé éééé", &["éééé", "éééé"]);
    }
}
