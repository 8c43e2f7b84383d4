//! `completions`: what a shell needs to complete the commands and options of this program.
//!
//! The script is fixed text: a shell that completes starts no process and asks no sidecar.

use clap_complete::{Shell, generate};

use crate::cli::failure::{Ended, exit};
use crate::cli::out::Out;

/// What `completions` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The shell that reads the script
    shell: For,
}

/// The shells whose scripts are tested.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum For {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script for `program`.
pub fn run(arguments: &Arguments, mut program: clap::Command, out: &mut Out) -> Ended {
    let shell = match arguments.shell {
        For::Bash => Shell::Bash,
        For::Zsh => Shell::Zsh,
        For::Fish => Shell::Fish,
    };
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut program, name, &mut script);
    out.bytes(&script)?;
    Ok(exit::OK)
}
