//! What must hold for any input at all, as functions of bytes.
//!
//! Each function takes whatever it is given and panics when a promise is broken: not only "does not
//! crash" but "has one meaning", compared with a second reading of the same bytes wherever there is
//! one. They are run by `fuzz/`, which looks for inputs with libFuzzer, and by `tests/it/fuzz.rs`,
//! which tries the seeds of `fuzz/corpus` and a bounded number of mutations on every test run. What
//! inputs to try is left to these two.

mod api;
mod canonical;
mod chunked;
mod edit;
mod heads;
mod mutate;
mod registry;
mod retry;
mod route;

pub use api::api_body;
pub use canonical::canonical_arguments;
pub use chunked::chunked_body;
pub use edit::registry_edit;
pub use heads::{request_head, response_head};
pub use mutate::{Mutator, dictionary};
pub use registry::registry;
pub use retry::retry_after;
pub use route::route;

/// Stands for every secret of an input. The slash keeps it from being a name of a field, a header, a
/// variable or a tool, all of which messages may repeat.
const MARK: &str = "SECRET/MARK";

/// Ways for `data` to arrive: byte by byte, in two parts, and in pieces of all sizes. They depend on
/// the data alone, so that a failure comes back with its input.
fn cuts(data: &[u8]) -> [Vec<&[u8]>; 3] {
    let mix = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut random = fastrand::Rng::with_seed(data.iter().fold(0xcbf2_9ce4_8422_2325, mix));
    let (one, other) = data.split_at(random.usize(..=data.len()));
    let mut pieces = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(random.usize(1..=rest.len().min(24)));
        pieces.push(piece);
        rest = behind;
    }
    [data.chunks(1).collect(), vec![one, other], pieces]
}
