//! Registries in many styles, with comments everywhere, and edits in any order.
//!
//! A made-up registry is kept beside the file as a list of plain structs, and every change is made
//! to both. Every line of a tool carries the tool's mark, so that the lines of others can be told.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What the test believes a tool to be.
#[derive(Clone, Debug, PartialEq)]
struct Believed {
    url: String,
    timeout_ms: u128,
    max_retries: u8,
    enabled: bool,
    description: Option<String>,
    from_api: bool,
    /// A field that the API does not know.
    forward_path: bool,
}

type World = BTreeMap<String, Believed>;

/// How one tool is written.
#[derive(Clone, Debug)]
struct Written {
    shape: u8,
    /// 0 plain, 1 single quotes, 2 double quotes.
    quotes: u8,
    description: Option<(u8, String)>,
    enabled: Option<bool>,
    timeout_ms: Option<u32>,
    comments: u8,
    blank: bool,
}

fn written() -> impl Strategy<Value = Written> {
    let text = "[a-z][a-z ]{0,8}[a-z]";
    (
        0..4_u8,
        0..3_u8,
        proptest::option::of((0..7_u8, text)),
        proptest::option::of(any::<bool>()),
        proptest::option::of(250..9_000_u32),
        any::<u8>(),
        any::<bool>(),
    )
        .prop_map(
            |(shape, quotes, description, enabled, timeout_ms, comments, blank)| Written {
                shape,
                quotes,
                description,
                enabled,
                timeout_ms,
                comments,
                blank,
            },
        )
}

/// How the file is written.
#[derive(Clone, Debug)]
struct Layout {
    /// Whether the list has brackets, on one line a tool.
    brackets: bool,
    dash: usize,
    width: usize,
    windows: bool,
    mark: bool,
    /// 0 none, 1 before, 2 behind.
    defaults: u8,
    cut: bool,
    tools: Vec<Written>,
}

fn layout() -> impl Strategy<Value = Layout> {
    (
        proptest::bool::weighted(0.25),
        0..4_usize,
        2..5_usize,
        any::<bool>(),
        any::<bool>(),
        0..3_u8,
        any::<bool>(),
        proptest::collection::vec(written(), 0..5),
    )
        .prop_map(
            |(brackets, dash, width, windows, mark, defaults, cut, tools)| Layout {
                brackets,
                dash,
                width,
                windows,
                mark,
                defaults,
                cut,
                tools,
            },
        )
}

impl Written {
    fn quoted(&self, text: &str) -> String {
        match self.quotes {
            0 => text.to_owned(),
            1 => format!("'{text}'"),
            _ => format!("\"{text}\""),
        }
    }

    /// The fields as lines, without margin; every one but a block text's own bears the mark.
    fn lines(&self, id: usize, braced: bool) -> Vec<String> {
        let bit = |bit: u8| self.comments >> bit & 1 == 1;
        let mut lines = Vec::new();
        let key = |name: &str| {
            if bit(0) {
                format!("\"{name}\"")
            } else {
                name.to_owned()
            }
        };
        lines.push(format!(
            "{}: {}",
            key("name"),
            self.quoted(&format!("t{id}"))
        ));
        if bit(1) && !braced {
            lines.push(format!("# between, of t{id}"));
        }
        lines.push(format!(
            "url: {}",
            self.quoted(&format!("https://t{id}.example/x"))
        ));
        if let Some(timeout) = self.timeout_ms {
            lines.push(format!("timeout_ms: {timeout}"));
        }
        if bit(2) || braced {
            lines.push("auth: {type: hmac_sha256, secret: supersecret}".to_owned());
        } else {
            lines.push("auth:".to_owned());
            lines.push("    type: hmac_sha256".to_owned());
            lines.push("    secret: supersecret".to_owned());
        }
        if let Some(enabled) = self.enabled {
            lines.push(format!("enabled: {enabled}"));
        }
        if bit(3) {
            lines.push("forward_path: true".to_owned());
        }
        if let Some((style, text)) = &self.description {
            let head = ["|", "|-", "|+", ">", ">-", ">+"].get(usize::from(*style));
            match head.filter(|_| !braced) {
                Some(head) => {
                    let at = if bit(4) { lines.len() } else { 0 };
                    let block = [format!("description: {head}"), format!("  {text}")];
                    // The first line shares the dash's, which a block text may do as well.
                    let at = if at == 0 && bit(5) { 1 } else { at };
                    lines.splice(at..at, block);
                }
                None => lines.push(format!("description: {}", self.quoted(text))),
            }
        }
        if !braced {
            for line in &mut lines {
                // Only where a comment is none of the text.
                if bit(6) && line.starts_with("url") {
                    line.push_str(&format!(" # of t{id}"));
                }
            }
        }
        lines
    }

