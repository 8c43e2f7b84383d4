//! Who is calling: proven by a token where tokens are configured, claimed by a header otherwise.

use http::{HeaderValue, header};

use crate::call::Refusal;
use crate::config::AgentToken;
use crate::headers::{self, X_ONCEONLY_AGENT_ID};
use crate::http1::FieldList;
use crate::ids::AgentId;
use crate::secret::TokenDigest;

/// Decides who is calling.
// spec: CALL-2
#[derive(Clone, Debug)]
pub struct Identity {
    default: AgentId,
    tokens: Vec<(AgentId, TokenDigest)>,
}

impl Identity {
    /// Without tokens every agent is believed, and one that says nothing is `default`.
    pub fn new(default: AgentId, tokens: &[AgentToken]) -> Self {
        let digest = |known: &AgentToken| {
            let digest = TokenDigest::of(known.token.expose());
            (known.agent.clone(), digest)
        };
        Self {
            default,
            tokens: tokens.iter().map(digest).collect(),
        }
    }

    /// The caller, and whether a token proved it. A token is taken out of the fields.
    ///
    /// # Errors
    /// When the fields make no sense, or there is no token where one is needed.
    pub fn of(&self, fields: &mut FieldList) -> Result<(AgentId, bool), Refusal> {
        let claimed = claimed(fields.get_all(&X_ONCEONLY_AGENT_ID))?;
        if self.tokens.is_empty() {
            return Ok((claimed.unwrap_or_else(|| self.default.clone()), false));
        }
        let proven = headers::bearer(fields.get_all(&header::AUTHORIZATION));
        let proven = proven.and_then(|token| self.owner(token));
        let proven = proven.ok_or(Refusal::Unauthorized)?.clone();
        if claimed.is_some_and(|claimed| claimed != proven) {
            return Err(Refusal::AgentMismatch);
        }
        fields.remove(&header::AUTHORIZATION);
        Ok((proven, true))
    }

    /// Looks at every token, so that the time tells nothing about which one matched.
    fn owner(&self, token: &[u8]) -> Option<&AgentId> {
        let offered = TokenDigest::of(token);
        let mut owner = None;
        for (agent, known) in &self.tokens {
            if known.matches(&offered) {
                owner = Some(agent);
            }
        }
        owner
    }
}

/// The agent that a request says it comes from.
///
/// # Errors
/// When it says so more than once, or in a form that no id has.
pub fn claimed<'v>(
    said: impl IntoIterator<Item = &'v HeaderValue>,
) -> Result<Option<AgentId>, Refusal> {
    let mut values = said.into_iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Refusal::BadRequest(
            "there is more than one X-OnceOnly-Agent-Id",
        ));
    }
    let invalid =
        |_| Refusal::BadRequest("X-OnceOnly-Agent-Id is 1 to 128 visible ASCII characters");
    first
        .cloned()
        .map(AgentId::from_header)
        .transpose()
        .map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn identity(tokens: &[(&str, &str)]) -> Identity {
        let token = |(agent, token): &(&str, &str)| AgentToken {
            agent: agent.parse().unwrap(),
            token: Secret::new(*token),
        };
        let tokens: Vec<_> = tokens.iter().map(token).collect();
        Identity::new("agent".parse().unwrap(), &tokens)
    }

    #[track_caller]
    fn check(
        identity: &Identity,
        agent: Option<&str>,
        authorization: Option<&str>,
        expected: Result<(&str, bool), Refusal>,
    ) {
        let said = [
            ("x-onceonly-agent-id", agent),
            ("authorization", authorization),
        ];
        let said = said
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let mut fields = FieldList::from(&said.collect::<Vec<_>>()[..]);
        let result = identity.of(&mut fields);
        assert_eq!(
            result.as_ref().map(|(a, p)| (a.as_str(), *p)),
            expected.as_ref().map(|e| *e)
        );
        let spent = expected.is_ok_and(|(_, proven)| proven);
        assert_eq!(
            fields.contains(&header::AUTHORIZATION),
            authorization.is_some() && !spent
        );
    }

    #[test]
    fn without_tokens_the_header_is_believed() {
        let open = identity(&[]);
        check(&open, None, None, Ok(("agent", false)));
        check(&open, Some("bot"), Some("Bearer mine"), Ok(("bot", false)));
        let invalid =
            Refusal::BadRequest("X-OnceOnly-Agent-Id is 1 to 128 visible ASCII characters");
        check(&open, Some("a b"), None, Err(invalid));
    }

    #[test]
    fn with_tokens_the_token_decides() {
        let closed = identity(&[("one", "token-of-agent-one"), ("two", "token-of-agent-two")]);
        check(
            &closed,
            None,
            Some("Bearer token-of-agent-two"),
            Ok(("two", true)),
        );
        check(
            &closed,
            Some("two"),
            Some("bearer token-of-agent-two"),
            Ok(("two", true)),
        );
        check(
            &closed,
            Some("one"),
            Some("Bearer token-of-agent-two"),
            Err(Refusal::AgentMismatch),
        );
        check(&closed, Some("one"), None, Err(Refusal::Unauthorized));
        check(
            &closed,
            None,
            Some("Bearer token-of-agent-three"),
            Err(Refusal::Unauthorized),
        );
        check(
            &closed,
            None,
            Some("Basic token-of-agent-one"),
            Err(Refusal::Unauthorized),
        );
        check(&closed, None, Some("Bearer "), Err(Refusal::Unauthorized));
    }
}
