//! The fields of policies.
//!
//! A policy, and the overrides of a template, are the same fields. `agent_id` may stand in every
//! body, because the SDKs send it; it must be the path's, which no schema can say, so the
//! description leaves it out.

use serde_json::{Value, json};

use super::read::Reader;
use super::{Absent, Described, Field, ListOf, Made, MapOf, object_schema};
use crate::api::fault::{Broken, Fault};
use crate::api::rules::{Agent, Amount, Name, OneOf, OrNull, Whole};
use crate::ids::{AgentId, ToolName};
use crate::policy::{PolicySpec, PriceSpec, Template, limits};

const AGENT_ID: Field<OrNull<Agent>> = Field {
    name: "agent_id",
    rule: OrNull(Agent),
    absent: Absent::Null,
    about: "Whose policy it is.",
};
const ALLOWED: ListOf<Name> = ListOf {
    name: "allowed_tools",
    item: Name,
    max: limits::ENTRIES,
    about: "If there are any, all other tools are refused.",
};
const BLOCKED: ListOf<Name> = ListOf {
    name: "blocked_tools",
    about: "These are refused, also where they are allowed.",
    ..ALLOWED
};
const PER_HOUR: Field<OrNull<Whole>> = Field {
    name: "max_actions_per_hour",
    rule: OrNull(Whole(limits::ACTIONS_PER_HOUR)),
    absent: Absent::Null,
    about: "Calls within any 60 minutes.",
};
const PER_TOOL: MapOf<Name, Whole> = MapOf {
    name: "max_calls_per_tool",
    key: Name,
    value: Whole(limits::CALLS_PER_TOOL),
    max: limits::ENTRIES,
    about: "Calls of a tool within a day, in UTC.",
};
const SPEND: Field<OrNull<Amount>> = Field {
    name: "max_spend_usd_per_day",
    rule: OrNull(Amount(limits::SPEND_USD)),
    absent: Absent::Null,
    about: "Dollars within a day, in UTC; exact to a millionth.",
};
const PRICED: Field<Name> = Field {
    name: "tool",
    rule: Name,
    absent: Absent::Fault,
    about: "Which tool.",
};
const PRICE: Field<Amount> = Field {
    name: "price_usd",
    rule: Amount(limits::PRICE_USD),
    absent: Absent::Fault,
    about: "Dollars for one call; exact to a millionth.",
};
const TEMPLATE: Field<OneOf> = Field {
    name: "template",
    rule: OneOf(&[
        "strict",
        "moderate",
        "permissive",
        "read_only",
        "support_bot",
    ]),
    absent: Absent::Fault,
    about: "What to begin with.",
};

const PRICES: Made = Made {
    name: "pricing_rules",
    about: "What calls cost, unless their agent says that they cost more.",
    schema: || {
        let items = object_schema(&[&PRICED, &PRICE]);
        let max = limits::ENTRIES;
        json!({ "type": ["array", "null"], "items": items, "maxItems": max, "default": [] })
    },
};
const OVERRIDES: Made = Made {
    name: "overrides",
    about: "What is to be different from the template. Null keeps what the template says.",
    schema: || {
        let mut schema = object_schema(POLICY);
        schema["type"] = json!(["object", "null"]);
        schema["default"] = json!({});
        schema
    },
};

/// The body that gives an agent a policy.
pub const POLICY: &[&dyn Described] = &[&ALLOWED, &BLOCKED, &PER_HOUR, &PER_TOOL, &SPEND, &PRICES];
/// The body that gives an agent a policy from a template.
pub const FROM_TEMPLATE: &[&dyn Described] = &[&TEMPLATE, &OVERRIDES];

/// Reads a policy of `agent`.
// spec: POLICY-8
pub fn read_policy(body: &Value, agent: &AgentId, faults: &mut Vec<Fault>) -> Option<PolicySpec> {
    let mut reader = Reader::open(body, vec!["body".into()], faults)?;
    let same = read_agent(&mut reader, agent);
    let spec = policy(&mut reader, agent);
    same.and(spec)
}

