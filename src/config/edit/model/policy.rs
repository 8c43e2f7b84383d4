//! What a policy means, and what two versions of a file say of policies.

use sha2::{Digest as _, Sha256};

use super::{Fields, Model, Print, count};
use crate::config::yaml::Node;
use crate::policy::{PolicySpec, PriceSpec, Usd};

/// The policy that was looked for.
pub struct FoundPolicy {
    /// Its place in the list, from 0.
    pub index: usize,
    /// Its entry.
    pub node: Node,
    /// What the entry says.
    pub spec: PolicySpec,
}

impl Model {
    /// Whether this is `before` with a policy that means what `spec` says, in the place of the one
    /// at `index` or as the last.
    pub fn is_governed(&self, before: &Self, index: Option<usize>, spec: &PolicySpec) -> bool {
        let mut expected = before.policies.clone();
        match index {
            Some(index) => expected[index] = print(spec),
            None => expected.push(print(spec)),
        }
        self.prints == before.prints && self.policies == expected
    }
}

/// The digest of what a policy means. A field that it does not know stops the build.
pub(super) fn print(spec: &PolicySpec) -> Print {
    let PolicySpec {
        agent_id,
        allowed_tools,
        blocked_tools,
        max_actions_per_hour,
        max_calls_per_tool,
        max_spend_usd_per_day,
        pricing_rules,
    } = spec;
    let mut digest = Fields(Sha256::new());
    digest.field(Some(agent_id.as_bytes()));
    for tools in [allowed_tools, blocked_tools] {
        digest.number(Some(count(tools)));
        for tool in tools {
            digest.field(Some(tool.as_bytes()));
        }
    }
    digest.number(*max_actions_per_hour);
    digest.number(Some(count(max_calls_per_tool)));
    for (tool, calls) in max_calls_per_tool {
        digest.field(Some(tool.as_bytes()));
        digest.number(Some(*calls));
    }
    digest.amount(*max_spend_usd_per_day);
    digest.number(Some(count(pricing_rules)));
    for PriceSpec { tool, price_usd } in pricing_rules {
        digest.field(Some(tool.as_bytes()));
        digest.amount(Some(*price_usd));
    }
    digest.0.finalize().into()
}

impl Fields {
    /// Dollars, as far as a policy tells them apart.
    fn amount(&mut self, dollars: Option<f64>) {
        let micros = dollars.and_then(Usd::from_dollars).map(Usd::micros);
        let bytes = micros.map(u64::to_be_bytes);
        self.field(bytes.as_ref().map(|bytes| &bytes[..]));
    }
}
