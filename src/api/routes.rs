//! What there is to ask for: one table that requests are routed by and that the API's description
//! is made from.
//!
//! A path is split before it is decoded, so that an encoded slash stays within its segment.

use http::Method;

use crate::api::fields::{ANY_SCOPE, Described, ONE_SCOPE, TOGGLE, TOOL};
use crate::server::percent_decode;

/// One thing to ask for.
pub struct Endpoint {
    /// How.
    pub verb: Verb,
    /// Where; `{name}` stands for one segment.
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
}

/// Everything that is answered.
// spec: API-1 API-4
pub static ENDPOINTS: [Endpoint; 11] = [
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
        about: "Tells what serves and how the last reload went.",
        ..plain(Verb::Get, "/v1/registry", Action::Registry)
    },
    Endpoint {
        about: "Reads the registry file again and puts it into service if it is valid.",
        ..plain(Verb::Post, "/v1/registry/reload", Action::Reload)
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
            | Self::Describe
            | Self::ListTools
            | Self::PutTool
            | Self::ShowTool
            | Self::ToggleTool
            | Self::DeleteTool => false,
        }
    }

    /// Whether it changes the registry.
    pub fn is_edit(self) -> bool {
        match self {
            Self::PutTool | Self::ToggleTool | Self::DeleteTool => true,
            Self::Metrics
            | Self::Health
            | Self::Ready
            | Self::Registry
            | Self::Reload
            | Self::Describe
            | Self::ListTools
            | Self::ShowTool => false,
        }
    }
}

/// What a path leads to: at least one endpoint, and the name that was in it.
pub struct Found {
    endpoints: Vec<&'static Endpoint>,
    /// The segment at `{name}`, decoded; empty where the path has none.
    pub name: String,
}

impl Found {
    /// Looks a path up.
    pub fn at(path: &str) -> Option<Self> {
        let mut found = Self {
            endpoints: Vec::new(),
            name: String::new(),
        };
        for endpoint in &ENDPOINTS {
            if let Some(name) = captured(endpoint.path, path) {
                found.endpoints.push(endpoint);
                found.name = name;
            }
        }
        (!found.endpoints.is_empty()).then_some(found)
    }

    /// What is done for this method.
    pub fn action(&self, method: &Method) -> Option<Action> {
        let asked = |endpoint: &&&Endpoint| endpoint.verb.methods().contains(method);
        self.endpoints.iter().find(asked).map(|e| e.action)
    }

    /// Whether anybody may ask.
    pub fn is_open(&self) -> bool {
        self.endpoints.iter().all(|e| e.action.is_open())
    }

    /// The methods that are answered here.
    pub fn methods(&self) -> Vec<&'static str> {
        let methods = self.endpoints.iter().flat_map(|e| e.verb.methods());
        methods.map(Method::as_str).collect()
    }
}

/// What stands in `path` where the template says `{name}`; `None` when the path does not fit.
fn captured(template: &str, path: &str) -> Option<String> {
    let mut name = String::new();
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(name),
            (Some("{name}"), Some(segment)) => name = decoded(segment)?,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(_) | None, Some(_) | None) => return None,
        }
    }
}

/// A decoded segment. What is then not one segment of text is no name of anything.
fn decoded(segment: &str) -> Option<String> {
    let text = percent_decode(segment)?;
    (!text.is_empty() && !text.contains('/')).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_endpoints_and_names_a_tool() {
        let check = |path: &str, expected: Option<(&[&str], &str)>| {
            let found = Found::at(path);
            let found = found.as_ref().map(|f| (f.methods(), &*f.name));
            let expected = expected.map(|(methods, name)| (methods.to_vec(), name));
            assert_eq!(found, expected, "{path}");
        };
        let tool = |name| Some((&["GET", "DELETE"][..], name));
        check("/v1/tools", Some((&["GET", "POST"], "")));
        check("/v1/tools/send_email", tool("send_email"));
        check("/v1/tools/a:b", tool("a:b"));
        check("/v1/tools/a%3Ab", tool("a:b"));
        check("/v1/tools/a%253Ab", tool("a%3Ab"));
        check("/v1/tools/toggle", tool("toggle"));
        check("/v1/tools/..", tool(".."));
        check("/v1/tools/%C3%A9+b", tool("é+b"));
        check("/v1/tools/a%3Ab/toggle", Some((&["POST"], "a:b")));
        check("/healthz", Some((&["GET", "HEAD"], "")));
        for nothing in [
            "",
            "/",
            "*",
            "/v1",
            "/v1/",
            "/V1/tools",
            "//v1/tools",
            "/v1/tools/",
            "/v1/tools//toggle",
            "/v1/tools/a/",
            "/v1/tools/a/b",
            "/v1/tools/a/toggle/",
            "/v1/tools/a%2Fb",
            "/v1/tools/a%",
            "/v1/tools/a%4",
            "/v1/tools/%zz",
            "/v1/tools/%ff",
            "/v1/tools/{name}/Toggle",
        ] {
            check(nothing, None);
        }
    }
}
