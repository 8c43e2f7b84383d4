//! A policy as somebody wrote it.
//!
//! The types mirror the YAML of `policies:` and the JSON of the API and have no behaviour.

/// The allowed ranges, each with its reason where the number is ours.
pub mod limits {
    use std::ops::RangeInclusive;

    /// Calls of an agent within an hour. The most is far above what one process serves.
    pub const ACTIONS_PER_HOUR: RangeInclusive<i64> = 1..=100_000_000;
    /// Calls of one tool within a day.
    pub const CALLS_PER_TOOL: RangeInclusive<i64> = 1..=1_000_000_000;
    /// Dollars within a day. 0 allows what costs nothing, and nothing else.
    pub const SPEND_USD: RangeInclusive<f64> = 0.0..=1_000_000_000.0;
    /// Dollars for one call.
    pub const PRICE_USD: RangeInclusive<f64> = 0.0..=1_000_000.0;
    /// Entries of one list. An agent that needs more tools needs no list of them.
    pub const ENTRIES: usize = 1_000;
}

/// One entry of `policies:`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicySpec {
    /// `agent_id`: whose policy it is.
    pub agent_id: String,
    /// `allowed_tools`; every tool when absent or empty.
    pub allowed_tools: Vec<String>,
    /// `blocked_tools`.
    pub blocked_tools: Vec<String>,
    /// `max_actions_per_hour`; unlimited when absent.
    pub max_actions_per_hour: Option<i64>,
    /// `max_calls_per_tool`: calls per day by the tool's name, in the order written.
    pub max_calls_per_tool: Vec<(String, i64)>,
    /// `max_spend_usd_per_day`; unlimited when absent.
    pub max_spend_usd_per_day: Option<f64>,
    /// `pricing_rules`, in the order written.
    pub pricing_rules: Vec<PriceSpec>,
}

/// One entry of `pricing_rules`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PriceSpec {
    /// `tool`: its name.
    pub tool: String,
    /// `price_usd` of one call.
    pub price_usd: f64,
}
