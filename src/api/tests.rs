//! The admin door from outside: a request in, status, headers and body out.

mod governing;
mod policies;
mod tools;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::HeaderMap;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::*;
use crate::body::BufferedBytes;
use crate::clock::{Clock, Timestamp};
use crate::registry::{
    AuthSpec, CircuitBreakerSpec, LoadedFrom, RateLimitSpec, SnapshotBuilder, Tool, ToolSpec,
};
use crate::test_support::governing::governed;

const TOKEN: &str = "once_live_admin";

fn registry() -> Registry {
    let tool = |name: &str| {
        let auth = AuthSpec {
            scheme: "hmac_sha256".to_owned(),
            secret: Some(Secret::new("supersecret")),
            secret_id: None,
        };
        Tool::compile(ToolSpec {
            name: name.to_owned(),
            url: "https://api.example.com/v1".to_owned(),
            auth,
            ..ToolSpec::default()
        })
        .unwrap()
    };
    let mut builder = SnapshotBuilder::new(None);
    builder.add(tool("send_email")).unwrap();
    builder.add(tool("charge")).unwrap();
    let loaded_from = LoadedFrom {
        source: Some("/etc/countersign/tools.yaml".into()),
        loaded_at: Timestamp::from_unix_millis(1_705_322_400_000),
        last_errors: Vec::new(),
    };
    Registry::new(builder.finish(), loaded_from)
}

/// The door with a registry of two tools, whose reloads end as `reloads` says.
struct Door {
    api: AdminApi,
    registry: Arc<Registry>,
    ready: Arc<AtomicBool>,
    /// How often the end was asked for.
    quits: Arc<AtomicUsize>,
}

impl Door {
    fn new(token: Option<&str>, reloads: Result<(), Vec<String>>) -> Self {
        Self::to(Arc::new(registry()), token, reloads)
    }

    fn to(registry: Arc<Registry>, token: Option<&str>, reloads: Result<(), Vec<String>>) -> Self {
        let ready = Arc::new(AtomicBool::new(true));
        let (probe, reloaded) = (Arc::clone(&ready), Arc::clone(&registry));
        let quits = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&quits);
        let api = AdminApi::new(
            token.map(Secret::new).as_ref(),
            Arc::new(Metrics::new(BufferedBytes::new(0))),
            Arc::clone(&registry),
            BodyLimits {
                max_bytes: 1000,
                timeout: Duration::from_secs(30),
                buffered: BufferedBytes::new(4000),
            },
            Process {
                readiness: Box::new(move || {
                    probe
                        .load(Ordering::Relaxed)
                        .then_some(())
                        .ok_or("draining")
                }),
                reload: Box::new(move || {
                    let (registry, reloads) = (Arc::clone(&reloaded), reloads.clone());
                    Box::pin(async move {
                        match &reloads {
                            Ok(()) => {
                                let at = Timestamp::from_unix_millis(1_705_322_500_000);
                                registry.replace(SnapshotBuilder::new(None).finish(), at);
                            }
                            Err(errors) => registry.refuse(errors.clone()),
                        }
                        reloads
                    })
                }),
                quit: Box::new(move || {
                    asked.fetch_add(1, Ordering::Relaxed);
                }),
            },
            governed(Clock::System),
        );
        Self {
            api,
            registry,
            ready,
            quits,
        }
    }

    async fn ask(&self, method: Method, path: &str, token: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(Full::default()).unwrap()).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let response = self.api.answer(request).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        assert_eq!(self.header(CONTENT_TYPE), Some("application/json"));
        serde_json::from_str(&self.body).unwrap()
    }
}

#[tokio::test]
async fn metrics_and_health_are_open() {
    for token in [None, Some(TOKEN)] {
        let door = Door::new(token, Ok(()));
        let metrics = door.ask(Method::GET, "/metrics?x=1", None).await;
        assert_eq!(metrics.status, 200);
        let format = "text/plain; version=0.0.4; charset=utf-8";
        assert_eq!(metrics.header(CONTENT_TYPE), Some(format));
        assert!(
            metrics
                .body
                .contains("\n# TYPE countersign_calls_total counter\n")
        );
        let health = door.ask(Method::GET, "/healthz", None).await;
        assert_eq!((health.status, &*health.body), (200, "ok"));
        let ready = door.ask(Method::GET, "/readyz", None).await;
        assert_eq!((ready.status, &*ready.body), (200, "ready"));
        door.ready.store(false, Ordering::Relaxed);
        let draining = door.ask(Method::GET, "/readyz", None).await;
        assert_eq!((draining.status, &*draining.body), (503, "draining"));
        let health = door.ask(Method::GET, "/healthz", None).await;
        assert_eq!(health.status, 200);
    }
}

