//! How a command can fail, and the exit code that says so.
//!
//! The codes are those of `sysexits.h` where it has one, so that supervisors can tell a mistake in a
//! file, which a restart does not mend, from trouble that it may.

use crate::cli::out::Out;

/// Exit codes.
// spec: CLI-1
pub mod exit {
    /// It worked, and the answer is yes where there was a question.
    pub const OK: u8 = 0;
    /// It worked and the answer is no: a call was refused, a signature does not verify.
    pub const NO: u8 = 1;
    /// The arguments, or what they point to, make no sense (`EX_USAGE`).
    pub const USAGE: u8 = 64;
    /// Something went wrong that is neither the caller's nor a file's fault (`EX_SOFTWARE`).
    pub const INTERNAL: u8 = 70;
    /// A registry, settings or secret file cannot be used (`EX_CONFIG`).
    pub const CONFIG: u8 = 78;
}

/// A command's end: its exit code, or why it could not do what it was asked.
pub type Ended = Result<u8, Failure>;

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The question was answered: no. The text says why.
    No(String),
    /// The arguments make no sense.
    Usage(String),
    /// Files cannot be used; one line for each problem, as `check` prints them.
    Config(Vec<String>),
    /// Anything else.
    Internal(anyhow::Error),
}

impl Failure {
    /// Says what went wrong on standard error and gives the exit code.
    pub fn report(self) -> u8 {
        let mut err = Out::stderr();
        match self {
            Self::No(reason) => {
                err.say(&format!("{reason}\n"));
                exit::NO
            }
            Self::Usage(reason) => {
                err.say(&format!("error: {reason}\n"));
                exit::USAGE
            }
            // The lines stand alone, so that editors and scripts can jump to the places they name.
            Self::Config(lines) => {
                for line in lines {
                    err.say(&format!("{line}\n"));
                }
                exit::CONFIG
            }
            Self::Internal(error) => {
                err.say(&format!("error: {error:#}\n"));
                exit::INTERNAL
            }
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(anyhow::Error::new(error).context("standard output cannot be written"))
    }
}
