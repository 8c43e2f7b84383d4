//! The dialler on real sockets: name lookup, the address check, TLS.

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use metrics::Counter;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `name` with its key.
fn leaf(ca: &Issuer, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, ca).unwrap(), key)
}

/// A server on a port of its own.
struct Server {
    port: u16,
    connections: Rc<Cell<usize>>,
}

/// How a server behaves after the TLS handshake.
#[derive(Clone)]
enum Manner {
    /// Answers every request with `OK`.
    Http,
    /// Says these bytes and closes the socket, with or without TLS's goodbye.
    Raw(&'static str, Goodbye),
    /// Answers one request with `OK` and tells what the next read comes to.
    Listen(mpsc::UnboundedSender<io::Result<usize>>),
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Goodbye {
    Said,
    Missing,
}

impl Server {
    /// Serves TLS with a certificate for `name`, offering these protocols; asks for a certificate
    /// of `clients` where that is given.
    async fn tls(
        ca: &Issuer,
        name: &str,
        alpn: &[&str],
        clients: Option<&Issuer>,
        manner: Manner,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            Some(issuer) => {
                let mut roots = RootCertStore::empty();
                roots.add(issuer.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let (certificate, key) = leaf(ca, name);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Rc::new(Cell::new(0));
        let counter = Rc::clone(&connections);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.set(counter.get() + 1);
                // A refused handshake is the client's story to tell.
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::task::spawn_local(behave(stream, manner.clone()));
                }
            }
        });
        Self { port, connections }
    }

    async fn http(ca: &Issuer, name: &str, alpn: &[&str]) -> Self {
        Self::tls(ca, name, alpn, None, Manner::Http).await
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.port)
    }
}

async fn behave(mut stream: tokio_rustls::server::TlsStream<TcpStream>, manner: Manner) {
    let says = match &manner {
        Manner::Http => return serve(stream).await,
        Manner::Raw(says, _) => says,
        Manner::Listen(_) => OK,
    };
    let mut seen = Vec::new();
    while !seen.ends_with(b"{}") {
        seen.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(says.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    match manner {
        Manner::Raw(_, Goodbye::Said) => stream.shutdown().await.unwrap(),
        Manner::Raw(_, Goodbye::Missing) => stream.get_mut().0.shutdown().await.unwrap(),
        Manner::Listen(farewell) => farewell.send(stream.read(&mut [0]).await).unwrap(),
        Manner::Http => unreachable!("it is served elsewhere"),
    }
}

#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

async fn serve(stream: tokio_rustls::server::TlsStream<TcpStream>) {
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(async |request: Request<Incoming>| {
        let version = format!("{:?}", request.version());
        let host = request.headers().get("host");
        let host = host.map(|host| host.to_str().unwrap().to_owned());
        let host = host.or_else(|| request.uri().authority().map(ToString::to_string));
        request.into_body().collect().await.unwrap();
        let body = format!("{version} {}", host.unwrap());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body))))
    });
    let io = TokioIo::new(stream);
    // The client decides when a connection ends, and how.
    let _ = if http2 {
        let server = hyper::server::conn::http2::Builder::new(Local);
        server.serve_connection(io, service).await
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        server.serve_connection(io, service).await
    };
}

/// A pool that dials, and the count of addresses that it refused.
fn pool(ca: Option<&Issuer>) -> (Pool, Arc<AtomicU64>) {
    let pem = ca.map_or_else(|| authority().pem(), |ca| ca.pem());
    let tls = Arc::new(TlsClients::new(Some(pem.as_bytes())).unwrap());
    let refused = Arc::new(AtomicU64::new(0));
    let dialler = Dialler::new(tls, Counter::from_arc(Arc::clone(&refused)));
    (pool_of(dialler), refused)
}

fn pool_of(dialler: Dialler) -> Pool {
    let gauges = PoolGauges {
        idle: Gauge::noop(),
        active: Gauge::noop(),
    };
    Pool::new(Rc::new(dialler), PoolSettings::default(), gauges)
}

async fn call(pool: &Pool, origin: &Arc<Origin>) -> Result<String, SendError> {
    let deadline = Instant::now() + Duration::from_secs(15);
    let signed = signed(Method::POST, "{}").await;
    let answer = pool.send(origin, &signed, deadline);
    Ok(read(answer.await?).await.unwrap())
}

const BOTH: &[&str] = &["h2", "http/1.1"];

#[tokio::test(flavor = "local")]
async fn http2_is_agreed_on_and_shared() {
    let ca = authority();
    let server = Server::http(&ca, "localhost", BOTH).await;
    let (pool, _) = pool(Some(&ca));
    let origin = origin(&server.url("localhost"));
    let expected = format!("HTTP/2.0 localhost:{}", server.port);
    let (a, b, c) = tokio::join!(
        call(&pool, &origin),
        call(&pool, &origin),
        call(&pool, &origin)
    );
    for answer in [a, b, c, call(&pool, &origin).await] {
        assert_eq!(answer.unwrap(), expected);
    }
    assert_eq!(server.connections.get(), 1);
}