#[tokio::test]
async fn head_tells_the_length_without_the_bytes() {
    let door = Door::new(None, Ok(()));
    let health = door.ask(Method::HEAD, "/healthz", None).await;
    assert_eq!((health.status, &*health.body), (200, ""));
    assert_eq!(health.header(CONTENT_LENGTH), Some("2"));
    let unknown = door.ask(Method::HEAD, "/no/such/thing", None).await;
    assert_eq!((unknown.status, &*unknown.body), (404, ""));
    let refused = door.ask(Method::HEAD, "/v1/registry", None).await;
    assert_eq!((refused.status, &*refused.body), (403, ""));
    let metrics = door.ask(Method::HEAD, "/metrics", None).await;
    assert_eq!((metrics.status, &*metrics.body), (200, ""));
    assert!(
        metrics
            .header(CONTENT_LENGTH)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );
}

/// Everything but metrics and health, with a word in the place of every name.
fn closed() -> Vec<(Method, String)> {
    let open = ["/metrics", "/healthz", "/readyz"];
    let closed = routes::endpoints().filter(|endpoint| !open.contains(&endpoint.path));
    let asked = closed.map(|endpoint| {
        let steps = endpoint.path.split('/');
        let steps = steps.map(|step| if step.starts_with('{') { "x" } else { step });
        let path = steps.collect::<Vec<_>>().join("/");
        (endpoint.verb.methods()[0].clone(), path)
    });
    asked.collect()
}

// spec: API-2
#[tokio::test]
async fn the_api_asks_for_its_token() {
    let door = Door::new(Some(TOKEN), Ok(()));
    for (method, path) in closed() {
        let missing = door.ask(method.clone(), &path, None).await;
        assert_eq!(missing.status, 401, "{path}");
        let detail = json!({"detail": "Missing Authorization Bearer token"});
        assert_eq!(missing.json(), detail);
        assert_eq!(missing.header(WWW_AUTHENTICATE), Some("Bearer"));
        let wrong = door.ask(method, &path, Some("once_live_other")).await;
        assert_eq!(wrong.status, 403, "{path}");
        assert_eq!(wrong.json(), json!({"detail": "Invalid API key"}));
    }
    assert_eq!(door.registry.current().generation(), 1, "nobody reloaded");
}

// spec: BIND-1
#[tokio::test]
async fn without_a_token_the_whole_api_is_closed() {
    for token in [None, Some("")] {
        let door = Door::new(token, Ok(()));
        let unknown = [
            (Method::GET, "/v1/no/such/thing".to_owned()),
            (Method::DELETE, "/v1".to_owned()),
        ];
        for (method, path) in closed().into_iter().chain(unknown) {
            let closed = door.ask(method, &path, Some("")).await;
            assert_eq!(closed.status, 403, "{path}");
            assert_eq!(closed.json()["detail"]["error"], "admin_api_disabled");
            let message = closed.json()["detail"]["message"].clone();
            assert!(
                message
                    .as_str()
                    .unwrap()
                    .contains("COUNTERSIGN_ADMIN_TOKEN")
            );
            let code = closed.header("x-countersign-error");
            assert_eq!(code, Some("admin_api_disabled"));
        }
        assert_eq!(door.registry.current().generation(), 1, "nobody reloaded");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let door = Door::new(Some(TOKEN), Ok(()));
    for path in [
        "/",
        "/metrics/",
        "/v1",
        "/v1/registry/",
        "/v1x",
        "//healthz",
    ] {
        let unknown = door.ask(Method::GET, path, Some(TOKEN)).await;
        assert_eq!(unknown.status, 404, "{path}");
        assert_eq!(unknown.json(), json!({"detail": "Not Found"}));
    }
    for (method, path, allow) in [
        (Method::POST, "/metrics", "GET, HEAD"),
        (Method::OPTIONS, "/healthz", "GET, HEAD"),
        (Method::PUT, "/readyz", "GET, HEAD"),
        (Method::DELETE, "/v1/registry", "GET"),
        (Method::GET, "/v1/registry/reload", "POST"),
        (Method::GET, "/quit", "POST"),
    ] {
        let refused = door.ask(method, path, Some(TOKEN)).await;
        assert_eq!(refused.status, 405, "{path}");
        assert_eq!(refused.json(), json!({"detail": "Method Not Allowed"}));
        assert_eq!(refused.header(ALLOW), Some(allow));
    }
    // HEAD is no method of a path that only takes POST, and is answered without a body.
    let refused = door.ask(Method::HEAD, "/quit", Some(TOKEN)).await;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header(ALLOW), Some("POST"));
    assert_eq!(refused.body, "");
}

