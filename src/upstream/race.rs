//! Happy eyeballs (RFC 8305): several addresses, the first that answers wins.
//!
//! The next address is tried when one fails, or when it keeps us waiting; whoever is still running
//! when there is a winner is dropped. What trying means is the caller's business.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

/// The pause before the next address is tried beside the running ones (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Orders addresses so that the two families alternate, beginning with the resolver's favourite.
pub(super) fn interleave(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = addresses.into_iter().peekable();
    let v6_first = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        addresses.partition(|address| address.is_ipv6() == v6_first);
    let mut ordered = Vec::with_capacity(first.len() + second.len());
    while let Some(address) = first.pop_front().or_else(|| second.pop_front()) {
        ordered.push(address);
        ordered.extend(second.pop_front());
    }
    ordered
}

/// Tries every address until one works. `None` when there is no address.
///
/// # Errors
/// What the last failure said, once all have failed.
pub(super) async fn race<T, E, F>(
    addresses: Vec<SocketAddr>,
    dial: impl Fn(SocketAddr) -> F,
) -> Option<Result<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = addresses.into_iter().peekable();
    let mut running = Vec::new();
    let mut failure = None;
    loop {
        if let Some(address) = waiting.next() {
            running.push(Box::pin(dial(address)));
        } else if running.is_empty() {
            return failure.map(Err);
        }
        let others = waiting.peek().is_some();
        tokio::select! {
            biased;
            done = first_done(&mut running) => match done {
                Ok(winner) => return Some(Ok(winner)),
                Err(error) => failure = Some(error),
            },
            () = sleep(STAGGER), if others => {}
        }
    }
}

/// Waits for any of them and takes it out.
async fn first_done<F: Future>(running: &mut Vec<Pin<Box<F>>>) -> F::Output {
    poll_fn(|cx| {
        for (index, attempt) in running.iter_mut().enumerate() {
            if let Poll::Ready(output) = attempt.as_mut().poll(cx) {
                drop(running.swap_remove(index));
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::time::Instant;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_alternate_beginning_with_the_first() {
        fn check(given: &[&str], expected: &[&str]) {
            let ordered = interleave(given.iter().map(|text| address(text)));
            let expected: Vec<_> = expected.iter().map(|text| address(text)).collect();
            assert_eq!(ordered, expected);
        }
        let (a, b, c) = ("[::1]:1", "[::2]:1", "[::3]:1");
        let (x, y) = ("1.1.1.1:1", "2.2.2.2:1");
        check(&[a, b, c, x, y], &[a, x, b, y, c]);
        check(&[x, y, a], &[x, a, y]);
        check(&[x, a, b, c], &[x, a, b, c]);
        check(&[x, y], &[x, y]);
        check(&[], &[]);
    }

    /// What an address does when it is dialled.
    #[derive(Clone, Copy)]
    enum Fate {
        Accepts(u64),
        Refuses(u64),
        Silent,
    }

    /// Counts the attempts that are still running.
    struct Running(Rc<RefCell<usize>>);

    impl Drop for Running {
        fn drop(&mut self) {
            *self.0.borrow_mut() -= 1;
        }
    }

    /// Races addresses 1, 2, 3, … with these fates; gives the winner and the time it took.
    async fn run(fates: &[Fate]) -> (Option<Result<u16, u16>>, u128) {
        let start = Instant::now();
        let addresses = (1..=fates.len()).map(|n| SocketAddr::from(([10, 0, 0, 1], n as u16)));
        let running = Rc::new(RefCell::new(0));
        let outcome = race(addresses.collect(), |address| {
            let number = address.port();
            let fate = fates[usize::from(number) - 1];
            *running.borrow_mut() += 1;
            let guard = Running(Rc::clone(&running));
            async move {
                let _guard = guard;
                match fate {
                    Fate::Accepts(after) => {
                        sleep(Duration::from_millis(after)).await;
                        Ok(number)
                    }
                    Fate::Refuses(after) => {
                        sleep(Duration::from_millis(after)).await;
                        Err(number)
                    }
                    Fate::Silent => std::future::pending().await,
                }
            }
        })
        .await;
        assert_eq!(*running.borrow(), 0, "losers are dropped");
        (outcome, start.elapsed().as_millis())
    }

    #[tokio::test(flavor = "local", start_paused = true)]
    async fn a_failure_or_a_pause_brings_the_next_address() {
        use Fate::{Accepts, Refuses, Silent};
        assert_eq!(run(&[]).await, (None, 0));
        assert_eq!(run(&[Accepts(40)]).await, (Some(Ok(1)), 40));
        assert_eq!(run(&[Refuses(4), Accepts(1)]).await, (Some(Ok(2)), 5));
        assert_eq!(run(&[Silent, Accepts(10)]).await, (Some(Ok(2)), 260));
        assert_eq!(run(&[Accepts(300), Accepts(100)]).await, (Some(Ok(1)), 300));
        assert_eq!(run(&[Silent, Silent, Accepts(0)]).await, (Some(Ok(3)), 500));
        assert_eq!(run(&[Refuses(9), Refuses(1)]).await, (Some(Err(2)), 10));
        assert_eq!(run(&[Refuses(900), Refuses(1)]).await, (Some(Err(1)), 900));
    }
}