#[tokio::test(flavor = "local")]
async fn http1_is_spoken_where_http2_is_not() {
    let ca = authority();
    for alpn in [&["http/1.1"][..], &[]] {
        let server = Server::http(&ca, "127.0.0.1", alpn).await;
        let (pool, _) = pool(Some(&ca));
        // The certificate holds the address as an address.
        let origin = origin(&server.url("127.0.0.1"));
        let expected = format!("HTTP/1.1 127.0.0.1:{}", server.port);
        for _ in 0..2 {
            assert_eq!(call(&pool, &origin).await.unwrap(), expected);
        }
        assert_eq!(server.connections.get(), 1);
    }
}

// spec: RETRY-1 RETRY-4
#[tokio::test(flavor = "local")]
async fn a_certificate_that_does_not_fit_is_a_tls_failure() {
    let (ca, stranger) = (authority(), authority());
    let named_otherwise = Server::http(&ca, "other.test", BOTH).await;
    let signed_otherwise = Server::http(&stranger, "localhost", BOTH).await;
    let (pool, _) = pool(Some(&ca));
    for server in [named_otherwise, signed_otherwise] {
        let origin = origin(&server.url("localhost"));
        let failed = failure(call(&pool, &origin).await);
        assert_eq!(failed, (Seen::NotSent, FailureKind::Tls));
    }
}

#[tokio::test(flavor = "local")]
async fn a_tool_brings_its_own_roots_name_and_identity() {
    let (ca, clients) = (authority(), authority());
    let server = Server::tls(&ca, "inner.test", BOTH, Some(&clients), Manner::Http).await;
    let (certificate, key) = leaf(&clients, "sidecar.test");
    let full = TlsSpec {
        ca_pem: Some(ca.pem().into_bytes()),
        client_cert_pem: Some(certificate.pem().into_bytes()),
        client_key_pem: Some(Secret::new(key.serialize_pem())),
        server_name: Some("inner.test".to_owned()),
    };
    let (pool, _) = pool(None);
    let url = server.url("127.0.0.1");
    let call = async |tls: TlsSpec| call(&pool, &origin_with(&url, Some(tls))).await;
    let expected = format!("HTTP/2.0 127.0.0.1:{}", server.port);
    assert_eq!(call(full.clone()).await.unwrap(), expected);

    let failed = failure(
        call(TlsSpec {
            ca_pem: None,
            ..full.clone()
        })
        .await,
    );
    assert_eq!(failed, (Seen::NotSent, FailureKind::Tls));
    let failed = failure(
        call(TlsSpec {
            server_name: None,
            ..full.clone()
        })
        .await,
    );
    assert_eq!(failed, (Seen::NotSent, FailureKind::Tls));
    let anonymous = TlsSpec {
        client_cert_pem: None,
        client_key_pem: None,
        ..full
    };
    // TLS 1.3 refuses a client after the client's part is done, so the kind depends on timing.
    call(anonymous).await.unwrap_err();
}

/// A body that only the connection's end delimits could be cut by anyone on the way, were it not
/// for TLS's goodbye.
// spec: RESP-2
#[tokio::test(flavor = "local")]
async fn a_missing_goodbye_truncates_what_only_the_end_delimits() {
    const ENDLESS: &str = "HTTP/1.1 200 OK\r\n\r\nhalf";
    let ca = authority();
    for (says, goodbye, body) in [
        (ENDLESS, Goodbye::Said, Some("half")),
        (ENDLESS, Goodbye::Missing, None),
        (OK, Goodbye::Missing, Some("OK")),
    ] {
        let manner = Manner::Raw(says, goodbye);
        let server = Server::tls(&ca, "localhost", &["http/1.1"], None, manner).await;
        let (pool, _) = pool(Some(&ca));
        let origin = origin(&server.url("localhost"));
        let deadline = Instant::now() + Duration::from_secs(15);
        let signed = signed(Method::POST, "{}").await;
        let answer = pool.send(&origin, &signed, deadline);
        let answer = answer.await.unwrap();
        assert_eq!(read(answer).await.ok().as_deref(), body);
    }
}

/// Answers one request with `says` on a real socket and resets the connection; a request's body is
/// left unread.
async fn resetting_server(says: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::task::spawn_local(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(says.as_bytes()).await.unwrap();
        let socket = socket2::SockRef::from(&stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    });
    url
}

