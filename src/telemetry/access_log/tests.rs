//! The way from a worker's line to the output, through a slow, a full and a broken one.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, MutexGuard, OnceLock};

use metrics::CounterFn;

use super::line::tests::line;
use super::*;

/// Long enough that a test that runs into it has failed.
pub const SOON: Duration = Duration::from_secs(60);

/// Keeps what is written, for a test to look at.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    /// The lines so far, after a flush.
    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(lock(&self.0).clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

fn log_to(sink: impl Write + Send + 'static) -> (AccessLog, Arc<Count>) {
    let count = Arc::new(Count::default());
    let dropped = Counter::from_arc(Arc::clone(&count));
    let log = AccessLog::to(Box::new(sink), LogFormat::Text, dropped).unwrap();
    (log, count)
}

fn dropped(count: &Count) -> u64 {
    count.0.load(Ordering::Relaxed)
}

#[test]
fn lines_of_all_workers_arrive_whole_and_in_each_workers_order() {
    let kept = Kept::default();
    let (log, count) = log_to(kept.clone());
    thread::scope(|scope| {
        for worker in 0..3 {
            let handle = log.handle();
            scope.spawn(move || {
                for n in 0..500 {
                    let name = format!("w{worker}-{n}");
                    handle.write(|| line(&name));
                }
            });
        }
    });
    assert!(log.flush(SOON));
    let lines = kept.lines();
    for worker in 0..3 {
        let tag = format!(" w{worker}-");
        let own: Vec<_> = lines.iter().filter(|line| line.contains(&tag)).collect();
        assert_eq!(own.len(), 500);
        for (n, line) in own.iter().enumerate() {
            assert!(line.contains(&format!("request=w{worker}-{n} ")), "{line}");
        }
    }
    assert_eq!(lines.len(), 1500);
    assert_eq!(dropped(&count), 0);
}

#[test]
fn the_writer_wakes_by_itself_and_forgets_workers_that_left() {
    struct Announce(SyncSender<usize>);
    impl Write for Announce {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.len()).unwrap();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (announce, written) = mpsc::sync_channel(16);
    let (log, _) = log_to(Announce(announce));
    for _ in 0..3 {
        let handle = log.handle();
        handle.write(|| line("x"));
        drop(handle);
        assert!(written.recv_timeout(SOON).unwrap() > 0);
    }
    assert!(log.flush(SOON));
    assert_eq!(lock(&log.0.as_ref().unwrap().shared.buffers).len(), 0);
}

/// Tells that a write began, and holds it until the test lets go.
struct Gate {
    began: SyncSender<()>,
    go: Receiver<()>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.began.send(()).ok();
        self.go.recv().ok();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// The output's channels park the writer's thread, as an output may: no wake-up gets lost over it.
#[test]
fn a_stuck_output_costs_lines_and_never_time() {
    let (began, writing) = mpsc::sync_channel(16);
    let (release, go) = mpsc::sync_channel(16);
    let (log, count) = log_to(Gate { began, go });
    let handle = log.handle();
    handle.write(|| line("first"));
    writing.recv_timeout(SOON).unwrap();
    // The writer now holds the first line and cannot come for more.
    let mut one = Vec::new();
    line("again").write(LogFormat::Text, &mut one);
    let fit = BUFFER_BYTES / one.len();
    for _ in 0..fit + 5 {
        handle.write(|| line("again"));
    }
    assert_eq!(dropped(&count), 5);
    assert!(!log.flush(Duration::ZERO), "it cannot have been written");
    drop(release);
    assert!(log.flush(SOON));
    assert_eq!(dropped(&count), 5);
}

#[test]
fn a_closed_output_loses_lines_and_a_reopened_one_gets_the_next() {
    #[derive(Clone, Default)]
    struct Closable(Arc<Mutex<(bool, usize)>>);
    impl Closable {
        fn state(&self) -> MutexGuard<'_, (bool, usize)> {
            lock(&self.0)
        }
    }
    impl Write for Closable {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.state();
            if state.0 {
                return Err(ErrorKind::BrokenPipe.into());
            }
            state.1 += bytes.iter().filter(|&&b| b == b'\n').count();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let sink = Closable::default();
    let (log, count) = log_to(sink.clone());
    let handle = log.handle();
    for (closed, written, lost) in [(false, 2, 0), (true, 2, 2), (false, 4, 2)] {
        sink.state().0 = closed;
        handle.write(|| line("a"));
        handle.write(|| line("b"));
        assert!(log.flush(SOON));
        assert_eq!((sink.state().1, dropped(&count)), (written, lost));
    }
}

#[test]
fn an_output_that_takes_little_at_a_time_gets_everything() {
    struct Sips(Kept, u32);
    impl Write for Sips {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            match self.1 {
                2 => Err(ErrorKind::Interrupted.into()),
                4 => Err(ErrorKind::WouldBlock.into()),
                _ => self.0.write(&bytes[..bytes.len().min(7)]),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let kept = Kept::default();
    let (log, count) = log_to(Sips(kept.clone(), 0));
    log.handle().write(|| line("sipped"));
    assert!(log.flush(SOON));
    let mut whole = Vec::new();
    line("sipped").write(LogFormat::Text, &mut whole);
    assert_eq!(
        kept.lines().concat() + "\n",
        String::from_utf8(whole).unwrap()
    );
    assert_eq!(dropped(&count), 0);
}

#[test]
fn dropping_the_log_has_the_rest_written() {
    struct Tell(Kept, SyncSender<Vec<String>>);
    impl Write for Tell {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Drop for Tell {
        fn drop(&mut self) {
            self.1.send(self.0.lines()).unwrap();
        }
    }
    let (end, ended) = mpsc::sync_channel(1);
    let (log, _) = log_to(Tell(Kept::default(), end));
    log.handle().write(|| line("last"));
    drop(log);
    assert_eq!(ended.recv_timeout(SOON).unwrap().len(), 1);
}

#[test]
fn without_a_log_no_line_is_put_together() {
    let log = AccessLog::off();
    log.handle().write(|| unreachable!("nobody reads it"));
    assert!(log.flush(Duration::ZERO));
}

#[test]
fn a_wake_up_survives_an_output_that_parks_its_thread() {
    /// Has the next line logged while it writes the first, and then uses the wake-up up.
    struct Parks(Arc<OnceLock<LogHandle>>, SyncSender<()>, bool);
    impl Write for Parks {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !std::mem::replace(&mut self.2, true) {
                self.0.get().unwrap().write(|| line("second"));
                thread::park_timeout(Duration::ZERO);
            }
            self.1.send(()).unwrap();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (wrote, written) = mpsc::sync_channel(16);
    let handle = Arc::new(OnceLock::new());
    let (log, _) = log_to(Parks(Arc::clone(&handle), wrote, false));
    handle.set(log.handle()).unwrap();
    handle.get().unwrap().write(|| line("first"));
    for _ in 0..2 {
        written.recv_timeout(SOON).unwrap();
    }
}
