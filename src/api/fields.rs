//! The fields of requests: one table that bodies and queries are read by and that the API's
//! description is made from.

mod collections;
pub mod governed;
pub mod policies;
mod read;

use serde_json::{Map, Value, json};

use crate::api::rules::{
    Agent, Dollars, Flag, Kept, Key, Name, Object, OrNull, Rule, Scope, ScopeOrAll, Text, Url,
    Whole, Word,
};
use crate::registry::limits;
use crate::sign::Signer;

use collections::{ListOf, Made, MapOf};

pub use read::{read_listed_scope, read_run, read_scope, read_toggle, read_tool};

/// One field: its name, what it may hold, and what it means.
#[derive(Debug)]
pub struct Field<R> {
    name: &'static str,
    rule: R,
    absent: Absent,
    about: &'static str,
}

/// What a field's absence means.
#[derive(Clone, Copy, Debug)]
enum Absent {
    Fault,
    Text(&'static str),
    Whole(i64),
    Flag(bool),
    Null,
    /// A fault for whoever creates something, so the description calls the field required; whoever
    /// replaces something keeps what is there.
    Kept,
}

/// A field that is an object with fields of its own.
pub struct Nested {
    name: &'static str,
    fields: &'static [&'static dyn Described],
    about: &'static str,
}

/// What the API's description says of a field.
pub trait Described: Sync {
    /// Its key.
    fn name(&self) -> &'static str;
    /// Whether its absence is a fault.
    fn is_required(&self) -> bool;
    /// What it means.
    fn about(&self) -> &'static str;
    /// What it may hold, and its default.
    fn schema(&self) -> Value;
}

const NAME: Field<Name> = Field {
    name: "name",
    rule: Name,
    absent: Absent::Fault,
    about: "What agents call it. Unique in its scope.",
};
const SCOPE: Field<Scope> = Field {
    name: "scope_id",
    rule: Scope,
    absent: Absent::Text("global"),
    about: "Who sees the tool: everyone, or one agent.",
};
const LISTED_SCOPE: Field<ScopeOrAll> = Field {
    name: "scope_id",
    rule: ScopeOrAll,
    absent: Absent::Text("global"),
    about: "Which scope to list; `all` lists every scope.",
};
const URL: Field<Url> = Field {
    name: "url",
    rule: Url,
    absent: Absent::Fault,
    about: "Where the tool is: http or https, no user name, password or fragment. Beyond the \
            pattern, public addresses are accepted as they are, and private ones with \
            upstream.allow_private.",
};
const AUTH: Nested = Nested {
    name: "auth",
    fields: &[&AUTH_TYPE, &SECRET],
    about: "How calls are signed.",
};
const AUTH_TYPE: Field<Word> = Field {
    name: "type",
    rule: Word(Signer::HMAC_SHA256),
    absent: Absent::Fault,
    about: "The signature's scheme.",
};
const SECRET: Field<Kept<Key>> = Field {
    name: "secret",
    rule: Kept(Key),
    absent: Absent::Kept,
    about: "The key. Required for a new tool; left out, an existing tool keeps the one it has.",
};
const TIMEOUT_MS: Field<Whole> = Field {
    name: "timeout_ms",
    rule: Whole(limits::TIMEOUT_MS),
    absent: Absent::Whole(limits::DEFAULT_TIMEOUT_MS),
    about: "One attempt, from dialling to the response head, in milliseconds.",
};
const MAX_RETRIES: Field<Whole> = Field {
    name: "max_retries",
    rule: Whole(limits::MAX_RETRIES),
    absent: Absent::Whole(limits::DEFAULT_MAX_RETRIES),
    about: "Attempts after the first.",
};
const ENABLED: Field<Flag> = Field {
    name: "enabled",
    rule: Flag,
    absent: Absent::Flag(true),
    about: "Whether it may be called.",
};
const TOGGLED: Field<Flag> = Field {
    absent: Absent::Fault,
    ..ENABLED
};
const DESCRIPTION: Field<OrNull<Text>> = Field {
    name: "description",
    rule: OrNull(Text {
        min: 0,
        max: limits::DESCRIPTION_CHARS,
    }),
    absent: Absent::Null,
    about: "For people.",
};

const AGENT_ID: Field<Agent> = Field {
    name: "agent_id",
    rule: Agent,
    absent: Absent::Fault,
    about: "Who asks.",
};
const CALLED: Field<Name> = Field {
    name: "tool",
    rule: Name,
    absent: Absent::Fault,
    about: "Which tool.",
};
const ARGS: Field<Object> = Field {
    name: "args",
    rule: Object,
    absent: Absent::Null,
    about: "What the tool gets, byte for byte. `idempotency_key` in it names the call, so that \
            another of the same name is a repetition; `run_id` does not tell two calls apart.",
};
const SPEND_USD: Field<OrNull<Dollars>> = Field {
    name: "spend_usd",
    rule: OrNull(Dollars),
    absent: Absent::Null,
    about: "What the call costs, in US dollars. The agent's policy may say that it is more.",
};

/// The body that has a tool called.
pub const RUN: &[&dyn Described] = &[&AGENT_ID, &CALLED, &ARGS, &SPEND_USD];
/// The body that creates or replaces a tool, in the order in which faults are told.
pub const TOOL: &[&dyn Described] = &[
    &NAME,
    &SCOPE,
    &URL,
    &AUTH,
    &TIMEOUT_MS,
    &MAX_RETRIES,
    &ENABLED,
    &DESCRIPTION,
];
/// The body that switches a tool on or off.
pub const TOGGLE: &[&dyn Described] = &[&TOGGLED];
/// The query that says which scope's tool is meant.
pub const ONE_SCOPE: &[&dyn Described] = &[&SCOPE];
/// The query that says which tools are listed.
pub const ANY_SCOPE: &[&dyn Described] = &[&LISTED_SCOPE];

impl Absent {
    /// What is read in the field's place; `None` where its absence is a fault.
    fn value(self) -> Option<Value> {
        match self {
            Self::Fault => None,
            Self::Kept => Some(Value::Null),
            Self::Text(text) => Some(json!(text)),
            Self::Whole(number) => Some(json!(number)),
            Self::Flag(flag) => Some(json!(flag)),
            Self::Null => Some(Value::Null),
        }
    }
}

impl<R: Rule + Sync> Described for Field<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_required(&self) -> bool {
        matches!(self.absent, Absent::Fault | Absent::Kept)
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn schema(&self) -> Value {
        let mut schema = self.rule.schema();
        if !self.is_required() {
            schema["default"] = json!(self.absent.value());
        }
        schema
    }
}

impl Described for Nested {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_required(&self) -> bool {
        true
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn schema(&self) -> Value {
        object_schema(self.fields)
    }
}

/// The JSON schema of an object with these fields; others are ignored.
pub fn object_schema(fields: &[&dyn Described]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = field.schema();
        schema["description"] = field.about().into();
        properties.insert(field.name().to_owned(), schema);
    }
    let required = fields.iter().filter(|field| field.is_required());
    let required: Vec<_> = required.map(|field| field.name()).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}
