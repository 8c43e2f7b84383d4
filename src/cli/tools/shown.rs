//! Tools as people read them: many in a table, one in full.

use std::io;

use serde::Deserialize;

use crate::cli::out::{Out, Style};
use crate::cli::printable::printable;
use crate::cli::tools::Listed;
use crate::cli::tools::table::{CUT, Table, WIDTH};
use crate::cli::wrap::wrap;

/// A tool as the API shows it. What other implementations leave out of lists is optional.
#[derive(Deserialize)]
pub struct Tool {
    /// `name`.
    pub name: String,
    /// `scope_id`.
    pub scope_id: String,
    url: String,
    enabled: bool,
    timeout_ms: Option<u64>,
    max_retries: Option<u64>,
    description: Option<String>,
    secret_id: Option<String>,
    secret_mask: Option<String>,
}

/// The answer to a tool's toggle.
#[derive(Deserialize)]
pub struct Toggled {
    /// Which tool.
    pub name: String,
    /// What it is now.
    pub enabled: bool,
}

/// The answer to a deletion.
#[derive(Deserialize)]
pub struct Deleted {
    /// Which tool.
    pub deleted: String,
    /// Where it was.
    pub scope_id: String,
}

/// The word for on and off.
pub fn state(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

/// Prints a line for each tool, in the API's order, and a last one that counts them.
///
/// # Errors
/// When it cannot be written.
pub fn list(out: &mut Out, tools: &[Tool]) -> io::Result<()> {
    let mut table = Table::new(["NAME", "SCOPE", "STATE", "TIMEOUT", "RETRIES", "URL"]);
    for tool in tools {
        table.row([
            tool.name.clone(),
            tool.scope_id.clone(),
            state(tool.enabled).to_owned(),
            tool.timeout_ms.map_or_else(unknown, seconds),
            tool.max_retries.map_or_else(unknown, |n| n.to_string()),
            tool.url.clone(),
        ]);
    }
    let lines = table.lines();
    let (headings, rows) = lines.split_first().expect("headings are always there");
    out.line(out.styled(Style::Strong, headings))?;
    for (line, tool) in rows.iter().zip(tools) {
        if tool.enabled {
            out.line(line)?;
        } else {
            out.line(out.styled(Style::Faint, line))?;
        }
    }
    out.line(out.styled(Style::Faint, summary(tools, rows)))
}

fn summary(tools: &[Tool], rows: &[String]) -> String {
    let plural = if tools.len() == 1 { "" } else { "s" };
    let mut text = format!("{} tool{plural}", tools.len());
    match tools.iter().filter(|tool| !tool.enabled).count() {
        0 => {}
        disabled => text.push_str(&format!(", {disabled} disabled")),
    }
    if rows.iter().any(|row| row.contains(CUT)) {
        text.push_str(&format!("; {CUT} stands for what was cut, --json has it"));
    }
    text
}

/// Says that there is nothing to list, and where there may be something.
///
/// # Errors
/// When it cannot be written.
pub fn no_tools(out: &mut Out, scope: &Listed) -> io::Result<()> {
    match scope {
        Listed::All => out.line("no tools in any scope"),
        Listed::One(scope) => out.line(format_args!(
            "no tools in {scope}; --scope all lists every scope"
        )),
    }
}

/// Prints everything about one tool. A URL stays in one piece, so that it can be copied.
///
/// # Errors
/// When it cannot be written.
pub fn one(out: &mut Out, tool: &Tool) -> io::Result<()> {
    field(out, "name", &tool.name)?;
    field(out, "scope", &tool.scope_id)?;
    field(out, "state", state(tool.enabled))?;
    field(out, "url", &tool.url)?;
    field(
        out,
        "timeout",
        &tool.timeout_ms.map_or_else(unknown, seconds),
    )?;
    field(
        out,
        "retries",
        &tool.max_retries.map_or_else(unknown, |n| n.to_string()),
    )?;
    field(out, "secret", &secret(tool))?;
    let description = tool.description.as_deref().unwrap_or("-");
    let mut name = "description";
    for line in wrap(&printable(description), WIDTH - INDENT) {
        field(out, name, line)?;
        name = "";
    }
    Ok(())
}

/// Where a field's value starts.
const INDENT: usize = 13;

fn field(out: &mut Out, name: &str, value: &str) -> io::Result<()> {
    let value = printable(value);
    out.line(format_args!("{name:<INDENT$}{value}"))
}

fn unknown() -> String {
    "-".to_owned()
}

/// The mask to recognise it by, and the id that backends see.
fn secret(tool: &Tool) -> String {
    match (&tool.secret_mask, &tool.secret_id) {
        (Some(mask), Some(id)) => format!("{mask} ({id})"),
        (Some(only), None) | (None, Some(only)) => only.clone(),
        (None, None) => unknown(),
    }
}

/// `15 s` and `0.25 s`, exact to the millisecond.
fn seconds(milliseconds: u64) -> String {
    let (whole, rest) = (milliseconds / 1000, milliseconds % 1000);
    let text = format!("{whole}.{rest:03}");
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_told_in_seconds_and_loses_nothing() {
        for (milliseconds, expected) in [
            (250, "0.25 s"),
            (1_000, "1 s"),
            (10_000, "10 s"),
            (15_001, "15.001 s"),
            (119_990, "119.99 s"),
            (120_000, "120 s"),
        ] {
            assert_eq!(seconds(milliseconds), expected);
        }
    }
}
