//! What the fields of a specification must be, and what somebody is told who wrote them otherwise.
//!
//! The files, the API and the command line all say the same, because the validators of tools and
//! policies speak only through these types. Where a field stands in a file or a request is left to
//! whoever read it.

use std::borrow::Cow;
use std::fmt;

/// A rule that one field of a specification breaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Path of the field within the specification: `auth.secret`, `retry_on[2]`, `headers.X-Api-Key`.
    pub field: Cow<'static, str>,
    /// The rule.
    pub rule: Rule,
}

impl Violation {
    /// A violation of `rule` by `field`.
    pub fn new(field: impl Into<Cow<'static, str>>, rule: Rule) -> Self {
        Self {
            field: field.into(),
            rule,
        }
    }
}

/// What a field must be. Messages state the rule and never the value, which may be a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rule {
    /// The field must be there.
    Required,
    /// An integer must be in this range.
    Range {
        /// Smallest allowed value.
        min: i64,
        /// Largest allowed value.
        max: i64,
    },
    /// Text must have at least this many bytes.
    TooShort {
        /// The minimum.
        min: usize,
    },
    /// Text must have at most this many characters.
    TooLong {
        /// The maximum.
        max: usize,
    },
    /// Text must match this pattern.
    Pattern(&'static str),
    /// Text must be one of these words.
    OneOf(&'static [&'static str]),
    /// Anything else, said in words.
    Invalid(Cow<'static, str>),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("this field is required"),
            Self::Range { min, max } => write!(f, "must be between {min} and {max}"),
            Self::TooShort { min } => write!(f, "must be at least {min} bytes long"),
            Self::TooLong { max } => write!(f, "must be at most {max} characters long"),
            Self::Pattern(pattern) => write!(f, "must match {pattern}"),
            Self::OneOf([only]) => write!(f, "must be {only}"),
            Self::OneOf(words) => write!(f, "must be one of {}", words.join(", ")),
            Self::Invalid(reason) => f.write_str(reason),
        }
    }
}
