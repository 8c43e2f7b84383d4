//! Calls that can be cut short because their agent was switched off.
//!
//! A worker's calls hold on to one list. A call enters it when it first waits for something, and
//! leaves it at its end, so a call that never waits costs nothing and no call takes a lock. Who is to
//! be cut is told to every worker by a message; what a call that was cut comes to is left to the call.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::broadcast::error::RecvError;

use crate::call::Governance;
use crate::ids::AgentId;
use crate::policy::AgentState;

/// The calls of one worker that wait for something.
#[derive(Default)]
pub struct Leashes {
    /// Borrowed for the length of one look or one change, never over a wake.
    list: RefCell<List>,
}

#[derive(Default)]
struct List {
    places: Vec<Option<Waiting>>,
    /// Places that are free, so that the list is as long as the most calls at once.
    free: Vec<usize>,
}

struct Waiting {
    agent: AgentId,
    waker: Waker,
    is_cut: bool,
}

impl Leashes {
    /// Nothing waits yet.
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    /// Cuts every call of an agent for which `is_meant` says so.
    pub fn cut(&self, is_meant: impl Fn(&AgentId) -> bool) {
        let mut wakers = Vec::new();
        for waiting in self.list.borrow_mut().places.iter_mut().flatten() {
            if is_meant(&waiting.agent) {
                waiting.is_cut = true;
                wakers.push(waiting.waker.clone());
            }
        }
        // A waker may do anything, also come back here.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Cuts the calls of agents that are switched off with what they have in flight, until the desk
    /// is gone.
    // spec: POLICY-6
    pub async fn follow(self: Rc<Self>, governance: Arc<Governance>) {
        let mut cuts = governance.desk.cuts();
        loop {
            match cuts.recv().await {
                Ok(agent) => self.cut(|waiting| *waiting == agent),
                // So many that some were not heard of: every agent that is off was meant, or may
                // have been.
                Err(RecvError::Lagged(_)) => {
                    self.cut(|waiting| governance.desk.state(waiting) != AgentState::On);
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// How many calls wait.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.list.borrow().places.iter().flatten().count()
    }
}

impl fmt::Debug for Leashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leashes")
    }
}

/// One call's hold on the list; it leaves the list when it is dropped.
#[derive(Debug)]
pub(super) struct Leash {
    leashes: Rc<Leashes>,
    place: Option<usize>,
}

/// The call's agent was switched off, and what was under way with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cut;

impl Leash {
    pub(super) fn new(leashes: &Rc<Leashes>) -> Self {
        Self {
            leashes: Rc::clone(leashes),
            place: None,
        }
    }

    /// Pending until `agent` is cut; to be asked before each wait.
    pub(super) fn poll_cut(&mut self, agent: &AgentId, cx: &Context<'_>) -> Poll<Cut> {
        let List { places, free } = &mut *self.leashes.list.borrow_mut();
        if let Some(place) = self.place {
            let waiting = places[place].as_mut();
            let waiting = waiting.expect("a place is taken until its leash is dropped");
            if waiting.is_cut {
                return Poll::Ready(Cut);
            }
            if !waiting.waker.will_wake(cx.waker()) {
                waiting.waker = cx.waker().clone();
            }
            return Poll::Pending;
        }
        let waiting = Some(Waiting {
            agent: agent.clone(),
            waker: cx.waker().clone(),
            is_cut: false,
        });
        let place = free.pop().unwrap_or(places.len());
        match places.get_mut(place) {
            Some(free) => *free = waiting,
            None => places.push(waiting),
        }
        self.place = Some(place);
        Poll::Pending
    }

    /// Completes with `work`, or when `agent` is cut; `work` then goes no further.
    ///
    /// It is pinned already, because a future that is handed over has room for itself twice.
    pub(super) async fn hold<T>(
        &mut self,
        agent: &AgentId,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Cut> {
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.poll_cut(agent, cx).map(Err),
        })
        .await
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let mut list = self.leashes.list.borrow_mut();
            let left = list.places[place].take();
            list.free.push(place);
            drop(list);
            drop(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use tokio::task::spawn_local;

    use super::*;

    #[tokio::test(flavor = "local")]
    async fn only_the_calls_of_the_agent_are_cut() {
        let leashes = Leashes::new();
        let hold = |agent: &str| {
            let (mut leash, agent) = (Leash::new(&leashes), agent.parse().unwrap());
            spawn_local(async move { leash.hold(&agent, pin!(pending::<()>())).await })
        };
        let (bad, good, worse) = (hold("bad"), hold("good"), hold("bad"));
        tokio::task::yield_now().await;
        assert_eq!(leashes.len(), 3);
        leashes.cut(|agent| agent.as_str() == "bad");
        assert_eq!(bad.await.unwrap(), Err(Cut));
        assert_eq!(worse.await.unwrap(), Err(Cut));
        assert!(!good.is_finished());
        assert_eq!(leashes.len(), 1);
        good.abort();
        assert!(good.await.unwrap_err().is_cancelled());
        assert_eq!(leashes.len(), 0);
        // The places are used again.
        let next = hold("next");
        tokio::task::yield_now().await;
        assert_eq!(leashes.list.borrow().places.len(), 3);
        next.abort();
    }

    #[tokio::test(flavor = "local")]
    async fn what_does_not_wait_is_never_listed() {
        let leashes = Leashes::new();
        let mut leash = Leash::new(&leashes);
        let agent = "a".parse().unwrap();
        assert_eq!(leash.hold(&agent, pin!(ready(1))).await, Ok(1));
        assert!(leashes.list.borrow().places.is_empty());
    }
}
