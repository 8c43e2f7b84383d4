//! Entries with a line of their own: `- a` and `a: b`.
//!
//! Whole lines come and go. Which comments and blank lines go with an entry is decided here: a
//! comment behind it on its line, deeper ones right below it, and those right above it at its own
//! column are about it; everything else stays.

use super::outline::{Ending, Extent, Outline, Pair, Part};
use super::splice::Splices;
use super::text::{
    after_break, before_break, comment_column, is_blank, line_break, line_end, line_start,
    next_line, previous_line, skip_gap,
};

/// Why lines cannot be edited.
pub type Reason = &'static str;

/// Adds pairs below a mapping's last.
pub fn add_pairs(
    splices: &mut Splices,
    text: &str,
    mapping: &Part,
    new: &[String],
) -> Result<(), Reason> {
    let indent = " ".repeat(column(text, mapping));
    // A block scalar that ends with the file would take a line break behind it for its own.
    let may_precede = |pair: &&Pair| !ends_open(text, &pair.value.extent);
    let last = mapping.pairs().iter().rev().find(may_precede);
    let last = last.ok_or("its lines cannot be told apart")?;
    add_lines(
        splices,
        text,
        last.end(),
        new.iter().map(|pair| format!("{indent}{pair}")),
    );
    Ok(())
}

/// Takes the pair at `index` out of a mapping, with its lines.
pub fn remove_pair(splices: &mut Splices, text: &str, mapping: &Part, index: usize) {
    let pairs = mapping.pairs();
    let pair = &pairs[index];
    let Some(before) = index.checked_sub(1).map(|before| &pairs[before]) else {
        return remove_first_pair(splices, text, pair, pairs.get(1));
    };
    let start = line_start(text, pair.key.start);
    remove_lines(
        splices,
        text,
        start,
        next_line(text, pair.end()),
        before.value.extent.ending,
    );
}

/// The first pair may share its line with a dash, which stays.
fn remove_first_pair(splices: &mut Splices, text: &str, pair: &Pair, next: Option<&Pair>) {
    let end = pair.end();
    let pulled_up = next.map(|next| next.key.start).filter(|next| {
        is_blank(&text[end..line_end(text, end)]) && skip_blanks(text, end) == *next
    });
    splices.remove(pair.key.start..pulled_up.unwrap_or(end));
}

fn skip_blanks(text: &str, at: usize) -> usize {
    let line = next_line(text, at);
    line + text[line..].len() - text[line..].trim_start_matches(' ').len()
}

/// The column that a mapping's keys begin at.
pub fn column(text: &str, mapping: &Part) -> usize {
    let pairs = mapping.pairs();
    if let Some(second) = pairs.get(1) {
        // Only an anchor or a question mark can stand before the key, at the column itself.
        let line = &text[line_start(text, second.key.start)..];
        return line.len() - line.trim_start_matches(' ').len();
    }
    mapping.extent.start - line_start(text, mapping.extent.start)
}

/// Takes the entry at `index` out, with its lines and the comments that are about it.
pub fn remove_item(
    splices: &mut Splices,
    text: &str,
    outline: &Outline,
    index: usize,
) -> Result<(), Reason> {
    const PLACE: Reason = "it does not begin on a line of its own";
    let dash = outline.dash(text, index).ok_or(PLACE)?;
    let line = line_start(text, dash);
    if !is_blank(&text[line..dash]) {
        return Err(PLACE);
    }
    let before = index.checked_sub(1).map(|before| outline.items[before]);
    let after_others = next_line(text, before.map_or(outline.key.1, |before| before.end));
    let start = comments_above(text, line, dash - line, after_others, before.is_none());
    let end = lines_below(text, &outline.items[index], dash - line);
    let ending = before.map_or(Ending::Token, |before| before.ending);
    remove_lines(splices, text, start, end, ending);
    if outline.items.len() == 1 {
        let colon = outline.colon(text).ok_or(PLACE)?;
        splices.insert(empty_list_at(text, colon), " []");
    }
    Ok(())
}

/// Behind the colon, and behind an anchor or a tag that may follow it.
fn empty_list_at(text: &str, colon: usize) -> usize {
    let end = line_end(text, colon);
    let mut at = colon;
    loop {
        let next = skip_gap(text, at).min(end);
        if !text[next..end].starts_with(['&', '!']) {
            return at;
        }
        at = next + text[next..end].find([' ', '\t']).unwrap_or(end - next);
    }
}

/// Where the comments right above an item begin, which stand at its dash's column.
///
/// What stands right below `tools:` may be about all of them, and stays.
fn comments_above(text: &str, line: usize, column: usize, from: usize, first: bool) -> usize {
    let mut start = line;
    while let Some(above) = previous_line(text, start).filter(|above| *above >= from) {
        if comment_column(&text[above..line_end(text, above)]) != Some(column) {
            break;
        }
        start = above;
    }
    if first && start == from { line } else { start }
}

