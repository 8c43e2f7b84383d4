//! Writers that meet, writers that die, and files that must not be written.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const STEPS: [Step; 7] = [
    Step::Read,
    Step::SecretBegun,
    Step::SecretWritten,
    Step::RegistryBegun,
    Step::RegistryWritten,
    Step::RegistryReplaced,
    Step::Durable,
];

fn put(name: &str, secret: &str) -> Change {
    Change::Put(ToolWrite {
        secret: Some(Secret::new(secret)),
        ..write(name)
    })
}

fn hooked(desk: &Desk, hook: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) -> Editor {
    let mut editor = desk.editor();
    editor.steps.hook = Some(Box::new(hook));
    editor
}

fn names(desk: &Desk) -> BTreeSet<String> {
    let loaded = load(&desk.path(), &environment, None).unwrap();
    let names = loaded
        .snapshot
        .tools()
        .map(|tool| tool.name.as_str().to_owned());
    names.collect()
}

/// Everything beside the registry, but for the lock.
fn litter(desk: &Desk) -> Vec<String> {
    let entries = fs::read_dir(desk.folder.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let known = ["tools.yaml", "secrets", ".tools.yaml.lock"];
    names
        .filter(|name| !known.contains(&name.as_str()))
        .collect()
}

// spec: EDIT-1 EDIT-2
#[test]
fn a_writer_that_dies_at_any_step_leaves_a_whole_registry() {
    for step in STEPS {
        let desk = Desk::new("tools: []\n");
        desk.apply(&put("a", "first secret")).unwrap();
        let before = desk.text();
        // A panic that nothing catches on its way: no line behind the step runs, as after a kill.
        let dying = hooked(&desk, move |at| {
            assert!(at != step, "killed");
            Ok(())
        });
        let change = put("a", "second secret");
        let died = catch_unwind(AssertUnwindSafe(|| dying.apply(&change, &environment)));
        assert!(died.is_err(), "{step:?} was not reached");
        let replaced = matches!(step, Step::RegistryReplaced | Step::Durable);
        assert_eq!(desk.text() != before, replaced, "{step:?}");
        let secret = if replaced {
            "second secret"
        } else {
            "first secret"
        };
        assert!(desk.signs_with("a", secret), "{step:?}");
        // The next edit sweeps up.
        desk.apply(&enabled("a", false)).unwrap();
        assert!(desk.signs_with("a", secret), "{step:?}");
        assert_eq!(desk.secret_files().len(), 1, "{step:?}");
        assert_eq!(litter(&desk), [""; 0], "{step:?}");
    }
}

#[test]
fn a_system_that_refuses_leaves_everything_as_it_was() {
    for step in &STEPS[..5] {
        let desk = Desk::new("tools: []\n");
        let failing = hooked(&desk, |at| {
            if at == *step {
                Err(io::Error::other("full"))
            } else {
                Ok(())
            }
        });
        let refused = failing.apply(&put("a", "first secret"), &environment);
        assert!(matches!(refused, Err(EditError::Io { .. })), "{step:?}");
        assert_eq!(desk.text(), "tools: []\n");
        assert!(desk.secret_files().is_empty(), "{step:?}");
        assert_eq!(litter(&desk), [""; 0]);
    }
    // Once the registry names it, the secret stays.
    let desk = Desk::new("tools: []\n");
    let failing = hooked(&desk, |at| {
        if at == Step::RegistryReplaced {
            return Err(io::Error::other("unsynced"));
        }
        Ok(())
    });
    let refused = failing.apply(&put("a", "first secret"), &environment);
    assert!(matches!(refused, Err(EditError::Io { .. })));
    assert!(desk.signs_with("a", "first secret"));
}

// spec: EDIT-1
#[test]
fn a_hand_edit_at_any_moment_is_merged() {
    for step in &STEPS[..5] {
        let desk = Desk::new("# head\ntools: []\n");
        let path = desk.path();
        let done = AtomicU32::new(0);
        let overtaken = hooked(&desk, move |at| {
            // Twice, since an edit that is made anew may be overtaken again.
            if at == *step && done.fetch_add(1, Ordering::Relaxed) < 2 {
                let text = fs::read_to_string(&path)?;
                let beside = path.with_extension("mine");
                fs::write(&beside, format!("{text}# by hand\n"))?;
                fs::rename(&beside, &path)?;
            }
            Ok(())
        });
        let applied = overtaken
            .apply(&put("a", "first secret"), &environment)
            .unwrap();
        assert!(applied.created);
        let by_hand = desk.text().matches("# by hand\n").count();
        // The secret is written once, so its steps come once.
        let once = matches!(step, Step::SecretBegun | Step::SecretWritten);
        assert_eq!(by_hand, if once { 1 } else { 2 }, "{step:?}");
        assert!(desk.text().starts_with("# head\n"));
        assert!(desk.signs_with("a", "first secret"));
        assert_eq!(desk.secret_files().len(), 1);
        assert_eq!(litter(&desk), [""; 0]);
    }
}

#[test]
fn a_file_that_never_rests_is_given_up() {
    let desk = Desk::new("tools: []\n");
    let path = desk.path();
    let restless = hooked(&desk, move |at| {
        if at == Step::RegistryWritten {
            let text = fs::read_to_string(&path)?;
            fs::write(&path, format!("{text}# by hand\n"))?;
        }
        Ok(())
    });
    let given_up = restless.apply(&put("a", "first secret"), &environment);
    assert!(matches!(given_up, Err(EditError::Busy)));
    assert_eq!(names(&desk), BTreeSet::new());
    assert!(desk.secret_files().is_empty());
    assert_eq!(litter(&desk), [""; 0]);
}

// spec: EDIT-1
#[test]
fn writers_that_meet_lose_nothing() {
    const WRITERS: usize = 8;
    const EACH: usize = 6;
    let desk = Desk::new("# head\ntools: # list\n");
    fs::write(desk.path(), "# head\ntools: [] # list\n").unwrap();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let desk = &desk;
            scope.spawn(move || {
                for turn in 0..EACH {
                    let name = format!("t{writer}-{turn}");
                    assert!(desk.apply(&put(&name, "some secret")).unwrap().created);
                    desk.apply(&enabled(&name, false)).unwrap();
                    if turn % 3 == 0 {
                        desk.apply(&delete(&name)).unwrap();
                    }
                }
            });
        }
    });
    let turns = (0..WRITERS).flat_map(|w| (0..EACH).map(move |t| (w, t)));
    let expected = turns
        .filter(|(_, turn)| turn % 3 != 0)
        .map(|(w, t)| format!("t{w}-{t}"));
    let expected: BTreeSet<_> = expected.collect();
    assert_eq!(names(&desk), expected);
    assert_eq!(
        desk.text().matches("enabled: false").count(),
        expected.len()
    );
    assert_eq!(desk.secret_files().len(), expected.len());
    assert!(desk.text().starts_with("# head\ntools: # list\n"));
    assert_eq!(litter(&desk), [""; 0]);
}

