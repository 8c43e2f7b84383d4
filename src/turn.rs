//! Letting the other calls of a worker compute before anything is written.
//!
//! A worker serves whatever has become ready, one after the other. If each call wrote as soon as it
//! had computed, the writes would lie as far apart as computing takes, and a peer on the same host
//! would fall asleep between two of them; each time it is the writer who pays for waking it. One
//! step back lets all that is ready compute first and write then, so the peer is woken once for
//! many. What it saves is in `docs/performance.md`. Alone, a call loses one poll by it.

use std::task::{Context, Poll};

/// One step back behind everything that is ready now.
#[derive(Debug, Default)]
pub struct Turn {
    is_over: bool,
}

impl Turn {
    /// Ready from the second time on. The first time, the task goes to the end of its worker's queue.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_over {
            return Poll::Ready(());
        }
        self.is_over = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::rc::Rc;

    use tokio::task::spawn_local;

    use super::Turn;

    #[tokio::test(flavor = "local")]
    async fn all_that_are_ready_compute_before_one_writes() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let calls = ["a", "b", "c"].map(|call| {
            let log = Rc::clone(&log);
            spawn_local(async move {
                log.borrow_mut().push((call, "computes"));
                let mut turn = Turn::default();
                poll_fn(|cx| turn.poll(cx)).await;
                log.borrow_mut().push((call, "writes"));
            })
        });
        for call in calls {
            call.await.expect("a call does not panic");
        }
        assert_eq!(
            *log.borrow(),
            [
                ("a", "computes"),
                ("b", "computes"),
                ("c", "computes"),
                ("a", "writes"),
                ("b", "writes"),
                ("c", "writes"),
            ]
        );
    }
}
