//! A short soak: all kinds of agents, upstreams and edits at once, and nothing is left behind.
//! `tests/soak/run` does the same for as long as one likes.

use std::process::Command;

use countersign::test_support::process::run;

use crate::support::BINARY;

// spec: CANCEL-1 RESP-2 RELOAD-1 RELOAD-2 API-3 SIG-1 SIG-4 RETRY-2 RETRY-3 OBS-1
#[test]
#[ignore = "half a minute of load by python3"]
fn a_short_soak_ends_with_everything_given_back() {
    let mut python = Command::new("python3");
    python
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/soak/soak.py"))
        .args(["--binary", BINARY, "--seconds", "20", "--seed", "1"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUTF8", "1");
    let (code, out, err) = run(&mut python);
    println!("{out}");
    assert_eq!(code, 0, "{out}\n{err}");
}