/// Reads a template and what is to be different from it, for `agent`.
// spec: POLICY-8
pub fn read_from_template(
    body: &Value,
    agent: &AgentId,
    faults: &mut Vec<Fault>,
) -> Option<PolicySpec> {
    let mut reader = Reader::open(body, vec!["body".into()], faults)?;
    let same = read_agent(&mut reader, agent);
    let template = reader.take(&TEMPLATE);
    let over = match body.get(OVERRIDES.name) {
        None | Some(Value::Null) => Some(PolicySpec::default()),
        Some(over) => {
            let loc = vec!["body".into(), OVERRIDES.name.into()];
            Reader::open(over, loc, faults).and_then(|mut over| policy(&mut over, agent))
        }
    };
    same?;
    let template = Template::ALL
        .into_iter()
        .find(|t| Some(t.as_str()) == template)?;
    Some(overridden(template.policy(agent.as_str()), over?))
}

fn overridden(template: PolicySpec, over: PolicySpec) -> PolicySpec {
    PolicySpec {
        agent_id: template.agent_id,
        max_actions_per_hour: over.max_actions_per_hour.or(template.max_actions_per_hour),
        max_spend_usd_per_day: over
            .max_spend_usd_per_day
            .or(template.max_spend_usd_per_day),
        // No template has lists.
        ..over
    }
}

fn read_agent(reader: &mut Reader<'_>, agent: &AgentId) -> Option<()> {
    match reader.take(&AGENT_ID)? {
        Some(other) if other != *agent => {
            reader.note(AGENT_ID.name, Broken::value("it is not the path's agent"));
            None
        }
        Some(_) | None => Some(()),
    }
}

fn policy(reader: &mut Reader<'_>, agent: &AgentId) -> Option<PolicySpec> {
    let names = |tools: Vec<ToolName>| tools.iter().map(ToString::to_string).collect();
    let allowed_tools = reader.take_list(&ALLOWED).map(names);
    let blocked_tools = reader.take_list(&BLOCKED).map(names);
    let max_actions_per_hour = reader.take(&PER_HOUR);
    let calls = reader.take_map(&PER_TOOL);
    let max_spend_usd_per_day = reader.take(&SPEND);
    let prices = reader.take_objects(PRICES.name, limits::ENTRIES, |rule| {
        let (tool, price_usd) = (rule.take(&PRICED), rule.take(&PRICE));
        Some(PriceSpec {
            tool: tool?.to_string(),
            price_usd: price_usd?,
        })
    });
    let counted = |(tool, cap): (ToolName, i64)| (tool.to_string(), cap);
    Some(PolicySpec {
        agent_id: agent.to_string(),
        allowed_tools: allowed_tools?,
        blocked_tools: blocked_tools?,
        max_actions_per_hour: max_actions_per_hour?,
        max_calls_per_tool: calls?.into_iter().map(counted).collect(),
        max_spend_usd_per_day: max_spend_usd_per_day?,
        pricing_rules: prices?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_those_that_there_are() {
        let names = Template::ALL.map(Template::as_str);
        assert_eq!(TEMPLATE.rule.0, names);
    }

    /// A field that the table describes and nobody reads would be a promise nobody keeps.
    #[test]
    fn every_field_of_the_tables_is_read() {
        let agent = "bot".parse().unwrap();
        let wrong = |fields: &[&dyn Described]| {
            let keys = fields.iter().map(|field| field.name().to_owned());
            Value::Object(keys.map(|key| (key, json!(true))).collect())
        };
        // True is a whole number, a number and no cap that is too small.
        let lax = [PER_HOUR.name, SPEND.name];
        let mut body = wrong(POLICY);
        for name in lax {
            body[name] = json!([]);
        }
        let mut faults = Vec::new();
        assert_eq!(read_policy(&body, &agent, &mut faults), None);
        assert_eq!(faults.len(), POLICY.len());
        faults.clear();
        assert_eq!(
            read_from_template(&wrong(FROM_TEMPLATE), &agent, &mut faults),
            None
        );
        assert_eq!(faults.len(), FROM_TEMPLATE.len());
    }
}
