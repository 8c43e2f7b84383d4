//! The tools over HTTP, in front of a registry in memory that really changes.

mod description;
mod faults;

pub(super) use description::fits;

use std::sync::Mutex;

use http::header;

use super::*;
use crate::config::{self, Change, EditError, Problems, Target, ToolWrite};
use crate::ids::ScopeId;
use crate::registry::{Snapshot, forbidden};
use crate::rule::{Rule, Violation};

/// What stands in for the file: specifications that are compiled anew after every change.
#[derive(Default)]
struct FakeFile {
    specs: Mutex<Vec<ToolSpec>>,
    /// The next changes end like this and do nothing.
    fails: Mutex<Vec<EditError>>,
    changes: Mutex<usize>,
}

impl FakeFile {
    fn apply(&self, change: Change) -> Result<Snapshot, EditError> {
        if let Some(error) = self.fails.lock().unwrap().pop() {
            return Err(error);
        }
        *self.changes.lock().unwrap() += 1;
        let mut specs = self.specs.lock().unwrap();
        let Target::Tool(name, scope) = change.target() else {
            panic!("there are only tools");
        };
        let (name, scope) = (name.to_string(), scope.to_string());
        let is_it = |spec: &ToolSpec| spec.name == name && spec.scope_id == Some(scope.clone());
        let place = specs.iter().position(is_it);
        match (change, place) {
            (Change::Put(write), place) => {
                let spec = spec_of(write, place.map(|place| &specs[place]));
                Tool::compile(spec.clone()).map_err(EditError::Invalid)?;
                match place {
                    Some(place) => specs[place] = spec,
                    None => specs.push(spec),
                }
            }
            (Change::SetEnabled { enabled, .. }, Some(place)) => {
                specs[place].enabled = Some(enabled);
            }
            (Change::Delete { .. }, Some(place)) => drop(specs.remove(place)),
            (Change::SetEnabled { .. } | Change::Delete { .. }, None) => {
                return Err(EditError::NotFound);
            }
            (Change::Govern(_), _) => panic!("there are only tools"),
        }
        let mut builder = SnapshotBuilder::new(None);
        for spec in specs.iter() {
            builder.add(Tool::compile(spec.clone()).unwrap()).unwrap();
        }
        Ok(builder.finish())
    }
}

fn spec_of(write: ToolWrite, before: Option<&ToolSpec>) -> ToolSpec {
    let kept = || before.and_then(|spec| spec.auth.secret.clone());
    ToolSpec {
        name: write.name.to_string(),
        scope_id: Some(write.scope.to_string()),
        url: write.url,
        auth: AuthSpec {
            scheme: "hmac_sha256".to_owned(),
            secret: write.secret.or_else(kept),
            secret_id: None,
        },
        timeout_ms: Some(write.timeout_ms),
        max_retries: Some(write.max_retries),
        enabled: Some(write.enabled),
        description: write.description,
        source: Some(ToolSpec::SOURCE_API.to_owned()),
        headers: before.map_or(Vec::new(), |spec| spec.headers.clone()),
        ..ToolSpec::default()
    }
}

/// The door to an empty registry that can be changed.
struct Desk {
    door: Door,
    file: Arc<FakeFile>,
}

impl Desk {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(allow_private: bool) -> Self {
        let loaded_from = LoadedFrom {
            source: None,
            loaded_at: Timestamp::from_unix_millis(1_705_322_400_000),
            last_errors: Vec::new(),
        };
        let registry = Registry::new(SnapshotBuilder::new(None).finish(), loaded_from);
        let mut door = Door::to(Arc::new(registry), Some(TOKEN), Ok(()));
        let file = Arc::new(FakeFile::default());
        let (behind, registry) = (Arc::clone(&file), Arc::clone(&door.registry));
        let edit: Edit = Box::new(move |change| {
            let (file, registry) = (Arc::clone(&behind), Arc::clone(&registry));
            Box::pin(async move {
                let next = file.apply(change)?;
                registry.replace(next, Timestamp::from_unix_millis(1_705_322_400_000));
                Ok(())
            })
        });
        door.api = door.api.editable(edit, allow_private);
        Self { door, file }
    }

    /// Asks as the Python SDK does: with a content type on everything.
    async fn ask(&self, method: Method, path: &str, body: &str) -> Answer {
        self.ask_as(method, path, Some("application/json"), body)
            .await
    }

