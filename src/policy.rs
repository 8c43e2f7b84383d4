//! What an agent may do: which tools, how often, for how much, and whether at all.
//!
//! A [`PolicySpec`] is a policy as somebody wrote it; [`Policy::compile`] is the one validator that
//! turns it into a [`Policy`], whoever wrote it. Compiled policies make a set, [`Policies`], that is
//! replaced as a whole. The [`Desk`] is what calls ask: it holds the set in service, the kill
//! switches, and what has been used of the caps, which outlives the process. Denying wins over
//! allowing everywhere here. Reading files and wording answers is left to others.

mod account;
mod compile;
mod counters;
mod desk;
mod set;
mod shared;
mod spec;
mod standing;
mod template;
mod usd;
mod verdict;
mod window;

pub use compile::Policy;
pub use desk::Desk;
pub use set::Policies;
pub use shared::Silence;
pub use spec::{PolicySpec, PriceSpec, limits};
pub use standing::AgentState;
pub use template::Template;
pub use usd::Usd;
pub use verdict::{Blocked, Permit, Reason, Risk};