    fn believed(&self, id: usize, default_timeout: u32, braced: bool) -> Believed {
        let description = self.description.as_ref().map(|(style, text)| {
            let ends = matches!(style, 0 | 2 | 3 | 5) && !braced;
            if ends {
                format!("{text}\n")
            } else {
                text.clone()
            }
        });
        Believed {
            url: format!("https://t{id}.example/x"),
            timeout_ms: self.timeout_ms.unwrap_or(default_timeout).into(),
            max_retries: 2,
            enabled: self.enabled.unwrap_or(true),
            description,
            from_api: false,
            forward_path: self.comments >> 3 & 1 == 1,
        }
    }
}

impl Layout {
    /// The file, and what it means.
    fn make(&self) -> (String, World) {
        let mut lines: Vec<String> = vec!["# head".to_owned(), String::new()];
        let default_timeout = if self.defaults == 0 { 15_000 } else { 700 };
        if self.defaults == 1 {
            lines.push("defaults: { timeout_ms: 700 } # defaults".to_owned());
        }
        let mut world = World::new();
        let braced = |tool: &Written| self.brackets || tool.shape == 0;
        let list = match (self.brackets, self.tools.is_empty()) {
            (true, _) => "tools: [ # open",
            (false, true) => "tools: [] # none",
            (false, false) => "tools: # list",
        };
        lines.push(list.to_owned());
        for (id, tool) in self.tools.iter().enumerate() {
            world.insert(
                format!("t{id}"),
                tool.believed(id, default_timeout, braced(tool)),
            );
            let fields = tool.lines(id, braced(tool));
            let margin = " ".repeat(self.dash);
            let enclosed = format!("{{{}}}", fields.join(", "));
            let keeps = tool
                .description
                .as_ref()
                .is_some_and(|(style, _)| matches!(style, 2 | 5));
            if self.brackets {
                lines.push(format!("  {enclosed}, # of t{id}"));
            } else if braced(tool) {
                lines.push(format!("{margin}- {enclosed} # of t{id}"));
            } else {
                let width = self.width;
                for (index, field) in fields.iter().enumerate() {
                    let dash = if index == 0 { "-" } else { "" };
                    lines.push(format!("{margin}{dash:width$}{field}"));
                }
            }
            if tool.blank && !self.brackets && !keeps {
                lines.push(String::new());
                lines.push(format!("{margin}# stays"));
                lines.push(String::new());
            }
        }
        if self.brackets {
            lines.push("]".to_owned());
        }
        if self.defaults == 2 {
            lines.push("defaults: # behind".to_owned());
            lines.push("  timeout_ms: 700 # behind too".to_owned());
        }
        lines.push("# foot".to_owned());
        let mut text = lines.join(if self.windows { "\r\n" } else { "\n" });
        if !self.cut {
            text.push_str(if self.windows { "\r\n" } else { "\n" });
        }
        if self.mark {
            text.insert(0, '\u{feff}');
        }
        (text, world)
    }
}

#[derive(Clone, Debug)]
enum Act {
    Toggle(usize, bool),
    Delete(usize),
    Put(usize, u32, Option<String>, bool, bool),
}

