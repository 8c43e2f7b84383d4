//! One entry of `policies:`, from its node to a specification, and back from a broken rule to the
//! place in the file.

use crate::config::fields::{Field, FieldPath, Reading};
use crate::config::problem::Position;
use crate::config::registry_file::entry::place;
use crate::config::yaml::Node;
use crate::policy::{PolicySpec, PriceSpec};
use crate::rule::Violation;

const FIELDS: &[&str] = &[
    "agent_id",
    "allowed_tools",
    "blocked_tools",
    "max_actions_per_hour",
    "max_calls_per_tool",
    "max_spend_usd_per_day",
    "pricing_rules",
];
const PRICE_FIELDS: &[&str] = &["tool", "price_usd"];

/// An entry that was read.
pub(super) struct Entry {
    /// What it says. In the place of what cannot be read stands something harmless, so that
    /// places in lists are still the file's.
    pub(super) spec: PolicySpec,
    /// Where the caps of `max_calls_per_tool` are, and their paths.
    calls: Vec<(Position, String)>,
}

/// Reads an entry. `None` when it is no mapping at all.
pub(super) fn read(reading: &mut Reading<'_>, entry: Field<'_>) -> Option<Entry> {
    let fields = reading.fields(entry, FIELDS)?;
    let mut calls = Vec::new();
    let spec = PolicySpec {
        agent_id: reading.text(fields.get("agent_id")).unwrap_or_default(),
        allowed_tools: tools(reading, fields.get("allowed_tools")),
        blocked_tools: tools(reading, fields.get("blocked_tools")),
        max_actions_per_hour: reading.integer(fields.get("max_actions_per_hour")),
        max_calls_per_tool: fields
            .get("max_calls_per_tool")
            .map(|field| calls_per_tool(reading, field, &mut calls))
            .unwrap_or_default(),
        max_spend_usd_per_day: reading.number(fields.get("max_spend_usd_per_day")),
        pricing_rules: fields
            .get("pricing_rules")
            .map(|field| pricing_rules(reading, field))
            .unwrap_or_default(),
    };
    Some(Entry { spec, calls })
}

fn tools(reading: &mut Reading<'_>, field: Option<Field<'_>>) -> Vec<String> {
    reading.texts(field).unwrap_or_default()
}

fn calls_per_tool(
    reading: &mut Reading<'_>,
    field: Field<'_>,
    places: &mut Vec<(Position, String)>,
) -> Vec<(String, i64)> {
    let entries = reading.mapping(field).unwrap_or_default();
    let mut calls = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        let path = FieldPath::of_key(&field.path, key, node);
        places.push((node.at, path.to_string()));
        let cap = reading.integer(Some(Field { node, path })).unwrap_or(1);
        calls.push((key.text.to_string(), cap));
    }
    calls
}

fn pricing_rules(reading: &mut Reading<'_>, field: Field<'_>) -> Vec<PriceSpec> {
    let items = reading.items(field).unwrap_or_default();
    let mut rules = Vec::with_capacity(items.len());
    for (index, node) in items.iter().enumerate() {
        let path = FieldPath::Index(&field.path, index);
        rules.push(pricing_rule(reading, Field { node, path }).unwrap_or_default());
    }
    rules
}

fn pricing_rule(reading: &mut Reading<'_>, field: Field<'_>) -> Option<PriceSpec> {
    let fields = reading.fields(field, PRICE_FIELDS)?;
    if fields.get("price_usd").is_none() {
        let path = FieldPath::Name(&field.path, "price_usd");
        reading.error(fields.at(), path, "this field is required");
    }
    Some(PriceSpec {
        tool: reading.text(fields.get("tool")).unwrap_or_default(),
        price_usd: reading.number(fields.get("price_usd")).unwrap_or_default(),
    })
}

impl Entry {
    /// Reports a broken rule where the field is written, or where it is missing.
    // spec: REG-2
    pub(super) fn report(&self, reading: &mut Reading<'_>, entry: Field<'_>, broken: &Violation) {
        let (at, path) = self.locate(entry, &broken.field);
        if !reading.is_faulty(&path) {
            reading.report.error(at, path, broken.rule.to_string());
        }
    }

    /// The place and the path of the field `name` within the entry.
    fn locate(&self, entry: Field<'_>, name: &str) -> (Position, String) {
        let index = name
            .strip_prefix("max_calls_per_tool[")
            .and_then(|rest| rest.strip_suffix(']')?.parse::<usize>().ok());
        match index.and_then(|index| self.calls.get(index)) {
            Some(place) => place.clone(),
            None => (place(entry.node, name), format!("{}.{name}", entry.path)),
        }
    }

    /// Every tool that is named, with the path of the name within the entry and its place.
    pub(super) fn mentions<'e>(
        &'e self,
        entry: &'e Node,
    ) -> impl Iterator<Item = (&'e str, String, Position)> {
        let spec = &self.spec;
        let listed = |field: &'static str, tools: &'e [String]| {
            let tools = tools.iter().enumerate();
            tools.map(move |(index, tool)| {
                let name = format!("{field}[{index}]");
                let at = place(entry, &name);
                (tool.as_str(), name, at)
            })
        };
        let capped = spec.max_calls_per_tool.iter().zip(&self.calls);
        let capped = capped
            .map(|((tool, _), (at, _))| (tool.as_str(), "max_calls_per_tool".to_owned(), *at));
        let priced = spec.pricing_rules.iter().enumerate();
        let priced = priced.map(move |(index, rule)| {
            let name = format!("pricing_rules[{index}].tool");
            let at = place(entry, &name);
            (rule.tool.as_str(), name, at)
        });
        listed("allowed_tools", &spec.allowed_tools)
            .chain(listed("blocked_tools", &spec.blocked_tools))
            .chain(capped)
            .chain(priced)
    }
}
