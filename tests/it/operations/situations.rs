//! What each example of the page is for: the situation before it, and what must have come of it.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::process::Command;
use std::thread;

use countersign::test_support::process::{eventually, run};

use crate::operations::site::Site;
use crate::support::{get, post};

impl Site {
    /// Makes the situation that an example is for.
    pub fn before(&mut self, name: &str) {
        match name {
            "rotate" => self.noted = self.tool_shown(),
            "refused" => {
                self.noted = self.text("tools.yaml");
                self.change(|text| text + "  - name: unfinished\n");
                self.wait_for_reload(false);
            }
            "upgrade" => {
                self.noted = self.text("countersign.pid");
                self.begin("/tools/slow");
                let (slow, gate, agents) = (self.slow.clone(), self.gate.clone(), self.agents);
                eventually(|| (slow.received().len() == 1).then_some(())).expect("a call");
                thread::spawn(move || {
                    let refused = || TcpStream::connect(agents).is_err().then_some(());
                    eventually(refused).expect("the listener is closed");
                    gate.open();
                });
            }
            runbook => self.before_runbook(runbook),
        }
    }

    fn before_runbook(&mut self, name: &str) {
        match name {
            "storming" => post(self.agents, "/tools/flaky", "{}").expect_answer(200),
            "circuit" => {
                for _ in 0..2 {
                    let reply = post(self.agents, "/tools/fail_test", "{}");
                    reply.expect_refusal(502, "upstream_connect");
                }
                let refused = post(self.agents, "/tools/fail_test", "{}");
                refused.expect_refusal(503, "circuit_open");
                self.wait_for_line(r#""circuit":"refused""#);
            }
            "secret-missing" => {
                let (secret, aside) = (self.path("secrets/send_email"), self.path("aside"));
                std::fs::rename(secret, aside).unwrap();
                self.wait_for_reload(false);
            }
            "overloaded" => {
                // One of them gets the place, and its answer is held back.
                self.begin("/tools/crowded");
                self.begin("/tools/crowded");
                self.wait_for_line(r#""limit":"max_concurrency""#);
                self.crowd.open();
            }
            "down" => {
                let pid = self.text("countersign.pid");
                let (code, ..) = run(Command::new("kill").arg(pid.trim()));
                assert_eq!(code, 0);
                let gone = || TcpStream::connect(self.admin).is_err().then_some(());
                eventually(gone).expect("the sidecar ends");
            }
            _ => {}
        }
    }

    /// Checks what came of an example.
    pub fn after(&mut self, name: &str, said: &str) {
        let has = |parts: &[&str]| {
            for part in parts {
                assert!(said.contains(part), "{name}: {part:?} is not in\n{said}");
            }
        };
        match name {
            "setup" | "start" => {}
            "well" => has(&["ready", "\"last_reload_successful\":true", "send_email"]),
            "rotate" => has(&["\"generation\":2"]),
            "rotated" => {
                assert_ne!(self.tool_shown(), self.noted);
                has(&["\"status\":200"]);
            }
            "tool-off" => {
                let reply = post(self.agents, "/tools/send_email", "{}");
                reply.expect_refusal(403, "tool_disabled");
                assert!(self.text("tools.yaml").contains("enabled: false"));
            }
            "tool-on" => post(self.agents, "/tools/send_email", "{}").expect_answer(200),
            "agent-off" => self.call_as_bot(403),
            "agent-logs" => has(&["agent_disabled"]),
            "agent-on" => self.call_as_bot(200),
            "explain" => {
                has(&["500 server_error", "by support_bot", "no retry"]);
                has(&["effect     the backend got the call and answered it"]);
            }
            "failures" => has(&["\"no_retry\":\"not_repeatable\""]),
            "refused" => {
                has(&[
                    "tools.yaml:",
                    "exit code 78",
                    "\"last_reload_successful\":false",
                ]);
                has(&["registry has an error"]);
                std::fs::write(self.path("tools.yaml"), &self.noted).unwrap();
                self.wait_for_reload(true);
            }
            "usage" => has(&["process_max_fds", "max_buffered_bytes"]),
            "upgrade" => {
                let call = self.under_way.pop().unwrap().join().unwrap();
                call.expect_answer(200);
                assert_ne!(self.text("countersign.pid"), self.noted);
                assert_eq!(get(self.admin, "/readyz").status, 200);
            }
            "audit" => has(&["ok: records 1 to "]),
            "backup" => {
                has(&["ok: records 1 to "]);
                assert!(self.path("backup.store").exists());
            }
            runbook => self.after_runbook(runbook, &has),
        }
    }

    fn after_runbook(&mut self, name: &str, has: &dyn Fn(&[&str])) {
        match name {
            "tool-failing" => has(&["500 server_error"]),
            "storming" => has(&["countersign_retries_total{tool=\"flaky\",reason=\"503\"} 1"]),
            "budget" => has(&["countersign_retries_total"]),
            "circuit" => {
                has(&["countersign_circuit_state{tool=\"fail_test\"} 2"]);
                has(&["circuit opened", "\"outcome\":\"upstream_connect\""]);
            }
            "reload-failed" => has(&["\"last_reload_successful\":true"]),
            "secret-missing" => {
                has(&["secret_file: the file cannot be read", "exit code 78"]);
                let (secret, aside) = (self.path("secrets/send_email"), self.path("aside"));
                std::fs::rename(aside, secret).unwrap();
                self.wait_for_reload(true);
            }
            "overloaded" => {
                has(&[
                    "\"limit\":\"max_concurrency\"",
                    "countersign_agent_connections",
                ]);
                let calls = self.under_way.drain(..).map(|call| call.join().unwrap());
                let statuses: BTreeSet<_> = calls.map(|reply| reply.status.as_u16()).collect();
                assert_eq!(statuses, BTreeSet::from([200, 503]));
            }
            "no-traffic" => has(&["\"status\":200", "countersign_agent_connections"]),
            "store" => has(&["countersign_store_working 1", "Filesystem"]),
            "down" => {
                has(&[
                    "admin does not answer",
                    "agents do not get an answer",
                    "ended",
                ]);
            }
            other => panic!("nothing is expected of the block test={other}"),
        }
    }
}
