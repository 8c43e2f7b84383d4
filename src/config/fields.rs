//! What the nodes of a document mean: fields with names, types and paths.
//!
//! A [`Reading`] notes every fault and goes on, so `None` from an accessor means "absent, or
//! reported". Values are expanded here, after parsing. Which fields there are and what they must
//! be is left to the caller.

mod names;
mod near;
mod path;

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::config::expand::{Environment, expand};
use crate::config::problem::{Position, Report};
use crate::config::yaml::{Kind, Node};
use crate::secret::Secret;

pub use path::FieldPath;

/// A value and what it is called.
#[derive(Clone, Copy, Debug)]
pub struct Field<'n> {
    /// The value.
    pub node: &'n Node,
    /// Its name, from the root.
    pub path: FieldPath<'n>,
}

impl<'n> Field<'n> {
    /// A document's root.
    pub fn root(node: &'n Node) -> Self {
        let path = FieldPath::Root;
        Self { node, path }
    }

    /// Whether nothing is written: `~`, `null` or no value at all.
    pub fn is_null(&self) -> bool {
        matches!(self.node.kind, Kind::Null)
    }
}

/// A mapping whose fields are known.
#[derive(Debug)]
pub struct Fields<'n> {
    at: Position,
    path: FieldPath<'n>,
    found: Vec<(&'static str, &'n Node)>,
}

impl Fields<'_> {
    /// The field `name`, if it is written, even as null.
    pub fn get(&self, name: &'static str) -> Option<Field<'_>> {
        let (name, node) = self.found.iter().find(|(found, _)| *found == name)?;
        let path = FieldPath::Name(&self.path, name);
        Some(Field { node, path })
    }

    /// The field `name`, if it is written and not null.
    pub fn given(&self, name: &'static str) -> Option<Field<'_>> {
        self.get(name).filter(|field| !field.is_null())
    }

    /// Where the mapping begins.
    pub fn at(&self) -> Position {
        self.at
    }

    /// The mapping's own path.
    pub fn path(&self) -> FieldPath<'_> {
        self.path
    }
}

/// One pass over one file: its environment and what was found.
pub struct Reading<'e> {
    /// What was found.
    pub report: Report,
    environment: &'e Environment<'e>,
    /// Paths of the errors since [`Reading::forget`].
    faulty: Vec<String>,
}

impl<'e> Reading<'e> {
    /// Starts a pass.
    pub fn new(report: Report, environment: &'e Environment<'e>) -> Self {
        Self {
            report,
            environment,
            faulty: Vec::new(),
        }
    }

    /// Notes that a value cannot be used.
    pub fn error(&mut self, at: Position, path: FieldPath<'_>, message: impl Into<String>) {
        let field = path.to_string();
        self.report.error(at, &field, message);
        self.faulty.push(field);
    }

    /// Whether an error was noted for this path or one that it lies within, so that a rule about
    /// the value would only repeat it.
    pub fn is_faulty(&self, path: &str) -> bool {
        self.faulty.iter().any(|faulty| {
            let rest = path.strip_prefix(faulty.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// Forgets which paths are faulty; what was reported stays.
    pub fn forget(&mut self) {
        self.faulty.clear();
    }

    /// Text: any scalar but null, as it is written, expanded.
    pub fn text(&mut self, field: Option<Field<'_>>) -> Option<String> {
        let (text, _) = self.scalar(&field?, "text")?;
        Some(text.into_owned())
    }

    /// Text that must not be seen again.
    pub fn secret(&mut self, field: Option<Field<'_>>) -> Option<Secret> {
        let (text, _) = self.scalar(&field?, "text")?;
        Some(Secret::new(text.into_owned()))
    }

    /// A whole number in decimal. One that does not fit becomes the nearest that does, which is
    /// outside of every field's range.
    pub fn integer(&mut self, field: Option<Field<'_>>) -> Option<i64> {
        const WANTED: &str = "a whole number";
        let field = field?;
        let (text, plain) = self.scalar(&field, WANTED)?;
        let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
        if !plain || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            self.mismatch(&field, WANTED);
            return None;
        }
        let nearest = if text.starts_with('-') {
            i64::MIN
        } else {
            i64::MAX
        };
        Some(text.parse().unwrap_or(nearest))
    }

    /// A number in decimal, with or without a fraction.
    pub fn number(&mut self, field: Option<Field<'_>>) -> Option<f64> {
        const WANTED: &str = "a number";
        let field = field?;
        let (text, plain) = self.scalar(&field, WANTED)?;
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(&text);
        // Rust reads more than people write: exponents, `inf`, `nan`.
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let number = (plain && digits(whole) && digits(fraction)).then(|| text.parse().ok());
        if number.is_none() {
            self.mismatch(&field, WANTED);
        }
        number.flatten()
    }

    /// `true` or `false`, without quotes.
    pub fn boolean(&mut self, field: Option<Field<'_>>) -> Option<bool> {
        const WANTED: &str = "true or false";
        let field = field?;
        let (text, plain) = self.scalar(&field, WANTED)?;
        match &*text {
            "true" if plain => Some(true),
            "false" if plain => Some(false),
            _ => {
                self.mismatch(&field, WANTED);
                None
            }
        }
    }

    /// The items of a list.
    pub fn items<'n>(&mut self, field: Field<'n>) -> Option<&'n [Node]> {
        let Kind::Sequence(items) = &field.node.kind else {
            self.mismatch(&field, "a list");
            return None;
        };
        Some(items)
    }

    /// A list of texts; `None` also when one of them is none.
    pub fn texts(&mut self, field: Option<Field<'_>>) -> Option<Vec<String>> {
        let field = field?;
        let Kind::Sequence(items) = &field.node.kind else {
            self.mismatch(&field, "a list of texts");
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let path = FieldPath::Index(&field.path, index);
            texts.extend(self.text(Some(Field { node, path })));
        }
        (texts.len() == items.len()).then_some(texts)
    }

    /// A scalar's text, expanded, and whether it may be a number or a boolean. Quotes are needed
    /// around `${…}` within braces, so they do not make text of what was expanded.
    // spec: REG-1
    fn scalar<'n>(&mut self, field: &Field<'n>, wanted: &str) -> Option<(Expanded<'n>, bool)> {
        let Kind::Scalar { text, plain } = &field.node.kind else {
            self.mismatch(field, wanted);
            return None;
        };
        match expand(text, self.environment) {
            Ok(Cow::Borrowed(text)) => Some((Expanded::AsWritten(text), *plain)),
            Ok(Cow::Owned(text)) => Some((Expanded::Replaced(Zeroizing::new(text)), true)),
            Err(error) => {
                self.error(field.node.at, field.path, error.to_string());
                None
            }
        }
    }

    fn mismatch(&mut self, field: &Field<'_>, wanted: &str) {
        let message = format!("expected {wanted}, found {}", field.node.noun());
        self.error(field.node.at, field.path, message);
    }
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// A scalar's text after expansion.
enum Expanded<'n> {
    AsWritten(&'n str),
    Replaced(Zeroizing<String>),
}

impl Expanded<'_> {
    fn into_owned(self) -> String {
        match self {
            Self::AsWritten(text) => text.to_owned(),
            Self::Replaced(mut text) => std::mem::take(&mut *text),
        }
    }
}

impl std::ops::Deref for Expanded<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::AsWritten(text) => text,
            Self::Replaced(text) => text,
        }
    }
}

#[cfg(test)]
mod tests;
