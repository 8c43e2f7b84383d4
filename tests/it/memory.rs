//! What the process costs in memory, read from the kernel. Measured on the shipped profile.

use std::process::Command;
use std::sync::Arc;
use std::thread;

use countersign::test_support::fake_tool::answer;
use countersign::test_support::process::{Sidecar, eventually, run};
use countersign::test_support::{FakeTool, Gate, Step, client};
use tempfile::TempDir;

use crate::support::{block_on, post};

/// Builds the release binary: debug code is several times as large and its pages count too.
fn release() -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--bin", "countersign"]);
    let (code, _, err) = run(cargo.current_dir(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(code, 0, "{err}");
    let target = std::env::var("CARGO_TARGET_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target").to_owned());
    format!("{target}/release/countersign")
}

// spec: BODY-1
#[test]
#[ignore = "builds the release binary"]
fn a_body_costs_its_own_size_once() {
    const CALLS: usize = 64;
    let dir = TempDir::new().unwrap();
    let gate = Gate::closed();
    let upstream = FakeTool::script([Step::AnswerWhenOpen(gate.clone(), answer(200, &[]))]);
    let path = dir.path().join("tools.yaml");
    let url = upstream.listen();
    let auth = "{ type: hmac_sha256, secret: supersecret }";
    let text = format!("tools:\n  - name: t\n    url: http://{url}/\n    auth: {auth}\n");
    std::fs::write(&path, text).unwrap();
    let sidecar = Sidecar::start(&release(), &path);
    post(sidecar.admin, "/healthz", "");
    let idle = sidecar.memory_kib("VmRSS");
    assert!(idle < 12 * 1024, "idle: {idle} KiB");

    let body: Arc<Vec<u8>> = Arc::new((0..1 << 20).map(|n: u32| n as u8).collect());
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            let (agents, body) = (sidecar.agents, Arc::clone(&body));
            thread::spawn(move || block_on(client::post(agents, "/tools/t", body.to_vec())).status)
        })
        .collect();
    // Every body is held at once: no answer has been given yet.
    eventually(|| (upstream.received().len() == CALLS).then_some(())).expect("all calls");
    gate.open();
    for call in calls {
        assert_eq!(call.join().unwrap(), 200);
    }
    let peak = sidecar.memory_kib("VmHWM");
    assert!(
        peak < (CALLS as u64 + 40) * 1024,
        "peak: {peak} KiB, idle: {idle} KiB"
    );
    println!("idle {idle} KiB, peak with {CALLS} bodies of 1 MiB {peak} KiB");
}
