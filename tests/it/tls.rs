//! TLS towards tools, from the registry's `tls:` to the wire.

use std::path::Path;
use std::sync::Arc;

use countersign::test_support::FakeTool;
use countersign::test_support::process::Sidecar;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use tempfile::TempDir;

use crate::support::{BINARY, post};

/// A certificate authority of the test's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    /// A server for `name` that takes only clients whom this authority knows.
    fn server(&self, name: &str) -> rustls::ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let (certificate, key) = self.issue(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(builder.build().unwrap())
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

// spec: UP-1
#[test]
fn a_tool_is_reached_over_mutual_tls() {
    let authority = Authority::new();
    let tool = FakeTool::ok();
    let port = tool.listen_tls(authority.server("tool.test")).port();
    let dir = TempDir::new().unwrap();
    let (certificate, key) = authority.issue("sidecar.test");
    write(dir.path(), "ca.pem", &authority.0.pem());
    write(dir.path(), "client.pem", &certificate.pem());
    write(dir.path(), "client.key", &key.serialize_pem());
    let client = "client_cert_file: client.pem, client_key_file: client.key";
    let entry = |name: &str, tls: &str| {
        format!(
            "  - name: {name}
    url: https://127.0.0.1:{port}/v1
    max_retries: 0
    auth: {{ type: hmac_sha256, secret: supersecret }}
    tls: {{ {tls} }}
"
        )
    };
    let registry = [
        "tools:\n".to_owned(),
        entry(
            "good",
            &format!("ca_file: ca.pem, {client}, server_name: tool.test"),
        ),
        entry(
            "wrong_name",
            &format!("ca_file: ca.pem, {client}, server_name: other.test"),
        ),
        entry(
            "unknown_authority",
            &format!("{client}, server_name: tool.test"),
        ),
        entry("no_certificate", "ca_file: ca.pem, server_name: tool.test"),
    ];
    write(dir.path(), "tools.yaml", &registry.concat());
    let sidecar = Sidecar::start(BINARY, &dir.path().join("tools.yaml"));

    post(sidecar.agents, "/tools/good", "{}").expect_answer(200);
    assert_eq!(
        tool.received()[0].head.one("host"),
        format!("127.0.0.1:{port}")
    );
    for name in ["wrong_name", "unknown_authority"] {
        post(sidecar.agents, &format!("/tools/{name}"), "{}").expect_refusal(502, "upstream_tls");
    }
    // With TLS 1.3 the client is done before the server has looked at its certificate.
    let refused = post(sidecar.agents, "/tools/no_certificate", "{}");
    assert_eq!(refused.status, 502);
    assert_eq!(tool.received().len(), 1);
}