#[track_caller]
fn check_read_only(desk: &Desk, editor: &Editor, words: &str) {
    for change in [put("a", "first secret"), delete("a"), enabled("a", true)] {
        match editor.apply(&change, &environment) {
            Err(EditError::ReadOnly { reason }) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(desk.text(), "tools: []\n");
    assert!(desk.secret_files().is_empty());
}

// spec: EDIT-1
#[test]
fn a_file_that_others_manage_is_left_alone() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let desk = Desk::new("tools: []\n");
    let link = desk.folder.path().join("link.yaml");
    symlink(desk.path(), &link).unwrap();
    let linked = Editor::new(link.clone(), "secrets".into());
    check_read_only(&desk, &linked, "symbolic link");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

    fs::set_permissions(desk.path(), fs::Permissions::from_mode(0o444)).unwrap();
    check_read_only(&desk, &desk.editor(), "permissions");
}

#[test]
fn a_system_that_forbids_writing_is_told_in_words() {
    use std::io::ErrorKind;
    for kind in [
        ErrorKind::PermissionDenied,
        ErrorKind::ReadOnlyFilesystem,
        ErrorKind::ResourceBusy,
    ] {
        let desk = Desk::new("tools: []\n");
        let forbidden = hooked(&desk, move |at| {
            if at == Step::RegistryBegun {
                return Err(kind.into());
            }
            Ok(())
        });
        let refused = forbidden.apply(&put("a", "first secret"), &environment);
        let Err(EditError::ReadOnly { reason }) = refused else {
            panic!("{kind} was not seen");
        };
        assert!(
            reason.starts_with("the registry's folder cannot be written: "),
            "{reason}"
        );
        assert!(desk.secret_files().is_empty());
    }
}

#[test]
fn the_files_mode_stays() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new("tools: []\n");
    fs::set_permissions(desk.path(), fs::Permissions::from_mode(0o640)).unwrap();
    desk.apply(&put("a", "first secret")).unwrap();
    let mode = fs::metadata(desk.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
}
