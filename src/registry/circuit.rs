//! `circuit_breaker`: a tool whose attempts keep failing is left alone for a while.
//!
//! While closed, a [`Circuit`] counts what attempts come to; when too many of the recent ones fail,
//! it opens and lets none through. After a time it is half open: one attempt at a time may try, and
//! what that comes to closes it or opens it again. All workers share it. Whose attempts count as
//! failures is decided by who makes them.

mod window;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use window::Window;

/// The numbers of a `circuit_breaker`, within their ranges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker {
    /// The share of failures that opens it, in `0.0..=1.0`.
    pub failure_ratio: f64,
    /// Fewer attempts than this say nothing.
    pub min_calls: u32,
    /// How long it stays open.
    pub open: Duration,
}

/// A tool's circuit; closed at first.
#[derive(Debug)]
pub struct Circuit {
    breaker: Breaker,
    /// Guards phase and counts; held for a few arithmetic operations.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Counts the phases. What an attempt comes to says nothing about a later phase.
    epoch: u64,
    window: Window,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    /// Nobody is let through before `until`; afterwards one at a time.
    Open {
        until: Instant,
        probing: bool,
    },
}

/// Whether attempts are let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CircuitState {
    /// All of them.
    Closed,
    /// One at a time.
    HalfOpen,
    /// None.
    Open,
}

/// How a circuit stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CircuitStatus {
    /// Whether attempts are let through.
    pub state: CircuitState,
    /// Attempts within the window.
    pub calls: u32,
    /// Of those, the ones that failed.
    pub failures: u32,
    /// How long none will be let through.
    pub retry_after: Duration,
}

/// The circuit is open for this much longer; zero while one attempt is trying.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IsOpen(pub Duration);

/// An attempt that the circuit let through. Dropped without an end, it was cancelled and counts for
/// nothing.
#[derive(Debug)]
pub struct Trial<'c> {
    circuit: &'c Circuit,
    epoch: u64,
    probe: bool,
}

/// What the end of an attempt did to the circuit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// Nothing.
    Unchanged,
    /// It has opened, for the first time or once more.
    Opened,
    /// It has closed.
    Closed,
}

impl Circuit {
    pub(super) fn new(breaker: Breaker) -> Self {
        Self {
            breaker,
            state: Mutex::new(State {
                phase: Phase::Closed,
                epoch: 0,
                window: Window::new(Instant::now()),
            }),
        }
    }

    /// Whether an attempt that starts in `wait` could be let through, as far as can be told now.
    ///
    /// # Errors
    /// When it could not.
    // spec: LIMIT-3
    pub fn check(&self, wait: Duration) -> Result<(), IsOpen> {
        let then = Instant::now() + wait;
        self.with(|state| match state.phase {
            Phase::Open { until, .. } if then < until => Err(IsOpen(until - Instant::now())),
            // By the end of a wait, the probe of now may have ended.
            Phase::Open { probing: true, .. } if wait.is_zero() => Err(IsOpen(Duration::ZERO)),
            Phase::Open { .. } | Phase::Closed => Ok(()),
        })
    }

    /// Lets an attempt through.
    ///
    /// # Errors
    /// When it must not be made.
    // spec: LIMIT-3
    pub fn enter(&self) -> Result<Trial<'_>, IsOpen> {
        let now = Instant::now();
        self.with(|state| {
            let probe = match &mut state.phase {
                Phase::Closed => false,
                Phase::Open { until, .. } if now < *until => return Err(IsOpen(*until - now)),
                Phase::Open { probing: true, .. } => return Err(IsOpen(Duration::ZERO)),
                Phase::Open { probing, .. } => {
                    *probing = true;
                    true
                }
            };
            Ok(Trial {
                circuit: self,
                epoch: state.epoch,
                probe,
            })
        })
    }

    /// How it stands now.
    pub fn status(&self) -> CircuitStatus {
        let now = Instant::now();
        self.with(|state| {
            let (calls, failures) = state.window.sums(now);
            let (circuit, retry_after) = match state.phase {
                Phase::Closed => (CircuitState::Closed, Duration::ZERO),
                Phase::Open { until, .. } if now < until => (CircuitState::Open, until - now),
                Phase::Open { .. } => (CircuitState::HalfOpen, Duration::ZERO),
            };
            CircuitStatus {
                state: circuit,
                calls,
                failures,
                retry_after,
            }
        })
    }

    /// The numbers it was made with.
    pub fn breaker(&self) -> Breaker {
        self.breaker
    }

    fn ended(&self, epoch: u64, probe: bool, failed: bool) -> Turn {
        let now = Instant::now();
        self.with(|state| {
            if state.epoch != epoch {
                return Turn::Unchanged;
            }
            if probe && !failed {
                state.turn(Phase::Closed, now);
                return Turn::Closed;
            }
            let opens = probe || {
                state.window.note(now, failed);
                failed && self.breaker.trips(state.window.sums(now))
            };
            if !opens {
                return Turn::Unchanged;
            }
            let until = now + self.breaker.open;
            let probing = false;
            state.turn(Phase::Open { until, probing }, now);
            Turn::Opened
        })
    }

    /// A probe was cancelled: the next one may try.
    fn freed(&self, epoch: u64) {
        self.with(|state| {
            if state.epoch == epoch
                && let Phase::Open { probing, .. } = &mut state.phase
            {
                *probing = false;
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // Nothing in here can panic between two changes, so a poisoned lock is still good.
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn turn(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.epoch += 1;
        self.window = Window::new(now);
    }
}

impl Breaker {
    fn trips(&self, (calls, failures): (u32, u32)) -> bool {
        calls >= self.min_calls && f64::from(failures) >= self.failure_ratio * f64::from(calls)
    }
}

impl Trial<'_> {
    /// Whether it is the one that tries a half-open circuit.
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// The attempt came to an end.
    pub fn ended(mut self, failed: bool) -> Turn {
        // The slot goes with the phase that the probe ends; there is nothing left to free.
        let probe = std::mem::take(&mut self.probe);
        self.circuit.ended(self.epoch, probe, failed)
    }
}

// spec: LIMIT-3 CANCEL-1
impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.circuit.freed(self.epoch);
        }
    }
}

#[cfg(test)]
mod tests;
