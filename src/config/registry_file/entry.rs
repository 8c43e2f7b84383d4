//! One entry of `tools:`, from its node to a specification, and back from a broken rule to the
//! place in the file.

use http::HeaderName;

use crate::config::fields::{Field, FieldPath, Fields, Reading};
use crate::config::problem::Position;
use crate::config::registry_file::defaults::Defaults;
use crate::config::registry_file::files::Files;
use crate::config::yaml::{Kind, Node};
use crate::registry::{AuthSpec, CircuitBreakerSpec, OnceSpec, RateLimitSpec, TlsSpec, ToolSpec};
use crate::rule::{Rule, Violation};
use crate::secret::Secret;

const FIELDS: &[&str] = &[
    "name",
    "scope_id",
    "url",
    "auth",
    "timeout_ms",
    "max_retries",
    "deadline_ms",
    "enabled",
    "description",
    "idempotent",
    "forward_path",
    "retry_on",
    "max_concurrency",
    "queue_timeout_ms",
    "rate_limit",
    "circuit_breaker",
    "once",
    "headers",
    "tls",
    "source",
];
const AUTH_FIELDS: &[&str] = &["type", "secret", "secret_file", "secret_id"];
const RATE_LIMIT_FIELDS: &[&str] = &["per_second", "burst"];
const CIRCUIT_BREAKER_FIELDS: &[&str] = &["failure_ratio", "min_calls", "open_ms"];
const ONCE_FIELDS: &[&str] = &["ttl_ms", "in_doubt"];
const TLS_FIELDS: &[&str] = &[
    "ca_file",
    "client_cert_file",
    "client_key_file",
    "server_name",
];

/// A key longer than this is a wrong file.
const SECRET_FILE_BYTES: u64 = 64 * 1024;
/// Room for a platform's whole certificate bundle.
const TLS_FILE_BYTES: u64 = 1024 * 1024;

/// Reads an entry and the files that it names. `None` when it is no mapping at all.
pub(super) fn read(
    reading: &mut Reading<'_>,
    files: &mut Files,
    entry: Field<'_>,
    defaults: &Defaults,
) -> Option<ToolSpec> {
    let fields = reading.fields(entry, FIELDS)?;
    let mut spec = ToolSpec {
        name: reading.text(fields.get("name")).unwrap_or_default(),
        scope_id: reading.text(fields.get("scope_id")),
        url: reading.text(fields.get("url")).unwrap_or_default(),
        auth: auth(reading, files, &fields),
        timeout_ms: reading.integer(fields.get("timeout_ms")),
        max_retries: reading.integer(fields.get("max_retries")),
        deadline_ms: reading.integer(fields.get("deadline_ms")),
        enabled: reading.boolean(fields.get("enabled")),
        description: reading.text(fields.get("description")),
        idempotent: reading.boolean(fields.get("idempotent")),
        forward_path: reading.boolean(fields.get("forward_path")),
        retry_on: reading.texts(fields.get("retry_on")),
        max_concurrency: reading.integer(fields.get("max_concurrency")),
        queue_timeout_ms: reading.integer(fields.get("queue_timeout_ms")),
        rate_limit: rate_limit(reading, fields.get("rate_limit")),
        circuit_breaker: circuit_breaker(reading, fields.get("circuit_breaker")),
        once: once(reading, fields.get("once")),
        headers: fields
            .get("headers")
            .map(|field| headers(reading, field))
            .unwrap_or_default(),
        tls: fields
            .get("tls")
            .and_then(|field| tls(reading, files, field)),
        source: reading.text(fields.get("source")),
    };
    defaults.fill(&mut spec);
    Some(spec)
}

fn auth(reading: &mut Reading<'_>, files: &mut Files, entry: &Fields<'_>) -> AuthSpec {
    let Some(field) = entry.get("auth") else {
        let message = "this field is required: type: hmac_sha256 and secret: or secret_file:";
        let path = entry.path();
        reading.error(entry.at(), FieldPath::Name(&path, "auth"), message);
        return AuthSpec::default();
    };
    let Some(fields) = reading.fields(field, AUTH_FIELDS) else {
        return AuthSpec::default();
    };
    let scheme = reading.text(fields.get("type")).unwrap_or_default();
    let secret_id = reading.text(fields.get("secret_id"));
    let secret = match (fields.get("secret"), fields.get("secret_file")) {
        (Some(secret), Some(file)) => {
            let second = if secret.node.at < file.node.at {
                file
            } else {
                secret
            };
            let message = "secret and secret_file exclude each other; keep one of them";
            reading.error(second.node.at, second.path, message);
            reading.secret(Some(secret))
        }
        (Some(secret), None) => reading.secret(Some(secret)),
        (None, Some(file)) => secret_file(reading, files, file),
        (None, None) => None,
    };
    AuthSpec {
        scheme,
        secret,
        secret_id,
    }
}

// spec: REG-1
fn secret_file(reading: &mut Reading<'_>, files: &mut Files, field: Field<'_>) -> Option<Secret> {
    let mut content = file(reading, files, Some(field), SECRET_FILE_BYTES)?;
    // Editors and `echo` end a file with a line break that is not part of the key.
    if content.ends_with(b"\n") {
        content.pop();
        if content.ends_with(b"\r") {
            content.pop();
        }
    }
    Some(Secret::new(content))
}

/// Reads `rate_limit:`, of a tool or of the defaults.
pub(super) fn rate_limit(
    reading: &mut Reading<'_>,
    field: Option<Field<'_>>,
) -> Option<RateLimitSpec> {
    let fields = reading.fields(field?, RATE_LIMIT_FIELDS)?;
    Some(RateLimitSpec {
        per_second: reading.number(fields.get("per_second")),
        burst: reading.integer(fields.get("burst")),
    })
}