/// Behind an item's last line, and behind the comments right below that are deeper than its dash.
fn lines_below(text: &str, item: &Extent, dash: usize) -> usize {
    let mut end = next_line(text, item.end);
    while end < text.len()
        && comment_column(&text[end..line_end(text, end)]).is_some_and(|column| column > dash)
    {
        end = next_line(text, end);
    }
    end
}

/// Takes whole lines out; `before` says how what stands above them ends.
fn remove_lines(splices: &mut Splices, text: &str, start: usize, end: usize, before: Ending) {
    let mut end = end;
    if before == Ending::Keeping {
        // Blank lines would become part of the text above.
        while end < text.len() && is_blank(&text[end..line_end(text, end)]) {
            end = next_line(text, end);
        }
    }
    let ends_file = end == text.len() && !text.ends_with(['\n', '\r']);
    let start = match before {
        Ending::Token if ends_file => before_break(text, start).unwrap_or(start),
        Ending::Token | Ending::Block | Ending::Keeping => start,
    };
    splices.remove(start..end);
}

/// How a new entry's first line is set.
#[derive(Clone, Copy, Debug)]
pub struct Margin {
    /// Columns before the dash.
    pub dash: usize,
    /// Columns from the dash to what follows it.
    pub width: usize,
}

impl Margin {
    /// As the entry at `index`, which is `part`, has it.
    pub fn of(text: &str, outline: &Outline, index: usize, part: &Part) -> Result<Self, Reason> {
        let dash = outline.dash(text, index);
        let dash = dash.ok_or("the dash of the last entry cannot be found")?;
        let dash_column = dash - line_start(text, dash);
        let start = part.extent.start;
        let beside = is_blank(&text[dash + 1..start]);
        let width = if beside { start - dash } else { 2 };
        Ok(Self {
            dash: dash_column,
            width,
        })
    }
}

/// Adds an entry below the last, with a blank line between if the last two have one.
pub fn append_item(
    splices: &mut Splices,
    text: &str,
    outline: &Outline,
    margin: Margin,
    lines: &[String],
) -> Result<(), Reason> {
    let [.., last] = outline.items.as_slice() else {
        return Err("the list is empty");
    };
    if ends_open(text, last) {
        return Err("the file ends within a block text; end it with a line break");
    }
    let end = lines_below(text, last, margin.dash);
    let mut new = Vec::with_capacity(lines.len() + 1);
    if last.ending != Ending::Keeping && is_spaced(text, outline) {
        new.push(String::new());
    }
    for (index, line) in lines.iter().enumerate() {
        let dash = if index == 0 { "-" } else { " " };
        let Margin {
            dash: column,
            width,
        } = margin;
        new.push(format!("{:column$}{dash:width$}{line}", ""));
    }
    let at = before_break(text, end).unwrap_or(end);
    add_lines(splices, text, at.max(last.end), new.into_iter());
    Ok(())
}

/// Whether there is a blank line between the last two entries.
fn is_spaced(text: &str, outline: &Outline) -> bool {
    let [.., before, last] = outline.items.as_slice() else {
        return false;
    };
    let mut line = next_line(text, before.end);
    while line < last.start {
        if is_blank(&text[line..line_end(text, line)]) {
            return true;
        }
        line = next_line(text, line);
    }
    false
}

/// Makes the first entry of a list that is written `[]`.
pub fn replace_empty(
    splices: &mut Splices,
    text: &str,
    outline: &Outline,
    (open, close): (usize, usize),
    lines: &[String],
) {
    let blanks = text[..open].len() - text[..open].trim_end_matches([' ', '\t']).len();
    splices.remove(open - blanks..close + 1);
    let column = outline.key.0 - line_start(text, outline.key.0);
    let lines = lines.iter().enumerate().map(|(index, line)| {
        let dash = if index == 0 { "- " } else { "  " };
        format!("{:column$}  {dash}{line}", "")
    });
    add_lines(splices, text, close + 1, lines);
}

/// Adds lines below the one that `at` is in.
pub fn append_lines(splices: &mut Splices, text: &str, at: usize, lines: Vec<String>) {
    add_lines(splices, text, at, lines.into_iter());
}

/// Adds lines below the one that `at` is in; a missing line break at the file's end stays missing.
fn add_lines(splices: &mut Splices, text: &str, at: usize, lines: impl Iterator<Item = String>) {
    let end = line_end(text, at);
    let next = after_break(text, end);
    let line_break = line_break(text);
    for line in lines {
        if next == end {
            splices.insert(end, format!("{line_break}{line}"));
        } else {
            splices.insert(next, format!("{line}{line_break}"));
        }
    }
}

/// Whether a block scalar ends with the file, so that a line break behind it would be its own.
fn ends_open(text: &str, extent: &Extent) -> bool {
    extent.ending != Ending::Token && line_end(text, extent.end) == text.len()
}
