//! A sidecar that is killed in the middle of edits leaves files that the next one can use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use countersign::test_support::process::{Sidecar, eventually};
use fastrand::Rng;

use crate::support::BINARY;
use crate::tools_api::editor::{Editor, all_tools};
use crate::tools_api::files::{expect_hand_made, expect_secrets, expect_tidy};
use crate::tools_api::{Desk, ENVIRONMENT};

const EDITS: usize = 500;
/// Several, so that whenever the sidecar is killed one edit is under way and others wait for it.
const EDITORS: u64 = 4;
/// Edits that are answered between two kills, at most.
const BETWEEN_KILLS: usize = 25;

/// Lets the editors edit until `enough` edits were answered, kills the sidecar at some moment of
/// the next, and returns how many were answered in the end.
fn edit_until_killed(
    desk: &mut Desk,
    editors: &mut [Editor],
    enough: usize,
    random: &mut Rng,
) -> usize {
    let answered = AtomicUsize::new(0);
    let admin = desk.sidecar.admin;
    thread::scope(|scope| {
        for editor in editors {
            scope.spawn(|| {
                while editor.edit(admin) {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let seen = eventually(|| (answered.load(Ordering::Relaxed) >= enough).then_some(()));
        // Right after an answer the next edit has only begun; some time later it may be anywhere.
        for _ in 0..random.u32(..1_000_000) {
            std::hint::spin_loop();
        }
        desk.sidecar.signal("KILL");
        assert!(
            seen.is_some(),
            "edits stand still: {:#?}",
            desk.sidecar.stderr.all()
        );
    });
    desk.sidecar.exit();
    answered.into_inner()
}

/// What a killed sidecar left is whole, and the next sidecar serves what was acknowledged.
fn restart(desk: &mut Desk, editors: &mut [Editor]) {
    let text = desk.file();
    expect_hand_made(&text, &desk.url);
    expect_secrets(&text, desk.dir.path());
    desk.sidecar = Sidecar::start_with(BINARY, &desk.path(), &[], &ENVIRONMENT);
    let mut found = all_tools(desk.sidecar.admin);
    for editor in editors {
        editor.expect_among(&mut found);
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), ["by_hand"]);
}

// spec: EDIT-1 EDIT-2 API-3
#[test]
fn no_kill_tears_the_registry_or_loses_what_was_acknowledged() {
    let mut desk = Desk::open();
    let mut editors: Vec<_> = (0..EDITORS).map(|n| Editor::new(n, &desk.url)).collect();
    let mut random = Rng::with_seed(1);
    let mut answered = 0;
    while answered < EDITS {
        let enough = random.usize(1..=BETWEEN_KILLS);
        answered += edit_until_killed(&mut desk, &mut editors, enough, &mut random);
        restart(&mut desk, &mut editors);
    }
    // What the last kill left lying around goes with the next edit.
    assert!(editors[0].edit(desk.sidecar.admin));
    expect_tidy(&desk.file(), desk.dir.path());
    desk.expect_signed("by_hand", "secret-by-hand");
}
