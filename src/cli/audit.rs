//! `audit verify`: whether an audit log is what the sidecar wrote.
//!
//! The log comes from a file or standard input, as `GET /v1/audit` gave it, or from the store of a
//! sidecar that is not running. What was found is the answer and goes to standard output.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::json;

use crate::audit::{Anchor, Verdict, lines_of, verify};
use crate::cli::failure::{Ended, Failure, exit};
use crate::cli::input;
use crate::cli::out::{Out, Style};
use crate::store::{Place, Store};

/// The most faults that are printed one by one. More than this have one cause.
const MOST_FAULTS: usize = 100;

/// What `audit` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Say whether an audit log is complete and unaltered, or which record is not
    Verify(Arguments),
}

/// What `audit verify` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The log as GET /v1/audit gave it, one JSON object a line; - is standard input
    #[arg(value_name = "FILE", default_value = input::STDIN, conflicts_with = "store")]
    file: PathBuf,
    /// The store of a sidecar that is not running, instead of a log
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// A record that was noted before, which must still be there: its number, a colon, its hash
    #[arg(long, value_name = "SEQ:HASH")]
    anchor: Option<Anchor>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints what was found; the exit code says whether the log verifies.
// spec: AUDIT-3
pub fn run(command: &Command, out: &mut Out) -> Ended {
    let Command::Verify(arguments) = command;
    let lines = match &arguments.store {
        Some(path) => of_store(path)?,
        None => of_file(&arguments.file)?,
    };
    let verdict = verify(lines.iter().map(|line| &line[..]), arguments.anchor);
    if arguments.json {
        print_json(&verdict, out)?;
    } else {
        print(&verdict, out)?;
    }
    Ok(if verdict.faults.is_empty() {
        exit::OK
    } else {
        exit::NO
    })
}

fn of_file(path: &Path) -> Result<Vec<Bytes>, Failure> {
    let text = Bytes::from(input::read(path)?);
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.trim_ascii().is_empty());
    Ok(lines
        .map(|line| text.slice_ref(line.trim_ascii()))
        .collect())
}

fn of_store(path: &Path) -> Result<Vec<Bytes>, Failure> {
    let unusable =
        |reason: &dyn std::fmt::Display| Failure::Usage(format!("{}: {reason}", path.display()));
    // Opening a store that does not exist makes an empty one.
    std::fs::metadata(path).map_err(|error| unusable(&error))?;
    let (_store, entries) = Store::open(Place::File(path.to_owned()), u64::MAX)
        .map_err(|error| unusable(&format_args!("{:#}", anyhow::Error::new(error))))?;
    Ok(lines_of(&entries)
        .into_iter()
        .map(Bytes::copy_from_slice)
        .collect())
}

fn print(verdict: &Verdict, out: &mut Out) -> std::io::Result<()> {
    for fault in verdict.faults.iter().take(MOST_FAULTS) {
        out.line(out.styled(Style::Bad, fault))?;
    }
    if let Some(more) = verdict.faults.len().checked_sub(MOST_FAULTS)
        && more > 0
    {
        out.line(format_args!("and {more} more"))?;
    }
    if !verdict.faults.is_empty() {
        return Ok(());
    }
    let Some((first, head)) = verdict.first.zip(verdict.head) else {
        return out.line("there are no records");
    };
    let ok = out.styled(Style::Good, "ok");
    out.line(format_args!("{ok}: records {first} to {}", head.seq))?;
    // Below the verdict, so that it can be noted and given as the anchor of the next time.
    out.line(format_args!("the last one is {head}"))
}

fn print_json(verdict: &Verdict, out: &mut Out) -> std::io::Result<()> {
    let faults: Vec<_> = verdict.faults.iter().map(ToString::to_string).collect();
    out.line(json!({
        "ok": faults.is_empty(),
        "records": verdict.records,
        "first": verdict.first,
        "last": verdict.head.map(|head| head.seq),
        "head": verdict.head.map(|head| head.to_string()),
        "faults": faults,
    }))
}
