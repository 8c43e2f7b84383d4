//! The audit log from outside: exported over the API, and verified on the command line.

use std::path::PathBuf;
use std::process::Command;

use countersign::test_support::FakeTool;
use countersign::test_support::process::{Sidecar, eventually, run};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{BINARY, ask};

const TOKEN: &str = "an-operators-token";

/// A sidecar with one tool, and a folder for exports.
struct Office {
    sidecar: Sidecar,
    folder: TempDir,
}

impl Office {
    fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let registry = folder.path().join("tools.yaml");
        let url = format!("http://{}/", FakeTool::ok().listen());
        let auth = json!({ "type": "hmac_sha256", "secret": "a-secret-of-the-tool" });
        let tools = json!({ "tools": [{ "name": "t", "url": url, "auth": auth }] });
        std::fs::write(&registry, tools.to_string()).unwrap();
        let environment = [("COUNTERSIGN_ADMIN_TOKEN", TOKEN)];
        let sidecar = Sidecar::start_with(BINARY, &registry, &[], &environment);
        Self { sidecar, folder }
    }

    fn call(&self, n: u32) {
        let body = json!({ "agent_id": "bot", "tool": "t", "args": { "marker": "Zq7", "n": n } });
        let reply = ask(self.sidecar.admin, TOKEN, "POST", "/v1/ai/run", &body);
        assert_eq!(reply.json()["decision"], "executed", "{}", reply.text());
    }

    /// All records, page by page, of which there must be `records`; and what the answers called the
    /// newest one.
    fn export(&self, records: usize) -> (Vec<String>, String) {
        let mut lines: Vec<String> = Vec::new();
        loop {
            let path = format!("/v1/audit?limit=3&after={}", lines.len());
            let page = ask(self.sidecar.admin, TOKEN, "GET", &path, &Value::Null);
            assert_eq!(page.header("content-type"), "application/x-ndjson");
            if page.text().is_empty() {
                assert_eq!(lines.len(), records);
                return (lines, page.header("x-countersign-audit-head").to_owned());
            }
            lines.extend(page.text().lines().map(str::to_owned));
        }
    }

    fn file(&self, lines: &[String]) -> PathBuf {
        let path = self.folder.path().join("export.jsonl");
        std::fs::write(&path, lines.join("\n")).unwrap();
        path
    }

    /// Verifies these lines; the exit code and what was said.
    fn verify(&self, lines: &[String], more: &[&str]) -> (i32, String) {
        let mut command = Command::new(BINARY);
        command
            .args(["audit", "verify"])
            .arg(self.file(lines))
            .args(more);
        let (code, said, complaint) = run(&mut command);
        assert_eq!(complaint, "");
        (code, said)
    }
}

// spec: AUDIT-1 AUDIT-2 AUDIT-3 AUDIT-4
#[test]
fn an_export_verifies_until_somebody_touches_it() {
    let office = Office::open();
    for n in 0..7 {
        office.call(n);
    }
    let (lines, head) = office.export(7);
    assert!(!lines.concat().contains("Zq7"), "arguments are in the log");
    let ok = format!("ok: records 1 to 7\nthe last one is {head}\n");
    assert_eq!(office.verify(&lines, &[]), (0, ok.clone()));
    assert_eq!(office.verify(&lines, &["--anchor", &head]), (0, ok));

    let refused = |damage: fn(&mut Vec<String>), more: &[&str], expected: &str| {
        let mut damaged = lines.clone();
        damage(&mut damaged);
        assert_eq!(office.verify(&damaged, more), (1, format!("{expected}\n")));
    };
    refused(|log| drop(log.remove(2)), &[], "record 3 is missing");
    refused(
        |log| log[4] = log[4].replace("executed", "blocked"),
        &[],
        "record 5 was altered: its content does not have the hash that it states",
    );
    refused(
        |log| log.swap(0, 1),
        &[],
        "record 1 is out of order: it stands behind record 2",
    );
    let cut_off = |log: &mut Vec<String>| log.truncate(6);
    let noted = "record 7, which was noted, is not in the log";
    refused(cut_off, &["--anchor", &head], noted);
    let (code, said) = office.verify(&lines[..6], &["--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, &said["ok"], &said["records"]),
        (0, &json!(true), &json!(6))
    );
    assert_eq!((&said["first"], &said["last"]), (&json!(1), &json!(6)));
    assert_eq!(
        office.verify(&[], &[]),
        (0, "there are no records\n".to_owned())
    );
}

/// Whatever a killed sidecar leaves is whole, and the next one continues it.
// spec: AUDIT-1 AUDIT-2
#[test]
fn the_chain_goes_on_after_a_crash() {
    let Office { sidecar, folder } = Office::open();
    let office = Office { sidecar, folder };
    (0..5).for_each(|n| office.call(n));
    let (before, _) = office.export(5);
    let Office { sidecar, folder } = office;
    // A record is not waited for, but it is on its way.
    let store = folder.path().join("countersign.store");
    drop(sidecar);
    let mut verify = Command::new(BINARY);
    verify
        .args(["audit", "verify", "--json", "--store"])
        .arg(&store);
    let (code, said, _) = run(&mut verify);
    assert_eq!(code, 0, "{said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let kept = said["records"].as_u64().unwrap();
    assert!((1..=5).contains(&kept), "{said}");

    let registry = folder.path().join("tools.yaml");
    let environment = [("COUNTERSIGN_ADMIN_TOKEN", TOKEN)];
    let sidecar = Sidecar::start_with(BINARY, &registry, &[], &environment);
    let office = Office { sidecar, folder };
    office.call(99);
    let told = eventually(|| {
        let records = usize::try_from(kept).unwrap() + 1;
        let page = ask(
            office.sidecar.admin,
            TOKEN,
            "GET",
            "/v1/audit",
            &Value::Null,
        );
        (page.text().lines().count() == records).then(|| page.text().to_owned())
    });
    let lines: Vec<_> = told.unwrap().lines().map(str::to_owned).collect();
    let kept = usize::try_from(kept).unwrap();
    assert_eq!(lines[..kept], before[..kept]);
    assert_eq!(office.verify(&lines, &[]).0, 0);
}
