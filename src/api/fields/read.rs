//! Reading bodies and queries by the table of fields.
//!
//! Reading goes on after a fault, so that a caller learns of all of them at once.

mod collections;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::api::fault::{Broken, Fault, Step};
use crate::api::fields::{
    AGENT_ID, ARGS, AUTH, AUTH_TYPE, CALLED, DESCRIPTION, ENABLED, Field, LISTED_SCOPE,
    MAX_RETRIES, NAME, Nested, SCOPE, SECRET, SPEND_USD, TIMEOUT_MS, TOGGLED, URL,
};
use crate::api::rules::Rule;
use crate::config::ToolWrite;
use crate::ids::{AgentId, ScopeId, ToolName};
use crate::registry::{Origin, Reach, Tool, forbidden};

/// Reads the fields of one object and notes what is wrong with them.
pub(super) struct Reader<'a> {
    object: &'a Map<String, Value>,
    /// Where the object stands.
    loc: Vec<Step>,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Reader<'a> {
    /// `None` for what is no object, which is then the one fault.
    pub(super) fn open(
        value: &'a Value,
        loc: Vec<Step>,
        faults: &'a mut Vec<Fault>,
    ) -> Option<Self> {
        let Value::Object(object) = value else {
            faults.push(Broken::NOT_AN_OBJECT.at(loc, value));
            return None;
        };
        Some(Self {
            object,
            loc,
            faults,
        })
    }

    /// The field's value; what is wrong with it is noted.
    pub(super) fn take<R: Rule>(&mut self, field: &Field<R>) -> Option<R::Value> {
        let parsed = match (self.object.get(field.name), field.absent.value()) {
            (Some(value), _) => field.rule.parse(value),
            (None, Some(default)) => field.rule.parse(&default),
            (None, None) => Err(Broken::MISSING),
        };
        parsed.map_err(|broken| self.note(field.name, broken)).ok()
    }

    fn open_nested(&mut self, nested: &Nested) -> Option<Reader<'_>> {
        let Some(value) = self.object.get(nested.name) else {
            self.note(nested.name, Broken::MISSING);
            return None;
        };
        Reader::open(value, self.loc_of(nested.name), self.faults)
    }

    /// Notes a fault of a field. One that is missing is shown as the object that it is missing in.
    pub(super) fn note(&mut self, name: &'static str, broken: Broken) {
        let whole = json!({});
        let input = self.object.get(name).unwrap_or(&whole);
        let fault = broken.at(self.loc_of(name), input);
        self.faults.push(fault);
    }

    fn loc_of(&self, name: &'static str) -> Vec<Step> {
        let mut loc = self.loc.clone();
        loc.push(name.into());
        loc
    }
}

/// Reads a tool.
///
/// `reach` is what its URL may lead to, `before` finds the tool that it replaces.
// spec: API-1 API-2 SSRF-1
pub fn read_tool(
    body: &Value,
    reach: Reach,
    before: impl Fn(&ScopeId, &str) -> Option<Arc<Tool>>,
    faults: &mut Vec<Fault>,
) -> Option<ToolWrite> {
    let mut reader = Reader::open(body, vec!["body".into()], faults)?;
    let name = reader.take(&NAME);
    let scope = reader.take(&SCOPE);
    let known = name.as_ref().zip(scope.as_ref());
    let before = known.and_then(|(name, scope)| before(scope, name.as_str()));
    let url = reader.take(&URL).and_then(|(url, origin)| {
        let Some(reason) = refused_target(&origin, reach, before.as_deref()) else {
            return Some(url);
        };
        reader.note(URL.name, Broken::value(&reason));
        None
    });
    let secret = reader.open_nested(&AUTH).and_then(|mut auth| {
        auth.take(&AUTH_TYPE);
        let secret = auth.take(&SECRET)?;
        if secret.is_none() && before.is_none() {
            auth.note(SECRET.name, Broken::MISSING);
        }
        Some(secret)
    });
    let timeout_ms = reader.take(&TIMEOUT_MS);
    let max_retries = reader.take(&MAX_RETRIES);
    let enabled = reader.take(&ENABLED);
    let description = reader.take(&DESCRIPTION);
    Some(ToolWrite {
        name: name?,
        scope: scope?,
        url: url?,
        secret: secret?,
        timeout_ms: timeout_ms?,
        max_retries: max_retries?,
        enabled: enabled?,
        description: description?,
    })
}

/// Why a tool that comes through the API may not be there.
fn refused_target(origin: &Origin, reach: Reach, before: Option<&Tool>) -> Option<String> {
    if let Some(reason) = forbidden(origin.host(), reach) {
        return Some(match reach {
            Reach::Lenient => format!("its host is {reason}, which no tool may have"),
            Reach::PublicOnly => format!(
                "its host is {reason}, which a tool that comes through the API may not have"
            ),
        });
    }
    // The operator's own headers hold keys that are meant for one host. Whoever may only use the
    // API must not have them sent to another.
    let moves = |tool: &Tool| !tool.headers.is_empty() && !tool.origin.is_same_place(origin);
    before.is_some_and(moves).then(|| {
        "the tool sends headers that the registry file gives it, so its scheme, host and port are \
         changed there"
            .to_owned()
    })
}

