//! Many programs and a person edit one registry at the same time.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use countersign::test_support::process::eventually;

use crate::tools_api::editor::{Editor, all_tools};
use crate::tools_api::files::{expect_hand_made, expect_secrets, expect_tidy};
use crate::tools_api::{Desk, ask};

const EDITORS: u64 = 8;
/// Each editor's part of 2,000.
const EDITS: usize = 250;
/// What the person adds in that time, evenly over it.
const BY_HAND: usize = 20;

/// A person's tool, which ends a registry written in block style.
fn by_hand(number: usize, url: &str) -> String {
    format!(
        "
  # Number {number} by hand: keep me.
  - name: hand-{number}    # in a hurry
    url:   {url}/hand/{number}
    auth: {{type: hmac_sha256,  secret: 'by-hand-{number}'}} # end of number {number}
"
    )
}

/// Puts `text` in the registry's place as editors do.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("by-hand");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

/// What the person wrote is there once.
fn expect_by_hand(text: &str, url: &str) {
    expect_hand_made(text, url);
    for number in 0..BY_HAND {
        let tool = by_hand(number, url);
        let lines = tool.lines().filter(|line| !line.is_empty());
        for line in lines {
            let found = text.lines().filter(|found| *found == line).count();
            assert_eq!(found, 1, "{line}\n{text}");
        }
    }
}

/// Between reading a file and replacing it, a person who does not look again loses what others
/// wrote meanwhile, whatever they do. This one looks again, and keeps programs away for that moment
/// by the lock that they take too.
fn add(desk: &Desk, number: usize) {
    let lock = File::open(desk.dir.path().join(".tools.yaml.lock")).unwrap();
    let added = eventually(|| {
        let text = desk.file();
        let longer = text.clone() + &by_hand(number, &desk.url);
        lock.lock().unwrap();
        let unchanged = desk.file() == text;
        if unchanged {
            replace(&desk.path(), &longer);
        }
        lock.unlock().unwrap();
        unchanged.then_some(())
    });
    assert!(added.is_some(), "the file never stands still");
}

// spec: EDIT-1 API-3
#[test]
fn programs_and_a_person_lose_nothing_of_each_other() {
    let desk = Desk::open();
    let mut editors: Vec<_> = (0..EDITORS).map(|n| Editor::new(n, &desk.url)).collect();
    let admin = desk.sidecar.admin;
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for editor in &mut editors {
            scope.spawn(|| {
                for _ in 0..EDITS {
                    assert!(editor.edit(admin));
                    answered.fetch_add(1, Ordering::Relaxed);
                    editor.look(admin);
                }
            });
        }
        for number in 0..BY_HAND {
            let due = (number + 1) * EDITS * EDITORS as usize / (BY_HAND + 1);
            let seen = eventually(|| (answered.load(Ordering::Relaxed) >= due).then_some(()));
            assert!(seen.is_some(), "edits stand still");
            add(&desk, number);
        }
    });

    let last = format!("/v1/tools/hand-{}", BY_HAND - 1);
    let seen = eventually(|| {
        let reply = ask(admin, "GET", &last, &serde_json::Value::Null);
        (reply.status == 200).then_some(())
    });
    assert!(
        seen.is_some(),
        "what was added last never came into service"
    );
    let mut found = all_tools(admin);
    for editor in &mut editors {
        editor.expect_among(&mut found);
    }
    let mut people: Vec<_> = (0..BY_HAND)
        .map(|number| format!("hand-{number}"))
        .collect();
    people.push("by_hand".to_owned());
    people.sort();
    assert_eq!(found.into_keys().collect::<Vec<_>>(), people);

    let text = desk.file();
    expect_by_hand(&text, &desk.url);
    expect_secrets(&text, desk.dir.path());
    expect_tidy(&text, desk.dir.path());
    assert_eq!(desk.reloads("refused"), 0.0);
}

/// A person knows of no lock and replaces the file whenever he likes: what he adds is merged, or he
/// sees that it is missing and adds it again. No program gets an error from that, and no state of
/// the file in between is a bad one.
// spec: EDIT-1 RELOAD-2
#[test]
fn a_person_who_does_not_wait_disturbs_no_program() {
    let desk = Desk::open();
    let admin = desk.sidecar.admin;
    let put = |editor: usize, round: usize| {
        let tool = serde_json::json!({
            "name": format!("program-{editor}"),
            "url": format!("{}/{round}", desk.url),
            "auth": { "type": "hmac_sha256", "secret": "from-the-api-always-the-same-to-the-last-byte" },
        });
        let reply = ask(admin, "POST", "/v1/tools", &tool);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["url"], tool["url"]);
    };
    let missing = || {
        let text = desk.file();
        let added = |number: &usize| text.contains(&by_hand(*number, &desk.url));
        let missing = (0..BY_HAND).find(|number| !added(number));
        missing.map(|number| text + &by_hand(number, &desk.url))
    };
    thread::scope(|scope| {
        let programs: Vec<_> = (0..4)
            .map(|editor| scope.spawn(move || (0..50).for_each(|round| put(editor, round))))
            .collect();
        while programs.iter().any(|program| !program.is_finished()) {
            if let Some(longer) = missing() {
                replace(&desk.path(), &longer);
            }
        }
    });
    while let Some(longer) = missing() {
        replace(&desk.path(), &longer);
    }
    // What he overwrote is put again, and is there then.
    (0..4).for_each(|editor| put(editor, 50));
    let found: Vec<_> = all_tools(admin).into_keys().collect();
    assert_eq!(found.len(), 1 + BY_HAND + 4, "{found:?}");
    let text = desk.file();
    expect_by_hand(&text, &desk.url);
    expect_tidy(&text, desk.dir.path());
    assert_eq!(
        desk.reloads("refused"),
        0.0,
        "{:#?}",
        desk.sidecar.stderr.all()
    );
}
