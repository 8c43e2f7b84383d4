//! The sidecar of the page: its files, its tools, and what tests ask of it beside the page.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use countersign::test_support::fake_tool::answer;
use countersign::test_support::process::eventually;
use countersign::test_support::{FakeTool, Gate, Reply, Step};

use crate::support::shell::Shell;
use crate::support::{post, try_ask};

const TOKEN: &str = "the-token-of-the-operator";

/// Everything on the page is at these addresses, on a host of this test's own, so that ports that are
/// free now stay so while the sidecar is started again.
pub struct Site {
    pub shell: Shell,
    pub host: String,
    pub agents: SocketAddr,
    pub admin: SocketAddr,
    /// Holds back the answers of the tool `slow`, and of `crowded`.
    pub gate: Gate,
    pub crowd: Gate,
    pub slow: FakeTool,
    /// Calls that a situation began.
    pub under_way: Vec<JoinHandle<Reply>>,
    pub noted: String,
}

impl Site {
    pub fn open() -> Self {
        let shell = Shell::start();
        let pid = std::process::id();
        let host = format!("127.77.{}.{}", pid / 250 % 250, 1 + pid % 250);
        let (gate, crowd) = (Gate::closed(), Gate::closed());
        let held = |gate: &Gate| Step::AnswerWhenOpen(gate.clone(), answer(200, &[]));
        let slow = FakeTool::script([held(&gate)]);
        let crowded = FakeTool::script([held(&crowd)]);
        let busy = Step::status(503, &[("Retry-After", "0")]);
        let flaky = FakeTool::script([busy, Step::ok()]);
        let broken = FakeTool::script([Step::status(500, &[])]);
        let tool = |name: &str, at: &str, more: &str| {
            let auth = "{ type: hmac_sha256, secret: a-secret-of-the-tool }";
            format!("  - {{ name: {name}, url: 'http://{at}/', auth: {auth}, {more} }}\n")
        };
        let registry = [
            "policies:\n  - { agent_id: support_bot, max_actions_per_hour: 500 }\ntools:\n",
            &format!(
                "  - name: send_email\n    url: http://{}/\n    auth: {{ type: hmac_sha256, \
                 secret_file: secrets/send_email }}\n",
                FakeTool::ok().listen()
            ),
            &tool(
                "create_ticket",
                &broken.listen().to_string(),
                "idempotent: false",
            ),
            &tool("flaky", &flaky.listen().to_string(), ""),
            &tool("slow", &slow.listen().to_string(), ""),
            &tool(
                "crowded",
                &crowded.listen().to_string(),
                "max_concurrency: 1, queue_timeout_ms: 10",
            ),
            &tool(
                "fail_test",
                "127.0.0.1:1",
                "max_retries: 0, circuit_breaker: { min_calls: 2, open_ms: 600000 }",
            ),
        ]
        .concat();
        let settings = format!(
            "agents: {{ listen: '{host}:8787' }}\nadmin: {{ listen: '{host}:8788', token_file: admin.token }}\n\
             registry: {{ path: tools.yaml }}\n"
        );
        let write = |name: &str, text: &str| {
            std::fs::write(shell.folder().join(name), text).unwrap();
        };
        std::fs::create_dir(shell.folder().join("secrets")).unwrap();
        write("secrets/send_email", "the-secret-before-the-rotation");
        write("admin.token", TOKEN);
        write("countersign.yaml", &settings);
        write("tools.yaml", &registry);
        let address = |port: u16| format!("{host}:{port}").parse().unwrap();
        Self {
            agents: address(8787),
            admin: address(8788),
            shell,
            host,
            gate,
            crowd,
            slow,
            under_way: Vec::new(),
            noted: String::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.shell.folder().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn change(&self, change: impl FnOnce(String) -> String) {
        let text = change(self.text("tools.yaml"));
        std::fs::write(self.path("tools.yaml"), text).unwrap();
    }

    /// Waits until the registry is in service, or refused.
    pub fn wait_for_reload(&self, successful: bool) {
        eventually(|| {
            let told = self.operator("/v1/registry")?;
            (told.json()["last_reload_successful"] == successful).then_some(())
        })
        .expect("the file is noticed");
    }

    pub fn operator(&self, path: &str) -> Option<Reply> {
        try_ask(self.admin, TOKEN, "GET", path, &serde_json::Value::Null)
    }

    /// Calls a tool, in a thread, since its answer is held back.
    pub fn begin(&mut self, path: &'static str) {
        let agents = self.agents;
        self.under_way
            .push(thread::spawn(move || post(agents, path, "{}")));
    }

    pub fn wait_for_line(&self, part: &str) {
        eventually(|| self.text("access.log").contains(part).then_some(())).expect(part);
    }

    pub fn call_as_bot(&self, status: u16) {
        let body =
            serde_json::json!({ "agent_id": "support_bot", "tool": "send_email", "args": {} });
        let reply = try_ask(self.admin, TOKEN, "POST", "/v1/ai/run", &body).unwrap();
        let decision = if status == 200 { "executed" } else { "blocked" };
        let told = reply.json();
        assert!(
            [decision, "dedup"].contains(&told["decision"].as_str().unwrap()),
            "{told}"
        );
    }

    pub fn tool_shown(&self) -> String {
        let told = self.operator("/v1/tools/send_email").unwrap();
        told.json()["secret_id"].to_string()
    }
}
