//! What was measured, and the tables of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What is measured, in the order of the columns. CPU time is the subject's own, in user space and in
/// the kernel.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Figure {
    /// Microseconds of CPU time of a call under saturating load.
    CpuPerCall,
    /// Calls that were answered in a second of that load.
    CallsPerSecond,
    /// The median latency of one client that calls without pause, in microseconds.
    P50One,
    /// What 99 in 100 of these calls stayed below.
    P99One,
    /// The median latency at a fixed, moderate rate, in microseconds.
    P50Paced,
    /// What 99 in 100 of these calls stayed below.
    P99Paced,
    /// Microseconds of CPU time of a call at that rate, wake-ups included.
    CpuPacedPerCall,
    /// Microseconds of CPU time of a call on a connection of its own.
    CpuPerConnection,
    /// Resident memory before the first call, in MiB.
    RssStart,
    /// Resident memory at its highest, in MiB.
    RssLoad,
    /// Resident memory with idle keep-alive connections, in MiB.
    RssIdle,
}

impl Figure {
    /// Those that every body size has.
    pub const OF_SIZE: [Self; 7] = [
        Self::CpuPerCall,
        Self::CallsPerSecond,
        Self::P50One,
        Self::P99One,
        Self::P50Paced,
        Self::P99Paced,
        Self::CpuPacedPerCall,
    ];
    /// Those that are measured once, with the smallest body.
    pub const ONCE: [Self; 4] = [
        Self::CpuPerConnection,
        Self::RssStart,
        Self::RssLoad,
        Self::RssIdle,
    ];

    /// Its column's head.
    pub fn title(self) -> &'static str {
        match self {
            Self::CpuPerCall => "CPU µs/call",
            Self::CallsPerSecond => "calls/s",
            Self::P50One => "p50 µs (1)",
            Self::P99One => "p99 µs (1)",
            Self::P50Paced => "p50 µs (rate)",
            Self::P99Paced => "p99 µs (rate)",
            Self::CpuPacedPerCall => "CPU µs (rate)",
            Self::CpuPerConnection => "CPU µs/new connection",
            Self::RssStart => "RSS MiB, start",
            Self::RssLoad => "RSS MiB, load",
            Self::RssIdle => "RSS MiB, idle connections",
        }
    }
}

/// All rounds' figures.
pub struct Figures {
    /// By body size in bytes and index of the subject.
    rounds: BTreeMap<(usize, usize, Figure), Vec<f64>>,
    names: Vec<String>,
}

impl Figures {
    /// For subjects of these names. Ratios compare the first with the others.
    pub fn new(names: Vec<String>) -> Self {
        let rounds = BTreeMap::new();
        Self { rounds, names }
    }

    /// Notes one round's figure of the subject with this index.
    pub fn note(&mut self, size: usize, subject: usize, figure: Figure, value: f64) {
        let rounds = self.rounds.entry((size, subject, figure)).or_default();
        rounds.push(value);
    }

    fn median(&self, size: usize, subject: usize, figure: Figure) -> Option<f64> {
        let rounds = self.rounds.get(&(size, subject, figure))?;
        Some(median(rounds.clone()))
    }

    /// Medians of some figures, and how the first subject's first figure compares. Subjects without
    /// figures are left out.
    pub fn table(&self, size: usize, figures: &[Figure]) -> String {
        let mut rows = vec![vec!["subject".to_owned()]];
        for (index, figure) in figures.iter().enumerate() {
            rows[0].push(figure.title().to_owned());
            if index == 0 {
                rows[0].push("ours/theirs".to_owned());
            }
        }
        for (subject, name) in self.names.iter().enumerate() {
            let medians = figures
                .iter()
                .map(|figure| self.median(size, subject, *figure));
            let medians: Vec<_> = medians.collect();
            if medians.iter().all(Option::is_none) {
                continue;
            }
            let mut row = vec![name.clone()];
            for (index, median) in medians.iter().enumerate() {
                row.push(median.map_or_else(nothing, shown));
                if index == 0 {
                    let ours = self.median(size, 0, figures[0]);
                    let ratio = ours.zip(*median).map(|(ours, theirs)| ours / theirs);
                    row.push(ratio.map_or_else(nothing, |ratio| format!("{ratio:.2}")));
                }
            }
            rows.push(row);
        }
        markdown(&rows)
    }

    /// Every round's value.
    pub fn to_json(&self) -> Value {
        let figures = self.rounds.iter().map(|((size, subject, figure), rounds)| {
            json!({
                "body_bytes": size,
                "subject": self.names[*subject],
                "figure": figure.title(),
                "rounds": rounds,
            })
        });
        figures.collect()
    }
}

/// The value in the middle; `NaN` of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn nothing() -> String {
    "-".to_owned()
}

fn shown(value: f64) -> String {
    if value >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// A table in Markdown. The first row is its head, and every row is as long as that.
pub fn markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<_> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max())
        .map(|width| width.unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[column] - cell.chars().count());
            let (before, after) = if column == 0 {
                ("", &*gap)
            } else {
                (&*gap, "")
            };
            text += &format!("| {before}{cell}{after} ");
        }
        text += "|\n";
        if number == 0 {
            let rules = widths.iter().enumerate().map(|(column, width)| {
                let rule = "-".repeat(*width + 1);
                if column == 0 {
                    format!("|{rule}-")
                } else {
                    format!("|{rule}:")
                }
            });
            text += &rules.collect::<String>();
            text += "|\n";
        }
    }
    text
}
