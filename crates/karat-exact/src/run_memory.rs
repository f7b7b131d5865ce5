//! The memory of one run of a plan within the pool of all: how much it holds, and when it has let go of everything.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::Result;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use tokio::sync::Notify;

/// Passes every reservation on to the pool of all runs.
#[derive(Debug)]
pub(crate) struct RunMemory {
    pool: Arc<dyn MemoryPool>,
    /// Bytes of this run.
    held: AtomicUsize,
    let_go: Notify,
}

impl RunMemory {
    pub(crate) fn new(pool: Arc<dyn MemoryPool>) -> RunMemory {
        RunMemory {
            pool,
            held: AtomicUsize::new(0),
            let_go: Notify::new(),
        }
    }

    /// Waits until the run holds nothing: the tasks of a plan that was dropped end on their own threads.
    pub(crate) async fn is_let_go(&self) {
        loop {
            let mut next = pin!(self.let_go.notified());
            // Who lets go between the look and the wait is heard.
            next.as_mut().enable();
            if self.held.load(Ordering::Acquire) == 0 {
                return;
            }
            next.await;
        }
    }
}

impl fmt::Display for RunMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

impl MemoryPool for RunMemory {
    fn name(&self) -> &str {
        self.pool.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.pool.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.pool.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.pool.grow(reservation, additional);
        self.held.fetch_add(additional, Ordering::AcqRel);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.pool.shrink(reservation, shrink);
        if self.held.fetch_sub(shrink, Ordering::AcqRel) == shrink {
            self.let_go.notify_waiters();
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.pool.try_grow(reservation, additional)?;
        self.held.fetch_add(additional, Ordering::AcqRel);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.pool.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.pool.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    #[tokio::test]
    async fn a_run_is_waited_for_and_not_the_others() {
        let all: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100));
        let other = MemoryConsumer::new("other").register(&all);
        other.grow(40);
        let run = Arc::new(RunMemory::new(Arc::clone(&all)));
        let pool: Arc<dyn MemoryPool> = run.clone();
        let held = MemoryConsumer::new("run").register(&pool);
        held.try_grow(50).expect("fits");
        assert!(held.try_grow(20).is_err(), "the limit is that of all");
        let waiting = tokio::spawn(async move { run.is_let_go().await });
        drop(held);
        waiting.await.expect("ends");
        assert_eq!(all.reserved(), 40);
    }
}
