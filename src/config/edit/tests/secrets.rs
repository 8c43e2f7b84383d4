//! Secrets: where they go, and when they are gone.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const ONE: &str = "tools:\n- name: a\n  url: https://a\n  auth:\n    type: hmac_sha256\n    secret_file: secrets/own\n";

/// A registry whose one tool's key is in a file that its operator made.
fn desk() -> Desk {
    let desk = Desk::new(ONE);
    fs::create_dir(desk.folder.path().join("secrets")).unwrap();
    fs::write(desk.folder.path().join("secrets/own"), "supersecret\n").unwrap();
    desk
}

fn put(name: &str, secret: Option<&str>) -> Change {
    Change::Put(ToolWrite {
        secret: secret.map(Secret::new),
        ..write(name)
    })
}

// spec: EDIT-2
#[test]
fn a_secret_gets_a_private_file_and_the_registry_its_name() {
    let desk = Desk::new("tools: []\n");
    for secret in [
        "first secret",
        "ends with breaks\r\n",
        "ends with a return\r",
        "ключ-ключ",
    ] {
        desk.apply(&put("send.email", Some(secret))).unwrap();
        assert!(desk.signs_with("send.email", secret), "{secret:?}");
        assert!(!desk.text().contains(secret.trim_end()));
        let files = desk.secret_files();
        let [file] = files.as_slice() else {
            panic!("{files:?}");
        };
        assert!(file.starts_with("send_email."), "{file}");
        let folder = desk.folder.path().join("secrets");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(file)), 0o600);
    }
}

// spec: EDIT-2
#[test]
fn a_stored_secret_stays_when_none_is_given() {
    let desk = desk();
    desk.apply(&put("a", None)).unwrap();
    assert!(desk.text().contains("secret_file: secrets/own\n"));
    // The same one needs no file either.
    desk.apply(&put("a", Some("supersecret"))).unwrap();
    assert!(desk.text().contains("secret_file: secrets/own\n"));
    assert_eq!(desk.secret_files(), ["own"]);
    assert!(desk.signs_with("a", "supersecret"));
}

#[test]
fn files_that_nobody_names_are_removed_if_they_are_ours() {
    let desk = desk();
    desk.apply(&put("a", Some("second secret"))).unwrap();
    let second = desk.secret_files();
    assert_eq!(second.len(), 2, "{second:?}");
    let ours = second.iter().find(|file| *file != "own").unwrap();
    // Another registry in the same folder uses the same folder for secrets.
    let other = Editor::new(desk.folder.path().join("other.yaml"), "secrets".into());
    fs::write(&other.registry, "tools: []\n").unwrap();
    other
        .apply(&put("a", Some("of the other")), &environment)
        .unwrap();
    assert_eq!(desk.secret_files().len(), 3);
    // A file that this one names under another spelling, and what a dead writer left.
    let (stem, random) = ours.rsplit_once('-').unwrap();
    let folder = desk.folder.path().join("secrets");
    fs::write(folder.join(format!("{stem}-00000000")), "orphaned").unwrap();
    fs::write(folder.join(format!(".{stem}-00000001.tmp")), "half").unwrap();
    fs::write(folder.join("x.deadbeef"), "not ours").unwrap();
    let text = desk.text().replace("secrets/a", "./secrets/../secrets/a");
    fs::write(desk.path(), text).unwrap();
    desk.apply(&enabled("a", false)).unwrap();
    let files = desk.secret_files();
    assert_eq!(files.len(), 4, "{files:?}");
    assert!(files.iter().any(|file| file.ends_with(random)));
    assert!(desk.signs_with("a", "second secret"));

    desk.apply(&delete("a")).unwrap();
    let left = desk.secret_files();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.contains(&"own".to_owned()) && left.contains(&"x.deadbeef".to_owned()));
}

#[test]
fn a_refused_change_leaves_no_secret_behind() {
    let text = format!("{ONE}  description: |\n    open");
    let desk = desk();
    fs::write(desk.path(), &text).unwrap();
    let refused = desk.apply(&put("b", Some("a secret in vain")));
    assert!(matches!(refused, Err(EditError::NotEditable { .. })));
    assert_eq!(desk.text(), text);
    assert_eq!(desk.secret_files(), ["own"]);
}

#[test]
fn an_absolute_folder_is_named_by_its_whole_path() {
    let desk = Desk::new("tools: []\n");
    let folder = tempfile::tempdir().unwrap();
    let editor = Editor::new(desk.path(), folder.path().to_owned());
    editor
        .apply(&put("a", Some("first secret")), &environment)
        .unwrap();
    editor
        .apply(&put("a", Some("second secret")), &environment)
        .unwrap();
    assert!(desk.signs_with("a", "second secret"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(desk.secret_files().is_empty());
}
