//! Changes to a text, collected by where they are and made all at once.

use std::ops::Range;

use zeroize::Zeroizing;

/// Replacements of parts of one text. What is not named stays byte for byte.
#[derive(Debug, Default)]
pub struct Splices(Vec<(Range<usize>, String)>);

impl Splices {
    /// Puts `text` in the place of a range.
    pub fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.0.push((range, text.into()));
    }

    /// Puts `text` before the character at `at`, after what was put there before.
    pub fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: Range<usize>) {
        self.replace(range, "");
    }

    /// The text with all changes; `None` when two of them overlap.
    pub fn apply(mut self, text: &str) -> Option<Zeroizing<String>> {
        // Stable, so that insertions at one place keep their order.
        self.0.sort_by_key(|(range, _)| range.start);
        let added: usize = self.0.iter().map(|(_, new)| new.len()).sum();
        // With room for everything, so that growing leaves no copy of a secret behind.
        let mut edited = Zeroizing::new(String::with_capacity(text.len() + added));
        let mut at = 0;
        for (range, new) in &self.0 {
            edited.push_str(text.get(at..range.start)?);
            edited.push_str(new);
            at = range.end;
        }
        edited.push_str(text.get(at..)?);
        Some(edited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_do_not_move_each_other() {
        let mut splices = Splices::default();
        splices.remove(4..6);
        splices.insert(2, "<");
        splices.insert(2, ">");
        splices.replace(0..1, "A");
        assert_eq!(splices.apply("abcdefg").unwrap().as_str(), "Ab<>cdg");
    }

    #[test]
    fn changes_that_overlap_are_none() {
        let mut splices = Splices::default();
        splices.remove(1..4);
        splices.insert(2, "x");
        assert!(splices.apply("abcdefg").is_none());
    }
}
