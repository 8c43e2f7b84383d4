//! What is wrong with a file, and where.
//!
//! A problem names the place and the rule and never the value, which may be a misplaced secret.
//! Problems are collected, not thrown: a reader goes on after one, so that a person sees all of
//! them at once.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// How many problems of one severity are kept. A broken file of 100,000 tools would otherwise fill
/// the log; nobody reads on after a hundred lines.
const MOST_KEPT: usize = 100;

/// A place in a text file, counted the way editors count.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// Whether a problem stops the file from being used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is used; somebody should look at it.
    Warning,
}

impl Severity {
    /// As it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong, as one line of text.
// spec: REG-2
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The file, as it was named by whoever asked for it.
    pub file: Arc<Path>,
    /// Where in the file; `None` when the file as a whole is meant.
    pub at: Option<Position>,
    /// The field's path, such as `tools[3].auth.secret`; empty for the whole document.
    pub field: String,
    /// The rule that is broken and, where there is one, the way out.
    pub message: String,
    /// Whether it stops the file from being used.
    pub severity: Severity,
}

/// `file:line:column: field: message`, and `warning:` before the field of a warning.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(Position { line, column }) = self.at {
            write!(f, "{line}:{column}:")?;
        }
        match self.severity {
            Severity::Error => {}
            Severity::Warning => f.write_str(" warning:")?,
        }
        if !self.field.is_empty() {
            write!(f, " {}:", self.field)?;
        }
        write!(f, " {}", self.message)
    }
}

/// Everything that is wrong with a file, in the order of the file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Problems {
    kept: Vec<Problem>,
    /// How many were found beyond those that are kept.
    unkept: usize,
}

impl Problems {
    /// The problems, by position; the first hundred of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.kept.iter()
    }

    /// How many were found, kept or not.
    pub fn len(&self) -> usize {
        self.kept.len() + self.unkept
    }

    /// Whether there is nothing wrong.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// One line for each problem, and one that counts the rest when there are too many.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let rest = (self.unkept > 0).then(|| format!("… and {} more problems", self.unkept));
        self.kept.iter().map(Problem::to_string).chain(rest)
    }

    fn push(&mut self, problem: Problem) {
        if self.kept.len() < MOST_KEPT {
            self.kept.push(problem);
        } else {
            self.unkept += 1;
        }
    }

    fn sorted(mut self) -> Self {
        // Stable, so that two problems of one place stay in the order in which they were found.
        self.kept.sort_by_key(|problem| problem.at);
        self
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self {
            kept: vec![problem],
            unkept: 0,
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.lines().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects what a reader finds in one file.
#[derive(Debug)]
pub struct Report {
    file: Arc<Path>,
    errors: Problems,
    warnings: Problems,
}

impl Report {
    /// Nothing found yet in `file`.
    pub fn new(file: impl Into<Arc<Path>>) -> Self {
        Self {
            file: file.into(),
            errors: Problems::default(),
            warnings: Problems::default(),
        }
    }

    /// Notes something that stops the file from being used.
    pub fn error(
        &mut self,
        at: impl Into<Option<Position>>,
        field: impl fmt::Display,
        message: impl Into<String>,
    ) {
        let problem = self.problem(at.into(), field, message.into(), Severity::Error);
        self.errors.push(problem);
    }

    /// Notes something that is allowed but should be looked at.
    pub fn warning(
        &mut self,
        at: impl Into<Option<Position>>,
        field: impl fmt::Display,
        message: impl Into<String>,
    ) {
        let problem = self.problem(at.into(), field, message.into(), Severity::Warning);
        self.warnings.push(problem);
    }

    /// How many errors were noted so far.
    pub fn errors(&self) -> usize {
        self.errors.len()
    }

    /// The warnings of a good file, or the errors of a bad one; both sorted by position.
    ///
    /// # Errors
    /// When at least one error was noted.
    pub fn finish(self) -> Result<Problems, Problems> {
        if self.errors.is_empty() {
            Ok(self.warnings.sorted())
        } else {
            Err(self.errors.sorted())
        }
    }

    fn problem(
        &self,
        at: Option<Position>,
        field: impl fmt::Display,
        message: String,
        severity: Severity,
    ) -> Problem {
        Problem {
            file: Arc::clone(&self.file),
            at,
            field: field.to_string(),
            message,
            severity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, column: u32) -> Position {
        Position { line, column }
    }

    #[test]
    fn a_problem_is_one_line_that_editors_can_jump_to() {
        let mut report = Report::new(Path::new("tools.yaml"));
        report.error(
            at(12, 17),
            "tools[3].timeout_ms",
            "must be between 250 and 120000",
        );
        report.error(at(2, 1), "", "must be a mapping");
        report.error(None, "", "cannot be read");
        let problems = report.finish().unwrap_err();
        assert_eq!(
            problems.to_string(),
            "tools.yaml: cannot be read\n\
             tools.yaml:2:1: must be a mapping\n\
             tools.yaml:12:17: tools[3].timeout_ms: must be between 250 and 120000"
        );
    }

    #[test]
    fn a_warning_says_so_and_does_not_refuse() {
        let mut report = Report::new(Path::new("tools.yaml"));
        report.warning(at(4, 10), "tools[0].url", "plain http");
        let warnings = report.finish().unwrap();
        assert_eq!(
            warnings.to_string(),
            "tools.yaml:4:10: warning: tools[0].url: plain http"
        );
    }

    #[test]
    fn a_hundred_problems_are_shown_and_the_rest_is_counted() {
        let mut report = Report::new(Path::new("t"));
        for line in 1..=250 {
            report.error(at(line, 1), "", "no");
        }
        let problems = report.finish().unwrap_err();
        assert_eq!(problems.len(), 250);
        assert_eq!(problems.lines().count(), 101);
        assert_eq!(problems.lines().last().unwrap(), "… and 150 more problems");
    }
}
