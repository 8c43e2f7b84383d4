//! From what should change to which bytes do.
//!
//! A plan touches one entry's lines, and refuses what it cannot see through. It does not have to be
//! right in every corner of YAML: whatever it makes is read again and compared (see `model`) before
//! anything is written.

use granit_parser::ScalarStyle;
use zeroize::Zeroizing;

use super::block::{self, Margin, Reason};
use super::draft::{Draft, Style};
use super::flow::Enclosed;
use super::model::Found;
use super::outline::{List, Outline, Pair, Part, Root, Shape};
use super::revision::{Revision, Wish};
use super::scalar::{Value, write};
use super::splice::Splices;
use super::text::line_end;
use crate::registry::ToolSpec;

/// Why an entry cannot be edited, and where it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Line, from 1.
    pub line: Option<u32>,
    /// The reason, which goes on "the entry cannot be edited: ".
    pub reason: Reason,
}

impl Refusal {
    /// The parser and the text do not fit together.
    pub const UNCLEAR: Self = Self {
        line: None,
        reason: UNCLEAR,
    };
}

/// The parser and the text do not fit together.
pub const UNCLEAR: Reason = "its place in the file cannot be told for certain";
/// A field would change that the entry does not hold itself.
pub const MERGED: Reason = "a merge key (<<) supplies a field that would change; write the field \
                            into the entry itself";

/// The fields that the Tools API sets, beside the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// `url`.
    Url,
    /// `description`.
    Description,
    /// `timeout_ms`.
    TimeoutMs,
    /// `max_retries`.
    MaxRetries,
    /// `enabled`.
    Enabled,
    /// `source`.
    Source,
}

impl Field {
    /// All of them, in the order in which new tools have them.
    pub const ALL: &[Self] = &[
        Self::Url,
        Self::Description,
        Self::TimeoutMs,
        Self::MaxRetries,
        Self::Enabled,
        Self::Source,
    ];

    /// Its key in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Description => "description",
            Self::TimeoutMs => "timeout_ms",
            Self::MaxRetries => "max_retries",
            Self::Enabled => "enabled",
            Self::Source => "source",
        }
    }

    /// What a specification says in it.
    pub fn of(self, spec: &ToolSpec) -> Option<Value<'_>> {
        match self {
            Self::Url => Some(Value::Text(&spec.url)),
            Self::Description => spec.description.as_deref().map(Value::Text),
            Self::TimeoutMs => spec.timeout_ms.map(Value::Number),
            Self::MaxRetries => spec.max_retries.map(Value::Number),
            Self::Enabled => spec.enabled.map(Value::Boolean),
            Self::Source => spec.source.as_deref().map(Value::Text),
        }
    }
}

/// A text in which `fields` of a tool say what they say in `wanted`, explicitly, and in which its
/// key is in the file `secret_file` if one is given.
///
/// # Errors
/// When the tool is written in a way that cannot be edited safely.
pub fn rewrite(
    text: &str,
    found: &Found,
    wanted: &ToolSpec,
    fields: &[Field],
    secret_file: Option<&str>,
) -> Result<Zeroizing<String>, Refusal> {
    let mut revision = Revision::of(text, List::Tools, found.index)?;
    for field in fields {
        let wish = Wish {
            name: field.name(),
            now: field.of(&found.spec),
            then: field.of(wanted),
        };
        revision.field(&found.node, wish, set)?;
    }
    if let Some(name) = secret_file {
        revision
            .change(|splices, tool, braced| set_secret_file(splices, text, tool, name, braced))?;
    }
    revision.finish()
}

/// A text without the tool at `index`.
///
/// # Errors
/// When the tool is written in a way that cannot be taken out safely.
pub fn remove(text: &str, index: usize) -> Result<Zeroizing<String>, Refusal> {
    let (outline, tool) = outlined(text, List::Tools, index)?;
    let refuse = |reason| Refusal {
        line: Some(tool.extent.line),
        reason,
    };
    check_shape(&tool).map_err(refuse)?;
    let mut splices = Splices::default();
    match outline.brackets {
        Some(brackets) => enclosed(&outline, brackets).remove(&mut splices, text, index),
        None => block::remove_item(&mut splices, text, &outline, index).map_err(refuse)?,
    }
    splices.apply(text).ok_or(refuse(UNCLEAR))
}

