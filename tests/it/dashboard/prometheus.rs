//! A Prometheus server as a child process, with the configuration, rules and alerts that are shipped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use countersign::test_support::Reply;
use countersign::test_support::process::eventually;
use serde_json::Value;
use tempfile::TempDir;

use crate::alerts::shipped;
use crate::support::get;

/// Scrapes one sidecar several times a second. Killed on drop.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts a server and waits until it has scraped `target`.
    pub fn start(target: SocketAddr) -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("prometheus.yaml");
        std::fs::write(&config, shipped_config(target)).unwrap();
        for file in ["rules.yaml", "alerts.yaml"] {
            let from = shipped("config/prometheus").join(file);
            std::fs::copy(from, folder.path().join(file)).unwrap();
        }
        // It cannot be told to take any free port and say which.
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        drop(held);
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .spawn()
            .expect("prometheus is installed");
        let server = Self {
            child,
            address,
            _folder: folder,
        };
        let up = || {
            TcpStream::connect(server.address).ok()?;
            let ready = get(server.address, "/-/ready").status == 200;
            (ready && server.value("up") == Some(1.0)).then_some(())
        };
        eventually(up).expect("prometheus scrapes the sidecar");
        server
    }

    /// Waits until the sidecar has been scraped, and the rules been evaluated, after this was called.
    pub fn has_scraped_again(&self) {
        let last = |expression| self.value(expression).unwrap_or_default();
        let scraped = "timestamp(up)";
        let recorded = "timestamp(instance:countersign_overloaded:rate5m)";
        let before = (last(scraped), last(recorded));
        eventually(|| (last(scraped) > before.0 && last(recorded) > before.1).then_some(()))
            .expect("prometheus goes on scraping");
    }

    /// What an expression gives now: one entry for each series.
    pub fn ask(&self, expression: &str) -> Vec<Value> {
        let query: String = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        let data = self.api(&format!("/api/v1/query?query={query}"), expression);
        data["result"].as_array().unwrap().clone()
    }

    /// Every rule, in the order of the files.
    pub fn rules(&self) -> Vec<Value> {
        let data = self.api("/api/v1/rules", "the rules");
        let groups = data["groups"].as_array().unwrap();
        let mut rules: Vec<_> = groups.iter().collect();
        // Recording rules first, whatever the order of the answer is.
        rules.sort_by_key(|group| group["file"].as_str().unwrap().ends_with("alerts.yaml"));
        rules
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap().clone())
            .collect()
    }

    fn value(&self, expression: &str) -> Option<f64> {
        let result = self.ask(expression);
        result.first()?["value"][1].as_str()?.parse().ok()
    }

    fn api(&self, path: &str, what: &str) -> Value {
        let reply: Reply = get(self.address, path);
        let answer = reply.json();
        assert_eq!(answer["status"], "success", "{what}: {answer:#}");
        answer["data"].clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The shipped file but for two things: where the sidecar is, and how often it is looked at.
fn shipped_config(target: SocketAddr) -> String {
    let mut text = std::fs::read_to_string(shipped("config/prometheus/prometheus.yaml")).unwrap();
    for (from, to) in [
        ("scrape_interval: 15s", "scrape_interval: 250ms".to_owned()),
        (
            "evaluation_interval: 15s",
            "evaluation_interval: 250ms".to_owned(),
        ),
        ("[\"127.0.0.1:8788\"]", format!("[\"{target}\"]")),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
        text = text.replace(from, &to);
    }
    text
}
