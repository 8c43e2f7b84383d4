//! The answer to a write, and the promise of it.
//!
//! Many who wait on one thread are answered at once, and waking a thread from another costs a system call.
//! So one of them is woken, and wakes the others from where they are: when it takes its answer, or when it
//! is dropped with it.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use super::{StoreError, lock};

/// Ready when a write is durable, or has failed. The write goes on when this is dropped.
#[derive(Debug)]
pub struct Written(State);

#[derive(Debug)]
enum State {
    /// Known at once. `None` after it has been told.
    Ready(Option<Result<(), StoreError>>),
    /// The writer knows.
    Queued(Arc<Slot>),
}

/// The other end of a [`Written`]. Dropped without an answer, it says that the store has stopped.
#[derive(Debug)]
pub(super) struct Promise(Arc<Slot>);

/// The lock guards what the two ends tell each other, for a few moves.
#[derive(Debug, Default)]
struct Slot(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    result: Option<Result<(), StoreError>>,
    /// Who waits, and on which thread that was last seen.
    waiter: Option<(ThreadId, Waker)>,
    /// Others of that thread, whom this one wakes.
    others: Vec<Waker>,
}

/// A write that has been queued: who waits, and who knows.
pub(super) fn promise() -> (Promise, Written) {
    let slot = Arc::new(Slot::default());
    (Promise(Arc::clone(&slot)), Written(State::Queued(slot)))
}

/// Tells all of them the same.
pub(super) fn tell(promises: Vec<Promise>, result: &Result<(), StoreError>) {
    let mut groups: Vec<Group> = Vec::new();
    for promise in promises {
        let mut told = lock(&promise.0.0);
        let Some((thread, waker)) = told.waiter.take() else {
            told.result = Some(result.clone());
            continue;
        };
        match groups.iter_mut().find(|group| group.thread == thread) {
            Some(group) => {
                told.result = Some(result.clone());
                group.others.push(waker);
            }
            None => {
                // Told at the end, with the others of its thread.
                told.waiter = Some((thread, waker));
                drop(told);
                groups.push(Group {
                    thread,
                    first: promise,
                    others: Vec::new(),
                });
            }
        }
    }
    for group in groups {
        group.tell(result.clone());
    }
}

/// Those who wait on one thread.
struct Group {
    thread: ThreadId,
    first: Promise,
    others: Vec<Waker>,
}

impl Group {
    fn tell(self, result: Result<(), StoreError>) {
        let mut told = lock(&self.first.0.0);
        told.result = Some(result);
        match told.waiter.take() {
            Some((_, waker)) => {
                told.others = self.others;
                drop(told);
                waker.wake();
            }
            // It has been dropped since.
            None => {
                drop(told);
                self.others.into_iter().for_each(Waker::wake);
            }
        }
    }
}

impl Written {
    pub(super) fn ready(result: Result<(), StoreError>) -> Self {
        Self(State::Ready(Some(result)))
    }
}

impl Future for Written {
    type Output = Result<(), StoreError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let slot = match &mut self.get_mut().0 {
            State::Ready(result) => {
                return Poll::Ready(result.take().expect("it is not polled after its end"));
            }
            State::Queued(slot) => slot,
        };
        let mut told = lock(&slot.0);
        if let Some(result) = told.result.clone() {
            let others = std::mem::take(&mut told.others);
            drop(told);
            others.into_iter().for_each(Waker::wake);
            return Poll::Ready(result);
        }
        // Who only looks whether it is ready cannot be trusted with waking others.
        if !cx.waker().will_wake(Waker::noop()) {
            told.waiter = Some((thread::current().id(), cx.waker().clone()));
        }
        Poll::Pending
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let State::Queued(slot) = &self.0 else {
            return;
        };
        let mut told = lock(&slot.0);
        told.waiter = None;
        let others = std::mem::take(&mut told.others);
        drop(told);
        others.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut told = lock(&self.0.0);
        if told.result.is_none() {
            told.result = Some(Err(StoreError::Closed));
            let waiter = told.waiter.take();
            drop(told);
            waiter.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Three who wait on this thread, with how often each has been woken.
    fn three() -> (Vec<Promise>, Vec<(Arc<Count>, Written)>) {
        let wait = |_| {
            let (promise, mut written) = promise();
            let count = Arc::new(Count::default());
            assert_eq!(poll(&count, &mut written), Poll::Pending);
            (promise, (count, written))
        };
        (0..3).map(wait).unzip()
    }

    fn poll(count: &Arc<Count>, written: &mut Written) -> Poll<Result<(), StoreError>> {
        let waker = Arc::clone(count).into();
        Pin::new(written).poll(&mut Context::from_waker(&waker))
    }

    fn woken(waiting: &[(Arc<Count>, Written)]) -> Vec<usize> {
        let count = |(count, _): &(Arc<Count>, Written)| count.0.load(Ordering::Relaxed);
        waiting.iter().map(count).collect()
    }

    #[test]
    fn one_is_woken_and_wakes_the_others() {
        let (promises, mut waiting) = three();
        tell(promises, &Ok(()));
        assert_eq!(woken(&waiting), [1, 0, 0]);
        let (count, first) = &mut waiting[0];
        assert_eq!(poll(count, first), Poll::Ready(Ok(())));
        assert_eq!(woken(&waiting), [1, 1, 1]);
        for (count, written) in &mut waiting[1..] {
            assert_eq!(poll(count, written), Poll::Ready(Ok(())));
        }
    }

    #[test]
    fn one_that_leaves_wakes_the_others_too() {
        let (promises, mut waiting) = three();
        tell(promises, &Err(StoreError::Busy));
        drop(waiting.remove(0));
        assert_eq!(woken(&waiting), [1, 1]);
        // One that has left before is not counted on.
        let (promises, mut waiting) = three();
        drop(waiting.remove(0));
        tell(promises, &Ok(()));
        assert_eq!(woken(&waiting), [1, 0]);
    }

    #[test]
    fn each_thread_is_woken() {
        let (mut promises, waiting) = three();
        let (other, elsewhere) = thread::spawn(three).join().unwrap();
        promises.extend(other);
        tell(promises, &Ok(()));
        assert_eq!(woken(&waiting), [1, 0, 0]);
        assert_eq!(woken(&elsewhere), [1, 0, 0]);
    }

    #[test]
    fn who_only_looks_is_not_counted_on() {
        let (promises, mut waiting) = three();
        let (promise, mut looked_at) = promise();
        let look =
            |written: &mut Written| Pin::new(written).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(look(&mut looked_at), Poll::Pending);
        tell([promise].into_iter().chain(promises).collect(), &Ok(()));
        assert_eq!(woken(&waiting), [1, 0, 0]);
        assert_eq!(look(&mut looked_at), Poll::Ready(Ok(())));
        let (count, first) = &mut waiting[0];
        assert_eq!(poll(count, first), Poll::Ready(Ok(())));
    }

    #[test]
    fn a_promise_that_is_dropped_says_so() {
        let (promises, mut waiting) = three();
        drop(promises);
        for (count, written) in &mut waiting {
            assert_eq!(poll(count, written), Poll::Ready(Err(StoreError::Closed)));
        }
    }
}
