//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures this project and what people would use instead, in one interleaved run.
///
/// Nothing is installed: subjects whose programs are missing are named and left out. It ends with 0
/// if every signature of this project was right, whatever the others did.
#[derive(Clone, Debug, Parser)]
#[command(name = "side_by_side")]
pub struct Options {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// How often each measurement is made; the tables show medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// Body sizes in bytes, with commas between them.
    #[arg(long, value_delimiter = ',', default_values_t = [256, 16 * 1024, 64 * 1024, 1024 * 1024])]
    pub sizes: Vec<usize>,
    /// Only these subjects beside ours: parts of their names, with commas between them.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Connections of the saturating load.
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    /// Calls per second of the paced load.
    #[arg(long, default_value_t = 2_000)]
    pub rate: usize,
    /// Idle keep-alive connections of the memory measurement.
    #[arg(long, default_value_t = 2_000)]
    pub idle: usize,
    /// Tools of the registry that is read again and again.
    #[arg(long, default_value_t = 100_000)]
    pub reload_tools: usize,
    /// Where the store of governed calls is kept; by default where cargo keeps temporary files.
    #[arg(long)]
    pub store_folder: Option<PathBuf>,
    /// Only the governed calls.
    #[arg(long)]
    pub only_governed: bool,
    /// Another build of this project to measure beside this one.
    #[arg(long)]
    pub against: Option<PathBuf>,
    /// Writes everything that was found as JSON: machine, missing subjects, signatures and the
    /// figures of all rounds.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// A few seconds only: whether everything works, and figures to look at rather than to quote.
    #[arg(long)]
    pub smoke: bool,
    /// What this process is; the run starts itself in its other roles.
    #[arg(long, hide = true, value_enum, default_value_t = Role::Whole)]
    pub role: Role,
    /// Where a server role listens.
    #[arg(long, hide = true)]
    pub at: Option<SocketAddr>,
    /// What a relay role forwards to.
    #[arg(long, hide = true)]
    pub upstream: Option<SocketAddr>,
    /// `cargo bench` passes it to every benchmark.
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// The processes of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Role {
    /// What a person starts.
    Whole,
    /// Starts the others, makes the calls and prints the tables.
    Lead,
    /// The tool.
    Upstream,
    /// The raw-socket signer.
    Raw,
}

impl Options {
    /// With what `--smoke` stands for.
    pub fn settled(mut self) -> Self {
        if self.smoke {
            self.seconds = self.seconds.min(0.1);
            self.rounds = 1;
            self.sizes.truncate(2);
            self.idle = self.idle.min(100);
            self.reload_tools = self.reload_tools.min(100);
        }
        self
    }

    /// Time of each measurement.
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Calls per second of the paced load with bodies of `size` bytes. It is moderate for every
    /// size: no more bytes than [`Self::rate`] calls of 64 KiB would be.
    pub fn rate_of(&self, size: usize) -> usize {
        let as_many_bytes = self.rate * 64 * 1024 / size.max(1);
        self.rate.min(as_many_bytes).max(100)
    }
}
