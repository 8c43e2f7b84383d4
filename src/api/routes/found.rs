//! From a path to what is answered there.
//!
//! A path is split before it is decoded, so that an encoded slash stays within its segment.

use http::Method;

use crate::api::routes::{Action, Endpoint, endpoints};
use crate::server::percent_decode;

/// What a path leads to: at least one endpoint, and the name that was in it.
pub struct Found {
    endpoints: Vec<&'static Endpoint>,
    /// The segment in braces, decoded; empty where the path has none.
    pub name: String,
}

impl Found {
    /// Looks a path up.
    pub fn at(path: &str) -> Option<Self> {
        let mut found = Self {
            endpoints: Vec::new(),
            name: String::new(),
        };
        for endpoint in endpoints() {
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

/// What stands in `path` where the template has braces; `None` when the path does not fit.
fn captured(template: &str, path: &str) -> Option<String> {
    let mut name = String::new();
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(name),
            // Agents and runs may have slashes in their names; tools have none, so that a tool's
            // name is one segment everywhere.
            (Some(wanted), Some(segment)) if wanted.starts_with('{') => {
                let has_slash = |name: &String| name.contains('/');
                name = decoded(segment).filter(|name| wanted != "{name}" || !has_slash(name))?;
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(_) | None, Some(_) | None) => return None,
        }
    }
}

/// A decoded segment. What is no text, or nothing, is no name of anything.
fn decoded(segment: &str) -> Option<String> {
    let text = percent_decode(segment)?;
    (!text.is_empty()).then(|| text.into_owned())
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
        check("/v1/agents/a:b/logs", Some((&["GET"], "a:b")));
        check("/v1/agents/%23/disable", Some((&["POST"], "#")));
        check(
            "/v1/agents/team%2Fbot/disable",
            Some((&["POST"], "team/bot")),
        );
        check(
            "/v1/policies/team%2fbot",
            Some((&["GET", "POST"], "team/bot")),
        );
        check("/v1/events", Some((&["GET", "POST"], "")));
        check("/v1/runs/run%20x%2Fy", Some((&["GET"], "run x/y")));
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
            "/v1/tools/a%2Fb/toggle",
            "/v1/agents//disable",
            "/v1/agents/team/bot/disable",
            "/v1/runs/",
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
