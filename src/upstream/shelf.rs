//! What a worker holds per origin: idle connections, the shared one, and what is known of it.
//!
//! Plain data with an injected `now`: nothing here waits. The newest idle connection is taken
//! first, so that the surplus of a burst grows old and goes. When to look for expired ones is the
//! pool's business.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use metrics::Gauge;
use tokio::time::Instant;

use crate::registry::{Origin, OriginMap};
use crate::upstream::connect::Protocol;
use crate::upstream::flight::Flight;
use crate::upstream::h1::H1;
use crate::upstream::h2::H2;

/// Where connections are counted.
#[derive(Clone, Debug)]
pub struct PoolGauges {
    /// Open, and carrying nothing.
    pub idle: Gauge,
    /// Carrying a request or an answer.
    pub active: Gauge,
}

/// One connection's place in one of the two gauges.
pub(super) struct Held {
    gauges: Rc<PoolGauges>,
    is_active: bool,
}

impl Held {
    pub(super) fn new(gauges: &Rc<PoolGauges>, is_active: bool) -> Self {
        let held = Self {
            gauges: Rc::clone(gauges),
            is_active,
        };
        held.gauge().increment(1.0);
        held
    }

    /// The connection carries something from now on, or nothing any more.
    pub(super) fn set_active(&mut self, is_active: bool) {
        if self.is_active != is_active {
            self.gauge().decrement(1.0);
            self.is_active = is_active;
            self.gauge().increment(1.0);
        }
    }

    fn gauge(&self) -> &Gauge {
        match self.is_active {
            true => &self.gauges.active,
            false => &self.gauges.idle,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge().decrement(1.0);
    }
}

/// How often idle connections are looked at. Nobody waits on them, so one that its peer has closed
/// takes a file descriptor and a place in the gauge until then.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long connections are kept, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping {
    pub(super) idle_timeout: Duration,
    pub(super) max_age: Duration,
    pub(super) max_idle_per_origin: usize,
}

impl Keeping {
    fn expiry(&self, opened: Instant, idle_since: Instant) -> Instant {
        (opened + self.max_age).min(idle_since + self.idle_timeout)
    }
}

struct Idle {
    connection: Box<H1>,
    expires: Instant,
}

/// All that is held for one origin.
#[derive(Default)]
pub(super) struct Slot {
    /// The longest idle first.
    idle: VecDeque<Idle>,
    shared: Option<Rc<H2>>,
    /// What the origin spoke last.
    pub(super) protocol: Option<Protocol>,
    /// The attempt to connect that callers wait for together.
    pub(super) flight: Option<Flight>,
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.shared.is_none() && self.flight.is_none()
    }
}

/// Everything that is held, by origin.
pub(super) struct Shelf {
    slots: OriginMap<Slot>,
    keeping: Keeping,
}

impl Shelf {
    pub(super) fn new(keeping: Keeping) -> Self {
        Self {
            slots: OriginMap::default(),
            keeping,
        }
    }

    pub(super) fn slot(&mut self, origin: &Arc<Origin>) -> &mut Slot {
        // `entry` would clone the key for every call.
        if !self.slots.contains_key(origin) {
            self.slots.insert(Arc::clone(origin), Slot::default());
        }
        self.slots
            .get_mut(origin)
            .expect("a missing slot was inserted just above")
    }

    /// An idle connection that has not expired. Whether its peer is still there is found out when
    /// it is used.
    pub(super) fn take_idle(&mut self, origin: &Arc<Origin>, now: Instant) -> Option<Box<H1>> {
        let slot = self.slots.get_mut(origin)?;
        while let Some(Idle {
            connection,
            expires,
        }) = slot.idle.pop_back()
        {
            if expires > now {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps an idle connection; beyond the limit, the longest idle one goes.
    pub(super) fn put_idle(&mut self, connection: Box<H1>, now: Instant) {
        let keeping = self.keeping;
        let expires = keeping.expiry(connection.opened(), now);
        let slot = self.slot(&connection.home.origin);
        slot.protocol = Some(Protocol::Http1);
        slot.idle.push_back(Idle {
            connection,
            expires,
        });
        if slot.idle.len() > keeping.max_idle_per_origin {
            slot.idle.pop_front();
        }
    }

    /// The shared connection, where it can take another request.
    pub(super) fn shared(&mut self, origin: &Arc<Origin>, now: Instant) -> Option<Rc<H2>> {
        let slot = self.slots.get_mut(origin)?;
        let shared = slot.shared.as_ref()?;
        let idle_since = shared.idle_since().unwrap_or(now);
        if shared.is_usable() && self.keeping.expiry(shared.opened(), idle_since) > now {
            Some(Rc::clone(shared))
        } else {
            slot.shared = None;
            None
        }
    }

    /// Makes this the origin's shared connection.
    pub(super) fn put_shared(&mut self, origin: &Arc<Origin>, connection: Rc<H2>) {
        let slot = self.slot(origin);
        slot.protocol = Some(Protocol::Http2);
        slot.shared = Some(connection);
    }

    /// Lets the attempt to connect go, and the origin too where nothing else is held for it.
    pub(super) fn landed(&mut self, origin: &Arc<Origin>) {
        if let Some(slot) = self.slots.get_mut(origin) {
            slot.flight = None;
            if slot.is_empty() {
                self.slots.remove(origin);
            }
        }
    }

    /// Closes what has expired or died, and forgets origins for which nothing is held. Returns when
    /// to look again, `None` when nothing is kept.
    // spec: UP-1
    pub(super) fn close_expired(&mut self, now: Instant) -> Option<Instant> {
        let keeping = self.keeping;
        let mut next: Option<Instant> = None;
        let mut note = |expires: Instant| {
            next = Some(next.map_or(expires, |next| next.min(expires)));
        };
        self.slots.retain(|_, slot| {
            slot.idle
                .retain_mut(|idle| idle.expires > now && idle.connection.quiet().is_ok());
            for idle in &slot.idle {
                note(idle.expires.min(now + LOOK_EVERY));
            }
            if let Some(shared) = &slot.shared {
                let expires = shared
                    .idle_since()
                    .map(|since| keeping.expiry(shared.opened(), since));
                if !shared.is_usable() || expires.is_some_and(|expires| expires <= now) {
                    slot.shared = None;
                } else {
                    // In use, it can be idle from the next moment on.
                    note(expires.unwrap_or(now + keeping.idle_timeout));
                }
            }
            !slot.is_empty()
        });
        next
    }
}
