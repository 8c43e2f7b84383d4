//! The page about the API tells the truth: each of its commands is run as it stands there, in order.

use std::process::Command;

use countersign::test_support::process::run;
use serde_json::Value;

use crate::support::code_blocks;
use crate::tools_api::{Desk, TOKEN};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tools-api.md");

/// A command of the page at this sidecar; returns the JSON that it printed.
fn answer(desk: &Desk, command: &str) -> Value {
    let command = command
        .replace("127.0.0.1:8788", &desk.sidecar.admin.to_string())
        .replace("127.0.0.1:8787", &desk.sidecar.agents.to_string());
    let mut shell = Command::new("bash");
    shell
        .current_dir(desk.dir.path())
        .env("NO_PROXY", "*")
        .env("COUNTERSIGN_ADMIN_TOKEN", TOKEN)
        .args(["-euc", &command]);
    let (code, out, err) = run(&mut shell);
    assert_eq!(code, 0, "{command}\n{out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{command}\n{error}: {out}"))
}

/// The answer that the page shows right below a command.
fn shown(after: &str) -> Option<Value> {
    let (answer, _) = after.strip_prefix("\n```json\n")?.split_once("\n```")?;
    Some(serde_json::from_str(answer).unwrap())
}

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let desk = Desk::open();
    let mut answers_shown = 0;
    let commands = code_blocks(&page, "sh test=api-");
    assert!(
        commands.len() >= 8,
        "one for each endpoint, not {commands:?}"
    );
    for block in commands {
        let answer = answer(&desk, block.text);
        // A command shows how to do something, so nothing is refused unless the name says so.
        let refused = answer.get("detail").is_some();
        let name = block.name;
        assert_eq!(refused, name.starts_with("refused"), "{name}: {answer}");
        if let Some(shown) = shown(block.after) {
            assert_eq!(answer, shown, "{name}");
            answers_shown += 1;
        }
    }
    assert!(answers_shown >= 3, "only {answers_shown} answers are shown");
}