/// Reads whether a tool is to be on.
pub fn read_toggle(body: &Value, faults: &mut Vec<Fault>) -> Option<bool> {
    Reader::open(body, vec!["body".into()], faults)?.take(&TOGGLED)
}

/// What a call says but for its arguments.
#[derive(Debug)]
pub struct RunFields {
    /// Who asks.
    pub agent: AgentId,
    /// Which tool.
    pub tool: ToolName,
    /// What it costs, in dollars.
    pub spend_usd: Option<f64>,
}

/// Reads a call. Of its arguments only the kind is looked at, so they need not be here.
// spec: GOV-1
pub fn read_run(body: &Value, faults: &mut Vec<Fault>) -> Option<RunFields> {
    let mut reader = Reader::open(body, vec!["body".into()], faults)?;
    let agent = reader.take(&AGENT_ID);
    let tool = reader.take(&CALLED);
    let args = reader.take(&ARGS);
    let spend_usd = reader.take(&SPEND_USD);
    args?;
    Some(RunFields {
        agent: agent?,
        tool: tool?,
        spend_usd: spend_usd?,
    })
}

/// Reads the scope of one tool.
pub fn read_scope(query: &str, faults: &mut Vec<Fault>) -> Option<ScopeId> {
    read_query(query, &SCOPE, faults)
}

/// Reads the scope to list; `Some(None)` is all of them.
pub fn read_listed_scope(query: &str, faults: &mut Vec<Fault>) -> Option<Option<ScopeId>> {
    read_query(query, &LISTED_SCOPE, faults)
}

/// Reads the one field of a query.
pub(super) fn read_query<R: Rule>(
    query: &str,
    field: &Field<R>,
    faults: &mut Vec<Fault>,
) -> Option<R::Value> {
    let object = query_object(query);
    Reader::open(&object, vec!["query".into()], faults)?.take(field)
}

/// A query as an object of texts.
pub(super) fn query_object(query: &str) -> Value {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    // Of two fields of one name the later one counts, as it does in the hosted API.
    let object = pairs.map(|(key, value)| (key.into_owned(), Value::String(value.into_owned())));
    Value::Object(object.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fields::{Described, RUN, TOGGLE, TOOL};
    use crate::registry::{AuthSpec, ToolSpec};
    use crate::secret::Secret;
    use crate::sign::Signer;

    fn some_tool() -> Option<Arc<Tool>> {
        let auth = AuthSpec {
            scheme: Signer::HMAC_SHA256.to_owned(),
            secret: Some(Secret::new("supersecret")),
            secret_id: None,
        };
        let spec = ToolSpec {
            name: "a".to_owned(),
            url: "https://api.example.com/".to_owned(),
            auth,
            ..ToolSpec::default()
        };
        Tool::compile(spec).ok().map(Arc::new)
    }

    #[test]
    fn every_default_keeps_its_own_rule() {
        let body = json!({
            "name": "a",
            "url": "https://api.example.com",
            "auth": { "type": "hmac_sha256" },
        });
        let mut faults = Vec::new();
        let write = read_tool(&body, Reach::PublicOnly, |_, _| some_tool(), &mut faults).unwrap();
        assert_eq!(faults, []);
        assert_eq!(write.scope, ScopeId::Global);
        assert_eq!((write.timeout_ms, write.max_retries), (15_000, 2));
        assert!(write.enabled && write.secret.is_none() && write.description.is_none());
        assert_eq!(
            read_listed_scope("", &mut faults),
            Some(Some(ScopeId::Global))
        );
    }

    /// A field that the table describes and nobody reads would be a promise nobody keeps.
    #[test]
    fn every_field_of_the_tables_is_read() {
        let wrong = |fields: &[&dyn Described]| {
            let keys = fields.iter().map(|field| field.name().to_owned());
            // No rule takes a list.
            Value::Object(keys.map(|key| (key, json!([]))).collect())
        };
        let mut body = wrong(TOOL);
        let mut faults = Vec::new();
        read_tool(&body, Reach::PublicOnly, |_, _| some_tool(), &mut faults);
        assert_eq!(faults.len(), TOOL.len());
        body["auth"] = wrong(AUTH.fields);
        faults.clear();
        read_tool(&body, Reach::PublicOnly, |_, _| some_tool(), &mut faults);
        assert_eq!(faults.len(), TOOL.len() - 1 + AUTH.fields.len());
        faults.clear();
        read_run(&wrong(RUN), &mut faults);
        assert_eq!(faults.len(), RUN.len());
        faults.clear();
        read_toggle(&wrong(TOGGLE), &mut faults);
        assert_eq!(faults.len(), TOGGLE.len());
    }
}
