//! From a path to a tool's name. What is not a valid name never reaches an upstream.

use crate::call::Refusal;
use crate::ids::ToolName;
use crate::server::percent_decode;

/// What a path asks for.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Route {
    /// The tool.
    pub(super) tool: ToolName,
    /// What follows the name, still encoded, without the slash between.
    pub(super) rest: Option<String>,
}

/// Reads `/tools/{name}[/{rest}]`.
// spec: CALL-1
pub(super) fn parse(path: &str) -> Result<Route, Refusal> {
    let below = path.strip_prefix("/tools/").ok_or(Refusal::NotFound)?;
    let (name, rest) = match below.split_once('/') {
        Some((name, rest)) => (name, Some(rest)),
        None => (below, None),
    };
    let name = percent_decode(name).ok_or(Refusal::NotFound)?;
    let tool = name.parse().map_err(|_| Refusal::NotFound)?;
    if rest.is_some_and(climbs) {
        return Err(Refusal::NotFound);
    }
    Ok(Route {
        tool,
        rest: rest.map(str::to_owned),
    })
}

/// Whether some reader of the path could see a dot segment in it and leave the tool's own path.
fn climbs(rest: &str) -> bool {
    let Some(decoded) = percent_decode(rest) else {
        return true;
    };
    // Back slashes and what follows a semicolon are separators to some servers.
    decoded
        .split(['/', '\\', ';'])
        .any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_tool_or_nothing() {
        let check = |path: &str, expected: Option<(&str, Option<&str>)>| {
            let parsed = parse(path).ok();
            let parsed = parsed
                .as_ref()
                .map(|r| (r.tool.as_str(), r.rest.as_deref()));
            assert_eq!(parsed, expected, "{path}");
        };
        check("/tools/send_email", Some(("send_email", None)));
        check("/tools/stripe%2Echarge", Some(("stripe.charge", None)));
        check("/tools/a%3Ab", Some(("a:b", None)));
        check("/tools/a/v1/x%20y", Some(("a", Some("v1/x%20y"))));
        check("/tools/a/", Some(("a", Some(""))));
        for nothing in [
            "/",
            "*",
            "/tools",
            "/tools/",
            "/tools/.",
            "/tools/..",
            "/tools/%2e%2e",
            "/tools/%252e",
            "/tools/a%2Fb",
            "/tools/a%",
            "/tools/a%4",
            "/tools/%zz",
            "/tools/%ff",
            "/tools//a",
            "/tools/a%00",
            "/Tools/a",
            "//tools/a",
            "/tools/a/../b",
            "/tools/a/%2e%2E/b",
            "/tools/a/.",
            "/tools/a/b%2f..%2fc",
            "/tools/a/..;x",
            "/tools/a/%5c..%5cb",
        ] {
            check(nothing, None);
        }
    }
}