// spec: RESP-2
#[tokio::test(flavor = "local")]
async fn a_reset_is_no_end_of_a_body() {
    for fields in ["", "content-length: 9\r\n"] {
        let url = resetting_server(format!("HTTP/1.1 200 OK\r\n{fields}\r\nhalf")).await;
        let (pool, _) = pool(None);
        let deadline = Instant::now() + Duration::from_secs(15);
        let signed = signed(Method::GET, "").await;
        let answer = pool.send(&origin(&url), &signed, deadline).await;
        // The reset may overtake the head, and then there is no answer at all.
        if let Ok(answer) = answer {
            read(answer).await.unwrap_err();
        }
    }
}

/// The kernel keeps what had arrived before a reset, and hands it out although writing has failed.
#[tokio::test(flavor = "local")]
async fn an_answer_survives_the_reset_of_the_upload() {
    let body: &'static str = "x".repeat(1 << 20).leak();
    let says = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno";
    let url = resetting_server(says.to_owned()).await;
    let (pool, _) = pool(None);
    let deadline = Instant::now() + Duration::from_secs(15);
    let signed = signed(Method::POST, body).await;
    let answer = pool.send(&origin(&url), &signed, deadline).await.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(read(answer).await.unwrap(), "no");
}

/// Over TLS the end is said, so that it cannot be taken for an attack.
#[tokio::test(flavor = "local")]
async fn an_idle_connection_is_left_with_a_goodbye() {
    let ca = authority();
    let (farewell, mut said) = mpsc::unbounded_channel();
    let manner = Manner::Listen(farewell);
    let server = Server::tls(&ca, "localhost", &["http/1.1"], None, manner).await;
    let (pool, _) = pool(Some(&ca));
    call(&pool, &origin(&server.url("localhost")))
        .await
        .unwrap();
    drop(pool);
    assert_eq!(said.recv().await.unwrap().unwrap(), 0);
}

// spec: SSRF-1
#[tokio::test(flavor = "local")]
async fn a_forbidden_address_is_not_dialled() {
    let (pool, refused) = pool(None);
    for (count, url) in [
        "http://127.0.0.1/latest/meta-data",
        "http://[::ffff:127.0.0.1]/",
        "http://10.0.0.1/",
        "http://2130706433/",
        "https://[fd00::1]/",
    ]
    .iter()
    .enumerate()
    {
        let error = call(&pool, &origin_of_api(url)).await.unwrap_err();
        assert_eq!(
            (error.seen(), error.kind()),
            (Seen::NotSent, FailureKind::Connect)
        );
        let cause = std::error::Error::source(&error).unwrap();
        let cause = cause.downcast_ref::<ConnectError>().unwrap();
        assert!(
            matches!(cause, ConnectError::Forbidden(_)),
            "{url}: {cause}"
        );
        assert_eq!(refused.load(Ordering::Relaxed), count as u64 + 1);
    }
}

/// The same listener, for a tool of the file and one of the API that have all but their source in
/// common: what the first leaves in the pool is not for the second.
// spec: SSRF-1
#[tokio::test(flavor = "local")]
async fn tools_of_the_api_are_not_dialled_at_home() {
    let ca = authority();
    let server = Server::http(&ca, "localhost", BOTH).await;
    let url = server.url("localhost");
    let (pool, refused) = pool(Some(&ca));
    call(&pool, &origin(&url)).await.unwrap();
    let error = call(&pool, &origin_of_api(&url)).await.unwrap_err();
    assert_eq!(
        (error.seen(), error.kind()),
        (Seen::NotSent, FailureKind::Connect)
    );
    assert!(refused.load(Ordering::Relaxed) > 0);

    let tls = Arc::new(TlsClients::new(Some(ca.pem().as_bytes())).unwrap());
    let pool = pool_of(Dialler::new(tls, Counter::noop()).allow_private(true));
    call(&pool, &origin_of_api(&url)).await.unwrap();
}

// spec: RETRY-1
#[tokio::test(flavor = "local")]
async fn nobody_listening_is_a_connect_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (pool, refused) = pool(None);
    for host in ["127.0.0.1", "localhost"] {
        let failed = failure(call(&pool, &origin(&format!("http://{host}:{port}/"))).await);
        assert_eq!(failed, (Seen::NotSent, FailureKind::Connect));
    }
    assert_eq!(refused.load(Ordering::Relaxed), 0);
}

#[test]
fn a_ca_file_without_a_usable_certificate_is_refused() {
    let message = |pem: &str| {
        let refused = TlsClients::new(Some(pem.as_bytes())).err();
        refused.map(|error| error.to_string())
    };
    let none = Some("the CA file holds no certificate".to_owned());
    assert_eq!(message(""), none);
    assert_eq!(message("not PEM at all"), none);
    assert_eq!(message(&KeyPair::generate().unwrap().serialize_pem()), none);
    assert_eq!(
        message("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
        Some("the CA file does not hold PEM certificates".to_owned())
    );
    assert_eq!(
        message("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        Some("a CA certificate is not usable".to_owned())
    );
    assert_eq!(message(&authority().pem()), None);
}
