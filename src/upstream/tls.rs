//! TLS towards upstreams: whom to believe, who we are, and which protocol is spoken.
//!
//! One client configuration per distinct set of settings, made once and shared by all workers, so
//! that sessions resume. Verification cannot be switched off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::registry::{Host, Origin, Trust};
use crate::upstream::connect::{ConnectError, Connected, Io, Protocol};

/// HTTP/2 as ALPN spells it.
const ALPN_HTTP2: &[u8] = b"h2";
/// HTTP/1.1 as ALPN spells it.
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Why TLS settings are unusable.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// Not PEM.
    #[error("the CA file does not hold PEM certificates")]
    NotPem(#[source] rustls::pki_types::pem::Error),
    /// PEM, and no certificate in it.
    #[error("the CA file holds no certificate")]
    NoCertificate,
    /// A certificate cannot be used to verify others.
    #[error("a CA certificate is not usable")]
    UnusableRoot(#[source] rustls::Error),
    /// The host cannot be the name on a certificate.
    #[error("the host is not a name that a certificate can hold")]
    Name,
    /// The provider lacks what the protocol versions need.
    #[error("TLS is not available")]
    Unavailable(#[source] rustls::Error),
}

/// Client configurations, by a tool's settings.
pub struct TlsClients {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    default: Arc<ClientConfig>,
    /// Configurations of tools with settings of their own.
    by_trust: Mutex<HashMap<Arc<Trust>, Arc<ClientConfig>>>,
}

impl TlsClients {
    /// Loads the roots once: the certificates of `ca_pem` where given, else the platform's, else
    /// the ones that are built in.
    ///
    /// # Errors
    /// When `ca_pem` holds no usable certificate.
    pub fn new(ca_pem: Option<&[u8]>) -> Result<Self, TlsSetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(match ca_pem {
            Some(pem) => store(&certificates(pem)?)?,
            None => platform_roots(),
        });
        let default = client(&provider, Arc::clone(&roots), None)?;
        Ok(Self {
            provider,
            roots,
            default,
            by_trust: Mutex::default(),
        })
    }

    /// Speaks TLS on `stream`.
    ///
    /// # Errors
    /// When the origin's settings are unusable, the handshake fails, or the certificate is not
    /// valid for the origin.
    pub(super) async fn connect<S: Io + 'static>(
        &self,
        origin: &Origin,
        stream: S,
    ) -> Result<Connected, ConnectError> {
        let setup = ConnectError::TlsSetup;
        let name = server_name(origin).map_err(setup)?;
        let config = self.config(origin.trust()).map_err(setup)?;
        let stream = TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(ConnectError::Tls)?;
        let (_, session) = stream.get_ref();
        let protocol = if session.alpn_protocol() == Some(ALPN_HTTP2) {
            Protocol::Http2
        } else {
            Protocol::Http1
        };
        Ok(Connected {
            io: Box::new(stream),
            protocol,
        })
    }

    fn config(&self, trust: Option<&Arc<Trust>>) -> Result<Arc<ClientConfig>, TlsSetupError> {
        let Some(trust) = trust else {
            return Ok(Arc::clone(&self.default));
        };
        // A panic elsewhere leaves the map whole: each change is one insertion or removal.
        let mut by_trust = self.by_trust.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = by_trust.get(trust) {
            return Ok(Arc::clone(config));
        }
        // Settings that nobody else holds belong to tools that are gone.
        by_trust.retain(|trust, _| Arc::strong_count(trust) > 1);
        let roots = match &trust.roots {
            Some(certificates) => Arc::new(store(certificates)?),
            None => Arc::clone(&self.roots),
        };
        let identity = trust.identity.as_ref().map(|identity| {
            let only = SingleCertAndKey::from(Arc::clone(identity));
            Arc::new(only) as Arc<dyn ResolvesClientCert>
        });
        let config = client(&self.provider, roots, identity)?;
        by_trust.insert(Arc::clone(trust), Arc::clone(&config));
        Ok(config)
    }
}

/// The provider is named, because rustls panics where a build holds two and none is chosen.
fn client(
    provider: &Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    identity: Option<Arc<dyn ResolvesClientCert>>,
) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsSetupError::Unavailable)?
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
    Ok(Arc::new(config))
}

fn server_name(origin: &Origin) -> Result<ServerName<'static>, TlsSetupError> {
    let own = origin.trust().and_then(|trust| trust.server_name.clone());
    if let Some(name) = own {
        return Ok(name);
    }
    match origin.host() {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => {
            // The dot of an absolute name is DNS's; certificates do not have it.
            let name = name.strip_suffix('.').unwrap_or(name).to_owned();
            ServerName::try_from(name).map_err(|_| TlsSetupError::Name)
        }
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(TlsSetupError::NotPem)?;
    if found.is_empty() {
        return Err(TlsSetupError::NoCertificate);
    }
    Ok(found)
}

fn store(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate.clone())
            .map_err(TlsSetupError::UnusableRoot)?;
    }
    Ok(roots)
}

/// The platform's roots; single broken ones are passed over, as everybody does.
fn platform_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        // An image without any is how we are shipped; one whose certificates cannot be read is a mistake.
        if found.errors.is_empty() {
            tracing::info!("no platform certificates found, using the built-in ones");
        } else {
            tracing::warn!(
                errors = ?found.errors,
                "platform certificates cannot be read, using the built-in ones"
            );
        }
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
