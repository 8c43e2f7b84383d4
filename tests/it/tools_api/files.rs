//! What must be true of the files whatever happened to them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::tools_api::HAND_MADE;

/// Everything that a person wrote is there, in its order.
pub fn expect_hand_made(text: &str, url: &str) {
    let mut lines = text.lines();
    for written in HAND_MADE.replace("UPSTREAM", url).lines() {
        assert!(lines.any(|line| line == written), "lost: {written}\n{text}");
    }
}

/// Every secret that the registry names is there, and is a whole one.
pub fn expect_secrets(text: &str, folder: &Path) {
    for named in named_secrets(text) {
        let path = folder.join(&named);
        let secret = fs::read(&path).unwrap_or_else(|error| panic!("{named}: {error}\n{text}"));
        assert!(
            secret.starts_with(SECRET_PREFIX.as_bytes()),
            "{named} is torn"
        );
        assert!(
            secret.ends_with(SECRET_SUFFIX.as_bytes()),
            "{named} is torn"
        );
    }
}

/// How the secrets begin that tests give to the API.
pub const SECRET_PREFIX: &str = "from-the-api-";
/// How they end.
pub const SECRET_SUFFIX: &str = "-to-the-last-byte";

/// After an edit that was not interrupted, nothing lies around: no file of a writer that was
/// stopped, no secret that nobody names.
pub fn expect_tidy(text: &str, folder: &Path) {
    let left_over = names(folder)
        .into_iter()
        .filter(|name| name.ends_with(".tmp"));
    assert_eq!(left_over.collect::<Vec<_>>(), [""; 0]);
    let kept = names(&folder.join("secrets"));
    let kept: BTreeSet<_> = kept
        .into_iter()
        .map(|name| format!("secrets/{name}"))
        .collect();
    assert_eq!(kept, named_secrets(text));
}

/// The names in a folder; none where there is no folder.
pub fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The values of every `secret_file`, in block or in flow style.
fn named_secrets(text: &str) -> BTreeSet<String> {
    let values = text.split("secret_file:").skip(1);
    values
        .map(|rest| {
            let end = rest.find(['\n', '\r', ',', '}', '#']).unwrap_or(rest.len());
            rest[..end].trim().trim_matches(['"', '\'']).to_owned()
        })
        .collect()
}
