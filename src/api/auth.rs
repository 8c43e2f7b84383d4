//! The admin token: who may use what is under `/v1`.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use crate::api::reply;
use crate::headers;
use crate::secret::{Secret, TokenDigest};

/// The admin token, digested.
pub struct AdminToken(TokenDigest);

/// Why a request may not go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// There is no bearer token.
    Missing,
    /// It is not ours.
    Wrong,
}

impl AdminToken {
    /// `None` for an empty token, which would let everybody in.
    pub fn new(token: &Secret) -> Option<Self> {
        (!token.is_empty()).then(|| Self(TokenDigest::of(token.expose())))
    }

    /// Looks at all values of `Authorization`, and compares in a time that depends neither on the tokens' bytes nor on ours' length.
    // spec: API-2
    pub fn check<'v>(
        &self,
        authorization: impl IntoIterator<Item = &'v HeaderValue>,
    ) -> Result<(), Refusal> {
        let offered = headers::bearer(authorization).ok_or(Refusal::Missing)?;
        if TokenDigest::of(offered).matches(&self.0) {
            Ok(())
        } else {
            Err(Refusal::Wrong)
        }
    }
}

impl Refusal {
    /// The answer in the hosted API's words.
    pub fn into_response(self) -> Response<Full<Bytes>> {
        match self {
            Self::Missing => {
                let status = StatusCode::UNAUTHORIZED;
                let mut response = reply::detail(status, "Missing Authorization Bearer token");
                let challenge = HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
            Self::Wrong => reply::detail(StatusCode::FORBIDDEN, "Invalid API key"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let token = AdminToken::new(&Secret::new("once_live_123")).unwrap();
        for (fields, verdict) in [
            (&["Bearer once_live_123"][..], Ok(())),
            (&["bearer once_live_123"], Ok(())),
            (&["BEARER   once_live_123 "], Ok(())),
            (&[], Err(Refusal::Missing)),
            (&[""], Err(Refusal::Missing)),
            (&["Bearer"], Err(Refusal::Missing)),
            (&["Bearer  "], Err(Refusal::Missing)),
            (&["Basic b25jZV9saXZlXzEyMw=="], Err(Refusal::Missing)),
            (&["once_live_123"], Err(Refusal::Missing)),
            (&["Bearer once_live_123", "Bearer x"], Err(Refusal::Missing)),
            (&["Bearer once_live_12"], Err(Refusal::Wrong)),
            (&["Bearer once_live_1234"], Err(Refusal::Wrong)),
            (&["Bearer Once_live_123"], Err(Refusal::Wrong)),
            (&["Bearer once_live_123 x"], Err(Refusal::Wrong)),
        ] {
            let values: Vec<HeaderValue> = fields.iter().map(|f| f.parse().unwrap()).collect();
            assert_eq!(token.check(&values), verdict, "{fields:?}");
        }
    }

    #[test]
    fn an_empty_token_is_none() {
        assert!(AdminToken::new(&Secret::new("")).is_none());
    }
}
