//! Elements within brackets or braces: `[a, b]` and `{a: 1, b: 2}`.
//!
//! The commas are what needs care: one is added or taken with each element, and a comment keeps
//! the element that it stands behind.

use std::ops::Range;

use super::splice::Splices;
use super::text::{
    is_blank, is_rest_of_line, line_break, line_end, line_start, next_line, skip_gap,
};

/// A collection's inside, and its elements.
#[derive(Debug)]
pub struct Enclosed {
    /// Behind the opening bracket, up to the closing one.
    pub inside: Range<usize>,
    /// Where the elements are.
    pub elements: Vec<Range<usize>>,
}

impl Enclosed {
    /// Adds elements at the end, each on a line of its own if the last one has that.
    pub fn append(&self, splices: &mut Splices, text: &str, new: &[String]) {
        let Some(last) = self.elements.last() else {
            return self.fill(splices, text, &new.join(", "));
        };
        let start = line_start(text, last.start);
        let indent = &text[start..last.start];
        let comma = self.comma_after(text, last.end);
        let separator = if is_blank(indent) && start > self.inside.start {
            format!("{}{indent}", line_break(text))
        } else {
            " ".to_owned()
        };
        let behind = comma.map_or(last.end, |comma| comma + 1);
        let end = line_end(text, behind);
        // A comment behind the last element stays with it: what is new goes on the next line.
        let on_next_line = separator != " " && is_rest_of_line(&text[behind..end]);
        let at = if on_next_line { end } else { behind };
        match comma {
            Some(_) => {
                for element in new {
                    splices.insert(at, format!("{separator}{element},"));
                }
            }
            None => {
                splices.insert(last.end, ",");
                let joined = new.join(&format!(",{separator}"));
                splices.insert(at, format!("{separator}{joined}"));
            }
        }
    }

    fn fill(&self, splices: &mut Splices, text: &str, new: &str) {
        let Range { start, end } = self.inside;
        let line = line_start(text, end);
        if line > start && is_blank(&text[line..end]) {
            let indent = &text[line..end];
            splices.insert(line, format!("{indent}  {new}{}", line_break(text)));
        } else {
            splices.insert(end, new);
        }
    }

    /// Takes the element at `index` out, with its lines where it has lines of its own.
    pub fn remove(&self, splices: &mut Splices, text: &str, index: usize) {
        let Range { start, end } = self.elements[index];
        let comma = self.comma_after(text, end);
        let behind = comma.map_or(end, |comma| comma + 1);
        let line = line_start(text, start);
        let rest = &text[behind..line_end(text, behind)];
        if line > self.inside.start && is_blank(&text[line..start]) && is_rest_of_line(rest) {
            // A comma that this leaves before the closing bracket is allowed there.
            return splices.remove(line..next_line(text, behind));
        }
        if comma.is_some() {
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            return splices.remove(start..behind + blanks);
        }
        let comma_before = index
            .checked_sub(1)
            .and_then(|before| self.comma_after(text, self.elements[before].end))
            .filter(|comma| *comma >= line);
        splices.remove(comma_before.unwrap_or(start)..end);
    }

    fn comma_after(&self, text: &str, end: usize) -> Option<usize> {
        let at = skip_gap(text, end);
        (at < self.inside.end && text[at..].starts_with(',')).then_some(at)
    }
}
