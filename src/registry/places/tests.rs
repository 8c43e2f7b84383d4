//! Places under every change of their number, in paused time.

use super::*;

fn places(max: u16) -> Arc<Places> {
    Arc::new(Places::new(NonZeroU16::new(max).unwrap()))
}

fn resize(places: &Places, max: u16) {
    places.resize(NonZeroU16::new(max).unwrap());
}

/// Takes places until there are none.
fn all(places: &Arc<Places>) -> Vec<Place> {
    std::iter::from_fn(|| places.try_take()).collect()
}

const SECOND: Duration = Duration::from_secs(1);

// spec: LIMIT-1
#[test]
fn whatever_the_number_was_in_between_no_more_than_it_says_get_in() {
    for steps in [
        &[3, 1][..],
        &[1, 3],
        &[4, 1, 2],
        &[4, 1, 3, 2],
        &[2, 1, 4],
        &[5, 2, 2, 7, 1],
    ] {
        let places = places(steps[0]);
        let held = all(&places);
        for max in &steps[1..] {
            resize(&places, *max);
        }
        let max = usize::from(*steps.last().unwrap());
        assert_eq!(places.max(), max);
        let more = all(&places);
        assert_eq!(held.len() + more.len(), held.len().max(max), "{steps:?}");
        assert_eq!(places.taken(), held.len() + more.len());
        drop((held, more));
        assert_eq!((places.taken(), all(&places).len()), (0, max), "{steps:?}");
    }
}

#[test]
fn a_free_place_disappears_at_once() {
    let places = places(4);
    let held = places.try_take();
    resize(&places, 1);
    assert!(places.try_take().is_none());
    drop(held);
    assert_eq!(all(&places).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_reached_a_waiter_who_left_counts_against_the_surplus() {
    let places = places(2);
    let mut held = all(&places);
    let mut waiter = Box::pin(places.take(SECOND, None));
    let started = tokio::time::timeout(Duration::ZERO, &mut waiter).await;
    assert!(started.is_err() && places.queued() == 1);
    // The waiter has the place now and does not know it yet.
    held.pop();
    resize(&places, 1);
    drop(waiter);
    assert_eq!(places.queued(), 0);
    assert!(places.try_take().is_none());
    drop(held);
    assert_eq!(all(&places).len(), 1);
}

// spec: LIMIT-1
#[tokio::test(start_paused = true)]
async fn the_queue_has_an_end() {
    let places = places(1);
    let held = places.try_take();
    let began = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..MAX_QUEUED {
        let places = Arc::clone(&places);
        waiting.spawn(async move { places.take(SECOND, None).await.is_ok() });
    }
    while places.queued() < MAX_QUEUED {
        tokio::task::yield_now().await;
    }
    assert_eq!(places.take(SECOND, None).await.unwrap_err(), NoPlace);
    assert_eq!(began.elapsed(), Duration::ZERO);
    drop(held);
    let served = waiting.join_all().await;
    assert!(served.into_iter().all(|served| served));
    assert_eq!((places.queued(), places.taken()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_patience_or_the_deadline() {
    let places = places(1);
    let _held = places.try_take();
    for (patience, deadline, waited) in
        [(0, None, 0), (3, None, 3), (3, Some(2), 2), (3, Some(0), 0)]
    {
        let began = Instant::now();
        let deadline = deadline.map(|seconds: u32| began + SECOND * seconds);
        let place = places.take(SECOND * patience, deadline).await;
        assert_eq!(place.unwrap_err(), NoPlace);
        assert_eq!(began.elapsed(), SECOND * waited);
    }
}

#[test]
fn threads_share_the_places() {
    let places = places(3);
    let most = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    let place = places.try_take();
                    most.fetch_max(places.taken(), Ordering::Relaxed);
                    drop(place);
                }
            });
        }
    });
    // A place is free a moment after it is no longer counted, never before.
    assert!(most.into_inner() <= 3 + 1);
    assert_eq!(all(&places).len(), 3);
}
