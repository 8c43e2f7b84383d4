//! Bodies of `POST /v1/tools`: what is refused is refused with reasons and without secrets, and what
//! is accepted is a tool that the registry takes.

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::api::{AdminApi, Process};
use crate::body::{BodyLimits, BufferedBytes};
use crate::clock::{Clock, Timestamp};
use crate::config::{Change, EditError, ToolWrite};
use crate::registry::{AuthSpec, LoadedFrom, Registry, Snapshot, SnapshotBuilder, Tool, ToolSpec};
use crate::rule::Violation;
use crate::secret::Secret;
use crate::sign::Signer;
use crate::telemetry::Metrics;
use crate::test_support::fuzz::MARK;
use crate::test_support::governing::governed;

const TOKEN: &str = "fuzzing-token";
const AT: Timestamp = Timestamp::from_unix_millis(1_705_322_400_000);
const MOST_BYTES: usize = 64 * 1024;
/// Every member of a tool as it is shown.
const SHOWN: [&str; 10] = [
    "name",
    "scope_id",
    "url",
    "timeout_ms",
    "max_retries",
    "enabled",
    "description",
    "has_secret",
    "secret_id",
    "secret_mask",
];

/// A JSON body, or what should be one. Its secrets are `SECRET/MARK`; the tool `known` is there.
///
/// # Panics
/// When the answer is none that the API has, tells a secret, or does not stand up to being repeated.
// spec: API-1 API-2 REG-3
pub fn api_body(data: &[u8]) {
    thread_local! {
        static DOOR: Door = Door::new();
    }
    if data.len() > MOST_BYTES {
        return;
    }
    DOOR.with(|door| {
        door.file.serve(None);
        let (status, answer) = door.post(Bytes::copy_from_slice(data));
        match status {
            StatusCode::OK => door.check_accepted(data, &answer),
            StatusCode::UNPROCESSABLE_ENTITY => assert_faults(&answer),
            StatusCode::BAD_REQUEST => assert!(std::str::from_utf8(data).is_err()),
            other => panic!("no answer to a body is {other}"),
        }
    });
}

/// The admin door with a registry in memory, and a runtime whose time stands still.
struct Door {
    api: AdminApi,
    file: Arc<File>,
    runtime: Runtime,
}

/// What stands in the place of the registry file.
struct File {
    registry: Arc<Registry>,
    /// The key of the tool that was written last, for writes that keep it.
    stored: Mutex<Secret>,
}

impl Door {
    fn new() -> Self {
        let loaded_from = LoadedFrom {
            source: None,
            loaded_at: AT,
            last_errors: Vec::new(),
        };
        let file = Arc::new(File {
            registry: Arc::new(Registry::new(Snapshot::default(), loaded_from)),
            stored: Mutex::new(known_secret()),
        });
        let body_limits = BodyLimits {
            max_bytes: 0,
            timeout: Duration::ZERO,
            buffered: BufferedBytes::new(0),
        };
        let api = AdminApi::new(
            Some(&Secret::new(TOKEN)),
            Arc::new(Metrics::new(body_limits.buffered.clone())),
            Arc::clone(&file.registry),
            body_limits,
            Process {
                readiness: Box::new(|| Ok(())),
                reload: Box::new(|| Box::pin(ready(Ok(())))),
                quit: Box::new(|| ()),
            },
            governed(Clock::System),
        );
        let writer = Arc::clone(&file);
        let edit = Box::new(move |change| Box::pin(ready(writer.apply(change))) as _);
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build();
        Self {
            api: api.editable(edit, false),
            file,
            runtime: runtime.expect("a runtime without sockets needs nothing"),
        }
    }

    fn post(&self, body: Bytes) -> (StatusCode, Value) {
        let request = Request::post("/v1/tools")
            .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("a valid request");
        self.runtime.block_on(async {
            let (head, body) = self.api.answer(request).await.into_parts();
            let Ok(body) = body.collect().await;
            let answer = serde_json::from_slice(&body.to_bytes()).expect("every answer is JSON");
            (head.status, answer)
        })
    }