    async fn ask_as(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::USER_AGENT, "onceonly-python-sdk/3.0.5");
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let body = Full::new(Bytes::from(body.to_owned()));
        self.door.send(request.body(body).unwrap()).await
    }

    async fn put(&self, tool: &Value) -> Answer {
        self.ask(Method::POST, "/v1/tools", &tool.to_string()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "").await
    }

    async fn names(&self, query: &str) -> Vec<String> {
        let listed = self.get(&format!("/v1/tools{query}")).await;
        assert_eq!(listed.status, 200);
        let tools = listed.json();
        let named = |tool: &Value| {
            let (scope, name) = (tool["scope_id"].as_str(), tool["name"].as_str());
            format!("{} {}", scope.unwrap(), name.unwrap())
        };
        tools.as_array().unwrap().iter().map(named).collect()
    }

    fn fail(&self, error: EditError) {
        self.file.fails.lock().unwrap().push(error);
    }

    fn changes(&self) -> usize {
        *self.file.changes.lock().unwrap()
    }
}

/// The body of the reference's own example.
fn reference() -> Value {
    json!({
        "name": "send_email",
        "scope_id": "global",
        "url": "https://api.example.com/v1/send-email",
        "auth": { "type": "hmac_sha256", "secret": "your_shared_secret_key" },
        "timeout_ms": 15000,
        "max_retries": 2,
        "enabled": true,
        "description": "Send transactional emails via SMTP service",
    })
}

fn named(name: &str, scope: &str) -> Value {
    json!({
        "name": name,
        "scope_id": scope,
        "url": "https://api.example.com/",
        "auth": { "type": "hmac_sha256", "secret": "your_shared_secret_key" },
    })
}

/// The id by SIG-5, from `openssl dgst -sha256 -hmac your_shared_secret_key`.
const SECRET_ID: &str = "sec_5b2c2b60";

fn shown() -> Value {
    json!({
        "name": "send_email",
        "scope_id": "global",
        "url": "https://api.example.com/v1/send-email",
        "timeout_ms": 15000,
        "max_retries": 2,
        "enabled": true,
        "description": "Send transactional emails via SMTP service",
        "has_secret": true,
        "secret_id": SECRET_ID,
        "secret_mask": "***key",
    })
}

