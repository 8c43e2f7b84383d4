//! What is asked of the Tools API: method, path and body of each request.
//!
//! Names and scopes are percent-encoded, because an agent's id may hold any visible character.

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use url::form_urlencoded::byte_serialize;

use crate::cli::failure::Failure;
use crate::cli::secret_from::SecretFrom;
use crate::ids::{ScopeId, ToolName};
use crate::secret::Secret;
use crate::sign::Signer;

/// One request, complete but for where it goes and who sends it.
pub struct Ask {
    /// How.
    pub method: Method,
    /// Where: path and query.
    pub target: String,
    /// JSON, where the endpoint takes any.
    pub body: Option<Bytes>,
}

impl Ask {
    /// The tools of a scope, or of `all`.
    pub fn list(scope: &str) -> Self {
        Self::plain(
            Method::GET,
            format!("/v1/tools?scope_id={}", encoded(scope)),
        )
    }

    /// One tool.
    pub fn get(name: &ToolName, scope: &ScopeId) -> Self {
        Self::plain(Method::GET, at(name, "", scope))
    }

    /// Switches a tool on or off.
    pub fn toggle(name: &ToolName, scope: &ScopeId, enabled: bool) -> Self {
        Self {
            body: Some(Bytes::from(format!(r#"{{"enabled":{enabled}}}"#))),
            ..Self::plain(Method::POST, at(name, "/toggle", scope))
        }
    }

    /// Removes a tool.
    pub fn delete(name: &ToolName, scope: &ScopeId) -> Self {
        Self::plain(Method::DELETE, at(name, "", scope))
    }

    fn plain(method: Method, target: String) -> Self {
        Self {
            method,
            target,
            body: None,
        }
    }
}

fn at(name: &ToolName, action: &str, scope: &ScopeId) -> String {
    let scope = scope.to_string();
    format!(
        "/v1/tools/{}{action}?scope_id={}",
        encoded(name.as_str()),
        encoded(&scope)
    )
}

/// For a path as well as for a query: neither a name nor a scope has the space that the two would
/// spell differently.
fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// What `tools add` takes.
#[derive(Debug, clap::Args)]
pub struct Put {
    /// The tool's name
    pub name: ToolName,
    /// `global` or `agent:<agent_id>`
    #[arg(long, default_value_t)]
    pub scope: ScopeId,
    /// Where the tool is
    #[arg(long)]
    url: String,
    /// One attempt, in milliseconds [default: 15000]
    #[arg(long, value_name = "N")]
    timeout_ms: Option<u64>,
    /// Attempts after the first [default: 2]
    #[arg(long, value_name = "N")]
    max_retries: Option<u64>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Refuse its calls until `tools enable`
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    secret: SecretFrom,
    /// Send no secret: the tool exists and keeps the one that it has
    #[arg(long, conflicts_with = "secret_file")]
    keep_secret: bool,
}

/// The body. What is left out gets the API's default.
#[derive(Serialize)]
struct Body<'a> {
    name: &'a str,
    scope_id: String,
    url: &'a str,
    auth: Auth<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u64>,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

#[derive(Serialize)]
struct Auth<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

impl Put {
    /// Whether the tool is to keep the secret that it has.
    pub fn keeps_secret(&self) -> bool {
        self.keep_secret
    }

    /// The request.
    ///
    /// # Errors
    /// When there is no secret to send, or it is one that JSON cannot say.
    pub fn ask(&self) -> Result<Ask, Failure> {
        let secret = self.secret()?;
        let auth = Auth {
            r#type: Signer::HMAC_SHA256,
            secret: secret.as_ref().map(text).transpose()?,
        };
        let body = Body {
            name: self.name.as_str(),
            scope_id: self.scope.to_string(),
            url: &self.url,
            auth,
            timeout_ms: self.timeout_ms,
            max_retries: self.max_retries,
            enabled: !self.disabled,
            description: self.description.as_deref(),
        };
        let body = serde_json::to_vec(&body).expect("strings and numbers are what JSON can say");
        Ok(Ask {
            body: Some(body.into()),
            ..Ask::plain(Method::POST, "/v1/tools".to_owned())
        })
    }

    fn secret(&self) -> Result<Option<Secret>, Failure> {
        if self.keep_secret {
            return Ok(None);
        }
        self.secret
            .read()
            .map(Some)
            .map_err(|failure| match failure {
                Failure::Usage(reason) => Failure::Usage(format!(
                    "{reason}; --keep-secret keeps the one of a tool that exists"
                )),
                Failure::No(_) | Failure::Config(_) | Failure::Internal(_) => failure,
            })
    }
}

fn text(secret: &Secret) -> Result<&str, Failure> {
    std::str::from_utf8(secret.expose()).map_err(|_| {
        Failure::Usage(
            "the secret is not UTF-8 text, which is all that the API can take: put it into a file \
             and name that in the registry as secret_file:"
                .to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_scopes_are_encoded() {
        for (name, scope, expected) in [
            (
                "send_email",
                "global",
                "/v1/tools/send_email?scope_id=global",
            ),
            (
                "stripe.charge:v-2",
                "global",
                "/v1/tools/stripe.charge%3Av-2?scope_id=global",
            ),
            ("t", "agent:a/b", "/v1/tools/t?scope_id=agent%3Aa%2Fb"),
            (
                "t",
                "agent:a&b=c+d%e#f?",
                "/v1/tools/t?scope_id=agent%3Aa%26b%3Dc%2Bd%25e%23f%3F",
            ),
        ] {
            let (name, scope) = (name.parse().unwrap(), scope.parse().unwrap());
            assert_eq!(Ask::get(&name, &scope).target, expected);
        }
    }
}
