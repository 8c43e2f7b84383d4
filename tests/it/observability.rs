//! What an operator sees agrees with what the upstream saw, and holds no secret.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use countersign::test_support::process::{Sidecar, eventually, run};
use countersign::test_support::{FakeTool, Reply, Step, client};
use http::Request;
use http_body_util::Full;
use tempfile::TempDir;

use crate::support::{BINARY, block_on, get, metric, post};

/// A registry with a good tool, a flaky one, one that is off, and one that nobody answers.
fn registry(dir: &TempDir, good: &FakeTool, flaky: &FakeTool) -> PathBuf {
    let (good, flaky) = (good.listen(), flaky.listen());
    let text = format!(
        "tools:
  - {{ name: good, url: 'http://{good}/', auth: {{ type: hmac_sha256, secret: supersecret }} }}
  - {{ name: flaky, url: 'http://{flaky}/', auth: {{ type: hmac_sha256, secret: supersecret }} }}
  - {{ name: 'off', enabled: false, url: 'http://{good}/', auth: {{ type: hmac_sha256, secret: supersecret }} }}
  - {{ name: gone, max_retries: 0, url: 'http://127.0.0.1:1/', auth: {{ type: hmac_sha256, secret: supersecret }} }}
"
    );
    let path = dir.path().join("tools.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

fn exposition(sidecar: &Sidecar) -> String {
    get(sidecar.admin, "/metrics").text().to_owned()
}

struct Played {
    sidecar: Sidecar,
    good: FakeTool,
    flaky: FakeTool,
    _dir: TempDir,
}

/// Ten good calls, two that need a retry each, and one of each kind of refusal.
fn play() -> Played {
    let dir = TempDir::new().unwrap();
    let good = FakeTool::ok();
    let step = || Step::status(503, &[("Retry-After", "0")]);
    let flaky = FakeTool::script([step(), Step::ok(), step(), Step::ok()]);
    let sidecar = Sidecar::start(BINARY, &registry(&dir, &good, &flaky));
    for _ in 0..10 {
        post(sidecar.agents, "/tools/good", "{}").expect_answer(200);
    }
    for _ in 0..2 {
        let reply = post(sidecar.agents, "/tools/flaky", "{}");
        reply.expect_answer(200);
        assert_eq!(reply.attempts(), 2);
    }
    post(sidecar.agents, "/tools/off", "{}").expect_refusal(403, "tool_disabled");
    post(sidecar.agents, "/tools/gone", "{}").expect_refusal(502, "upstream_connect");
    post(sidecar.agents, "/tools/nobody", "{}").expect_refusal(404, "tool_not_found");
    Played {
        sidecar,
        good,
        flaky,
        _dir: dir,
    }
}

// spec: OBS-1
#[test]
fn the_counts_equal_what_the_upstream_saw() {
    let Played {
        sidecar,
        good,
        flaky,
        _dir,
    } = play();
    let text = exposition(&sidecar);
    let count = |series: &str| metric(&text, &format!("countersign_{series}")) as usize;
    let calls = |tool: &str, outcome: &str| {
        count(&format!(
            "calls_total{{tool=\"{tool}\",door=\"proxy\",outcome=\"{outcome}\"}}"
        ))
    };
    let attempts = |tool: &str, outcome: &str| {
        count(&format!(
            "upstream_attempts_total{{tool=\"{tool}\",outcome=\"{outcome}\"}}"
        ))
    };
    assert_eq!((calls("good", "success"), good.received().len()), (10, 10));
    assert_eq!(attempts("good", "success"), 10);
    assert_eq!((calls("flaky", "success"), flaky.received().len()), (2, 4));
    assert_eq!(
        (
            attempts("flaky", "success"),
            attempts("flaky", "server_error")
        ),
        (2, 2)
    );
    assert_eq!(count("retries_total{tool=\"flaky\",reason=\"503\"}"), 2);
    assert_eq!(calls("off", "tool_disabled"), 1);
    assert_eq!(
        (
            calls("gone", "upstream_connect"),
            attempts("gone", "upstream_connect")
        ),
        (1, 1)
    );
    assert_eq!(calls("_unknown", "tool_not_found"), 1);
    assert_eq!(count("call_duration_seconds_count{tool=\"good\"}"), 10);
    assert_eq!(count("inflight_calls{tool=\"good\"}"), 0);
    assert_eq!(
        (count("buffered_body_bytes"), count("registry_tools")),
        (0, 4)
    );
    assert_eq!(count("overhead_seconds_count"), 15);
    assert_eq!(
        metric(&text, "countersign_registry_last_reload_successful"),
        1.0
    );
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
}

// spec: OBS-2
#[test]
fn every_call_has_one_line() {
    let Played { sidecar, .. } = play();
    let lines = eventually(|| {
        let lines = sidecar.stdout.all();
        (lines.len() >= 15).then_some(lines)
    });
    let lines: Vec<serde_json::Value> = lines
        .expect("all lines")
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 15);
    let of = |tool: &str| {
        lines
            .iter()
            .filter(|l| l["tool"] == tool)
            .collect::<Vec<_>>()
    };
    let flaky = of("flaky")[0];
    assert_eq!(
        (&flaky["outcome"], &flaky["status"]),
        (&"success".into(), &200.into())
    );
    assert_eq!(flaky["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(flaky["attempts"][0]["status"], 503);
    let off = of("off")[0];
    assert_eq!(
        (&off["status"], &off["code"]),
        (&403.into(), &"tool_disabled".into())
    );
    assert!(off["attempts"].as_array().is_none_or(Vec::is_empty));
    assert!(
        lines
            .iter()
            .all(|line| line["request_id"].as_str().is_some_and(|id| id.len() == 36))
    );
}

// spec: BIND-1 OBS-1
#[test]
fn connections_that_found_no_room_are_counted() {
    let dir = TempDir::new().unwrap();
    let good = FakeTool::ok();
    let environment = [("COUNTERSIGN_AGENTS_MAX_CONNECTIONS", "1")];
    let registry = registry(&dir, &good, &good);
    let sidecar = Sidecar::start_with(BINARY, &registry, &[], &environment);
    let count = |name: &str| metric(&exposition(&sidecar), &format!("countersign_{name}"));
    assert_eq!(count("agent_connections_refused_total"), 0.0);
    let _held = TcpStream::connect(sidecar.agents).unwrap();
    eventually(|| (count("agent_connections") == 1.0).then_some(())).expect("the place is taken");
    for refused in [1.0, 2.0] {
        // The answer comes without a request, so a client of HTTP may take it for nonsense.
        let mut answer = String::new();
        let mut stream = TcpStream::connect(sidecar.agents).unwrap();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert_eq!(count("agent_connections_refused_total"), refused);
    }
}

// spec: OBS-1
#[test]
#[ignore = "needs promtool"]
fn promtool_accepts_the_exposition() {
    let Played { sidecar, .. } = play();
    let text = exposition(&sidecar);
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn with_authorization(sidecar: &Sidecar, path: &str, token: &str) -> Reply {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    block_on(client::send(
        sidecar.admin,
        request.body(Full::default()).unwrap(),
    ))
}

/// Everything secret that one sidecar can hold is unlike any other text.
#[test]
fn no_secret_is_ever_said() {
    const INLINE: &str = "inline-secret-4b1d";
    const FROM_FILE: &str = "secret-from-file-77a0";
    const FROM_ENVIRONMENT: &str = "secret-from-environment-e51c";
    const API_KEY: &str = "api-key-of-the-tool-90f2";
    const TOKEN: &str = "admin-token-of-the-operator-1c3e";
    const AGENT_TOKEN: &str = "token-of-the-agent-support-bot";
    const BODY: &str = r#"{"card":"4242-4242-4242-4242"}"#;
    const MISPLACED: &str = "misplaced-secret-aa41";

    let dir = TempDir::new().unwrap();
    let upstream = FakeTool::script([Step::ok(), Step::CloseAfterRequest]).listen();
    let path = dir.path().join("tools.yaml");
    let tools = format!(
        "tools:
  - {{ name: a, url: 'http://{upstream}/?key=q', auth: {{ type: hmac_sha256, secret: {INLINE} }}, headers: {{ X-Api-Key: {API_KEY} }} }}
  - {{ name: b, url: 'http://{upstream}/', auth: {{ type: hmac_sha256, secret_file: key }} }}
  - {{ name: c, url: 'http://{upstream}/', auth: {{ type: hmac_sha256, secret: '${{KEY_C}}' }} }}
"
    );
    std::fs::write(&path, &tools).unwrap();
    std::fs::write(dir.path().join("key"), FROM_FILE).unwrap();
    let settings = dir.path().join("countersign.yaml");
    std::fs::write(
        &settings,
        format!("agents: {{ tokens: {{ support_bot: {AGENT_TOKEN} }} }}\n"),
    )
    .unwrap();
    let sidecar = Sidecar::start_with(
        BINARY,
        &path,
        &[
            "--log-level",
            "trace",
            "--config",
            settings.to_str().unwrap(),
        ],
        &[
            ("KEY_C", FROM_ENVIRONMENT),
            ("COUNTERSIGN_ADMIN_TOKEN", TOKEN),
        ],
    );
    let mut said = Vec::new();
    let mut hear = |text: String| said.push(text);
    for tool in ["a", "b", "c"] {
        let request = Request::post(format!("/tools/{tool}?card=4242"))
            .header("authorization", format!("Bearer {AGENT_TOKEN}"))
            .body(Full::new(BODY.into()))
            .unwrap();
        let reply = block_on(client::send(sidecar.agents, request));
        hear(format!("{:?} {}", reply.headers, reply.text()));
    }
    let refused = post(sidecar.agents, "/tools/a", BODY);
    refused.expect_refusal(401, "unauthorized");

    // A reload in which a secret stands where a number or a mapping belongs.
    for wrong in [
        format!("{tools}    timeout_ms: {MISPLACED}\n"),
        format!("{tools}  - {{ name: d, url: '{MISPLACED}', auth: {MISPLACED} }}\n"),
        format!("{tools}  - {MISPLACED}: [\n"),
        format!("{tools}  - {{ name: a, enabled: {MISPLACED}, url: 'http://{MISPLACED}@x/' }}\n"),
    ] {
        std::fs::write(&path, &wrong).unwrap();
        let before = exposition(&sidecar);
        let refused = |text: &str| {
            metric(
                text,
                "countersign_registry_reloads_total{result=\"refused\"}",
            )
        };
        eventually(|| (refused(&exposition(&sidecar)) > refused(&before)).then_some(()))
            .expect("the reload is refused");
        let mut check = Command::new(BINARY);
        check
            .args(["check", "--registry"])
            .arg(&path)
            .env("KEY_C", FROM_ENVIRONMENT);
        let (code, out, err) = run(&mut check);
        assert_eq!(code, 78);
        hear(out + &err);
        let (_, out, err) = run(check.arg("--json"));
        hear(out + &err);
        let status = with_authorization(&sidecar, "/v1/registry", TOKEN);
        assert_eq!(status.status, 200);
        hear(status.text().to_owned());
        hear(
            with_authorization(&sidecar, "/v1/registry", MISPLACED)
                .text()
                .to_owned(),
        );
    }
    hear(exposition(&sidecar));
    hear(sidecar.command_line());
    eventually(|| (sidecar.stdout.all().len() == 4).then_some(())).expect("four lines");
    hear(sidecar.stdout.all().join("\n"));
    hear(sidecar.stderr.all().join("\n"));
    let said = said.join("\n");
    assert!(said.len() > 5_000, "there is something to search: {said}");
    for secret in [
        INLINE,
        FROM_FILE,
        FROM_ENVIRONMENT,
        API_KEY,
        TOKEN,
        AGENT_TOKEN,
        MISPLACED,
        "4242",
    ] {
        let place = said
            .find(secret)
            .map(|at| &said[at.saturating_sub(200)..at]);
        assert_eq!(place, None, "{secret} was said");
    }
}
