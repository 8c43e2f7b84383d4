//! What agents have used of their caps, counted once for all sidecars.
//!
//! The server's clock decides when an hour has passed and when a day begins, so that sidecars with
//! different clocks count alike. A call is counted against all caps or against none.

use std::time::Duration;

/// The sliding window of calls.
// spec: FLEET-5
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// The length of a day, which begins at midnight UTC.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// A call that is to be counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Charge {
    /// Whose call it is.
    pub agent: String,
    /// Which tool it calls.
    pub tool: String,
    /// What it costs, in millionths of a dollar.
    pub price: u64,
    /// Calls that the agent may make in any 60 minutes.
    pub per_hour: Option<u64>,
    /// Calls that the agent may make to this tool in a day.
    pub per_tool: Option<u64>,
    /// What the agent's calls may cost in a day, in millionths of a dollar.
    pub per_day: Option<u64>,
}

/// What became of counting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Charged {
    /// It is counted.
    Counted,
    /// It is not: the calls of an hour are used up for this long.
    PerHour(Duration),
    /// It is not: this tool's calls of the day are used up for this long.
    PerTool(Duration),
    /// It is not: it costs more than is left of the day's budget, which is renewed in this time.
    PerDay(Duration),
}

impl Charged {
    /// What the script says.
    pub(super) fn from_words(word: &str, wait: Duration) -> Option<Self> {
        match word {
            "counted" => Some(Self::Counted),
            "hour" => Some(Self::PerHour(wait)),
            "tool" => Some(Self::PerTool(wait)),
            "spend" => Some(Self::PerDay(wait)),
            _ => None,
        }
    }
}
