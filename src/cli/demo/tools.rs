//! The demo's registry, built in memory: the demo needs nothing but the binary.

use std::net::SocketAddr;

use anyhow::{Context as _, anyhow};

use crate::cli::demo::backend::BUSY_PATH;
use crate::registry::{AuthSpec, Snapshot, SnapshotBuilder, Tool, ToolSpec};
use crate::secret::Secret;
use crate::sign::Signer;

/// A tool that works.
pub const GOOD: &str = "send_email";
/// A tool whose backend is busy every other time.
pub const BUSY: &str = "look_up_order";
/// A tool that is switched off.
pub const DISABLED: &str = "delete_account";

/// Random bytes as hex digits, from the system's generator.
///
/// # Errors
/// When the system has no randomness to give.
pub fn random_secret() -> anyhow::Result<Secret> {
    let mut bytes = [0_u8; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random
        .fill(&mut bytes)
        .map_err(|_| anyhow!("the system gives no random bytes"))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Secret::new(digits))
}

/// Three tools behind one backend.
///
/// # Errors
/// Never, unless a rule for tools and this file contradict each other.
pub fn registry(backend: SocketAddr, secret: &Secret) -> anyhow::Result<Snapshot> {
    let mut builder = SnapshotBuilder::new(None);
    for (name, path, enabled) in [
        (GOOD, "/send-email", true),
        (BUSY, BUSY_PATH, true),
        (DISABLED, "/delete-account", false),
    ] {
        let spec = ToolSpec {
            name: name.to_owned(),
            url: format!("http://{backend}{path}"),
            auth: AuthSpec {
                scheme: Signer::HMAC_SHA256.to_owned(),
                secret: Some(secret.clone()),
                secret_id: None,
            },
            enabled: Some(enabled),
            ..ToolSpec::default()
        };
        let rule = |faults: Vec<_>| anyhow!("{faults:?}");
        let tool = Tool::compile(spec)
            .map_err(rule)
            .context("a tool of the demo")?;
        builder
            .add(tool)
            .map_err(|_| anyhow!("two tools of the demo have one name"))?;
    }
    Ok(builder.finish())
}
