//! What a registry says, reduced to what two versions of it are compared by.
//!
//! An edit is right when every tool and policy but one means what it meant, in the same order, and
//! that one means what was asked for. Meaning is the whole specification with defaults filled in, secrets
//! and certificates included, as a digest.

mod policy;

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::config::expand::Environment;
use crate::config::problem::Problems;
use crate::config::registry_file::{self, Seen};
use crate::config::yaml::Node;
use crate::registry::{
    AuthSpec, CircuitBreakerSpec, OnceSpec, RateLimitSpec, TlsSpec, ToolSpec, limits,
};

pub use policy::FoundPolicy;

use super::Target;

/// What one tool or policy means.
type Print = [u8; 32];

/// A registry's meaning.
pub struct Model {
    prints: Vec<Print>,
    policies: Vec<Print>,
    /// The tool that was looked for.
    pub found: Option<Found>,
    /// The policy that was looked for.
    pub policy: Option<FoundPolicy>,
    /// Every file that the registry names, and the registry.
    pub files: Vec<PathBuf>,
}

/// The tool that was looked for.
pub struct Found {
    /// Its place in the list, from 0.
    pub index: usize,
    /// Its entry.
    pub node: Node,
    /// What the entry says.
    pub spec: ToolSpec,
}

impl Model {
    /// Reads `text` as the registry at `path` and looks for `target`.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn read(
        path: &Path,
        text: &str,
        environment: &Environment<'_>,
        target: Target<'_>,
    ) -> Result<Self, Problems> {
        let mut model = Self {
            prints: Vec::new(),
            policies: Vec::new(),
            found: None,
            policy: None,
            files: Vec::new(),
        };
        let mut seen = |seen: Seen<'_>| match seen {
            Seen::Start => {
                model.prints.clear();
                model.policies.clear();
                model.found = None;
                model.policy = None;
            }
            Seen::Policy(node, spec) => {
                let index = model.policies.len();
                model.policies.push(policy::print(spec));
                if target.is_policy(spec) {
                    let (node, spec) = (node.clone(), spec.clone());
                    model.policy = Some(FoundPolicy { index, node, spec });
                }
            }
            Seen::Tool(node, spec) => {
                let index = model.prints.len();
                model.prints.push(print(spec));
                if target.is_tool(spec) {
                    let (node, spec) = (node.clone(), spec.clone());
                    model.found = Some(Found { index, node, spec });
                }
            }
        };
        let loaded = registry_file::read(path, text, environment, None, &mut seen);
        model.files = loaded.map_err(|refused| refused.problems)?.files;
        Ok(model)
    }

    /// How many tools there are.
    pub fn tools(&self) -> usize {
        self.prints.len()
    }

    /// How many policies there are.
    pub fn policies(&self) -> usize {
        self.policies.len()
    }

    /// Whether this is `before` with the tool at `index` meaning what `spec` says.
    pub fn is_replaced(&self, before: &Self, index: usize, spec: &ToolSpec) -> bool {
        let mut expected = before.prints.clone();
        expected[index] = print(spec);
        self.prints == expected && self.policies == before.policies
    }

    /// Whether this is `before` without the tool at `index`.
    pub fn is_removed(&self, before: &Self, index: usize) -> bool {
        let mut expected = before.prints.clone();
        expected.remove(index);
        self.prints == expected && self.policies == before.policies
    }

    /// Whether this is `before` with a last tool that means what `spec` says, and what the file's
    /// own defaults say of it.
    pub fn is_appended(&self, before: &Self, spec: &ToolSpec) -> bool {
        let (Some((last, rest)), Some(found)) = (self.prints.split_last(), &self.found) else {
            return false;
        };
        let expected = ToolSpec {
            deadline_ms: found.spec.deadline_ms,
            idempotent: found.spec.idempotent,
            retry_on: found.spec.retry_on.clone(),
            max_concurrency: found.spec.max_concurrency,
            queue_timeout_ms: found.spec.queue_timeout_ms,
            rate_limit: found.spec.rate_limit.clone(),
            circuit_breaker: found.spec.circuit_breaker.clone(),
            once: found.spec.once.clone(),
            ..spec.clone()
        };
        rest == before.prints && *last == print(&expected) && self.policies == before.policies
    }
}