/// Reads `circuit_breaker:`, of a tool or of the defaults.
pub(super) fn circuit_breaker(
    reading: &mut Reading<'_>,
    field: Option<Field<'_>>,
) -> Option<CircuitBreakerSpec> {
    let fields = reading.fields(field?, CIRCUIT_BREAKER_FIELDS)?;
    Some(CircuitBreakerSpec {
        failure_ratio: reading.number(fields.get("failure_ratio")),
        min_calls: reading.integer(fields.get("min_calls")),
        open_ms: reading.integer(fields.get("open_ms")),
    })
}

/// Reads `once:`, of a tool or of the defaults: a word or a mapping.
pub(super) fn once(reading: &mut Reading<'_>, field: Option<Field<'_>>) -> Option<OnceSpec> {
    let field = field?;
    match &field.node.kind {
        Kind::Mapping(_) => {
            let fields = reading.fields(field, ONCE_FIELDS)?;
            return Some(OnceSpec::Kept {
                ttl_ms: reading.integer(fields.get("ttl_ms")),
                in_doubt: reading.text(fields.get("in_doubt")),
            });
        }
        Kind::Scalar { .. } => {
            if reading.text(Some(field))? == "off" {
                return Some(OnceSpec::Off);
            }
        }
        Kind::Null | Kind::Sequence(_) => {}
    }
    let message = "must be off, or a mapping with ttl_ms and in_doubt";
    reading.error(field.node.at, field.path, message);
    None
}

fn headers(reading: &mut Reading<'_>, field: Field<'_>) -> Vec<(String, Secret)> {
    let entries = reading.mapping(field).unwrap_or_default();
    let mut headers = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        let path = header_path(&field.path, &key.text, node);
        if let Some(value) = reading.secret(Some(Field { node, path })) {
            headers.push((key.text.to_string(), value));
        }
    }
    headers
}

/// The path of a header; only a name that HTTP allows, with a value, is taken for a name.
fn header_path<'p>(headers: &'p FieldPath<'p>, name: &'p str, value: &Node) -> FieldPath<'p> {
    let named = !matches!(value.kind, Kind::Null) && name.parse::<HeaderName>().is_ok();
    if named {
        FieldPath::Name(headers, name)
    } else {
        *headers
    }
}

fn tls(reading: &mut Reading<'_>, files: &mut Files, field: Field<'_>) -> Option<TlsSpec> {
    let fields = reading.fields(field, TLS_FIELDS)?;
    let mut content =
        |reading: &mut Reading<'_>, name| file(reading, files, fields.get(name), TLS_FILE_BYTES);
    Some(TlsSpec {
        ca_pem: content(reading, "ca_file"),
        client_cert_pem: content(reading, "client_cert_file"),
        client_key_pem: content(reading, "client_key_file").map(Secret::new),
        server_name: reading.text(fields.get("server_name")),
    })
}

fn file(
    reading: &mut Reading<'_>,
    files: &mut Files,
    field: Option<Field<'_>>,
    max: u64,
) -> Option<Vec<u8>> {
    let name = reading.text(field)?;
    match files.read(&name, max) {
        Ok(mut content) => Some(std::mem::take(&mut *content)),
        Err(reason) => {
            let field = field?;
            reading.error(field.node.at, field.path, format!("the file {reason}"));
            None
        }
    }
}

/// Reports a broken rule where the field is written, or where it is missing.
// spec: REG-2
pub(super) fn report(reading: &mut Reading<'_>, entry: Field<'_>, violation: &Violation) {
    let auth = entry.node.get("auth");
    let from_file =
        auth.is_some_and(|auth| auth.get("secret_file").is_some() && auth.get("secret").is_none());
    let name = match &*violation.field {
        "auth.secret" if from_file => "auth.secret_file",
        other => other,
    };
    let (at, path) = locate(entry, name);
    if reading.is_faulty(&path) {
        return;
    }
    let message = match (&violation.rule, name) {
        (Rule::Required, "auth.secret") => "this field is required, or secret_file".to_owned(),
        (rule, _) => rule.to_string(),
    };
    reading.report.error(at, path, message);
}

/// The place and the path of the field `name` within an entry.
fn locate(entry: Field<'_>, name: &str) -> (Position, String) {
    if let Some(header) = name.strip_prefix("headers.") {
        let headers = entry.node.get("headers").unwrap_or(entry.node);
        let (key, value) = headers
            .entry(header)
            .expect("the rule is about a header of this entry");
        let parent = FieldPath::Name(&entry.path, "headers");
        let path = header_path(&parent, header, value).to_string();
        return (key.at, path);
    }
    (place(entry.node, name), format!("{}.{name}", entry.path))
}

/// Where the field `name`, such as `tls.ca_file`, `retry_on[2]` or `pricing_rules[1].tool`, is within
/// a mapping. What is missing is at the innermost place that is there.
pub(super) fn place(mapping: &Node, name: &str) -> Position {
    let mut node = mapping;
    for step in name.split('.') {
        let (name, index) = split_index(step);
        let Some(inner) = node.get(name) else { break };
        node = item(inner, index).unwrap_or(inner);
    }
    node.at
}

/// An item of a list.
fn item(node: &Node, index: Option<usize>) -> Option<&Node> {
    match &node.kind {
        Kind::Sequence(items) => items.get(index?),
        Kind::Null | Kind::Scalar { .. } | Kind::Mapping(_) => None,
    }
}

/// `retry_on[2]` as name and index.
fn split_index(field: &str) -> (&str, Option<usize>) {
    let Some((name, rest)) = field.split_once('[') else {
        return (field, None);
    };
    (
        name,
        rest.strip_suffix(']').and_then(|text| text.parse().ok()),
    )
}
