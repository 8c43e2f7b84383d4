//! `defaults:`, what tools mean where they say nothing themselves.
//!
//! The rules are the tools' own: a made-up tool is compiled with them. A default that breaks one is
//! reported once, here, and then left out, so that no tool repeats the report.

use crate::config::fields::{Field, FieldPath, Reading};
use crate::config::yaml::{Kind, Node};
use crate::registry::{AuthSpec, Tool, ToolSpec};
use crate::secret::Secret;
use crate::sign::Signer;

const FIELDS: &[&str] = &[
    "timeout_ms",
    "max_retries",
    "deadline_ms",
    "idempotent",
    "retry_on",
];

/// What `defaults:` may set.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    timeout_ms: Option<i64>,
    max_retries: Option<i64>,
    deadline_ms: Option<i64>,
    idempotent: Option<bool>,
    retry_on: Option<Vec<String>>,
}

impl Defaults {
    /// Reads `defaults:`; an empty one sets nothing.
    pub(super) fn read(reading: &mut Reading<'_>, node: &Node) -> Self {
        if matches!(node.kind, Kind::Null) {
            return Self::default();
        }
        let path = FieldPath::Name(&FieldPath::Root, "defaults");
        let Some(fields) = reading.fields(Field { node, path }, FIELDS) else {
            return Self::default();
        };
        let mut defaults = Self {
            timeout_ms: reading.integer(fields.get("timeout_ms")),
            max_retries: reading.integer(fields.get("max_retries")),
            deadline_ms: reading.integer(fields.get("deadline_ms")),
            idempotent: reading.boolean(fields.get("idempotent")),
            retry_on: reading.texts(fields.get("retry_on")),
        };
        let mut probe = probe();
        defaults.fill(&mut probe);
        for violation in Tool::compile(probe).err().unwrap_or_default() {
            let (name, index) = split_index(&violation.field);
            let found = node.get(name).unwrap_or(node);
            let at = super::entry::item(found, index).unwrap_or(found).at;
            let field = format!("{path}.{}", violation.field);
            reading.report.error(at, field, violation.rule.to_string());
            defaults.forget(name);
        }
        defaults
    }

    /// Sets what the tool does not set itself.
    pub(super) fn fill(&self, spec: &mut ToolSpec) {
        spec.timeout_ms = spec.timeout_ms.or(self.timeout_ms);
        spec.max_retries = spec.max_retries.or(self.max_retries);
        spec.deadline_ms = spec.deadline_ms.or(self.deadline_ms);
        spec.idempotent = spec.idempotent.or(self.idempotent);
        if spec.retry_on.is_none() {
            spec.retry_on.clone_from(&self.retry_on);
        }
    }

    fn forget(&mut self, name: &str) {
        match name {
            "timeout_ms" => self.timeout_ms = None,
            "max_retries" => self.max_retries = None,
            "deadline_ms" => self.deadline_ms = None,
            "idempotent" => self.idempotent = None,
            _ => self.retry_on = None,
        }
    }
}

/// A tool that breaks no rule by itself.
fn probe() -> ToolSpec {
    ToolSpec {
        name: "defaults".to_owned(),
        url: "http://localhost/".to_owned(),
        auth: AuthSpec {
            scheme: Signer::HMAC_SHA256.to_owned(),
            secret: Some(Secret::new([b'0'; Secret::MIN_LEN])),
            secret_id: None,
        },
        ..ToolSpec::default()
    }
}

/// `retry_on[2]` as name and index.
pub(super) fn split_index(field: &str) -> (&str, Option<usize>) {
    let Some((name, rest)) = field.split_once('[') else {
        return (field, None);
    };
    (
        name,
        rest.strip_suffix(']').and_then(|text| text.parse().ok()),
    )
}
