//! The way to a sidecar's admin listener: its address, the token, and one request with its answer.

use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde::de::IgnoredAny;

use crate::cli::client::{self, Peer};
use crate::cli::failure::Failure;
use crate::cli::secret_from;
use crate::cli::tools::request::Ask;
use crate::secret::Secret;

/// The variable that holds the admin token; also the setting's own, so that one shell can have both.
pub const TOKEN_VARIABLE: &str = "COUNTERSIGN_ADMIN_TOKEN";

/// A change is a few small files and a reload, however busy the disk is.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The options that say where the API is and who asks.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where the sidecar listens for operators: http://HOST:PORT or unix:/PATH
    #[arg(
        long,
        value_name = "URL",
        global = true,
        default_value = "http://127.0.0.1:8788"
    )]
    admin_url: String,
    /// Read the admin token from FILE [default: the environment variable COUNTERSIGN_ADMIN_TOKEN]
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
}

/// A sidecar's Tools API.
pub struct Api {
    peer: Peer,
    bearer: Option<HeaderValue>,
    /// Where the token is from, for whoever has to correct it.
    token_from: String,
}

/// What the sidecar said.
pub struct Answer {
    /// Whether it did what it was asked.
    pub status: StatusCode,
    /// All of it.
    pub body: Bytes,
    /// Who said so.
    pub from: String,
}

impl Answer {
    /// Whether a program can read it.
    pub fn is_json(&self) -> bool {
        serde_json::from_slice::<IgnoredAny>(&self.body).is_ok()
    }
}

impl Api {
    /// Reads the token; nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none of a sidecar, or the token cannot be read or be a token. That there
    /// is none is for the sidecar to refuse, which knows whether it has one.
    pub fn new(options: &Options) -> Result<Self, Failure> {
        let peer = Peer::read("--admin-url", &options.admin_url)?;
        let (token, token_from) = match &options.token_file {
            Some(path) => (
                Some(secret_from::from_file(path)?),
                path.display().to_string(),
            ),
            None => {
                let token = std::env::var_os(TOKEN_VARIABLE).filter(|token| !token.is_empty());
                let token = token.map(|token| Secret::new(token.into_vec()));
                (token, TOKEN_VARIABLE.to_owned())
            }
        };
        let bearer = token.as_ref().map(bearer).transpose();
        let bearer = bearer.map_err(|()| {
            Failure::Usage(format!(
                "{token_from} holds no token: it has to be visible ASCII"
            ))
        })?;
        Ok(Self {
            peer,
            bearer,
            token_from,
        })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.peer.to_string()
    }

    /// Where the token is from: a variable or a file.
    pub fn token_from(&self) -> &str {
        &self.token_from
    }

    /// Sends one request and reads the whole answer. Dropping the future closes the connection; a
    /// change that the sidecar has begun goes on.
    ///
    /// # Errors
    /// When no answer came, with the address that was tried.
    pub async fn send(&self, ask: Ask) -> Result<Answer, Failure> {
        let exchange = async {
            let request = self.request(ask)?;
            let answer = client::send(&self.peer, request).await?;
            let status = answer.status();
            let body = client::collect(answer.into_body()).await?;
            let from = self.url();
            Ok(Answer { status, body, from })
        };
        let in_time = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await;
        in_time
            .unwrap_or_else(|_| {
                let seconds = ANSWER_TIMEOUT.as_secs();
                Err(anyhow::anyhow!(
                    "no answer within {seconds} s; a change may have been made"
                ))
            })
            .map_err(|error| {
                let url = self.url();
                Failure::No(format!(
                    "{error:#}\ntried {url}: is a sidecar running there? --admin-url names another \
                     address"
                ))
            })
    }

    fn request(&self, ask: Ask) -> anyhow::Result<Request<Full<Bytes>>> {
        let has_body = ask.body.is_some();
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.target)
            .body(Full::new(ask.body.unwrap_or_default()))
            .context("no valid request")?;
        let headers = request.headers_mut();
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(bearer) = &self.bearer {
            headers.insert(AUTHORIZATION, bearer.clone());
        }
        Ok(request)
    }
}

fn bearer(token: &Secret) -> Result<HeaderValue, ()> {
    if !token.expose().iter().all(u8::is_ascii_graphic) {
        return Err(());
    }
    let bearer = [b"Bearer ", token.expose()].concat();
    let mut bearer = HeaderValue::from_bytes(&bearer).map_err(|_| ())?;
    bearer.set_sensitive(true);
    Ok(bearer)
}
