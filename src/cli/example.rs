//! `config example`: a settings file to start from.

use crate::cli::failure::{Ended, exit};
use crate::cli::out::Out;
use crate::config;

/// Prints every setting with its default and its reason.
pub fn run(out: &mut Out) -> Ended {
    out.bytes(config::example().as_bytes())?;
    Ok(exit::OK)
}