/// A text with one more entry at the end of a list that has so many.
///
/// # Errors
/// When the list is written in a way that cannot be added to safely.
pub fn append(
    text: &str,
    list: List,
    entries: usize,
    draft: &Draft<'_>,
) -> Result<Zeroizing<String>, Refusal> {
    let unclear = Refusal::UNCLEAR;
    let last = entries.checked_sub(1);
    let outline = Outline::of(text, list, last).ok_or(unclear)?;
    let mut splices = Splices::default();
    let style = match &outline.target {
        Some(tool) => Style::of(text, tool),
        None if outline.braced => Style::json(),
        None => Style::default(),
    };
    match (outline.brackets, last, &outline.target) {
        (Some(brackets), None, _)
            if !outline.braced && text[brackets.0 + 1..brackets.1].trim().is_empty() =>
        {
            let lines = draft.lines(&style, false);
            block::replace_empty(&mut splices, text, &outline, brackets, &lines);
        }
        (Some(brackets), _, _) => {
            let new = draft.lines(&style, true);
            enclosed(&outline, brackets).append(&mut splices, text, &new);
        }
        (None, Some(last), Some(tool)) => {
            let refuse = |reason| Refusal {
                line: Some(tool.extent.line),
                reason,
            };
            let margin = Margin::of(text, &outline, last, tool).map_err(refuse)?;
            let lines = draft.lines(&style, false);
            let appended = block::append_item(&mut splices, text, &outline, margin, &lines);
            appended.map_err(refuse)?;
        }
        (None, _, _) => return Err(unclear),
    }
    splices.apply(text).ok_or(unclear)
}

/// The outline, and the entry at `index` of a list.
pub fn outlined(text: &str, list: List, index: usize) -> Result<(Outline, Part), Refusal> {
    let unclear = Refusal::UNCLEAR;
    let mut outline = Outline::of(text, list, Some(index)).ok_or(unclear)?;
    let entry = outline.target.take().ok_or(unclear)?;
    Ok((outline, entry))
}

fn enclosed(outline: &Outline, (open, close): (usize, usize)) -> Enclosed {
    Enclosed {
        inside: open + 1..close,
        elements: outline
            .items
            .iter()
            .map(|item| item.start..item.end)
            .collect(),
    }
}

/// The whole file, where it is within braces.
pub fn enclosed_root(root: &Root, (open, close): (usize, usize)) -> Enclosed {
    Enclosed {
        inside: open + 1..close,
        elements: root
            .pairs
            .iter()
            .map(|pair| pair.key.start..pair.end())
            .collect(),
    }
}

/// Makes sure that an entry is written where it stands.
pub fn check_shape(entry: &Part) -> Result<(), Reason> {
    match &entry.shape {
        Shape::Mapping(_) => Ok(()),
        Shape::Alias => Err("it is an alias of something that is written elsewhere"),
        Shape::Scalar(_) | Shape::Block | Shape::List => Err(UNCLEAR),
    }
}

/// Puts a new value in the place of a pair's, in the style of the old one, which is no collection.
pub fn set(
    splices: &mut Splices,
    text: &str,
    pair: &Pair,
    value: Value<'_>,
    braced: bool,
) -> Result<(), Reason> {
    let extent = pair.value.extent;
    let (style, comment) = match &pair.value.shape {
        Shape::Scalar(_) if extent.start == extent.end => return Err(UNCLEAR),
        Shape::Scalar(style) => (*style, ""),
        Shape::Alias => (ScalarStyle::Plain, ""),
        Shape::Block => (ScalarStyle::Plain, comment_of_head(text, extent.start)),
        Shape::List | Shape::Mapping(_) => return Err(UNCLEAR),
    };
    let written = write(value, style, braced);
    splices.replace(extent.start..extent.end, format!("{written}{comment}"));
    Ok(())
}

/// The comment behind `|` or `>`, with the blanks before it.
fn comment_of_head(text: &str, head: usize) -> &str {
    let line = &text[head..line_end(text, head)];
    let indicators = line.find([' ', '\t']).unwrap_or(line.len());
    line[indicators..].trim_end()
}

/// Names a file for the key, whatever named the key before.
// spec: EDIT-2
fn set_secret_file(
    splices: &mut Splices,
    text: &str,
    tool: &Part,
    name: &str,
    braced: bool,
) -> Result<(), Reason> {
    let auth = &tool.pair("auth").ok_or(MERGED)?.value;
    match &auth.shape {
        Shape::Mapping(_) => {}
        Shape::Alias => return Err("its auth is an alias of something that is written elsewhere"),
        Shape::Scalar(_) | Shape::Block | Shape::List => return Err(UNCLEAR),
    }
    let braced = braced || auth.extent.braced;
    if let Some(pair) = auth.pair("secret_file") {
        return set(splices, text, pair, Value::Text(name), braced);
    }
    let pair = auth.pair("secret").ok_or(MERGED)?;
    let key = pair.key.start..pair.key.end;
    // Whatever quotes it has stay.
    let renamed = text[key.clone()].replace("secret", "secret_file");
    splices.replace(key, renamed);
    set(splices, text, pair, Value::Text(name), braced)
}
