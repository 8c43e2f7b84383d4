//! Reading the files that a configuration names.
//!
//! Only regular files, and never more of one than was agreed: a pipe would block for ever, a device
//! would never end. What is read may be secret, so it is wiped when it is dropped and no message
//! repeats it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::config::problem::{Position, Problem, Severity};

/// Reads a regular file of at most `max` bytes. Symbolic links are followed.
///
/// # Errors
/// In words that follow the name of the file or field, with the system's reason.
pub fn read_whole(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    // Opening a pipe waits for its writer, so the kind is checked before; and again on what was
    // opened, which is what is read.
    check(&fs::metadata(path).map_err(unreadable)?, max)?;
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    check(&metadata, max)?;
    let size = usize::try_from(metadata.len()).unwrap_or_default();
    // One byte more, so that the end is seen without growing, which would leave copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(size.saturating_add(1)));
    let mut bounded = file.take(max.saturating_add(1));
    bounded.read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > max {
        return Err(too_large(max));
    }
    Ok(content)
}

/// Reads a regular file of at most `max` bytes as UTF-8; a byte-order mark at its start is dropped.
///
/// # Errors
/// A problem of the file as a whole, or of the first byte that is not UTF-8.
pub fn read_text(path: &Path, max: u64) -> Result<Zeroizing<String>, Problem> {
    let content = read_whole(path, max).map_err(|reason| Problem {
        file: Arc::from(path),
        at: None,
        field: String::new(),
        message: reason,
        severity: Severity::Error,
    })?;
    text_of(path, content)
}

/// What was read from `path` as UTF-8; a byte-order mark at its start is dropped.
///
/// # Errors
/// A problem of the first byte that is not UTF-8.
pub fn text_of(path: &Path, content: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, Problem> {
    decode(content).map_err(|(at, message)| Problem {
        file: Arc::from(path),
        at: Some(at),
        field: String::new(),
        message: message.to_owned(),
        severity: Severity::Error,
    })
}

fn decode(mut content: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, (Position, &'static str)> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]) {
        return Err((Position::START, "is UTF-16 text; save it as UTF-8"));
    }
    if content.starts_with(MARK) {
        content.drain(..MARK.len());
    }
    String::from_utf8(std::mem::take(&mut *content))
        .map(Zeroizing::new)
        .map_err(|error| {
            let valid_up_to = error.utf8_error().valid_up_to();
            let content = Zeroizing::new(error.into_bytes());
            let valid = String::from_utf8_lossy(&content[..valid_up_to]);
            let at = Position::of(&valid, valid.len());
            (at, "is not UTF-8 text from here on; save it as UTF-8")
        })
}

fn check(metadata: &Metadata, max: u64) -> Result<(), String> {
    if !metadata.is_file() {
        Err("is not a regular file".to_owned())
    } else if metadata.len() > max {
        Err(too_large(max))
    } else {
        Ok(())
    }
}

fn too_large(max: u64) -> String {
    format!("is larger than {max} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn a_file_may_be_as_large_as_agreed() {
        let (_folder, path) = written(b"12345");
        assert_eq!(**read_whole(&path, 5).unwrap(), *b"12345");
        assert_eq!(read_whole(&path, 4).unwrap_err(), "is larger than 4 bytes");
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = "is not a regular file";
        assert_eq!(read_whole(folder.path(), 9).unwrap_err(), refusal);
        assert_eq!(read_whole(Path::new("/dev/zero"), 9).unwrap_err(), refusal);
        // Opening a pipe that nobody writes to would block this test for ever.
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert_eq!(read_whole(&pipe, 9).unwrap_err(), refusal);
    }

    #[test]
    fn a_missing_file_is_reported_with_the_systems_reason() {
        let missing = tempfile::tempdir().unwrap().path().join("missing");
        let problem = read_text(&missing, 9).unwrap_err();
        assert_eq!(problem.at, None);
        assert!(problem.message.contains("No such file"), "{problem}");
    }

    #[test]
    fn text_is_utf_8_with_or_without_a_byte_order_mark() {
        let at = |line, column| Position { line, column };
        for (content, expected) in [
            (&b"a: b"[..], Ok("a: b")),
            (b"", Ok("")),
            (b"\xef\xbb\xbfa: b", Ok("a: b")),
            (b"\xff\xfea\0", Err(at(1, 1))),
            (b"\xfe\xff\0a", Err(at(1, 1))),
            (b"\xff", Err(at(1, 1))),
            (b"a\r\n\xc3\xa4\xc3", Err(at(2, 2))),
            (b"a\rb\n\n cd\x80", Err(at(4, 4))),
        ] {
            let (_folder, path) = written(content);
            let text = read_text(&path, 100);
            let got = text.as_ref().map(|text| text.as_str());
            assert_eq!(got.map_err(|problem| problem.at.unwrap()), expected);
        }
    }
}
