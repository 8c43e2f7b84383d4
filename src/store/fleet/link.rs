//! The one connection to the server that sidecars share: kept up, given up, and asked through.
//!
//! A question is bounded: whoever asks gets an answer or a failure within the patience that the
//! operator allows, counted from when the connection was lost if it is down, so that an outage is
//! waited for once and not by every call. Connecting again is the keeper's work, in `actor`; this is
//! what it and the questions share.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, FromRedisValue, RedisError, ScriptInvocation, ServerErrorKind};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::super::StoreError;
use super::FleetGauges;

/// How long a server that says "not yet" is left alone.
const NOT_YET: Duration = Duration::from_millis(50);

/// What is known of the connection.
#[derive(Clone)]
enum State {
    Down {
        since: Instant,
    },
    Up {
        connection: MultiplexedConnection,
        since: Instant,
        number: u64,
    },
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// What to tell whoever asked.
    pub error: StoreError,
    /// Whether the server may have done what it was asked.
    pub maybe_done: bool,
}

/// The connection, or its absence.
pub(super) struct Link {
    state: watch::Sender<State>,
    /// Counts connections, so that news of an old one cannot end the next.
    number: Cell<u64>,
    patience: Duration,
    gauges: FleetGauges,
    /// Where a cluster says that our keys are.
    moved: RefCell<Option<(String, u16)>>,
}

impl Link {
    pub(super) fn new(patience: Duration, gauges: FleetGauges) -> Self {
        gauges.up.set(0.0);
        let down = State::Down {
            since: Instant::now(),
        };
        Self {
            state: watch::Sender::new(down),
            number: Cell::new(0),
            patience,
            gauges,
            moved: RefCell::new(None),
        }
    }

    /// Puts a connection into service and returns its number.
    pub(super) fn up(&self, connection: MultiplexedConnection) -> u64 {
        let number = self.number.get() + 1;
        self.number.set(number);
        let since = Instant::now();
        self.state.send_replace(State::Up {
            connection,
            since,
            number,
        });
        self.gauges.up.set(1.0);
        number
    }

    /// Takes the connection with this number out of service, unless another has replaced it.
    pub(super) fn lost(&self, gone: u64) {
        self.state.send_if_modified(|state| match state {
            State::Up { number, .. } if *number == gone => {
                *state = State::Down {
                    since: Instant::now(),
                };
                self.gauges.up.set(0.0);
                true
            }
            State::Up { .. } | State::Down { .. } => false,
        });
    }

    /// Ready when the connection with this number is out of service.
    pub(super) async fn until_lost(&self, gone: u64) {
        let mut state = self.state.subscribe();
        let lost = |state: &State| !matches!(state, State::Up { number, .. } if *number == gone);
        // The sender is `self`, so the wait cannot fail.
        let _ = state.wait_for(lost).await;
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up { .. })
    }

    /// How long the connection has been up without a break; zero while it is down.
    pub(super) fn age(&self) -> Duration {
        match &*self.state.borrow() {
            State::Up { since, .. } => since.elapsed(),
            State::Down { .. } => Duration::ZERO,
        }
    }

    /// When a question that begins now has waited long enough.
    fn deadline(&self) -> Instant {
        let begin = match &*self.state.borrow() {
            State::Up { .. } => Instant::now(),
            State::Down { since } => *since,
        };
        begin + self.patience
    }

    /// Whether an error says where to go instead; the next connection goes there.
    // spec: FLEET-6
    pub(super) fn follow(&self, error: &RedisError) -> bool {
        let there = match Cause::of(error) {
            Cause::Elsewhere(there) => there,
            Cause::Lost | Cause::NotYet | Cause::Refused(_) => None,
        };
        let is_named = there.is_some();
        if is_named {
            self.moved.replace(there);
        }
        is_named
    }

    /// Where the next connection goes, if a cluster has sent us elsewhere. Asked once: if nobody is
    /// there, the operator's address is tried again.
    pub(super) fn take_moved(&self) -> Option<(String, u16)> {
        self.moved.take()
    }

    /// Runs a script and returns its answer. A script that may be `repeated` is sent again when the
    /// answer to it was lost.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
        repeated: bool,
    ) -> Result<T, Unanswered> {
        let answered = self.ask_in_time(script, repeated).await;
        if answered.is_err() {
            self.gauges.failures.increment(1);
        }
        answered
    }

    async fn ask_in_time<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
        repeated: bool,
    ) -> Result<T, Unanswered> {
        let deadline = self.deadline();
        let mut maybe_done = false;
        loop {
            let unreachable = Unanswered {
                error: StoreError::Unreachable,
                maybe_done,
            };
            let Some((mut connection, number)) = self.connection(deadline).await else {
                return Err(unreachable);
            };
            let answer = timeout_at(deadline, script.invoke_async(&mut connection)).await;
            let Ok(answer) = answer else {
                return Err(Unanswered {
                    maybe_done: true,
                    ..unreachable
                });
            };
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match Cause::of(&error) {
                Cause::Lost => {
                    maybe_done = true;
                    self.lost(number);
                    if !repeated {
                        return Err(Unanswered {
                            maybe_done: true,
                            ..unreachable
                        });
                    }
                }
                Cause::Elsewhere(there) => {
                    self.moved.replace(there);
                    self.lost(number);
                }
                Cause::NotYet => sleep(NOT_YET).await,
                Cause::Refused(code) => {
                    let error = StoreError::Refused { code };
                    return Err(Unanswered { error, maybe_done });
                }
            }
        }
    }

    /// The connection, as soon as there is one; none when there is none in time.
    async fn connection(&self, deadline: Instant) -> Option<(MultiplexedConnection, u64)> {
        let mut state = self.state.subscribe();
        let up = state.wait_for(|state| matches!(state, State::Up { .. }));
        // The sender is `self`, so only the deadline can end the wait.
        let up = timeout_at(deadline, up).await.ok()?.ok()?;
        match &*up {
            State::Up {
                connection, number, ..
            } => Some((connection.clone(), *number)),
            State::Down { .. } => None,
        }
    }
}

/// What an error means for the connection.
enum Cause {
    /// There is no connection any more, and the question may have arrived.
    Lost,
    /// This server did nothing, and another one is responsible: of a cluster the named one, after a
    /// change of roles whoever answers at the operator's address by then.
    Elsewhere(Option<(String, u16)>),
    /// This server did nothing yet and will soon.
    NotYet,
    /// The server will not, for the reason that this word names.
    Refused(Arc<str>),
}

impl Cause {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library may add kinds, and one that we do not know is no reason to go on"
    )]
    fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => {
                Self::Elsewhere(named(error))
            }
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::Elsewhere(None),
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain,
            ) => Self::NotYet,
            ErrorKind::Io | ErrorKind::Parse => Self::Lost,
            _ => Self::Refused(error.code().unwrap_or("unexpected answer").into()),
        }
    }
}

/// The host and port of a redirection.
fn named(error: &RedisError) -> Option<(String, u16)> {
    let (address, _slot) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
}
