//! From what a policy should say to which bytes change.
//!
//! A field that says what it should stays as it is written. One that does not is written anew in one
//! line, whatever lines it had; what stands behind its name stays. As for tools, whatever comes out
//! is read again and compared before anything is written.

use granit_parser::ScalarStyle;
use zeroize::Zeroizing;

use super::block::Reason;
use super::draft::{Draft, Style};
use super::model::FoundPolicy;
use super::outline::{List, Pair, Part, Root, Shape};
use super::plan::{self, Refusal, UNCLEAR};
use super::revision::{Revision, Wish};
use super::scalar::{Value, write};
use super::splice::Splices;
use super::text::{before_break, is_blank, line_end, line_start, skip_gap};
use crate::policy::{PolicySpec, Usd};

/// The fields of a policy, beside its agent.
const FIELDS: [&str; 6] = [
    "allowed_tools",
    "blocked_tools",
    "max_actions_per_hour",
    "max_calls_per_tool",
    "max_spend_usd_per_day",
    "pricing_rules",
];

/// What a policy says in each of [`FIELDS`]; nothing where an empty list would stand.
fn values(spec: &PolicySpec) -> [Option<Value<'_>>; FIELDS.len()] {
    let names =
        |names| Some(Value::Names(names)).filter(|_: &Value<'_>| !<[String]>::is_empty(names));
    let spend = spec.max_spend_usd_per_day.and_then(Usd::from_dollars);
    let (calls, prices) = (&*spec.max_calls_per_tool, &*spec.pricing_rules);
    [
        names(&spec.allowed_tools),
        names(&spec.blocked_tools),
        spec.max_actions_per_hour.map(Value::Number),
        (!calls.is_empty()).then_some(Value::Counts(calls)),
        spend.map(Value::Amount),
        (!prices.is_empty()).then_some(Value::Prices(prices)),
    ]
}

/// A text in which the policy that was found says what `wanted` says.
///
/// # Errors
/// When the policy is written in a way that cannot be edited safely.
pub fn rewrite(
    text: &str,
    found: &FoundPolicy,
    wanted: &PolicySpec,
) -> Result<Zeroizing<String>, Refusal> {
    let mut revision = Revision::of(text, List::Policies, found.index)?;
    let says = values(&found.spec).into_iter().zip(values(wanted));
    for (name, (now, then)) in FIELDS.into_iter().zip(says) {
        revision.field(&found.node, Wish { name, now, then }, set)?;
    }
    revision.finish()
}

/// A text with one more policy at the end of the list, which is made where there is none.
///
/// # Errors
/// When the list is written in a way that cannot be added to safely.
pub fn append(
    text: &str,
    policies: usize,
    wanted: &PolicySpec,
) -> Result<Zeroizing<String>, Refusal> {
    let mut head = vec![("agent_id", Value::Text(&wanted.agent_id))];
    let fields = FIELDS.into_iter().zip(values(wanted));
    head.extend(fields.filter_map(|(name, value)| Some((name, value?))));
    let draft = Draft {
        head,
        auth: Vec::new(),
        tail: Vec::new(),
    };
    let root = Root::of(text).ok_or(Refusal::UNCLEAR)?;
    if root.has(text, List::Policies) {
        return plan::append(text, List::Policies, policies, &draft);
    }
    let mut splices = Splices::default();
    if let Some(braces) = root.braces {
        let lines = draft.lines(&Style::json(), true);
        let list = format!("\"policies\": [{}]", lines.join(", "));
        plan::enclosed_root(&root, braces).append(&mut splices, text, &[list]);
    } else {
        new_list(&mut splices, text, &root, &draft).ok_or(Refusal::UNCLEAR)?;
    }
    splices.apply(text).ok_or(Refusal::UNCLEAR)
}

/// `policies:` as the last thing of a file without braces: behind its last comments, unless the
/// document ends before them.
fn new_list(splices: &mut Splices, text: &str, root: &Root, draft: &Draft<'_>) -> Option<()> {
    let last = root.pairs.last()?;
    let end = if skip_gap(text, last.end()) == text.len() {
        before_break(text, text.len()).unwrap_or(text.len())
    } else {
        last.end()
    };
    let column = " ".repeat(root.column(text)?);
    let mut lines = Vec::new();
    if !is_blank(&text[line_start(text, end)..end]) {
        lines.push(String::new());
    }
    lines.push(format!("{column}policies:"));
    for (index, line) in draft.lines(&Style::default(), false).iter().enumerate() {
        let dash = if index == 0 { "- " } else { "  " };
        lines.push(format!("{column}  {dash}{line}"));
    }
    super::block::append_lines(splices, text, end, lines);
    Some(())
}

/// Puts a new value in the place of a pair's.
fn set(
    splices: &mut Splices,
    text: &str,
    pair: &Pair,
    value: Value<'_>,
    braced: bool,
) -> Result<(), Reason> {
    let Part { extent, shape, .. } = &pair.value;
    match shape {
        Shape::Scalar(_) | Shape::Alias | Shape::Block => {
            return plan::set(splices, text, pair, value, braced);
        }
        Shape::List | Shape::Mapping(_) => {}
    }
    let style = if pair.quoted {
        ScalarStyle::DoubleQuoted
    } else {
        ScalarStyle::Plain
    };
    let written = write(value, style, braced);
    if extent.braced || matches!(shape, Shape::List) && text[extent.start..].starts_with('[') {
        splices.replace(extent.start..extent.end, written);
        return Ok(());
    }
    // It has lines of its own, which begin below its name; a comment behind the name stays.
    let colon = skip_gap(text, pair.key.end);
    if !text[colon..].starts_with(':') {
        return Err(UNCLEAR);
    }
    let (behind, line_end) = (colon + 1, line_end(text, colon));
    let comment = text[behind..line_end].trim_end();
    let comment = if is_blank(comment) || !comment.trim_start().starts_with('#') {
        ""
    } else {
        comment
    };
    splices.replace(behind..extent.end, format!(" {written}{comment}"));
    Ok(())
}
