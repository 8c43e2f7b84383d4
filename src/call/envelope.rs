//! The body that a tool gets from a governed call: what the agent asked for, and under which lease.
//!
//! The members stand in the order of the guide for tool backends, without white space, and the
//! arguments are the agent's own bytes: a number or a key that was written anew could mean something
//! else. Where the values come from, and signing them, is left to others.

use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::ids::{AgentId, LeaseId, ScopeId, ToolName};

/// What an envelope says.
#[derive(Debug)]
pub(super) struct Envelope<'c> {
    pub(super) tool: &'c ToolName,
    /// A JSON object.
    pub(super) args: &'c RawValue,
    pub(super) agent: &'c AgentId,
    pub(super) namespace: &'c str,
    pub(super) key_hash: &'c str,
    /// When the first attempt is made: what its timestamp header says.
    pub(super) at: Timestamp,
    pub(super) lease: &'c LeaseId,
    pub(super) scope: &'c ScopeId,
}

impl Envelope<'_> {
    /// The body's bytes.
    // spec: GOV-2
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let args = self.args.get();
        let mut body = Vec::with_capacity(args.len() + ROOM_FOR_THE_REST);
        text(&mut body, "{\"tool\":", self.tool.as_str());
        body.extend_from_slice(b",\"args\":");
        body.extend_from_slice(args.as_bytes());
        text(&mut body, ",\"agent_id\":", self.agent.as_str());
        text(&mut body, ",\"ns\":", self.namespace);
        text(&mut body, ",\"key_hash\":", self.key_hash);
        body.extend_from_slice(b",\"ts\":");
        body.extend_from_slice(self.at.unix_seconds().to_string().as_bytes());
        text(&mut body, ",\"lease_id\":", &self.lease.to_string());
        text(&mut body, ",\"scope_id\":", &self.scope.to_string());
        body.push(b'}');
        body
    }
}

/// More than everything in an envelope but the arguments: names and ids have at most 128 characters,
/// and each of them becomes at most two.
pub(super) const MAX_OWN_BYTES: usize = 2 * 1024;

/// Names, ids and times of a usual envelope.
const ROOM_FOR_THE_REST: usize = 256;

fn text(body: &mut Vec<u8>, before: &str, value: &str) {
    body.extend_from_slice(before.as_bytes());
    serde_json::to_writer(body, value).expect("a Vec takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that Python's `json.dumps(…, separators=(",", ":"))` writes for the guide's example
    /// with this lease id.
    #[test]
    fn the_members_stand_in_the_guides_order() {
        let args = r#"{"to":"test@example.com","subject":"Test","idempotency_key":"test_1"}"#;
        let lease = "lease_018d0d22-c900-7000-8000-000000000000";
        let envelope = Envelope {
            tool: &"send_email".parse().unwrap(),
            args: serde_json::from_str(args).unwrap(),
            agent: &"support_bot".parse().unwrap(),
            namespace: "user_abc",
            key_hash: "k_test",
            at: Timestamp::from_unix_millis(1_705_322_400_999),
            lease: &lease.parse().unwrap(),
            scope: &ScopeId::Global,
        };
        let expected = r#"{"tool":"send_email","args":{"to":"test@example.com","subject":"Test","idempotency_key":"test_1"},"agent_id":"support_bot","ns":"user_abc","key_hash":"k_test","ts":1705322400,"lease_id":"lease_018d0d22-c900-7000-8000-000000000000","scope_id":"global"}"#;
        assert_eq!(String::from_utf8(envelope.to_bytes()).unwrap(), expected);
    }

    #[test]
    fn arguments_stay_as_they_are_and_names_are_escaped() {
        let args = "{ \"b\": 1.0, \"a\" :1e2,\"a\":\"\\u00e9é\\/\" }";
        let agent: AgentId = "a\"\\b".parse().unwrap();
        let envelope = Envelope {
            tool: &"t".parse().unwrap(),
            args: serde_json::from_str(args).unwrap(),
            agent: &agent,
            namespace: "local",
            key_hash: "k_00000000",
            at: Timestamp::from_unix_millis(0),
            lease: &LeaseId::from_bytes([0; 16]),
            scope: &ScopeId::Agent(agent.clone()),
        };
        let text = String::from_utf8(envelope.to_bytes()).unwrap();
        assert!(text.contains(&format!(",\"args\":{args},")), "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["agent_id"], "a\"\\b");
        assert_eq!(json["scope_id"], "agent:a\"\\b");
    }
}
