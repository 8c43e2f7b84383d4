//! One timer for everything that a connection waits for, on either side.
//!
//! A connection waits for one thing at a time, and almost always it comes long before its deadline.
//! So the timer is made when the first wait begins, and moved only when it would ring too late or
//! has rung too early. Which deadline counts is the owner's to say.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is told its deadline at every look.
#[derive(Debug, Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Completes once `deadline` has passed. Until then the task is woken by it at the latest.
    pub fn poll_at(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_the_deadline_of_the_last_look() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut alarm = Alarm::default();
        for (early, late) in [(10, 20), (75, 30), (40, 115)] {
            // A first look that does not wait, with a deadline that no longer counts.
            poll_fn(|cx| Poll::Ready(alarm.poll_at(at(early), cx).is_pending())).await;
            poll_fn(|cx| alarm.poll_at(at(late), cx)).await;
            assert_eq!(Instant::now(), at(late));
        }
    }
}
