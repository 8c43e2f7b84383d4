//! `version`: which build this is.

use serde_json::json;

use crate::cli::failure::{Ended, exit};
use crate::cli::out::Out;

/// What `version` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints name, version and platform.
pub fn run(arguments: &Arguments, out: &mut Out) -> Ended {
    use std::env::consts::{ARCH, OS};
    let version = env!("CARGO_PKG_VERSION");
    if arguments.json {
        let platform = json!({ "os": OS, "arch": ARCH });
        out.line(json!({ "name": "countersign", "version": version, "platform": platform }))?;
    } else {
        out.line(format_args!("countersign {version} ({OS} {ARCH})"))?;
    }
    Ok(exit::OK)
}
