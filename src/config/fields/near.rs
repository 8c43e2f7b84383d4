//! Which known word somebody meant.

/// The word that is nearest to `written`, if it is near enough to be a slip: at most two letters
/// added, left out, exchanged or swapped, and fewer than half of them.
pub(super) fn nearest(written: &str, words: &'static [&'static str]) -> Option<&'static str> {
    const MOST_SLIPS: usize = 2;
    // Longer text is no slip of ours, and the distance costs the product of the lengths.
    const LONGEST: usize = 32;
    if written.len() > LONGEST {
        return None;
    }
    let written = written.to_ascii_lowercase().replace('-', "_");
    words
        .iter()
        .map(|word| (slips(written.as_bytes(), word.as_bytes()), *word))
        .filter(|(slips, word)| *slips <= MOST_SLIPS && slips * 2 < word.len())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, word)| word)
}

/// The optimal string alignment distance: like Levenshtein's, and swapped neighbours count once.
fn slips(a: &[u8], b: &[u8]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        const WORDS: &[&str] = &["timeout_ms", "max_retries", "url", "auth", "headers", "tls"];
        for (written, meant) in [
            ("tiemout_ms", Some("timeout_ms")),
            ("timeout-ms", Some("timeout_ms")),
            ("Timeout_MS", Some("timeout_ms")),
            ("timeoutms", Some("timeout_ms")),
            ("max_retrys", Some("max_retries")),
            ("header", Some("headers")),
            ("uri", Some("url")),
            ("ual", Some("url")),
            ("ssl", None),
            ("retries", None),
            ("", None),
            ("xyz", None),
            ("a-very-long-text-that-nobody-types-by-slip", None),
        ] {
            assert_eq!(nearest(written, WORDS), meant, "{written}");
        }
    }
}
