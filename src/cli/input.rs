//! What a command reads besides its arguments: files and standard input, bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::cli::failure::Failure;

/// The most that is read of one input. Larger than any body a sidecar takes with sensible limits,
/// and small enough to hold a few times in memory.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Where standard input is meant.
pub const STDIN: &str = "-";

/// Whether `path` means standard input.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == STDIN
}

/// Reads a whole file, or standard input where the path is `-`.
///
/// # Errors
/// A usage failure that names the file and the system's reason.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = if is_stdin(path) {
        bounded(io::stdin().lock())
    } else {
        File::open(path).and_then(bounded)
    };
    read.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("is larger than {MOST_BYTES} bytes"),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_without_end_is_refused() {
        assert_eq!(bounded(&b"abc"[..]).unwrap(), b"abc");
        let endless = bounded(io::repeat(b'x')).unwrap_err();
        assert_eq!(endless.to_string(), "is larger than 67108864 bytes");
    }
}