// spec: API-4 RELOAD-2
#[tokio::test]
async fn the_registry_tells_its_state() {
    let door = Door::new(Some(TOKEN), Ok(()));
    let expect = |errors: &[&str]| {
        json!({
            "generation": 1,
            "tools": 2,
            "source": "/etc/countersign/tools.yaml",
            "loaded_at": "2024-01-15T12:40:00.000Z",
            "last_reload_successful": errors.is_empty(),
            "errors": errors,
            "limits": {
                "buffered_body_bytes": 0,
                "max_buffered_bytes": 4000,
                "max_body_bytes": 1000,
            },
            "limited_tools": [],
        })
    };
    let fine = door.ask(Method::GET, "/v1/registry", Some(TOKEN)).await;
    assert_eq!((fine.status, fine.json()), (200, expect(&[])));
    let error = "tools.yaml:3:5: tools[0].name: this field is required";
    door.registry.refuse(vec![error.to_owned()]);
    let broken = door.ask(Method::GET, "/v1/registry", Some(TOKEN)).await;
    assert_eq!((broken.status, broken.json()), (200, expect(&[error])));
}

/// A tool with all three limits and one with a rate only.
fn limited_registry() -> Registry {
    let spec = |name: &str| ToolSpec {
        name: name.to_owned(),
        url: "https://api.example.com/v1".to_owned(),
        auth: AuthSpec {
            scheme: "hmac_sha256".to_owned(),
            secret: Some(Secret::new("supersecret")),
            secret_id: None,
        },
        rate_limit: Some(RateLimitSpec {
            per_second: Some(0.5),
            burst: None,
        }),
        ..ToolSpec::default()
    };
    let mut all = spec("all");
    all.max_concurrency = Some(2);
    all.circuit_breaker = Some(CircuitBreakerSpec {
        min_calls: Some(2),
        ..CircuitBreakerSpec::default()
    });
    let mut scoped = spec("all");
    scoped.scope_id = Some("agent:a".to_owned());
    let mut builder = SnapshotBuilder::new(None);
    for spec in [scoped, all] {
        builder.add(Tool::compile(spec).unwrap()).unwrap();
    }
    let loaded_from = LoadedFrom {
        source: None,
        loaded_at: Timestamp::from_unix_millis(0),
        last_errors: Vec::new(),
    };
    Registry::new(builder.finish(), loaded_from)
}

// spec: OBS-1
#[tokio::test(start_paused = true)]
async fn metrics_tell_how_the_store_stands() {
    let door = Door::new(Some(TOKEN), Ok(()));
    let scraped = async |series: &str| {
        let answer = door.ask(Method::GET, "/metrics", None).await;
        let value = |line: &str| Some(line.strip_prefix(series)?.trim().parse::<f64>().unwrap());
        let found = answer.body.lines().find_map(value);
        found.unwrap_or_else(|| panic!("no {series}"))
    };
    assert_eq!(scraped("countersign_store_entries ").await, 0.0);
    assert_eq!(scraped("countersign_store_batches_total ").await, 0.0);
    let path = "/v1/agents/a/disable";
    let answer = door.ask(Method::POST, path, Some(TOKEN)).await;
    assert_eq!(answer.status, 200);
    assert!(scraped("countersign_store_entries ").await > 0.0);
    assert!(scraped("countersign_store_bytes ").await > 128.0);
    assert!(scraped("countersign_store_batches_total ").await > 0.0);
    assert_eq!(scraped("countersign_store_failures_total ").await, 0.0);
    assert_eq!(scraped("countersign_store_working ").await, 1.0);
}

