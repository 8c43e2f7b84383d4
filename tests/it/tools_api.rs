//! The Tools API from outside: the real binary, a registry file that a person wrote, and those who
//! change it at the same time.
//!
//! Here is what the parts share: a desk with a sidecar on it, and requests with the operator's
//! token.

mod commands;
mod docs;
mod editor;
mod files;
mod kill;
mod read_only;
mod schema;
mod sdk;
mod writers;

use std::net::SocketAddr;
use std::path::PathBuf;

use countersign::test_support::process::{Sidecar, eventually};
use countersign::test_support::{FakeTool, Reply, sign_body};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, BINARY, get, metric, post};

/// The operator's token.
const TOKEN: &str = "an-operators-token";

/// Tools that come through the API may not lead to private addresses, but here they have to.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("COUNTERSIGN_ADMIN_TOKEN", TOKEN),
    ("COUNTERSIGN_UPSTREAM_ALLOW_PRIVATE", "true"),
];

/// What an agent sends.
const BODY: &str = r#"{"to":"user@example.com"}"#;

/// A registry as a person writes it. The API has defaults of its own and ignores the file's.
const HAND_MADE: &str = r#"# Tools of the support team. Ask before you change one.
defaults: { timeout_ms: 9000,   max_retries: 1 } # spacing of its own

tools:
  # Made by hand, and left alone by machines.
  - name: by_hand   # after a value
    url: 'UPSTREAM/by-hand'
    auth: { type: hmac_sha256, secret: "secret-by-hand" }

    # between two fields
    description: "quoted \"so\", with a # in it"

# The end of what people wrote.
"#;

/// A sidecar with a registry that can be edited.
struct Desk {
    sidecar: Sidecar,
    /// Behind every tool.
    backend: FakeTool,
    /// The backend's URL, without a path.
    url: String,
    dir: TempDir,
}

impl Desk {
    fn open() -> Self {
        let backend = FakeTool::ok();
        let url = format!("http://{}", backend.listen());
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("tools.yaml");
        std::fs::write(&path, HAND_MADE.replace("UPSTREAM", &url)).unwrap();
        let sidecar = Sidecar::start_with(BINARY, &path, &[], &ENVIRONMENT);
        Self {
            sidecar,
            backend,
            url,
            dir,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("tools.yaml")
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        ask(self.sidecar.admin, method, path, body)
    }

    /// Calls until it is likely that every worker has answered; each call must be signed with
    /// `secret`.
    fn expect_signed(&self, tool: &str, secret: &str) {
        let signature = sign_body(secret.as_bytes(), BODY.as_bytes());
        for reply in self.call(tool) {
            reply.expect_answer(200);
        }
        for received in self.backend.received() {
            assert_eq!(received.head.one("x-onceonly-tool"), tool);
            assert_eq!(received.head.one("x-onceonly-signature"), signature);
        }
    }

    /// The same for calls that must not reach the backend.
    fn expect_refused(&self, tool: &str, status: u16, code: &str) {
        for reply in self.call(tool) {
            reply.expect_refusal(status, code);
        }
        assert_eq!(self.backend.received().len(), 0);
    }

    fn call(&self, tool: &str) -> Vec<Reply> {
        self.backend.forget();
        let path = format!("/tools/{tool}");
        (0..8)
            .map(|_| post(self.sidecar.agents, &path, BODY))
            .collect()
    }

    fn reloads(&self, result: &str) -> f64 {
        let series = format!("countersign_registry_reloads_total{{result=\"{result}\"}}");
        metric(get(self.sidecar.admin, "/metrics").text(), &series)
    }

    /// How often a registry went into service, once nothing more can come of the changes so far.
    fn settled_reloads(&self) -> f64 {
        // A reload that is asked for finds any difference between the files and what serves.
        let before = self.reloads("replaced");
        assert_eq!(
            self.ask("POST", "/v1/registry/reload", &Value::Null).status,
            200
        );
        assert_eq!(
            self.reloads("replaced"),
            before,
            "the files were not what served"
        );
        // The watcher tells of changes in order, so what it told before this one has been looked at.
        std::fs::write(self.path(), self.file() + "# one more line\n").unwrap();
        let told = eventually(|| (self.reloads("replaced") > before).then_some(()));
        assert!(told.is_some(), "{:#?}", self.sidecar.stderr.all());
        assert_eq!(self.reloads("replaced"), before + 1.0);
        before
    }
}

/// Asks the API with the operator's token.
fn ask(admin: SocketAddr, method: &str, path: &str, body: &Value) -> Reply {
    support::ask(admin, TOKEN, method, path, body)
}

/// The same for a sidecar that may go away: `None` without a whole answer.
fn try_ask(admin: SocketAddr, method: &str, path: &str, body: &Value) -> Option<Reply> {
    support::try_ask(admin, TOKEN, method, path, body)
}
