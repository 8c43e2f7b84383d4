//! Columns that fit a page, whatever stands in them.

use crate::cli::printable::printable;

/// Columns of a page.
pub const WIDTH: usize = 100;

/// Between two columns.
const GAP: usize = 2;

/// Stands where something was cut.
pub const CUT: char = '…';

/// Rows of the same number of cells, the first of them the headings.
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub fn new(headings: [&str; N]) -> Self {
        Self {
            rows: vec![headings.map(str::to_owned)],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| printable(&cell)));
    }

    /// The lines, each of at most [`WIDTH`] characters and without spaces at its end. The widest
    /// columns give way until the page is not too narrow, so that short ones are never cut.
    pub fn lines(&self) -> Vec<String> {
        let widths = self.widths();
        let line = |row: &[String; N]| {
            let cells = row.iter().zip(widths);
            let cells = cells.map(|(cell, width)| format!("{:<width$}", cut(cell, width)));
            let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
            line.trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }

    fn widths(&self) -> [usize; N] {
        let room = WIDTH - GAP * N.saturating_sub(1);
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().clamp(*width, room);
            }
        }
        while widths.iter().sum::<usize>() > room {
            let widest = widths.iter_mut().max().expect("a sum above zero has parts");
            *widest -= 1;
        }
        widths
    }
}

/// Leaves out of the middle what is too much: both ends of a name or a URL tell it from others.
fn cut(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (front, back) = (kept.div_ceil(2), kept / 2);
    let mut short: String = text.chars().take(front).collect();
    short.push(CUT);
    short.extend(text.chars().skip(length - back));
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_gives_way() {
        for (text, width, expected) in [
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abc…fg"),
            ("abcdefg", 5, "ab…fg"),
            ("éééééé", 3, "é…é"),
            ("ab", 1, "…"),
        ] {
            assert_eq!(cut(text, width), expected);
        }
    }

    #[test]
    fn only_columns_wider_than_their_share_are_cut() {
        let mut table = Table::new(["A", "B", "C"]);
        table.row(["short".into(), "b".repeat(128), "c".repeat(8192)]);
        table.row(["x".into(), "y".into(), "z".into()]);
        let lines = table.lines();
        // 100 columns less two gaps and the 5 of "short" are 91: 46 and 45 of them.
        let b = format!("{}…{}", "b".repeat(23), "b".repeat(22));
        let c = format!("{}…{}", "c".repeat(22), "c".repeat(22));
        assert_eq!(lines[1].chars().count(), WIDTH);
        assert_eq!(lines[1], format!("short  {b}  {c}"));
        assert_eq!(lines[2], format!("x      y{}z", " ".repeat(47)));
    }
}
