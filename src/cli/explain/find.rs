//! The lines of one call among those of a log.
//!
//! Memory does not grow with the log. A line may stand within what a container runtime or a collector
//! makes of it: behind any prefix, or as a string in a JSON object.

use std::io::{self, BufRead, Read as _};

use serde_json::Value;

use crate::telemetry::Entry;

/// The longest line that is looked at. One of the access log is a twentieth of it at most, and twice
/// that within another object.
const MOST_LINE_BYTES: u64 = 256 * 1024;

/// How each line of the access log begins, whatever stands before it.
const BEGINNING: &str = "{\"ts\":";

/// The members in which Docker's `json-file` and journald's `json` keep what was written.
const WRAPPED: [&str; 3] = ["log", "MESSAGE", "message"];

/// A line of the call.
#[derive(Debug)]
pub struct Found {
    /// What it says.
    pub entry: Entry,
    /// The same as it was written.
    pub json: Value,
}

/// What else there was.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Passed {
    /// Lines in all.
    pub lines: u64,
    /// Lines that name the id and are no lines of the access log.
    pub naming: u64,
    /// Lines that were not looked at.
    pub too_long: u64,
}

/// Gives each line with this request id to `each`, until that says false.
///
/// # Errors
/// When the log cannot be read.
pub fn lines_of(
    mut log: impl BufRead,
    id: &str,
    each: &mut dyn FnMut(Found) -> bool,
) -> io::Result<Passed> {
    let mut passed = Passed::default();
    let mut line = Vec::new();
    let is_plain = !id.contains(['"', '\\']);
    loop {
        line.clear();
        (&mut log)
            .take(MOST_LINE_BYTES)
            .read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(passed);
        }
        passed.lines += 1;
        if line.len() as u64 == MOST_LINE_BYTES && !line.ends_with(b"\n") {
            passed.too_long += 1;
            skip_line(&mut log)?;
            continue;
        }
        let text = String::from_utf8_lossy(&line);
        let is_named = text.contains(id);
        // Reading JSON costs much more than looking for the id, which may be spelt otherwise there.
        if is_plain && !is_named {
            continue;
        }
        let Some(found) = found(text.trim()) else {
            passed.naming += u64::from(is_named);
            continue;
        };
        // Another call may have the id in one of its other fields.
        if found.entry.request_id == id && !each(found) {
            return Ok(passed);
        }
    }
}

fn skip_line(log: &mut impl BufRead) -> io::Result<()> {
    loop {
        let piece = log.fill_buf()?;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(piece.len(), |end| end + 1);
        let is_over = end.is_some() || piece.is_empty();
        log.consume(length);
        if is_over {
            return Ok(());
        }
    }
}

/// The line of the access log in this text.
fn found(text: &str) -> Option<Found> {
    if let Some(start) = text.find(BEGINNING) {
        return read(&text[start..]);
    }
    let wrapper: Value = serde_json::from_str(text).ok()?;
    let inner = WRAPPED
        .iter()
        .find_map(|name| wrapper.get(name)?.as_str())?;
    read(&inner[inner.find(BEGINNING)?..])
}

/// Whatever a collector puts behind the object is left alone.
fn read(text: &str) -> Option<Found> {
    let json = serde_json::Deserializer::from_str(text)
        .into_iter::<Value>()
        .next()?
        .ok()?;
    let entry = serde::Deserialize::deserialize(&json).ok()?;
    Some(Found { entry, json })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use serde_json::json;

    use super::*;

    fn line(id: &str, tool: &str) -> String {
        json!({
            "ts": "2024-01-15T12:40:00.000Z", "request_id": id, "trace_id": "0", "door": "proxy",
            "tool": tool, "status": 200, "outcome": "success", "attempts": [],
            "request_bytes": 0, "response_bytes": 0, "duration_ms": 1.0, "overhead_ms": 1.0,
        })
        .to_string()
    }

    fn look(log: &str, id: &str) -> (Vec<String>, Passed) {
        let mut tools = Vec::new();
        let passed = lines_of(Cursor::new(log), id, &mut |found| {
            tools.push(found.entry.tool.unwrap());
            true
        });
        (tools, passed.unwrap())
    }

    #[test]
    fn a_line_is_found_however_it_was_collected() {
        let plain = line("a\"\\b", "t");
        for log in [
            plain.clone(),
            format!("  {plain} \r"),
            format!("2024-01-15T12:40:00.1Z stdout F {plain}"),
            format!("[pod/agent/countersign] {plain}"),
            format!("countersign-1  | {plain}"),
            format!("Jan 15 12:40:00 host countersign[7]: {plain}"),
            json!({ "log": format!("{plain}\n"), "stream": "stdout" }).to_string(),
            json!({ "PRIORITY": "6", "MESSAGE": plain }).to_string(),
            json!({ "log": format!("2024 stdout F {plain}") }).to_string(),
        ] {
            let (tools, passed) = look(&format!("{log}\n"), "a\"\\b");
            assert_eq!(tools, ["t"], "{log}");
            assert_eq!((passed.lines, passed.naming), (1, 0));
        }
    }

    #[test]
    fn what_is_no_line_of_the_call_is_passed_over_and_counted() {
        let log = [
            &line("r-1", "one")[..],
            "",
            r#"{"timestamp":"x","fields":{"message":"listening"}}"#,
            r#"{"timestamp":"x","fields":{"request_id":"r-1"}}"#,
            "proxy POST r-1 200",
            r#"{"ts":"cut off","request_id":"r-1""#,
            r#"{"ts":1,"request_id":"r-1"}"#,
            &line("r-10", "longer"),
            &line("r-2", "r-1"),
            &line("r-1", "two"),
        ]
        .join("\n");
        let (tools, passed) = look(&log, "r-1");
        assert_eq!(tools, ["one", "two"]);
        assert_eq!((passed.lines, passed.naming, passed.too_long), (10, 4, 0));
    }

    #[test]
    fn what_an_agent_names_its_tool_is_no_line() {
        let hostile = line("r-2", &line("r-1", "false"));
        assert_eq!(look(&hostile, "r-1").0, [""; 0]);
    }

    #[test]
    fn a_line_without_end_is_skipped() {
        let long = "x".repeat(1_000_000);
        let log = format!("{long}\n{}\n{long}", line("r", "t"));
        let (tools, passed) = look(&log, "r");
        assert_eq!(tools, ["t"]);
        assert_eq!((passed.lines, passed.too_long), (3, 2));
    }
}
