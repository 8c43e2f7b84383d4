//! Whether threads still do what they are asked to.
//!
//! A timer of its own would go on while every worker hangs, so each worker is asked and answers from
//! a task among its others. What silence means is left to whoever asks.

use std::future::pending;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

/// Asks the threads that joined.
#[derive(Debug, Default)]
pub struct RollCall {
    members: Vec<mpsc::Sender<oneshot::Sender<()>>>,
}

/// One thread's part.
#[derive(Debug)]
pub struct Member(mpsc::Receiver<oneshot::Sender<()>>);

impl RollCall {
    /// A part for one more thread.
    pub fn join(&mut self) -> Member {
        let (ask, asked) = mpsc::channel(1);
        self.members.push(ask);
        Member(asked)
    }

    /// Completes when every thread has answered, and never if one of them is gone.
    ///
    /// Dropping the future takes the questions back.
    pub async fn all_answer(&self) {
        for member in &self.members {
            let (answer, answered) = oneshot::channel();
            let asked = member.send(answer).await.is_ok();
            if !asked || answered.await.is_err() {
                pending::<()>().await;
            }
        }
    }

    /// Calls `say` every `period` for as long as every thread answers, the first time at once.
    // spec: NOTIFY-1
    pub async fn while_all_answer(self, period: Duration, mut say: impl AsyncFnMut()) {
        loop {
            self.all_answer().await;
            say().await;
            sleep(period).await;
        }
    }
}

impl Member {
    /// Answers for the thread on which this is polled, until nobody asks any more.
    pub async fn answer(mut self) {
        while let Some(asker) = self.0.recv().await {
            // Whoever asked may have stopped waiting.
            let _ = asker.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::thread;

    use tokio::task::spawn_local;
    use tokio::time::timeout;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    // spec: NOTIFY-1
    #[tokio::test(flavor = "local", start_paused = true)]
    async fn signs_of_life_end_with_the_first_thread_that_does_not_answer() {
        let mut roll = RollCall::default();
        let first = spawn_local(roll.join().answer());
        let second = spawn_local(roll.join().answer());
        let said = Rc::new(Cell::new(0));
        let count = Rc::clone(&said);
        spawn_local(roll.while_all_answer(SECOND, async move || count.set(count.get() + 1)));
        sleep(SECOND * 9 + SECOND / 2).await;
        assert_eq!(said.get(), 10);
        second.abort();
        sleep(SECOND * 10).await;
        assert_eq!((said.get(), first.is_finished()), (10, false));
    }

    /// A thread that runs in a circle is there, and its task for this is not polled.
    // spec: NOTIFY-1
    #[test]
    fn a_thread_that_hangs_does_not_answer_until_it_goes_on() {
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_time().build().unwrap()
        };
        let mut roll = RollCall::default();
        let member = roll.join();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let hanging = thread::spawn(move || {
            runtime().block_on(async {
                let blocking = async move || released.recv().unwrap();
                blocking().await;
                member.answer().await;
            });
        });
        runtime().block_on(async {
            let early = timeout(Duration::from_millis(20), roll.all_answer()).await;
            assert!(early.is_err(), "nobody can have answered");
            release.send(()).unwrap();
            roll.all_answer().await;
        });
        drop(roll);
        hanging.join().unwrap();
    }
}
