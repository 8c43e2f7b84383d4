//! Why text is not a document that we read, said to the person who wrote it.
//!
//! The parser's own texts are compiled out: they are written for YAML's implementers.

use std::borrow::Cow;

use granit_parser::{ErrorKind, Marker, ScanError};

use crate::config::problem::Position;

/// The first thing that cannot be read; what follows it is unknown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Where.
    pub at: Position,
    /// Why, without any of the text.
    pub message: Cow<'static, str>,
}

impl Fault {
    /// A fault at a place.
    pub fn new(at: Position, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }
}

impl From<&ScanError> for Fault {
    fn from(error: &ScanError) -> Self {
        Self::new(Position::from_marker(error.marker()), explain(error.kind()))
    }
}

impl Position {
    /// The parser counts columns from 0.
    pub(super) fn from_marker(marker: &Marker) -> Self {
        let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            line: bounded(marker.line()),
            column: bounded(marker.col().saturating_add(1)),
        }
    }

    /// The position of a byte of `text`, which must be a character's first.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = &text[..offset];
        let line_start = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
        // A carriage return with a line feed is one line break, alone it is one too.
        let breaks = before.matches(['\n', '\r']).count() - before.matches("\r\n").count();
        let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            line: bounded(breaks + 1),
            column: bounded(before[line_start..].chars().count() + 1),
        }
    }
}

/// The mistakes that people make, each with the way out; the rest is "not YAML".
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's enum may grow, and the rest of it is rare"
)]
fn explain(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::UnknownAnchor => "this alias has no anchor before it",
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => "a tab cannot be used here; indent with spaces",
        ErrorKind::InvalidIndentation
        | ErrorKind::InvalidBlockScalarIndent
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::InvalidFlowScalarIndent => "this line is indented wrongly",
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            "is not YAML from here on: an entry of the list or mapping above was expected; check \
             the indentation"
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            "is not YAML from here on: a `key: value` was expected; is there a space after the \
             colon?"
        }
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::MappingKeyNotAllowed => {
            "a second `key: value` cannot begin on this line; quote text that holds `: `"
        }
        ErrorKind::UnclosedQuotedScalar => "a quoted text that begins here or above is not closed",
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => "nothing may follow the closing quote",
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape => {
            "this escape is not known; use 'single quotes' for text with backslashes"
        }
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping => "a [ or { is not closed",
        ErrorKind::MismatchedFlowCollectionEnd { .. } => {
            "this [ or { is closed by a bracket of the other kind"
        }
        ErrorKind::MisplacedFlowCollectionEnd => "this ] or } closes nothing",
        ErrorKind::ExpectedFlowMappingSeparator => {
            "is not YAML from here on: `,` or `}` was expected; quote values that hold { } [ ] ,"
        }
        ErrorKind::ExpectedFlowSequenceSeparator => {
            "is not YAML from here on: `,` or `]` was expected; quote values that hold { } [ ] ,"
        }
        ErrorKind::RecursionLimitExceeded => "is nested too deeply",
        ErrorKind::BomInsideDocument => "a byte-order mark may only be the file's first character",
        ErrorKind::UndeclaredTagHandle => "this tag is not supported here; leave it out",
        ErrorKind::UnexpectedCharacter { .. } => {
            "this character cannot begin a value; put the value in quotes"
        }
        _ => "is not YAML from here on",
    }
}