fn act() -> impl Strategy<Value = Act> {
    let text = "[ -~é\\n]{0,12}|[a-z]{1,8}|\\$\\{[A-Z]\\}|- a|true|a: b # c";
    prop_oneof![
        (0..6_usize, any::<bool>()).prop_map(|(id, on)| Act::Toggle(id, on)),
        (0..6_usize).prop_map(Act::Delete),
        (
            0..7_usize,
            250..9_000_u32,
            proptest::option::of(text),
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(|(id, timeout, text, on, secret)| Act::Put(id, timeout, text, on, secret)),
    ]
}

/// Makes the act in the file and in the world. `None` when the tool is not there.
fn perform(desk: &Desk, world: &mut World, act: &Act) -> (String, bool) {
    let (id, change) = match act {
        Act::Toggle(id, on) => (id, enabled(&format!("t{id}"), *on)),
        Act::Delete(id) => (id, delete(&format!("t{id}"))),
        Act::Put(id, timeout, text, on, secret) => {
            let there = world.contains_key(&format!("t{id}"));
            let write = ToolWrite {
                timeout_ms: (*timeout).into(),
                description: text.clone(),
                enabled: *on,
                secret: (*secret || !there).then(|| Secret::new("a newer secret")),
                ..write(&format!("t{id}"))
            };
            (id, Change::Put(write))
        }
    };
    let name = format!("t{id}");
    let there = world.contains_key(&name);
    match desk.apply(&change) {
        Err(EditError::NotFound) => {
            assert!(!there && !matches!(act, Act::Put(..)));
            return (name, false);
        }
        other => {
            let applied = other.unwrap_or_else(|error| panic!("{error:?}: {}", desk.text()));
            assert_eq!(applied.created, !there);
        }
    }
    match act {
        Act::Toggle(_, on) => world.get_mut(&name).unwrap().enabled = *on,
        Act::Delete(_) => drop(world.remove(&name)),
        Act::Put(_, timeout, text, on, _) => {
            let forward_path = world.get(&name).is_some_and(|tool| tool.forward_path);
            let tool = Believed {
                url: "https://new.example/x".to_owned(),
                timeout_ms: (*timeout).into(),
                max_retries: 1,
                enabled: *on,
                description: text.clone(),
                from_api: true,
                forward_path,
            };
            world.insert(name.clone(), tool);
        }
    }
    (name, true)
}

fn read(desk: &Desk) -> World {
    let loaded = load(&desk.path(), &environment, None);
    let loaded = loaded.unwrap_or_else(|refused| panic!("{refused}\n{}", desk.text()));
    let tools = loaded.snapshot.tools().map(|tool| {
        let authority = tool.origin.authority().to_str().unwrap();
        let read = Believed {
            url: format!("https://{authority}{}", tool.path),
            timeout_ms: tool.timeout.as_millis(),
            max_retries: tool.max_retries,
            enabled: tool.enabled,
            description: tool.description.as_deref().map(str::to_owned),
            from_api: tool.origin.reach() == Reach::PublicOnly,
            forward_path: tool.forward_path,
        };
        (tool.name.as_str().to_owned(), read)
    });
    tools.collect()
}

/// The lines that are no tool's: comments at places of their own, blank lines, the rest of the
/// file. A closing bracket and `tools:` itself may get or lose an empty list's brackets.
fn common(text: &str) -> Vec<String> {
    let kept = ["# head", "# stays", "# foot", "# defaults", "# behind"];
    let lines = text
        .split('\n')
        .filter(|line| kept.iter().any(|kept| line.contains(kept)));
    lines.map(str::to_owned).collect()
}

/// The lines of one tool in a file, from the one with its name on.
fn lines_of(text: &str, id: usize) -> Vec<String> {
    let begins = |line: &str, id: &str| {
        let bare = line.replace(['"', '\'', '{', '-', ' ', '\r'], "");
        bare.starts_with(&format!("name:{id}")) && (line.contains("- ") || line.contains('{'))
    };
    let lines: Vec<_> = text.split('\n').collect();
    let Some(start) = lines
        .iter()
        .position(|line| begins(line, &format!("t{id}")))
    else {
        return Vec::new();
    };
    let end = lines[start + 1..]
        .iter()
        .position(|line| {
            begins(line, "t")
                || line.starts_with([']', 'd', '#'])
                || line.trim().is_empty()
                || line.contains("# stays")
                || line.trim_start().starts_with("- ")
        })
        .map_or(lines.len(), |length| start + 1 + length);
    lines[start..end]
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    // spec: EDIT-1
    #[test]
    fn the_file_says_what_was_asked_for_and_the_rest_stays(
        layout in layout(),
        acts in proptest::collection::vec(act(), 1..6),
    ) {
        let (text, mut world) = layout.make();
        let desk = Desk::new(&text);
        prop_assert_eq!(&read(&desk), &world, "made up wrongly: {}", text);
        for act in &acts {
            let before = desk.text();
            let others: Vec<_> = (0..7)
                .filter(|id| world.contains_key(&format!("t{id}")))
                .map(|id| (id, lines_of(&before, id)))
                .collect();
            let (edited, done) = perform(&desk, &mut world, act);
            let after = desk.text();
            prop_assert_eq!(&read(&desk), &world, "{}\nbecame\n{}", before, after);
            if !done {
                prop_assert_eq!(&after, &before);
            }
            prop_assert_eq!(common(&after), common(&before), "{}\nbecame\n{}", before, after);
            for (id, lines) in others {
                if edited != format!("t{id}") {
                    let now = lines_of(&after, id);
                    // A comma may have to part it from a new tool.
                    let bare = |lines: &[String]| lines.join("\n").replace("},", "}");
                    prop_assert_eq!(bare(&now), bare(&lines), "{}\nbecame\n{}", before, after);
                }
            }
            prop_assert_eq!(after.starts_with('\u{feff}'), layout.mark);
            prop_assert_eq!(after.ends_with('\n'), !layout.cut);
            let bare = after.replace("\r\n", "");
            prop_assert!(!layout.windows || !bare.contains('\n'), "mixed line breaks: {:?}", after);
        }
    }
}
