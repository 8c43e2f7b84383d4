//! The command line: from arguments to exit codes, and everything a person reads.
//!
//! Each command is one file below. Secrets come from files and the environment and never from an
//! argument, because every process on the host can read those. What a command does is left to the
//! modules below; here it is only asked for and printed.

mod audit;
mod call;
mod check;
mod client;
mod completions;
mod curl;
mod demo;
mod example;
mod explain;
mod failure;
mod header_text;
mod input;
mod logging;
mod out;
mod printable;
mod ready;
mod secret_from;
mod serve;
mod settings_from;
mod sign;
mod signals;
mod tools;
mod verify;
mod version;
mod wrap;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use failure::{Ended, exit};
use out::Out;

/// Signs an AI agent's outbound tool calls, beside the agent.
#[derive(Debug, Parser)]
#[command(name = "countersign", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the sidecar
    Serve(serve::Arguments),
    /// Show a sidecar, a verifying tool and a few calls; needs no file
    Demo(demo::Arguments),
    /// Check the registry and the settings file without serving
    Check(check::Arguments),
    /// Call a tool through a running sidecar, as an agent does
    Call(call::Arguments),
    /// Print the headers, or a curl line, that sign a body
    Sign(sign::Arguments),
    /// Say whether a signed request verifies, or what is wrong with it
    Verify(verify::Arguments),
    /// Show what can be configured
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the tools of a running sidecar and change them
    Tools(tools::Arguments),
    /// Say what became of a call, from its line in the access log
    Explain(explain::Arguments),
    /// Look at an audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Say whether a running sidecar takes calls
    Ready(ready::Arguments),
    /// Print a script that completes commands and options in a shell
    Completions(completions::Arguments),
    /// Print the version
    Version(version::Arguments),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print a settings file with every setting and its default
    Example,
}

/// Runs the command that the process was asked for.
// spec: CLI-1
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return told(&error),
    };
    let mut out = Out::stdout();
    let ended = run(arguments.command, &mut out);
    let ended = ended.and_then(|code| out.finish().map(|()| code).map_err(Into::into));
    ExitCode::from(ended.unwrap_or_else(|failure| failure.report()))
}

fn run(command: Command, out: &mut Out) -> Ended {
    match command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Demo(arguments) => demo::run(&arguments, out),
        Command::Check(arguments) => check::run(&arguments, out),
        Command::Call(arguments) => call::run(arguments, out),
        Command::Sign(arguments) => sign::run(&arguments, out),
        Command::Verify(arguments) => verify::run(&arguments, out),
        Command::Config(ConfigCommand::Example) => example::run(out),
        Command::Tools(arguments) => tools::run(&arguments, out),
        Command::Explain(arguments) => explain::run(&arguments, out),
        Command::Audit(command) => audit::run(&command, out),
        Command::Ready(arguments) => ready::run(&arguments, out),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command(), out),
        Command::Version(arguments) => version::run(&arguments, out),
    }
}

/// Help and version are answers, for standard output; everything else is a mistake.
fn told(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        Out::stderr().say(&text);
        ExitCode::from(exit::USAGE)
    } else {
        Out::stdout().say(&text);
        ExitCode::from(exit::OK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    /// Arguments are visible to every process of the host.
    #[test]
    fn no_option_takes_a_secret() {
        fn look_at(command: &clap::Command) -> usize {
            for option in command.get_arguments() {
                let name = option.get_id().as_str();
                let of_a_secret = ["secret", "token", "password", "key"]
                    .iter()
                    .any(|word| name.contains(word));
                // A file's name is no secret, and a flag has no value.
                let harmless = matches!(name, "secret_file" | "token_file")
                    || !option.get_action().takes_values();
                assert!(!of_a_secret || harmless, "{name}");
            }
            let inner: usize = command.get_subcommands().map(look_at).sum();
            command.get_arguments().count() + inner
        }
        let seen = look_at(&Arguments::command());
        assert!(seen > 40, "only {seen} options were looked at");
    }
}
