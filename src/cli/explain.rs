//! `explain`: what became of a call, told from its line in the access log.
//!
//! The log is read as a stream, however long it is, and whatever else is in it is passed over. What a
//! line says is shown without anything that a terminal would obey. Finding a line is left to `find`,
//! what it means to `story`, and what to do about it to `advice`.

mod advice;
mod find;
mod story;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::failure::{Ended, Failure, exit};
use crate::cli::input;
use crate::cli::out::{Out, Style};
use crate::cli::printable::printable_json;
use crate::cli::wrap::wrap;
use crate::telemetry::Ending;
use find::{Found, Passed};
use story::{Story, Tone};

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The X-Request-Id of the answer
    #[arg(long, value_name = "ID")]
    request_id: String,
    /// The access log, as the sidecar, a container runtime or journald wrote it; - is standard input
    #[arg(long, value_name = "FILE", default_value = input::STDIN)]
    log: PathBuf,
    /// Print one JSON object for each line that is found
    #[arg(long)]
    json: bool,
}

/// Prints the story of every call of this id; the exit code says whether there is one.
// spec: CLI-4
pub fn run(arguments: &Arguments, out: &mut Out) -> Ended {
    let id = &arguments.request_id;
    if id.is_empty() || id.len() > 128 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = "--request-id must be 1 to 128 visible ASCII characters, as X-Request-Id is";
        return Err(Failure::Usage(reason.to_owned()));
    }
    let mut told = 0_u64;
    let mut tell = |found: Found| {
        told += 1;
        if arguments.json {
            return print_json(&found, out);
        }
        if told > 1 {
            out.line("")?;
        }
        print(&Story::of(&found.entry), out)
    };
    let passed = look(&arguments.log, id, &mut tell)?;
    if told == 0 {
        return Err(Failure::No(not_found(&passed)));
    }
    if told > 1 {
        Out::stderr().say(&format!(
            "{told} calls came with this id, which their agent chose itself\n"
        ));
    }
    Ok(exit::OK)
}

/// Reads the log to its end. What cannot be read is the caller's mistake, what cannot be printed is
/// not.
fn look(
    log: &Path,
    id: &str,
    tell: &mut dyn FnMut(Found) -> io::Result<()>,
) -> Result<Passed, Failure> {
    let unreadable = |error: io::Error| Failure::Usage(format!("{}: {error}", log.display()));
    let mut failed = None;
    let mut each = |found| match tell(found) {
        Ok(()) => true,
        Err(error) => {
            failed = Some(error);
            false
        }
    };
    let passed = if input::is_stdin(log) {
        find::lines_of(io::stdin().lock(), id, &mut each)
    } else {
        let file = File::open(log).map_err(unreadable)?;
        find::lines_of(BufReader::new(file), id, &mut each)
    };
    let passed = passed.map_err(unreadable)?;
    failed.map_or(Ok(passed), |error| Err(error.into()))
}

fn not_found(passed: &Passed) -> String {
    let mut text = format!(
        "no call with this id among {} lines: is it the log of the right sidecar, and of that time?",
        passed.lines
    );
    if passed.naming > 0 {
        text.push_str(&format!(
            "\n{} lines name the id and are no JSON lines of the access log (log.format: json)",
            passed.naming
        ));
    }
    if passed.too_long > 0 {
        text.push_str(&format!(
            "\n{} lines are too long for an access log and were passed over",
            passed.too_long
        ));
    }
    text
}

/// As wide as a terminal usually is, beside the labels.
const WIDTH: usize = 88;
const LABEL: usize = 11;

fn print(story: &Story, out: &mut Out) -> io::Result<()> {
    let headline = out.styled(Style::Strong, &story.headline);
    out.line(headline)?;
    for step in &story.steps {
        let mut label = step.label.clone();
        for line in wrap(&step.text, WIDTH) {
            let line = match step.tone {
                Tone::Plain => line.to_owned(),
                Tone::Good => out.styled(Style::Good, line),
                Tone::Bad => out.styled(Style::Bad, line),
            };
            out.line(format_args!("{label:<LABEL$}{line}"))?;
            label.clear();
        }
    }
    Ok(())
}

fn print_json(found: &Found, out: &mut Out) -> io::Result<()> {
    let story = Story::of(&found.entry);
    let steps = story.steps.iter();
    let steps: Vec<_> = steps
        .map(|step| json!({ "about": step.label, "text": step.text }))
        .collect();
    let told = json!({
        "request_id": found.entry.request_id,
        "ok": Ending::read(&found.entry.outcome).is_some_and(story::is_well),
        "reached_backend": story.reach.word(),
        "story": steps,
        "line": found.json,
    });
    out.line(printable_json(&told.to_string()))
}
