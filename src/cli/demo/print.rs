//! How the demo looks: 80 columns, one block a call, the same four questions in each.

use std::io;

use crate::cli::demo::backend::Seen;
use crate::cli::demo::scene::{Reply, Scene, Sender, signing_headers};
use crate::cli::out::{Out, Style};
use crate::cli::wrap::wrap;
use crate::sign::verify::DEFAULT_TOLERANCE;

/// Columns of a page.
const WIDTH: usize = 80;
/// Where the answer to a question starts.
const INDENT: usize = 20;

/// Prints one scene.
///
/// # Errors
/// When it cannot be written.
pub fn scene(out: &mut Out, number: usize, scene: &Scene) -> io::Result<()> {
    let rule = "-".repeat(WIDTH);
    out.line(out.styled(Style::Faint, rule))?;
    out.line(out.styled(Style::Strong, format_args!("{number}. {}", scene.title)))?;
    out.line("")?;
    let who = match scene.sender {
        Sender::Agent => "agent sent",
        Sender::Intruder => "intruder sent",
    };
    field(out, who, &format!("POST {}", scene.path))?;
    field(out, "", scene.body)?;
    signed(out, scene)?;
    verified(out, scene)?;
    outcome(out, scene)?;
    out.line("")
}

fn signed(out: &mut Out, scene: &Scene) -> io::Result<()> {
    let Some(last) = scene.seen.last() else {
        return field(out, "sidecar signed", "nothing");
    };
    match scene.sender {
        Sender::Agent => field(out, "sidecar signed", "what the backend received:")?,
        Sender::Intruder => field(out, "with the headers", "of call 1:")?,
    }
    for (name, value) in &signing_headers(&last.headers) {
        let value = String::from_utf8_lossy(value.as_bytes());
        let line = format!("    {name}: {value}");
        if line.len() <= WIDTH {
            out.line(line)?;
        } else {
            // The signature stays in one piece, so that it can be copied and searched for.
            out.line(format_args!("    {name}:"))?;
            out.line(format_args!("      {value}"))?;
        }
    }
    Ok(())
}

fn verified(out: &mut Out, scene: &Scene) -> io::Result<()> {
    if scene.seen.is_empty() {
        return field(out, "backend verified", "nothing: no request reached it");
    }
    for (index, seen) in scene.seen.iter().enumerate() {
        let mut name = if index == 0 { "backend verified" } else { "" };
        if scene.seen.len() > 1 {
            field(out, name, &format!("attempt {}", index + 1))?;
            name = "";
        }
        for about in &verdict(seen) {
            fact(out, name, about)?;
            name = "";
        }
    }
    Ok(())
}

/// What it is about, and what there is to say.
type Fact = (&'static str, String);

fn verdict(seen: &Seen) -> Vec<Fact> {
    let matches = if seen.verdict.is_ok() {
        "the same"
    } else {
        "another"
    };
    let bytes = seen.body.len();
    let mut facts = vec![(
        "signature",
        format!("recomputed over {bytes} bytes: {matches}"),
    )];
    if let Some(skew) = seen.skew {
        let allowed = DEFAULT_TOLERANCE.as_secs();
        facts.push((
            "timestamp",
            format!("{skew} s old, {allowed} s are allowed"),
        ));
    }
    if let Err(reason) = &seen.verdict {
        facts.push(("refused", reason.to_string()));
    }
    facts.push(("answered", seen.status.to_string()));
    facts
}

/// One request that reached the backend after the show, in one line.
pub fn passing(seen: &Seen) -> String {
    let name = |header: &str| {
        let value = seen.headers.get(header).map(|value| value.as_bytes());
        String::from_utf8_lossy(value.unwrap_or(b"nobody")).into_owned()
    };
    let (tool, agent) = (name("x-onceonly-tool"), name("x-onceonly-agent-id"));
    let status = seen.status.as_u16();
    match &seen.verdict {
        Ok(()) => format!("  backend: {tool} for {agent}: verified, answered {status}"),
        Err(reason) => format!("  backend: {reason}: answered {status}"),
    }
}

fn outcome(out: &mut Out, scene: &Scene) -> io::Result<()> {
    let style = if scene.wrong.is_none() {
        Style::Good
    } else {
        Style::Bad
    };
    let text = said(&scene.reply);
    let mut name = "outcome";
    for line in wrap(&text, WIDTH - INDENT) {
        out.line(format_args!(
            "  {name:<width$}{}",
            out.styled(style, line),
            width = INDENT - 2
        ))?;
        name = "";
    }
    if let Some(wrong) = &scene.wrong {
        field(out, "not as expected", wrong)?;
    }
    Ok(())
}

fn said(reply: &Reply) -> String {
    let status = reply.status;
    match (&reply.refusal, reply.attempts) {
        (Some(code), _) => format!(
            "{status}, refused by the sidecar: {code}: {}",
            reply.message
        ),
        (None, Some(1)) => format!("{status} after 1 attempt: {}", reply.message),
        (None, Some(attempts)) => format!("{status} after {attempts} attempts: {}", reply.message),
        (None, None) => format!("{status} from the backend itself"),
    }
}

/// A question and its answer, folded at the edge of the page.
///
/// # Errors
/// When it cannot be written.
pub fn field(out: &mut Out, name: &str, text: &str) -> io::Result<()> {
    folded(out, name, "", text)
}

/// The same for an answer that itself says what it is about.
fn fact(out: &mut Out, name: &str, (about, text): &Fact) -> io::Result<()> {
    folded(out, name, &format!("{about:<11}"), text)
}

fn folded(out: &mut Out, name: &str, about: &str, text: &str) -> io::Result<()> {
    let (mut name, mut about) = (name.to_owned(), about.to_owned());
    for line in wrap(text, WIDTH - INDENT - about.len()) {
        out.line(format_args!(
            "  {name:<width$}{about}{line}",
            width = INDENT - 2
        ))?;
        name.clear();
        about = " ".repeat(about.len());
    }
    Ok(())
}