// spec: API-4 LIMIT-1 LIMIT-2 LIMIT-3
#[tokio::test(start_paused = true)]
async fn the_registry_tells_how_limits_stand() {
    let registry = Arc::new(limited_registry());
    let door = Door::to(Arc::clone(&registry), Some(TOKEN), Ok(()));
    let tool = registry.resolve(&"b".parse().unwrap(), "all").unwrap();
    let protection = &tool.protection;
    let places = &protection.concurrency.as_ref().unwrap().places;
    let _place = places.try_take().unwrap();
    protection.rate.as_ref().unwrap().take().unwrap();
    let circuit = protection.circuit.as_ref().unwrap();
    let tell = async || {
        let answer = door.ask(Method::GET, "/v1/registry", Some(TOKEN)).await;
        answer.json()["limited_tools"].clone()
    };
    let scraped = async || {
        let answer = door.ask(Method::GET, "/metrics", None).await;
        let series = "countersign_circuit_state{tool=\"all\"} ";
        let line = answer
            .body
            .lines()
            .find_map(|line| line.strip_prefix(series));
        line.unwrap().to_owned()
    };
    let expect = |state: &str, calls: u32, failures: u32, retry_after: u32| {
        json!([
            {
                "name": "all",
                "scope_id": "global",
                "in_flight": 1,
                "queued": 0,
                "max_concurrency": 2,
                "rate_limit": { "per_second": 0.5, "burst": 1, "available": 0 },
                "circuit": {
                    "state": state,
                    "calls": calls,
                    "failures": failures,
                    "failure_ratio": 0.5,
                    "min_calls": 2,
                    "open_ms": 10000,
                    "retry_after_ms": retry_after,
                },
            },
            {
                "name": "all",
                "scope_id": "agent:a",
                "in_flight": null,
                "queued": null,
                "max_concurrency": null,
                "rate_limit": { "per_second": 0.5, "burst": 1, "available": 1 },
                "circuit": null,
            },
        ])
    };
    circuit.enter().unwrap().ended(true);
    assert_eq!(tell().await, expect("closed", 1, 1, 0));
    assert_eq!(scraped().await, "0");
    circuit.enter().unwrap().ended(true);
    assert_eq!(tell().await, expect("open", 0, 0, 10_000));
    assert_eq!(scraped().await, "2");
    let answer = door.ask(Method::GET, "/v1/registry", Some(TOKEN)).await;
    let document = openapi::document();
    let schema = &document["components"]["schemas"]["Registry"];
    tools::fits(&document, schema, &answer.json(), "/v1/registry");
    // Just before the bucket has its next token.
    tokio::time::advance(Duration::from_millis(1_999)).await;
    assert_eq!(tell().await, expect("open", 0, 0, 8_001));
    tokio::time::advance(Duration::from_millis(8_001)).await;
    let mut half_open = expect("half_open", 0, 0, 0);
    half_open[0]["rate_limit"]["available"] = json!(1);
    assert_eq!(tell().await, half_open);
    assert_eq!(scraped().await, "1");
    // A tool that is gone leaves no circuit behind that looks open.
    let at = Timestamp::from_unix_millis(1);
    registry.replace(SnapshotBuilder::new(None).finish(), at);
    assert_eq!((tell().await, scraped().await), (json!([]), "0".to_owned()));
}

#[tokio::test]
async fn a_reload_answers_with_the_new_state() {
    let door = Door::new(Some(TOKEN), Ok(()));
    let path = "/v1/registry/reload";
    let reloaded = door.ask(Method::POST, path, Some(TOKEN)).await;
    assert_eq!(reloaded.status, 200);
    assert_eq!(
        reloaded.json(),
        json!({
            "generation": 2,
            "tools": 0,
            "source": "/etc/countersign/tools.yaml",
            "loaded_at": "2024-01-15T12:41:40.000Z",
            "last_reload_successful": true,
            "errors": [],
            "limits": {
                "buffered_body_bytes": 0,
                "max_buffered_bytes": 4000,
                "max_body_bytes": 1000,
            },
            "limited_tools": [],
        })
    );
}

// spec: RELOAD-2
#[tokio::test]
async fn a_refused_reload_lists_every_error_and_changes_nothing() {
    let errors = ["tools.yaml:3:5: a", "tools.yaml:9:1: b"].map(str::to_owned);
    let door = Door::new(Some(TOKEN), Err(errors.to_vec()));
    let path = "/v1/registry/reload";
    let refused = door.ask(Method::POST, path, Some(TOKEN)).await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.json(),
        json!({"detail": [
            {"type": "registry_error", "loc": ["registry"], "msg": "tools.yaml:3:5: a"},
            {"type": "registry_error", "loc": ["registry"], "msg": "tools.yaml:9:1: b"},
        ]})
    );
    assert_eq!(door.registry.current().generation(), 1);
}

// spec: LIFE-4
#[tokio::test]
async fn the_end_is_the_operators_to_ask_for() {
    let door = Door::new(Some(TOKEN), Ok(()));
    let path = "/quit";
    assert_eq!(door.ask(Method::POST, path, None).await.status, 401);
    let wrong = door.ask(Method::POST, path, Some("once_live_other")).await;
    assert_eq!(wrong.status, 403);
    let disabled = Door::new(None, Ok(()));
    let closed = disabled.ask(Method::POST, path, Some("")).await;
    assert_eq!(closed.status, 403);
    assert_eq!(closed.json()["detail"]["error"], "admin_api_disabled");
    for door in [&door, &disabled] {
        assert_eq!(door.quits.load(Ordering::Relaxed), 0, "nobody may yet");
    }
    let accepted = door.ask(Method::POST, path, Some(TOKEN)).await;
    assert_eq!(accepted.status, 202);
    let status = json!({ "ok": true, "status": "draining" });
    assert_eq!(accepted.json(), status);
    assert_eq!(door.quits.load(Ordering::Relaxed), 1);
}

#[test]
fn a_door_shows_no_token() {
    let door = Door::new(Some(TOKEN), Ok(()));
    let shown = format!("{:?}", door.api);
    assert_eq!(shown, "AdminApi { has_token: true, .. }");
}
