//! What there is to ask for: one table that requests are routed by and that the API's description
//! is made from.

mod found;
mod governed;
mod policies;

use http::Method;

use crate::api::fields::{ANY_SCOPE, Described, ONE_SCOPE, RUN, TOGGLE, TOOL};

pub use found::Found;
pub use governed::Governed;
pub use policies::Policing;

/// One thing to ask for.
pub struct Endpoint {
    /// How.
    pub verb: Verb,
    /// Where; what is in braces stands for one segment.
    pub path: &'static str,
    /// What is done.
    pub action: Action,
    /// What it is for, in one sentence.
    pub about: &'static str,
    /// The query's fields.
    pub query: &'static [&'static dyn Described],
    /// The body's schema, by its name in the description, and its fields.
    pub body: Option<(&'static str, &'static [&'static dyn Described])>,
}

/// How an endpoint is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// `GET`.
    Get,
    /// `GET`, and `HEAD` for probes.
    GetOrHead,
    /// `POST`.
    Post,
    /// `DELETE`.
    Delete,
}

/// What is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Tell the metrics.
    Metrics,
    /// Tell that the process runs.
    Health,
    /// Tell whether calls should be sent here.
    Ready,
    /// Tell the state of the registry.
    Registry,
    /// Read the registry again.
    Reload,
    /// End the process.
    Quit,
    /// Describe the API.
    Describe,
    /// List tools.
    ListTools,
    /// Create or replace a tool.
    PutTool,
    /// Show a tool.
    ShowTool,
    /// Switch a tool on or off.
    ToggleTool,
    /// Remove a tool.
    DeleteTool,
    /// Anything about agents and what they do.
    Governed(Governed),
    /// Call a tool.
    RunTool,
    /// Anything about policies.
    Policy(Policing),
}

/// Everything that is answered.
pub fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS
        .iter()
        .chain(&policies::POLICIES)
        .chain(&governed::GOVERNED)
}

/// What is answered about tools and the process.
// spec: API-1 API-4
static ENDPOINTS: [Endpoint; 13] = [
    Endpoint {
        about: "Lists the tools of a scope: global ones first, then by agent, each by name.",
        query: ANY_SCOPE,
        ..plain(Verb::Get, "/v1/tools", Action::ListTools)
    },
    Endpoint {
        about: "Creates a tool, or replaces the one of the same name and scope.",
        body: Some(("ToolWrite", TOOL)),
        ..plain(Verb::Post, "/v1/tools", Action::PutTool)
    },
    Endpoint {
        about: "Shows a tool.",
        query: ONE_SCOPE,
        ..plain(Verb::Get, "/v1/tools/{name}", Action::ShowTool)
    },
    Endpoint {
        about: "Removes a tool.",
        query: ONE_SCOPE,
        ..plain(Verb::Delete, "/v1/tools/{name}", Action::DeleteTool)
    },
    Endpoint {
        about: "Switches a tool on or off.",
        query: ONE_SCOPE,
        body: Some(("Toggle", TOGGLE)),
        ..plain(Verb::Post, "/v1/tools/{name}/toggle", Action::ToggleTool)
    },
    Endpoint {
        about: "Has a tool called once: decides, calls, and answers what came of it.",
        body: Some(("Run", RUN)),
        ..plain(Verb::Post, "/v1/ai/run", Action::RunTool)
    },
    Endpoint {
        about: "Tells what serves and how the last reload went.",
        ..plain(Verb::Get, "/v1/registry", Action::Registry)
    },
    Endpoint {
        about: "Reads the registry file again and puts it into service if it is valid.",
        ..plain(Verb::Post, "/v1/registry/reload", Action::Reload)
    },
    Endpoint {
        about: "Ends the process as SIGTERM does: calls in flight are finished first.",
        ..plain(Verb::Post, "/quit", Action::Quit)
    },
    Endpoint {
        about: "Describes this API in OpenAPI 3.1.",
        ..plain(Verb::Get, "/openapi.json", Action::Describe)
    },
    Endpoint {
        about: "Metrics in Prometheus' text format.",
        ..plain(Verb::GetOrHead, "/metrics", Action::Metrics)
    },
    Endpoint {
        about: "Answers as long as the process runs.",
        ..plain(Verb::GetOrHead, "/healthz", Action::Health)
    },
    Endpoint {
        about: "Tells whether calls should be sent here.",
        ..plain(Verb::GetOrHead, "/readyz", Action::Ready)
    },
];

const fn plain(verb: Verb, path: &'static str, action: Action) -> Endpoint {
    Endpoint {
        verb,
        path,
        action,
        about: "",
        query: &[],
        body: None,
    }
}

impl Verb {
    /// The methods it stands for.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Self::Get => &[Method::GET],
            Self::GetOrHead => &[Method::GET, Method::HEAD],
            Self::Post => &[Method::POST],
            Self::Delete => &[Method::DELETE],
        }
    }
}

impl Action {
    /// Whether anybody who reaches the listener may ask.
    pub fn is_open(self) -> bool {
        match self {
            Self::Metrics | Self::Health | Self::Ready => true,
            Self::Registry
            | Self::Reload
            | Self::Quit
            | Self::Describe
            | Self::ListTools
            | Self::PutTool
            | Self::ShowTool
            | Self::ToggleTool
            | Self::DeleteTool
            | Self::RunTool
            | Self::Policy(_)
            | Self::Governed(_) => false,
        }
    }

    /// Whether it changes the registry.
    pub fn is_edit(self) -> bool {
        match self {
            Self::PutTool | Self::ToggleTool | Self::DeleteTool => true,
            Self::Policy(Policing::Put | Policing::FromTemplate) => true,
            Self::Policy(Policing::List | Policing::Show) => false,
            Self::Metrics
            | Self::Health
            | Self::Ready
            | Self::Registry
            | Self::Reload
            | Self::Quit
            | Self::Describe
            | Self::ListTools
            | Self::ShowTool
            | Self::RunTool
            | Self::Governed(_) => false,
        }
    }
}