// spec: API-1
#[tokio::test]
async fn a_tool_lives_from_its_creation_to_its_removal() {
    let desk = Desk::new();
    for _ in 0..2 {
        let put = desk.put(&reference()).await;
        assert_eq!((put.status, put.json()), (200, shown()));
    }
    let got = desk.get("/v1/tools/send_email?scope_id=global").await;
    assert_eq!((got.status, got.json()), (200, shown()));
    let listed = desk.get("/v1/tools").await;
    assert_eq!((listed.status, listed.json()), (200, json!([shown()])));

    let path = "/v1/tools/send_email/toggle?scope_id=global";
    let off = desk.ask(Method::POST, path, r#"{"enabled":false}"#).await;
    let expected = json!({ "name": "send_email", "enabled": false });
    assert_eq!((off.status, off.json()), (200, expected));
    let got = desk.get("/v1/tools/send_email").await;
    assert_eq!(got.json()["enabled"], false);

    let path = "/v1/tools/send_email?scope_id=global";
    let deleted = desk.ask(Method::DELETE, path, "").await;
    let expected = json!({ "ok": true, "deleted": "send_email", "scope_id": "global" });
    assert_eq!((deleted.status, deleted.json()), (200, expected));
    let missing = json!({
        "detail": { "error": "tool_not_found", "name": "send_email", "scope_id": "global" },
    });
    for (method, path, body) in [
        (Method::GET, "/v1/tools/send_email", ""),
        (Method::DELETE, "/v1/tools/send_email", ""),
        (
            Method::POST,
            "/v1/tools/send_email/toggle",
            r#"{"enabled":true}"#,
        ),
    ] {
        let gone = desk.ask(method, path, body).await;
        assert_eq!((gone.status, gone.json()), (404, missing.clone()));
        assert_eq!(gone.header("x-countersign-error"), Some("tool_not_found"));
    }
    assert_eq!(desk.get("/v1/tools").await.json(), json!([]));
}

// spec: API-1
#[tokio::test]
async fn a_replacement_starts_from_the_defaults_and_keeps_the_secret() {
    let desk = Desk::new();
    let mut first = reference();
    first["timeout_ms"] = json!(250);
    first["max_retries"] = json!(0);
    first["enabled"] = json!(false);
    assert_eq!(desk.put(&first).await.status, 200);
    for auth in [
        json!({ "type": "hmac_sha256" }),
        json!({ "type": "hmac_sha256", "secret": null }),
    ] {
        let bare = json!({
            "name": "send_email",
            "url": "HTTPS://API.example.com:443",
            "auth": auth,
            "of_no_meaning": [1, 2, 3],
        });
        let put = desk.put(&bare).await;
        let mut expected = shown();
        expected["url"] = json!("https://api.example.com/");
        expected["description"] = json!(null);
        assert_eq!((put.status, put.json()), (200, expected));
    }
    let mut renewed = reference();
    renewed["auth"]["secret"] = json!("short_1!");
    let put = desk.put(&renewed).await.json();
    assert_eq!(put["secret_mask"], "***");
    assert_ne!(put["secret_id"], SECRET_ID);
}

// spec: API-1
#[tokio::test]
async fn lists_are_of_one_scope_or_of_all_in_a_stable_order() {
    let desk = Desk::new();
    for (name, scope) in [
        ("zeta", "global"),
        ("alpha", "agent:b c".replace(' ', "_").as_str()),
        ("alpha", "global"),
        ("zeta", "agent:a"),
        ("Beta", "global"),
        ("alpha", "agent:a"),
    ] {
        assert_eq!(desk.put(&named(name, scope)).await.status, 200);
    }
    let global = ["global Beta", "global alpha", "global zeta"];
    let a = ["agent:a alpha", "agent:a zeta"];
    for query in [
        "",
        "?",
        "?scope_id=global",
        "?scope_id=all&scope_id=global",
        "?x=1",
    ] {
        assert_eq!(desk.names(query).await, global, "{query}");
    }
    for query in [
        "?scope_id=agent:a",
        "?scope_id=agent%3Aa",
        "?%73cope_id=agent%3aa",
    ] {
        assert_eq!(desk.names(query).await, a, "{query}");
    }
    assert_eq!(desk.names("?scope_id=agent%3Anobody").await, [""; 0]);
    let all = [&global[..], &a, &["agent:b_c alpha"]].concat();
    assert_eq!(desk.names("?scope_id=all").await, all);
}

// spec: API-1
#[tokio::test]
async fn names_and_scopes_arrive_in_every_spelling() {
    let desk = Desk::new();
    let put = desk.put(&named("a:b", "agent:x+y")).await;
    assert_eq!(
        (put.status, &put.json()["scope_id"]),
        (200, &json!("agent:x+y"))
    );
    for path in [
        "/v1/tools/a:b?scope_id=agent%3Ax%2By",
        "/v1/tools/a%3Ab?scope_id=agent:x%2by",
        "/v1/tools/%61%3a%62?scope_id=agent:x%2By",
    ] {
        let got = desk.get(path).await;
        assert_eq!((got.status, &got.json()["name"]), (200, &json!("a:b")));
    }
    // A plus is a space, which no scope holds.
    assert_eq!(
        desk.get("/v1/tools/a:b?scope_id=agent:x+y").await.status,
        422
    );
    let other = desk.get("/v1/tools/a:b").await;
    let detail = json!({ "error": "tool_not_found", "name": "a:b", "scope_id": "global" });
    assert_eq!(
        (other.status, other.json()),
        (404, json!({ "detail": detail }))
    );
    for path in ["/v1/tools/..", "/v1/tools/a%20b", "/v1/tools/a%253Ab"] {
        let nobody = desk.get(path).await;
        assert_eq!(nobody.json()["detail"]["error"], "tool_not_found", "{path}");
        let deleted = desk.ask(Method::DELETE, path, "").await;
        assert_eq!(
            deleted.json()["detail"]["error"],
            "tool_not_found",
            "{path}"
        );
    }
    for path in [
        "/v1/tools/",
        "/v1/tools/a%2Fb",
        "/v1/tools/a/b",
        "/v1/tools/%ff",
    ] {
        let nothing = desk.get(path).await;
        assert_eq!(nothing.status, 404);
        assert_eq!(nothing.json(), json!({ "detail": "Not Found" }), "{path}");
    }
}

#[tokio::test]
async fn a_method_that_does_not_fit_is_told_those_that_do() {
    let desk = Desk::new();
    for (method, path, allow) in [
        (Method::PUT, "/v1/tools", "GET, POST"),
        (Method::HEAD, "/v1/tools", "GET, POST"),
        (Method::PATCH, "/v1/tools/a", "GET, DELETE"),
        (Method::GET, "/v1/tools/a/toggle", "POST"),
        (Method::POST, "/openapi.json", "GET"),
    ] {
        let refused = desk.ask(method, path, "").await;
        assert_eq!((refused.status, refused.header(ALLOW)), (405, Some(allow)));
    }
}

// spec: API-2 BIND-1
#[tokio::test]
async fn nothing_about_tools_is_told_without_the_token() {
    let endpoints = [
        (Method::GET, "/v1/tools"),
        (Method::POST, "/v1/tools"),
        (Method::GET, "/v1/tools/send_email"),
        (Method::DELETE, "/v1/tools/send_email"),
        (Method::POST, "/v1/tools/send_email/toggle"),
        (Method::GET, "/openapi.json"),
    ];
    let desk = Desk::new();
    let closed = Door::new(None, Ok(()));
    for (method, path) in endpoints {
        let missing = desk.door.ask(method.clone(), path, None).await;
        let detail = json!({ "detail": "Missing Authorization Bearer token" });
        assert_eq!((missing.status, missing.json()), (401, detail));
        let wrong = desk.door.ask(method.clone(), path, Some("no")).await;
        let detail = json!({ "detail": "Invalid API key" });
        assert_eq!((wrong.status, wrong.json()), (403, detail));
        let disabled = closed.ask(method, path, Some(TOKEN)).await;
        assert_eq!(disabled.status, 403);
        assert_eq!(disabled.json()["detail"]["error"], "admin_api_disabled");
    }
    assert_eq!(desk.changes(), 0);
}

/// A key that the operator put into a tool's headers is for the host that the operator wrote.
// spec: API-1
#[tokio::test]
async fn headers_of_the_file_do_not_follow_a_tool_to_another_host() {
    let desk = Desk::new();
    assert_eq!(desk.put(&reference()).await.status, 200);
    let key = ("X-Api-Key".to_owned(), Secret::new("operators-key"));
    desk.file.specs.lock().unwrap()[0].headers.push(key);
    let path = "/v1/tools/send_email/toggle";
    let toggled = desk.ask(Method::POST, path, r#"{"enabled":true}"#).await;
    assert_eq!(toggled.status, 200);
    for (url, status) in [
        ("https://evil.example/v1/send-email", 422),
        ("http://api.example.com/v1/send-email", 422),
        ("https://api.example.com:8443/v1/send-email", 422),
        ("HTTPS://API.example.com:443/v2/send-email", 200),
    ] {
        let mut tool = reference();
        tool["url"] = json!(url);
        let put = desk.put(&tool).await;
        assert_eq!(put.status, status, "{url}");
        if status == 422 {
            assert_eq!(put.json()["detail"][0]["type"], "value_error");
            assert_eq!(put.json()["detail"][0]["loc"], json!(["body", "url"]));
        }
    }
}

// spec: API-2
#[tokio::test]
async fn a_registry_that_cannot_be_changed_says_why() {
    let desk = Desk::new();
    assert_eq!(desk.put(&reference()).await.status, 200);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tools.yaml");
    std::fs::write(&path, "tools: 5\n").unwrap();
    let problems = config::load(&path, &|_| None, None).unwrap_err().problems;
    let lines: Vec<_> = problems.lines().collect();
    assert_eq!(lines.len(), 1);
    type Makes = fn(&Problems) -> EditError;
    let errors: [(Makes, u16, Value); 5] = [
        (
            |_| EditError::ReadOnly {
                reason: "tools.yaml is on a read-only file system".to_owned(),
            },
            409,
            json!({
                "error": "registry_read_only",
                "message": "tools.yaml is on a read-only file system",
            }),
        ),
        (
            |_| EditError::NotEditable {
                line: Some(7),
                reason: "`tools` is an alias".to_owned(),
            },
            409,
            json!({
                "error": "registry_not_editable",
                "message": "the registry file cannot be edited without touching more than this \
                            entry: `tools` is an alias",
                "line": 7,
                "reason": "`tools` is an alias",
            }),
        ),
        (
            |problems| EditError::BrokenFile(problems.clone()),
            409,
            json!({
                "error": "registry_invalid",
                "message": "the registry file has errors and was left as it is: mend it first",
                "problems": lines,
            }),
        ),
        (
            |_| EditError::Busy,
            503,
            json!({
                "error": "registry_busy",
                "message": "others are writing the registry file: try again",
            }),
        ),
        (
            |_| EditError::Io {
                what: "the registry",
                source: std::io::Error::other("no space left on device"),
            },
            500,
            json!({
                "error": "registry_write_failed",
                "message": "the registry cannot be written: no space left on device",
            }),
        ),
    ];
    let put = reference().to_string();
    for (error, status, detail) in errors {
        for (method, path, body) in [
            (Method::POST, "/v1/tools", &*put),
            (Method::DELETE, "/v1/tools/send_email", ""),
            (
                Method::POST,
                "/v1/tools/send_email/toggle",
                r#"{"enabled":false}"#,
            ),
        ] {
            desk.fail(error(&problems));
            let refused = desk.ask(method, path, body).await;
            let code = detail["error"].as_str();
            assert_eq!(refused.header("x-countersign-error"), code);
            let expected = json!({ "detail": detail });
            assert_eq!((refused.status, refused.json()), (status, expected));
        }
    }
    assert_eq!(desk.get("/v1/tools").await.json(), json!([shown()]));
}

#[tokio::test]
async fn a_registry_without_a_file_can_be_read_only() {
    let door = Door::new(Some(TOKEN), Ok(()));
    let listed = door.ask(Method::GET, "/v1/tools", Some(TOKEN)).await;
    assert_eq!(listed.json().as_array().unwrap().len(), 2);
    let path = "/v1/tools/send_email";
    let refused = door.ask(Method::DELETE, path, Some(TOKEN)).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.json()["detail"]["error"], "registry_read_only");
}