/// The digest of what a specification means. A field that it does not know stops the build.
fn print(spec: &ToolSpec) -> Print {
    let ToolSpec {
        name,
        scope_id,
        url,
        auth,
        timeout_ms,
        max_retries,
        deadline_ms,
        enabled,
        description,
        idempotent,
        forward_path,
        retry_on,
        max_concurrency,
        queue_timeout_ms,
        rate_limit,
        circuit_breaker,
        once,
        headers,
        tls,
        source,
    } = spec;
    let AuthSpec {
        scheme,
        secret,
        secret_id,
    } = auth;
    let mut digest = Fields(Sha256::new());
    digest.field(Some(name.as_bytes()));
    digest.field(Some(scope_id.as_deref().unwrap_or("global").as_bytes()));
    digest.field(Some(url.as_bytes()));
    digest.field(Some(scheme.as_bytes()));
    digest.field(secret.as_ref().map(|secret| secret.expose()));
    digest.field(secret_id.as_deref().map(str::as_bytes));
    digest.number(Some(timeout_ms.unwrap_or(limits::DEFAULT_TIMEOUT_MS)));
    digest.number(Some(max_retries.unwrap_or(limits::DEFAULT_MAX_RETRIES)));
    digest.number(*deadline_ms);
    digest.number(Some(enabled.unwrap_or(true).into()));
    digest.field(description.as_deref().map(str::as_bytes));
    digest.number(Some(idempotent.unwrap_or(true).into()));
    digest.number(Some(forward_path.unwrap_or(false).into()));
    let words = retry_on.as_deref().unwrap_or_default();
    digest.number(retry_on.as_ref().map(|words| count(words)));
    for word in words {
        digest.field(Some(word.as_bytes()));
    }
    digest.number(*max_concurrency);
    digest.number(*queue_timeout_ms);
    digest.number(rate_limit.as_ref().map(|_| 1));
    if let Some(RateLimitSpec { per_second, burst }) = rate_limit {
        digest.fraction(*per_second);
        digest.number(*burst);
    }
    digest.number(circuit_breaker.as_ref().map(|_| 1));
    if let Some(breaker) = circuit_breaker {
        let CircuitBreakerSpec {
            failure_ratio,
            min_calls,
            open_ms,
        } = breaker;
        digest.fraction(*failure_ratio);
        digest.number(*min_calls);
        digest.number(*open_ms);
    }
    match once {
        None => digest.number(None),
        Some(OnceSpec::Off) => digest.number(Some(0)),
        Some(OnceSpec::Kept { ttl_ms, in_doubt }) => {
            digest.number(Some(1));
            digest.number(*ttl_ms);
            digest.field(in_doubt.as_deref().map(str::as_bytes));
        }
    }
    digest.number(Some(count(headers)));
    for (name, value) in headers {
        digest.field(Some(name.as_bytes()));
        digest.field(Some(value.expose()));
    }
    digest.number(tls.as_ref().map(|_| 1));
    if let Some(tls) = tls {
        let TlsSpec {
            ca_pem,
            client_cert_pem,
            client_key_pem,
            server_name,
        } = tls;
        digest.field(ca_pem.as_deref());
        digest.field(client_cert_pem.as_deref());
        digest.field(client_key_pem.as_ref().map(|key| key.expose()));
        digest.field(server_name.as_deref().map(str::as_bytes));
    }
    digest.field(Some(source.as_deref().unwrap_or("file").as_bytes()));
    digest.0.finalize().into()
}

fn count<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

/// Fields one after the other; lengths keep them apart.
struct Fields(Sha256);

impl Fields {
    fn field(&mut self, bytes: Option<&[u8]>) {
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        self.0.update(length.to_be_bytes());
        self.0.update(bytes.unwrap_or_default());
    }

    fn number(&mut self, number: Option<i64>) {
        self.field(
            number
                .map(i64::to_be_bytes)
                .as_ref()
                .map(|bytes| &bytes[..]),
        );
    }

    fn fraction(&mut self, number: Option<f64>) {
        let bytes = number.map(f64::to_be_bytes);
        self.field(bytes.as_ref().map(|bytes| &bytes[..]));
    }
}
