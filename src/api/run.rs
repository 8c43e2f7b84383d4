//! A call as an agent or an operator asks for it: the body of `POST /v1/ai/run`.
//!
//! The arguments stay the bytes that they are; they are looked at once, for what makes two calls the
//! same. Making the call is left to whoever reads this.

mod members;

use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::Full;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::api::failure::Failure;
use crate::api::fault::Broken;
use crate::api::{body, fields};
use crate::ids::{AgentId, ToolName};
use crate::once::{CanonicalArgs, canonical_args};

use members::Members;

/// Makes a call whose request has these headers and this body.
pub type Run = Box<dyn Fn(HeaderMap, Bytes) -> Running>;

/// A call under way.
pub type Running = Pin<Box<dyn Future<Output = Response<Full<Bytes>>>>>;

/// What is asked for.
#[derive(Debug)]
pub struct RunRequest {
    /// Who asks.
    pub agent: AgentId,
    /// Which tool.
    pub tool: ToolName,
    /// What the tool gets: a JSON object.
    pub args: Box<RawValue>,
    /// The same as it is compared.
    pub canonical: CanonicalArgs,
    /// What the call costs, in dollars.
    pub spend_usd: Option<f64>,
}

impl RunRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    // spec: GOV-1 API-2
    pub fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<Self, Failure> {
        let text = body::json_text(headers, bytes)?;
        let members: Option<Members<'_>> = serde_json::from_str(text).ok();
        if let Some(usual) = members.as_ref().and_then(usual) {
            return Ok(usual);
        }
        let shown = match &members {
            Some(members) => members.shown(),
            None => {
                let whole: Result<&RawValue, _> = serde_json::from_str(text);
                members::shown(whole.map_err(|error| body::not_json(text, &error))?)
            }
        };
        let mut faults = Vec::new();
        let fields = fields::read_run(&shown, &mut faults);
        let members = members.unwrap_or_default();
        if members.get(KEY).is_some_and(|key| key.get() != "null") {
            let reason = "a body that names a tool has no key: a lease is taken on the admin \
                          listener, by a key alone";
            faults.push(Broken::value(reason).at(vec!["body".into(), KEY.into()], &json!("")));
        }
        let args = args(members.get("args"));
        let canonical = canonical_args(&args);
        if let Err(error) = &canonical
            && is_object(&args)
        {
            let loc = vec!["body".into(), "args".into()];
            let broken = Broken::value(&error.to_string());
            faults.push(broken.at(loc, &Value::Object(Map::new())));
        }
        match (fields, canonical) {
            (Some(fields), Ok(canonical)) if faults.is_empty() => Ok(Self {
                agent: fields.agent,
                tool: fields.tool,
                args,
                canonical,
                spend_usd: fields.spend_usd,
            }),
            (Some(_) | None, Ok(_) | Err(_)) => Err(Failure::Invalid(faults)),
        }
    }
}

/// The member that asks for a lease.
const KEY: &str = "key";

/// A body as nearly all are, without the detour by which all that is wrong is told. What is not so is
/// left to the rules, also where it is right.
fn usual(members: &Members<'_>) -> Option<RunRequest> {
    if members.get(KEY).is_some() || members.get("spend_usd").is_some() {
        return None;
    }
    let text = |name| serde_json::from_str::<&str>(members.get(name)?.get()).ok();
    let args = members.get("args")?;
    Some(RunRequest {
        agent: text("agent_id")?.parse().ok()?,
        tool: text("tool")?.parse().ok()?,
        canonical: canonical_args(args).ok()?,
        args: args.to_owned(),
        spend_usd: None,
    })
}

/// Whether a body asks for the lease of a key and for no call.
// spec: LEASE-1
pub fn asks_for_a_lease(body: &[u8]) -> bool {
    let Ok(members) = serde_json::from_slice::<Members<'_>>(body) else {
        return false;
    };
    let says = |name| members.get(name).is_some_and(|value| value.get() != "null");
    says(KEY) && !says("agent_id") && !says("tool")
}

/// The arguments; none at all are an empty object.
fn args(given: Option<&RawValue>) -> Box<RawValue> {
    match given {
        Some(args) if args.get() != "null" => args.to_owned(),
        Some(_) | None => RawValue::from_string("{}".to_owned()).expect("it is JSON"),
    }
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

#[cfg(test)]
mod tests;
