//! Asking a person before something is gone.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use crate::cli::failure::Failure;
use crate::cli::out::Out;

/// More than anybody types for a yes.
const MOST_BYTES: u64 = 1024;

/// Asks on the terminal.
///
/// # Errors
/// When the person does not say yes, or when there is none: a script that deletes says so itself.
pub fn ask(question: &str) -> Result<(), Failure> {
    let mut err = Out::stderr();
    if !io::stdin().is_terminal() || !err.is_terminal() {
        return Err(Failure::Usage(
            "there is no terminal to ask on: --yes deletes without asking".to_owned(),
        ));
    }
    err.say(&format!("{question} [y/N] "));
    let mut said = Vec::new();
    let read = io::stdin()
        .lock()
        .take(MOST_BYTES)
        .read_until(b'\n', &mut said);
    match read {
        Ok(_) if is_yes(&said) => Ok(()),
        Ok(_) | Err(_) => Err(Failure::No("nothing was deleted".to_owned())),
    }
}

fn is_yes(said: &[u8]) -> bool {
    let said = said.trim_ascii();
    said.eq_ignore_ascii_case(b"y") || said.eq_ignore_ascii_case(b"yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (said, expected) in [
            ("y\n", true),
            ("Yes\r\n", true),
            (" YES ", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yep\n", false),
            ("no, yes\n", false),
        ] {
            assert_eq!(is_yes(said.as_bytes()), expected, "{said:?}");
        }
    }
}
