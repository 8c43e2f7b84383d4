//! `tools`: looks at the registry of a running sidecar and changes it, over its Tools API.
//!
//! Each command is one request. What may be in it is decided by the sidecar alone, which has the
//! one validator; here its answer is put into words. Nothing is retried: whoever reads that a change
//! failed decides what to do.

mod api;
mod confirm;
mod request;
mod shown;
mod table;
mod told;

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::cli::client;
use crate::cli::failure::{Ended, Failure, exit};
use crate::cli::out::Out;
use crate::cli::printable::printable;
use crate::ids::{InvalidId, ScopeId, ToolName};
use api::{Answer, Api};
use request::{Ask, Put};
use shown::{Deleted, Toggled, Tool};

/// What `tools` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    api: api::Options,
    /// Print the API's answer as it came
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the tools of a scope
    List {
        /// `global`, `agent:<agent_id>`, or `all` for every scope
        #[arg(long, default_value = "global")]
        scope: Listed,
    },
    /// Show a tool
    Get(Named),
    /// Create a tool, or replace the one of this name; what is not given gets its default
    Add(Put),
    /// Let a tool be called
    Enable(Named),
    /// Refuse calls of a tool
    Disable(Named),
    /// Remove a tool
    Delete {
        #[command(flatten)]
        named: Named,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// One tool.
#[derive(Clone, Debug, clap::Args)]
struct Named {
    /// The tool's name
    name: ToolName,
    /// `global` or `agent:<agent_id>`
    #[arg(long, default_value_t)]
    scope: ScopeId,
}

/// The scopes that a list can show.
#[derive(Clone, Debug)]
enum Listed {
    All,
    One(ScopeId),
}

impl std::str::FromStr for Listed {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text == "all" {
            return Ok(Self::All);
        }
        let one = text.parse().map(Self::One);
        one.map_err(|_| InvalidId("a scope is `global`, `agent:<agent_id>` or `all`"))
    }
}

/// Asks the sidecar and prints what it says.
// spec: CLI-1 API-1
pub fn run(arguments: &Arguments, out: &mut Out) -> Ended {
    let api = Api::new(&arguments.api)?;
    let ask = ask(&arguments.command)?;
    if let Command::Delete { named, yes: false } = &arguments.command {
        let Named { name, scope } = named;
        confirm::ask(&format!("delete {name} in {scope} from {}?", api.url()))?;
    }
    let answer = client::runtime()?.block_on(api.send(ask))?;
    let is_success = answer.status.is_success();
    if arguments.json && (answer.is_json() || is_success) {
        print_as_it_came(&answer, out)?;
    } else if is_success {
        print(&arguments.command, &answer, out)?;
    }
    if is_success {
        Ok(exit::OK)
    } else {
        Err(told::refusal(&answer, &arguments.command, &api))
    }
}

fn ask(command: &Command) -> Result<Ask, Failure> {
    Ok(match command {
        Command::List { scope: Listed::All } => Ask::list("all"),
        Command::List {
            scope: Listed::One(scope),
        } => Ask::list(&scope.to_string()),
        Command::Get(Named { name, scope }) => Ask::get(name, scope),
        Command::Add(put) => put.ask()?,
        Command::Enable(Named { name, scope }) => Ask::toggle(name, scope, true),
        Command::Disable(Named { name, scope }) => Ask::toggle(name, scope, false),
        Command::Delete { named, .. } => Ask::delete(&named.name, &named.scope),
    })
}

/// A page of somebody else is no answer to a machine that asked for JSON.
fn print_as_it_came(answer: &Answer, out: &mut Out) -> Result<(), Failure> {
    read::<IgnoredAny>(answer)?;
    out.bytes(&answer.body)?;
    if !answer.body.ends_with(b"\n") {
        out.line("")?;
    }
    Ok(out.finish()?)
}

fn print(command: &Command, answer: &Answer, out: &mut Out) -> Result<(), Failure> {
    match command {
        Command::List { scope } => {
            let tools: Vec<Tool> = read(answer)?;
            if tools.is_empty() {
                shown::no_tools(out, scope)?;
            } else {
                shown::list(out, &tools)?;
            }
        }
        Command::Get(_) => shown::one(out, &read(answer)?)?,
        Command::Add(_) => {
            let tool: Tool = read(answer)?;
            let saved = format!("saved {} in {}", tool.name, tool.scope_id);
            out.line(printable(&saved))?;
            shown::one(out, &tool)?;
        }
        Command::Enable(named) | Command::Disable(named) => {
            let Toggled { name, enabled } = read(answer)?;
            let state = shown::state(enabled);
            let line = format!("{state} {name} in {}", named.scope);
            out.line(printable(&line))?;
        }
        Command::Delete { .. } => {
            let Deleted { deleted, scope_id } = read(answer)?;
            out.line(printable(&format!("deleted {deleted} from {scope_id}")))?;
        }
    }
    Ok(())
}

/// The answer's parts that are shown.
fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|_| {
        Failure::No(format!(
            "{} answered {}, but not as the Tools API does: is it the admin address of a sidecar?",
            answer.from, answer.status
        ))
    })
}
