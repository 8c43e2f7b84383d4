//! A compiled policy: checked, and quick to ask.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use crate::ids::{AgentId, InvalidId, ToolName};
use crate::policy::spec::{PolicySpec, PriceSpec, limits};
use crate::policy::usd::Usd;
use crate::policy::verdict::Reason;
use crate::rule::{Rule, Violation};

/// What one agent may do.
#[derive(Debug)]
pub struct Policy {
    agent: AgentId,
    allowed: Tools,
    blocked: Tools,
    caps: Caps,
    prices: Vec<(ToolName, Usd)>,
    /// The prices again, to look up.
    price_of: HashMap<ToolName, Usd>,
}

/// How much an agent may do.
#[derive(Debug)]
pub struct Caps {
    /// Calls within any 60 minutes.
    pub actions_per_hour: Option<NonZeroU32>,
    /// Calls of one tool within a UTC day.
    pub calls_per_tool: HashMap<ToolName, NonZeroU32>,
    /// Dollars within a UTC day.
    pub spend_per_day: Option<Usd>,
}

impl Caps {
    /// Whether anything has to be counted for a call of this tool that costs this much.
    pub fn concern(&self, tool: &ToolName, price: Usd) -> bool {
        self.actions_per_hour.is_some()
            || self.calls_per_tool.contains_key(tool)
            || (self.spend_per_day.is_some() && price > Usd::ZERO)
    }
}

/// A list of tools, in the order written and in the order to search.
#[derive(Debug)]
struct Tools {
    written: Box<[ToolName]>,
    sorted: Box<[ToolName]>,
}

impl Tools {
    fn new(written: Vec<ToolName>) -> Self {
        let mut sorted = written.clone();
        sorted.sort_unstable();
        Self {
            written: written.into(),
            sorted: sorted.into(),
        }
    }

    fn has(&self, tool: &ToolName) -> bool {
        self.sorted.binary_search(tool).is_ok()
    }
}

impl Policy {
    /// The one validator: checks a specification and prepares it for questions.
    ///
    /// Entries of `max_calls_per_tool` are named by their place, `max_calls_per_tool[2]`, because a
    /// tool's name may hold dots.
    ///
    /// # Errors
    /// Every rule that the specification breaks, not just the first.
    // spec: POLICY-5 REG-3
    pub fn compile(spec: PolicySpec) -> Result<Self, Vec<Violation>> {
        let mut faults = Vec::new();
        let compiled = Self::check(&spec, &mut faults);
        match compiled {
            Some(policy) if faults.is_empty() => Ok(policy),
            Some(_) | None => Err(faults),
        }
    }

    /// `None` only where a fault was noted; faults may be noted beside `Some`.
    fn check(spec: &PolicySpec, faults: &mut Vec<Violation>) -> Option<Self> {
        let agent = agent(&spec.agent_id, faults);
        let allowed = tools("allowed_tools", &spec.allowed_tools, faults);
        let blocked = tools("blocked_tools", &spec.blocked_tools, faults);
        let actions_per_hour = spec.max_actions_per_hour.and_then(|cap| {
            let range = limits::ACTIONS_PER_HOUR;
            count("max_actions_per_hour".to_owned(), cap, &range, faults)
        });
        let calls_per_tool = calls_per_tool(&spec.max_calls_per_tool, faults);
        let spend_per_day = spec.max_spend_usd_per_day.and_then(|dollars| {
            let range = limits::SPEND_USD;
            amount("max_spend_usd_per_day".to_owned(), dollars, &range, faults)
        });
        let prices = prices(&spec.pricing_rules, faults);
        Some(Self {
            agent: agent?,
            allowed,
            blocked,
            caps: Caps {
                actions_per_hour,
                calls_per_tool,
                spend_per_day,
            },
            price_of: price_of(&prices),
            prices,
        })
    }

    /// Whose policy it is.
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// What it says of how much.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// Whether the lists let a tool through: blocked wins over allowed.
    // spec: POLICY-1
    pub fn permits(&self, tool: &ToolName) -> Result<(), Reason> {
        if self.blocked.has(tool) {
            return Err(Reason::ToolBlocked);
        }
        if !self.allowed.written.is_empty() && !self.allowed.has(tool) {
            return Err(Reason::ToolNotAllowed);
        }
        Ok(())
    }

    /// What a call costs of which the agent says that it costs `claimed`: an agent cannot make its
    /// calls cheaper than the policy has them.
    // spec: POLICY-4
    pub fn price(&self, tool: &ToolName, claimed: Usd) -> Usd {
        let price = self.price_of.get(tool).copied();
        price.unwrap_or(Usd::ZERO).max(claimed)
    }

