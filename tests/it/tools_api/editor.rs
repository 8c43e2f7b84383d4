//! A program that edits its own tools through the API, and knows what each must be like.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use countersign::test_support::{Reply, sign_body};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::tools_api::files::{SECRET_PREFIX, SECRET_SUFFIX};
use crate::tools_api::{ask, try_ask};

/// Few, so that each is created, changed and removed many times.
const TOOLS: usize = 3;

/// Tools by name, as the API shows them but for their scope.
pub type Tools = BTreeMap<String, Shown>;

/// What an edit can change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    url: String,
    description: String,
    enabled: bool,
    secret_id: String,
}

impl Shown {
    fn of(tool: &Value) -> Self {
        let text = |field: &str| tool[field].as_str().unwrap_or_default().to_owned();
        Self {
            url: text("url"),
            description: text("description"),
            enabled: tool["enabled"].as_bool().unwrap(),
            secret_id: text("secret_id"),
        }
    }
}

/// Everything that is registered.
pub fn all_tools(admin: SocketAddr) -> Tools {
    let listed = ask(admin, "GET", "/v1/tools?scope_id=all", &Value::Null).json();
    let listed = listed.as_array().unwrap();
    let tools: Tools = listed
        .iter()
        .map(|tool| (tool["name"].as_str().unwrap().to_owned(), Shown::of(tool)))
        .collect();
    assert_eq!(tools.len(), listed.len(), "a tool is there twice");
    tools
}

/// One edit, and what its tool is like afterwards; `None` is gone.
#[derive(Debug)]
struct Edit {
    method: &'static str,
    path: String,
    body: Value,
    tool: String,
    after: Option<Shown>,
}

/// The program. Nobody else touches its tools.
pub struct Editor {
    name: String,
    url: String,
    random: Rng,
    edits: usize,
    /// As far as it was told.
    tools: Tools,
    /// What it asked for and was not told about.
    in_doubt: Option<Edit>,
}

impl Editor {
    /// An editor whose choices are the same in every run.
    pub fn new(number: u64, url: &str) -> Self {
        Self {
            name: format!("editor{number}"),
            url: url.to_owned(),
            random: Rng::with_seed(number),
            edits: 0,
            tools: Tools::new(),
            in_doubt: None,
        }
    }

    /// Makes an edit. `false` when the sidecar went away before it answered.
    pub fn edit(&mut self, admin: SocketAddr) -> bool {
        let edit = self.next();
        let reply = try_ask(admin, edit.method, &edit.path, &edit.body);
        self.in_doubt = Some(edit);
        let Some(reply) = reply else {
            return false;
        };
        self.told(&reply);
        true
    }

    fn told(&mut self, reply: &Reply) {
        let edit = self.in_doubt.take().expect("an answer follows a question");
        assert_eq!(reply.status, 200, "{edit:?}: {}", reply.text());
        apply(edit, &mut self.tools);
    }

    /// Looks at one of its tools: what it was told is what the API shows.
    // spec: API-3
    pub fn look(&mut self, admin: SocketAddr) {
        let tool = format!("{}-{}", self.name, self.random.usize(..TOOLS));
        let reply = ask(admin, "GET", &format!("/v1/tools/{tool}"), &Value::Null);
        let found = (reply.status == 200).then(|| Shown::of(&reply.json()));
        assert_eq!(found.as_ref(), self.tools.get(&tool), "{tool}");
    }

    /// Takes its tools out of `found`. They must be as it was told, or the one edit in doubt was
    /// made to its end.
    pub fn expect_among(&mut self, found: &mut Tools) {
        let mine = |name: &String| name.starts_with(&format!("{}-", self.name));
        let (ours, others) = std::mem::take(found)
            .into_iter()
            .partition(|(name, _)| mine(name));
        *found = others;
        let mut after = self.tools.clone();
        if let Some(edit) = self.in_doubt.take() {
            apply(edit, &mut after);
        }
        assert!(
            ours == self.tools || ours == after,
            "{}: {ours:#?} is neither {:#?} nor {after:#?}",
            self.name,
            self.tools
        );
        self.tools = ours;
    }

    fn next(&mut self) -> Edit {
        self.edits += 1;
        let tool = format!("{}-{}", self.name, self.random.usize(..TOOLS));
        let old = self.tools.get(&tool).cloned();
        match (old, self.random.u8(..4)) {
            (None, _) => self.put(tool, None),
            (Some(_), 0) => self.put(tool, None),
            (Some(old), 1) => self.put(tool, Some(old)),
            (Some(old), 2) => toggle(tool, old),
            (Some(_), _) => Edit {
                method: "DELETE",
                path: format!("/v1/tools/{tool}"),
                body: Value::Null,
                tool,
                after: None,
            },
        }
    }

    /// A replacement that keeps the secret of `old`, or brings a new one.
    fn put(&mut self, tool: String, old: Option<Shown>) -> Edit {
        let marker = format!("edit {} of {}", self.edits, self.name);
        let mut auth = json!({ "type": "hmac_sha256" });
        let secret_id = old.map_or_else(
            || {
                let secret = format!("{SECRET_PREFIX}{marker}{SECRET_SUFFIX}");
                auth["secret"] = secret.as_str().into();
                secret_id(&secret)
            },
            |old| old.secret_id,
        );
        let after = Shown {
            url: format!("{}/{}", self.url, self.edits),
            description: marker,
            enabled: self.random.bool(),
            secret_id,
        };
        let body = json!({
            "name": &tool,
            "url": &after.url,
            "auth": auth,
            "enabled": after.enabled,
            "description": &after.description,
        });
        Edit {
            method: "POST",
            path: "/v1/tools".to_owned(),
            body,
            tool,
            after: Some(after),
        }
    }
}

fn toggle(tool: String, old: Shown) -> Edit {
    let enabled = !old.enabled;
    Edit {
        method: "POST",
        path: format!("/v1/tools/{tool}/toggle"),
        body: json!({ "enabled": enabled }),
        tool,
        after: Some(Shown { enabled, ..old }),
    }
}

fn apply(edit: Edit, tools: &mut Tools) {
    match edit.after {
        Some(shown) => tools.insert(edit.tool, shown),
        None => tools.remove(&edit.tool),
    };
}

/// The id that a secret has unless it is given one.
// spec: SIG-5
pub fn secret_id(secret: &str) -> String {
    let digest = sign_body(secret.as_bytes(), b"countersign secret id");
    format!("sec_{}", &digest[..8])
}
