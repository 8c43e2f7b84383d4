//! A tool's `tls:` settings, parsed: whom to believe and who we say we are.
//!
//! Equal settings compare equal by their fingerprint, so that a reload keeps pooled connections.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

use crate::registry::spec::TlsSpec;
use crate::rule::{Rule, Violation};

/// What a tool's TLS connections use instead of the defaults.
pub struct Trust {
    /// Certificates that replace the platform's roots.
    pub roots: Option<Vec<CertificateDer<'static>>>,
    /// The client certificate with its key.
    pub identity: Option<Arc<CertifiedKey>>,
    /// The name to ask for and to verify.
    pub server_name: Option<ServerName<'static>>,
    fingerprint: [u8; 32],
}

impl Trust {
    /// Parses `tls:`, collecting every fault with a field path that starts at the tool.
    pub(super) fn compile(spec: &TlsSpec, faults: &mut Vec<Violation>) -> Self {
        Self {
            roots: spec
                .ca_pem
                .as_deref()
                .and_then(|pem| note(faults, "tls.ca_file", certificates(pem))),
            identity: identity(spec, faults),
            server_name: spec.server_name.as_ref().and_then(|name| {
                let parsed = ServerName::try_from(name.clone());
                note(
                    faults,
                    "tls.server_name",
                    parsed.map_err(|_| "must be a DNS name or an IP address"),
                )
            }),
            fingerprint: fingerprint(spec),
        }
    }
}

fn identity(spec: &TlsSpec, faults: &mut Vec<Violation>) -> Option<Arc<CertifiedKey>> {
    let (cert, key) = match (&spec.client_cert_pem, &spec.client_key_pem) {
        (None, None) => return None,
        (Some(cert), Some(key)) => (cert, key),
        (Some(_), None) => {
            faults.push(Violation::new("tls.client_key_file", Rule::Required));
            return None;
        }
        (None, Some(_)) => {
            faults.push(Violation::new("tls.client_cert_file", Rule::Required));
            return None;
        }
    };
    let chain = note(faults, "tls.client_cert_file", certificates(cert))?;
    let key = PrivateKeyDer::from_pem_slice(key.expose())
        .map_err(|_| "must hold one PEM private key (PKCS#8, PKCS#1 or SEC1)");
    let key = note(faults, "tls.client_key_file", key)?;
    let provider = rustls::crypto::ring::default_provider();
    let pair = CertifiedKey::from_der(chain, key, &provider)
        .map_err(|_| "must be the key of the certificate in client_cert_file");
    note(faults, "tls.client_key_file", pair).map(Arc::new)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = parsed.map_err(|_| "must hold PEM certificates")?;
    if found.is_empty() {
        Err("must hold at least one PEM certificate")
    } else {
        Ok(found)
    }
}

fn note<T>(
    faults: &mut Vec<Violation>,
    field: &'static str,
    result: Result<T, &'static str>,
) -> Option<T> {
    result
        .map_err(|reason| faults.push(Violation::new(field, Rule::Invalid(reason.into()))))
        .ok()
}

fn fingerprint(spec: &TlsSpec) -> [u8; 32] {
    let key = spec.client_key_pem.as_ref().map(|key| key.expose());
    let name = spec.server_name.as_ref().map(|name| name.as_bytes());
    let parts = [
        spec.ca_pem.as_deref(),
        spec.client_cert_pem.as_deref(),
        key,
        name,
    ];
    let mut digest = Sha256::new();
    for part in parts {
        // The length keeps neighbouring parts apart; an absent part differs from an empty one.
        digest.update(
            part.map_or(u64::MAX, |part| part.len() as u64)
                .to_be_bytes(),
        );
        digest.update(part.unwrap_or_default());
    }
    digest.finalize().into()
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Trust {}

impl Hash for Trust {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}
