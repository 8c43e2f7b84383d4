//! The thread that writes: it gathers what the workers left for it and is the only one that can
//! be held up by a slow or closed output.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use metrics::Counter;

/// How long lines may wait for company: a busy sidecar then makes some fifty writes a second per
/// worker instead of one per call, and a person who watches the log does not notice.
const GATHER: Duration = Duration::from_millis(20);

/// What workers, owner and writer share.
pub struct Shared {
    /// One per worker, so that workers do not wait for each other. Taken when a worker starts and
    /// when lines are gathered.
    pub buffers: Mutex<Vec<Arc<Buffer>>>,
    /// Lines that were lost.
    pub dropped: Counter,
    /// Whether there is something to do. The thread's own parking token cannot stand for it: an
    /// output that parks the thread while it writes would use the token up.
    rung: AtomicBool,
    /// What the owner asked the writer for; never held while writing.
    orders: Mutex<Orders>,
    changed: Condvar,
}

/// One worker's lines, each complete. The writer holds the lock for a swap, the worker for a line.
pub type Buffer = Mutex<Vec<u8>>;

#[derive(Default)]
struct Orders {
    flushes_asked: u64,
    flushes_done: u64,
    stop: bool,
}

impl Orders {
    fn are_urgent(&self) -> bool {
        self.stop || self.flushes_asked != self.flushes_done
    }
}

/// A lock whose data is whole at every point where a panic could leave it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(dropped: Counter) -> Self {
        Self {
            buffers: Mutex::default(),
            dropped,
            rung: AtomicBool::new(false),
            orders: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Tells the writer that there is something to do.
    pub fn ring(&self, writer: &Thread) {
        self.rung.store(true, Ordering::Release);
        writer.unpark();
    }

    /// Sleeps until somebody rings, or not at all if somebody did since the last time.
    fn await_ring(&self) {
        while !self.rung.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }

    /// Asks for everything to be written now and waits until it is, or until `within` is over.
    pub fn flush(&self, writer: &Thread, within: Duration) -> bool {
        let mut orders = lock(&self.orders);
        orders.flushes_asked += 1;
        let ours = orders.flushes_asked;
        self.changed.notify_all();
        self.ring(writer);
        let waited = self
            .changed
            .wait_timeout_while(orders, within, |orders| orders.flushes_done < ours);
        let (orders, _) = waited.unwrap_or_else(PoisonError::into_inner);
        orders.flushes_done >= ours
    }

    /// Asks the writer to write what there is and end.
    pub fn stop(&self, writer: &Thread) {
        lock(&self.orders).stop = true;
        self.changed.notify_all();
        self.ring(writer);
    }

    fn is_stopped(&self) -> bool {
        lock(&self.orders).stop
    }
}

/// The writer thread's own state.
pub struct Writer {
    shared: Arc<Shared>,
    sink: Box<dyn Write + Send>,
    /// Changes places with each buffer in turn, so that neither side allocates.
    batch: Vec<u8>,
    /// Whether the last write failed; the first failure is worth a warning, the rest are counted.
    failing: bool,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, sink: Box<dyn Write + Send>) -> Self {
        Self {
            shared,
            sink,
            batch: Vec::new(),
            failing: false,
        }
    }

    /// Writes until it is asked to stop. Sleeps for good while there is nothing to do.
    pub fn run(mut self) {
        loop {
            self.shared.await_ring();
            let (asked, stop) = self.gather();
            self.write_all_buffers();
            let mut orders = lock(&self.shared.orders);
            orders.flushes_done = asked;
            self.shared.changed.notify_all();
            if stop {
                return;
            }
        }
    }

    /// Gives lines the time to gather, unless somebody waits for them.
    fn gather(&self) -> (u64, bool) {
        let orders = lock(&self.shared.orders);
        let waited = self
            .shared
            .changed
            .wait_timeout_while(orders, GATHER, |orders| !orders.are_urgent());
        let (orders, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (orders.flushes_asked, orders.stop)
    }

    fn write_all_buffers(&mut self) {
        let buffers = lock(&self.shared.buffers).clone();
        for buffer in &buffers {
            std::mem::swap(&mut *lock(buffer), &mut self.batch);
            if !self.batch.is_empty() {
                self.write_batch();
            }
        }
        drop(buffers);
        // A buffer that only this list still knows has lost its worker and gets no more lines.
        lock(&self.shared.buffers)
            .retain(|buffer| Arc::strong_count(buffer) > 1 || !lock(buffer).is_empty());
    }

    fn write_batch(&mut self) {
        let mut written = 0;
        let result = self.write_from(&mut written);
        if let Err(error) = &result {
            let lost = self.batch[written..].iter().filter(|&&b| b == b'\n');
            self.shared.dropped.increment(lost.count() as u64);
            if !self.failing {
                tracing::warn!(%error, "access log cannot be written");
            }
        }
        self.failing = result.is_err();
        self.batch.clear();
    }

    /// Writes the batch from `written` on, and counts up as it goes.
    fn write_from(&mut self, written: &mut usize) -> io::Result<()> {
        loop {
            let step = if *written < self.batch.len() {
                self.sink.write(&self.batch[*written..])
            } else {
                self.sink.flush().map(|()| 0)
            };
            match step {
                Ok(0) if *written < self.batch.len() => return Err(ErrorKind::WriteZero.into()),
                Ok(0) => return Ok(()),
                Ok(more) => *written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A standard output that another process made non-blocking, and that is full.
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock && !self.shared.is_stopped() =>
                {
                    thread::sleep(GATHER);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
