//! The description of what is asked about policies.

use serde_json::{Value, json};

use crate::api::openapi::schema::{amount, array, exactly, list_of, string};
use crate::api::routes::Policing;

/// The name of an operation.
pub fn operation_id(what: Policing) -> &'static str {
    match what {
        Policing::List => "list_policies",
        Policing::Show => "get_policy",
        Policing::Put => "upsert_policy",
        Policing::FromTemplate => "policy_from_template",
    }
}

/// What a good answer is, and its schema.
pub fn success(what: Policing) -> (&'static str, &'static str) {
    match what {
        Policing::List => ("The policies.", "Policies"),
        Policing::Show => ("The policy.", "Policy"),
        Policing::Put | Policing::FromTemplate => ("The policy as it is now in service.", "Policy"),
    }
}

/// What else can be answered.
pub fn refusals(what: Policing) -> &'static [(&'static str, &'static str)] {
    match what {
        Policing::Show => &[("404", "The agent has no policy.")],
        Policing::List | Policing::Put | Policing::FromTemplate => &[],
    }
}

/// The schemas of the answers.
pub fn answers() -> [(&'static str, Value); 2] {
    let policy = exactly(json!({
        "agent_id": string(),
        "policy": exactly(json!({
            "allowed_tools": array(string()),
            "blocked_tools": array(string()),
            "max_actions_per_hour": { "type": ["integer", "null"], "minimum": 1 },
            "max_spend_usd_per_day": { "type": ["number", "null"], "minimum": 0 },
            "max_calls_per_tool": {
                "type": "object",
                "additionalProperties": { "type": "integer", "minimum": 1 },
            },
            "pricing_rules": array(exactly(json!({ "tool": string(), "price_usd": amount() }))),
        })),
    }));
    [("Policy", policy), ("Policies", list_of("Policy"))]
}