    /// The policy as its author would write it, for showing.
    pub fn spec(&self) -> PolicySpec {
        let names = |tools: &Tools| tools.written.iter().map(ToString::to_string).collect();
        let whole = |cap: NonZeroU32| i64::from(cap.get());
        let mut calls: Vec<_> = self.caps.calls_per_tool.iter().collect();
        calls.sort();
        PolicySpec {
            agent_id: self.agent.to_string(),
            allowed_tools: names(&self.allowed),
            blocked_tools: names(&self.blocked),
            max_actions_per_hour: self.caps.actions_per_hour.map(whole),
            max_calls_per_tool: calls
                .into_iter()
                .map(|(tool, cap)| (tool.to_string(), whole(*cap)))
                .collect(),
            max_spend_usd_per_day: self.caps.spend_per_day.map(Usd::dollars),
            pricing_rules: self.prices.iter().map(price_spec).collect(),
        }
    }
}

/// Of two prices of one tool the higher one counts.
fn price_of(prices: &[(ToolName, Usd)]) -> HashMap<ToolName, Usd> {
    let mut price_of = HashMap::with_capacity(prices.len());
    for (tool, price) in prices {
        let highest = price_of.entry(tool.clone()).or_default();
        *highest = Usd::max(*highest, *price);
    }
    price_of
}

fn price_spec((tool, price): &(ToolName, Usd)) -> PriceSpec {
    PriceSpec {
        tool: tool.to_string(),
        price_usd: price.dollars(),
    }
}

fn agent(id: &str, faults: &mut Vec<Violation>) -> Option<AgentId> {
    if id.is_empty() {
        faults.push(Violation::new("agent_id", Rule::Required));
        return None;
    }
    let invalid = |InvalidId(rule)| Violation::new("agent_id", Rule::Invalid(rule.into()));
    id.parse().map_err(|error| faults.push(invalid(error))).ok()
}

fn tools(field: &'static str, names: &[String], faults: &mut Vec<Violation>) -> Tools {
    bound(field, names.len(), faults);
    let mut tools = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        tools.extend(tool(|| format!("{field}[{index}]"), name, faults));
    }
    Tools::new(tools)
}

fn calls_per_tool(
    written: &[(String, i64)],
    faults: &mut Vec<Violation>,
) -> HashMap<ToolName, NonZeroU32> {
    const FIELD: &str = "max_calls_per_tool";
    bound(FIELD, written.len(), faults);
    let mut calls = HashMap::with_capacity(written.len());
    for (index, (name, cap)) in written.iter().enumerate() {
        let field = || format!("{FIELD}[{index}]");
        let tool = tool(field, name, faults);
        let cap = count(field(), *cap, &limits::CALLS_PER_TOOL, faults);
        calls.extend(tool.zip(cap));
    }
    calls
}

fn prices(written: &[PriceSpec], faults: &mut Vec<Violation>) -> Vec<(ToolName, Usd)> {
    const FIELD: &str = "pricing_rules";
    bound(FIELD, written.len(), faults);
    let mut prices = Vec::with_capacity(written.len());
    for (
        index,
        PriceSpec {
            tool: name,
            price_usd,
        },
    ) in written.iter().enumerate()
    {
        let field = || format!("{FIELD}[{index}].tool");
        let name = tool(field, name, faults);
        let at = format!("{FIELD}[{index}].price_usd");
        let price = amount(at, *price_usd, &limits::PRICE_USD, faults);
        prices.extend(name.zip(price));
    }
    prices
}

fn tool(field: impl Fn() -> String, name: &str, faults: &mut Vec<Violation>) -> Option<ToolName> {
    if name.is_empty() {
        faults.push(Violation::new(field(), Rule::Required));
        return None;
    }
    let pattern = |_: InvalidId| Violation::new(field(), Rule::Pattern(ToolName::PATTERN));
    let parsed = name.parse();
    parsed.map_err(|error| faults.push(pattern(error))).ok()
}

fn bound(field: &'static str, entries: usize, faults: &mut Vec<Violation>) {
    if entries > limits::ENTRIES {
        let rule = format!("must have at most {} entries", limits::ENTRIES);
        faults.push(Violation::new(field, Rule::Invalid(rule.into())));
    }
}

fn count(
    field: String,
    number: i64,
    range: &RangeInclusive<i64>,
    faults: &mut Vec<Violation>,
) -> Option<NonZeroU32> {
    let count = u32::try_from(number).ok().and_then(NonZeroU32::new);
    let count = count.filter(|_| range.contains(&number));
    if count.is_none() {
        let (min, max) = (*range.start(), *range.end());
        faults.push(Violation::new(field, Rule::Range { min, max }));
    }
    count
}

fn amount(
    field: String,
    dollars: f64,
    range: &RangeInclusive<f64>,
    faults: &mut Vec<Violation>,
) -> Option<Usd> {
    let amount = Usd::from_dollars(dollars).filter(|_| range.contains(&dollars));
    if amount.is_none() {
        let rule = format!("must be between {} and {}", range.start(), range.end());
        faults.push(Violation::new(field, Rule::Invalid(rule.into())));
    }
    amount
}

#[cfg(test)]
mod tests;