    /// What was accepted is shown without its secret, and means the same when it is sent again.
    fn check_accepted(&self, data: &[u8], shown: &Value) {
        let sent: Value = serde_json::from_slice(data).expect("nothing else is accepted");
        let members = shown.as_object().expect("a tool is an object");
        assert!(members.keys().map(String::as_str).eq(SHOWN));
        assert_eq!(shown["name"], sent["name"]);
        let scope = sent.get("scope_id").cloned().unwrap_or(json!("global"));
        assert_eq!(shown["scope_id"], scope);
        assert_eq!(shown["has_secret"], json!(true));
        if let Some(secret) = sent["auth"]["secret"].as_str() {
            for told in ["secret_id", "secret_mask"] {
                let told = shown[told].as_str().expect("text");
                assert!(!told.contains(secret), "a secret is told");
            }
        }
        let mut again = shown.clone();
        again["auth"] = json!({ "type": Signer::HMAC_SHA256 });
        let (status, answer) = self.post(again.to_string().into());
        assert_eq!((status, &answer), (StatusCode::OK, shown));
    }
}

impl File {
    /// Does what the editor does, in memory.
    fn apply(&self, change: Change) -> Result<(), EditError> {
        let write = match change {
            Change::Put(write) => write,
            Change::SetEnabled { .. } | Change::Delete { .. } | Change::Govern(_) => {
                panic!("only writes are asked for")
            }
        };
        let mut stored = self.stored.lock().expect("a panic ends the run");
        if let Some(secret) = &write.secret {
            *stored = secret.clone();
        }
        let compiled = || compile(&write, stored.clone());
        let (tool, twin) = (compiled(), compiled());
        assert_eq!(format!("{tool:?}"), format!("{twin:?}"));
        drop(stored);
        self.serve(Some(tool));
        Ok(())
    }

    /// Puts `known` into service, and this tool, which may be another `known`.
    fn serve(&self, tool: Option<Tool>) {
        let mut builder = SnapshotBuilder::new(None);
        match tool {
            Some(tool) => builder.add(tool).expect("it is the first one"),
            None => *self.stored.lock().expect("a panic ends the run") = known_secret(),
        }
        // Refused where the tool has taken its place.
        let _ = builder.add(compile(&known(), known_secret()));
        self.registry.replace(builder.finish(), AT);
    }
}

fn known_secret() -> Secret {
    Secret::new(format!("{MARK} known"))
}

fn known() -> ToolWrite {
    ToolWrite {
        name: "known".parse().expect("a valid name"),
        scope: "global".parse().expect("a valid scope"),
        url: "https://api.example.com/known".to_owned(),
        secret: None,
        timeout_ms: 15_000,
        max_retries: 2,
        enabled: true,
        description: None,
    }
}

fn compile(write: &ToolWrite, secret: Secret) -> Tool {
    let spec = ToolSpec {
        name: write.name.as_str().to_owned(),
        scope_id: Some(write.scope.to_string()),
        url: write.url.clone(),
        auth: AuthSpec {
            scheme: Signer::HMAC_SHA256.to_owned(),
            secret: Some(secret),
            secret_id: None,
        },
        timeout_ms: Some(write.timeout_ms),
        max_retries: Some(write.max_retries),
        enabled: Some(write.enabled),
        description: write.description.clone(),
        source: Some(ToolSpec::SOURCE_API.to_owned()),
        ..ToolSpec::default()
    };
    let refused = |violations: Vec<Violation>| -> Tool {
        panic!("the API accepts what the registry refuses: {violations:?}")
    };
    Tool::compile(spec).unwrap_or_else(refused)
}

fn assert_faults(answer: &Value) {
    let faults = answer["detail"].as_array().expect("a list of faults");
    assert!(!faults.is_empty(), "refused without a reason");
    for fault in faults {
        let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        assert!(is_text(&fault["type"]) && is_text(&fault["msg"]));
        assert_eq!(fault["loc"][0], "body");
        let input = fault.get("input").expect("what was sent is hinted at");
        let hints = [json!("***"), json!({}), json!([]), json!(null)];
        assert!(input.is_boolean() || hints.contains(input), "{input}");
    }
    assert!(!answer.to_string().contains(MARK), "a secret is told");
}
