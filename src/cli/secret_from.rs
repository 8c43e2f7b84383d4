//! Where commands get a secret from: a file or the environment, never an argument.

use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::config::read_whole;
use crate::secret::Secret;

/// The variable that holds a secret.
pub const SECRET_VARIABLE: &str = "COUNTERSIGN_SECRET";

/// A key longer than this is a wrong file.
const MOST_BYTES: u64 = 64 * 1024;

/// The options that name a secret.
#[derive(Debug, clap::Args)]
pub struct SecretFrom {
    /// Read the secret from FILE; one line end at its end is dropped [default: the environment
    /// variable COUNTERSIGN_SECRET]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl SecretFrom {
    /// Reads the secret.
    ///
    /// # Errors
    /// A usage failure when none was named, a configuration failure when the file cannot be used.
    pub fn read(&self) -> Result<Secret, Failure> {
        let Some(path) = &self.secret_file else {
            return match std::env::var_os(SECRET_VARIABLE) {
                Some(value) if !value.is_empty() => Ok(Secret::new(value.into_vec())),
                Some(_) | None => Err(Failure::Usage(format!(
                    "no secret: set {SECRET_VARIABLE} or name a file with --secret-file"
                ))),
            };
        };
        from_file(path)
    }
}

/// Reads a secret from a file, without the one line end at its end.
///
/// # Errors
/// A configuration failure when the file cannot be used.
pub fn from_file(path: &Path) -> Result<Secret, Failure> {
    let refuse = |reason| Failure::Config(vec![format!("{}: {reason}", path.display())]);
    let content = read_whole(path, MOST_BYTES).map_err(refuse)?;
    let text = content.strip_suffix(b"\n").unwrap_or(&content);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.is_empty() {
        return Err(refuse("holds no secret".to_owned()));
    }
    Ok(Secret::new(text))
}
