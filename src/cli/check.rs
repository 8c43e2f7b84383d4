//! `check`: what `serve` would say to the files, without serving.
//!
//! Problems go to standard output, because here they are the answer. The lines are those that
//! `serve` prints on standard error before it ends with the same exit code.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::failure::{Ended, exit};
use crate::cli::out::Out;
use crate::cli::settings_from::SettingFlags;
use crate::config::{self, Problem, Problems};

/// What `check` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The registry to check [default: the one that the settings name]
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
    /// The settings file to check [default: the environment variable COUNTERSIGN_CONFIG, or none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was found in all files together.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    /// As `serve` prints them; one more than `problems` where there are too many to print.
    lines: Vec<String>,
    /// The registry and how many tools and policies it has, where it can be used.
    registry: Option<(PathBuf, usize, usize)>,
    errors: usize,
}

impl Findings {
    fn add(&mut self, found: &Problems) {
        self.problems.extend(found.iter().cloned());
        self.lines.extend(found.lines());
    }

    fn refuse(&mut self, found: &Problems) {
        self.errors += found.len();
        self.add(found);
    }
}

/// Prints every problem of both files, or that there is none.
// spec: CLI-2 REG-2 RELOAD-2
pub fn run(arguments: &Arguments, out: &mut Out) -> Ended {
    let mut found = Findings::default();
    let environment = |name: &str| std::env::var(name).ok();
    let settings = SettingFlags::default().resolve(arguments.config.clone());
    let registry = match settings {
        Ok(settings) => Some(settings.registry.path),
        Err(bad) => {
            found.errors += bad.problems.len();
            found
                .lines
                .extend(bad.problems.iter().map(Problem::to_string));
            found.problems.extend(bad.problems);
            None
        }
    };
    // A broken settings file says nothing about where the registry is.
    if let Some(path) = arguments.registry.clone().or(registry) {
        match config::load(&path, &environment, None) {
            Ok(loaded) => {
                found.add(&loaded.warnings);
                let (tools, policies) = (loaded.snapshot.tool_count(), loaded.policies.len());
                found.registry = Some((path, tools, policies));
            }
            Err(refused) => found.refuse(&refused.problems),
        }
    }
    if arguments.json {
        print_json(&found, out)?;
    } else {
        print(&found, out)?;
    }
    Ok(if found.errors == 0 {
        exit::OK
    } else {
        exit::CONFIG
    })
}

fn print(found: &Findings, out: &mut Out) -> std::io::Result<()> {
    for line in &found.lines {
        out.line(line)?;
    }
    // With errors the lines are all there is to say; scripts count them.
    let registry = found.registry.as_ref().filter(|_| found.errors == 0);
    let Some((path, tools, policies)) = registry else {
        return Ok(());
    };
    let mut entries = counted(*tools, "tool", "tools");
    if *policies > 0 {
        entries = format!("{entries}, {}", counted(*policies, "policy", "policies"));
    }
    let problems = match found.lines.len() {
        0 => "no problems".to_owned(),
        warnings => counted(warnings, "warning", "warnings"),
    };
    out.line(format_args!("{}: {entries}, {problems}", path.display()))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    let noun = if count == 1 { one } else { many };
    format!("{count} {noun}")
}

fn print_json(found: &Findings, out: &mut Out) -> std::io::Result<()> {
    let problems: Vec<_> = found.problems.iter().map(as_json).collect();
    out.line(json!({
        "ok": found.errors == 0,
        "problems": problems,
        "tools": found.registry.as_ref().map(|(_, tools, _)| tools),
        "policies": found.registry.as_ref().map(|(_, _, policies)| policies),
    }))
}

fn as_json(problem: &Problem) -> Value {
    json!({
        "file": problem.file.display().to_string(),
        "line": problem.at.map(|at| at.line),
        "column": problem.at.map(|at| at.column),
        "field": problem.field,
        "message": problem.message,
        "severity": problem.severity.as_str(),
    })
}
