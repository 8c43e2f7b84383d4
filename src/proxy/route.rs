//! From a path to a tool's name. What is not a valid name never reaches an upstream.

use crate::call::Refusal;
use crate::ids::ToolName;
use crate::server::percent_decode;

/// What a path asks for.
#[derive(Debug, Eq, PartialEq)]
pub struct Route {
    /// The tool.
    pub tool: ToolName,
    /// What follows the name, still encoded, without the slash between.
    pub rest: Option<String>,
}

/// Reads `/tools/{name}[/{rest}]`.
///
/// # Errors
/// [`Refusal::NotFound`] for everything else.
// spec: CALL-1
pub fn parse(path: &str) -> Result<Route, Refusal> {
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
    if percent_decode(rest).is_none() {
        return true;
    }
    // A rewriting front and the server behind it may each decode, so all layers count.
    let Ok(decoded) = String::from_utf8(decode_fully(rest)) else {
        return true;
    };
    // Back slashes and what follows a semicolon are separators to some servers.
    decoded
        .split(['/', '\\', ';'])
        .any(|segment| matches!(segment, "." | ".."))
}

/// Decodes until nothing is left to decode, in time linear in the text. What is no escape stays as it
/// is, and may become a part of one.
fn decode_fully(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        decoded.push(byte);
        while let [.., b'%', high, low] = decoded[..] {
            let digit = |byte| char::from(byte).to_digit(16);
            let Some(value) = digit(high).zip(digit(low)) else {
                break;
            };
            decoded.truncate(decoded.len() - 3);
            decoded.push(u8::try_from(value.0 << 4 | value.1).expect("two hex digits make a byte"));
        }
    }
    decoded
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

    // spec: CALL-1
    #[test]
    fn no_number_of_decodings_leads_out_of_a_tools_path() {
        for rest in [
            "%252e%252e/b",
            "b%25252f%25252e%25252e",
            "%255c..%255cb",
            "%%32%65%2%65/b",
            "%2%35%2e./b",
            "%25%32%35%32e./b",
            "%25ff",
            "%25c0%25ae/b",
            &format!("%{}2e/b", "25".repeat(1000)),
        ] {
            assert_eq!(
                parse(&format!("/tools/a/{rest}")),
                Err(Refusal::NotFound),
                "{rest}"
            );
        }
        for rest in [
            "100%25",
            "100%2525/b",
            "%25zz",
            "a%252fb",
            "%25C3%25A9",
            "...",
            ".%2561",
        ] {
            let route = parse(&format!("/tools/a/{rest}")).unwrap();
            assert_eq!(route.rest.as_deref(), Some(rest));
        }
    }
}
