//! Work on a sequence of chunks that moves to a thread of its own once there is enough of it.
//!
//! Encoding, hashing and fingerprints of a table are independent of each other and of what makes its rows; side by side they take as
//! long as the slowest instead of the sum. Chunks reach each consumer in one order, so what it makes does not depend on threads.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use arrow::array::RecordBatch;

use crate::LakeError;

/// Chunks taken before a thread is started: small tables are done before it would be up.
const CHUNKS_HERE: usize = 2;
/// Chunks that wait for a busy thread; with them the memory that a writer holds is bounded.
const CHUNKS_WAITING: usize = 8;

/// Takes the chunks of a table in order.
pub(crate) trait Consumer: Send + 'static {
    /// What all chunks come to.
    type Outcome: Send + 'static;

    /// The next chunk.
    fn take(&mut self, chunk: &RecordBatch) -> Result<(), LakeError>;

    /// There are no more.
    fn finish(self) -> Result<Self::Outcome, LakeError>;
}

enum Message {
    Chunk(RecordBatch),
    End,
}

/// A consumer at work. Dropped before [`Worker::finish`], it ends without an outcome.
pub(crate) struct Worker<C: Consumer> {
    taken: usize,
    place: Place<C>,
}

enum Place<C: Consumer> {
    Here(C),
    Thread {
        sender: SyncSender<Message>,
        thread: JoinHandle<Result<Option<C::Outcome>, LakeError>>,
    },
    /// It failed, and the failure was told.
    Over,
}

impl<C: Consumer> Worker<C> {
    pub(crate) fn new(consumer: C) -> Self {
        Self {
            taken: 0,
            place: Place::Here(consumer),
        }
    }

    /// The next chunk; waits while the thread is behind. An error may be that of an earlier chunk.
    pub(crate) fn take(&mut self, chunk: RecordBatch) -> Result<(), LakeError> {
        self.taken += 1;
        if self.taken > CHUNKS_HERE {
            self.move_to_thread()?;
        }
        match &mut self.place {
            Place::Here(consumer) => consumer.take(&chunk),
            Place::Thread { sender, .. } => match sender.send(Message::Chunk(chunk)) {
                Ok(()) => Ok(()),
                // The thread has ended, which before the end only a failure does.
                Err(_) => self.join().and(Err(over())),
            },
            Place::Over => Err(over()),
        }
    }

    /// What all chunks came to.
    pub(crate) fn finish(mut self) -> Result<C::Outcome, LakeError> {
        match std::mem::replace(&mut self.place, Place::Over) {
            Place::Here(consumer) => consumer.finish(),
            Place::Thread { sender, thread } => {
                // If the thread is gone, joining tells why.
                let _ = sender.send(Message::End);
                drop(sender);
                joined(thread)?.ok_or_else(over)
            }
            Place::Over => Err(over()),
        }
    }

    fn move_to_thread(&mut self) -> Result<(), LakeError> {
        if !matches!(self.place, Place::Here(_)) {
            return Ok(());
        }
        let Place::Here(consumer) = std::mem::replace(&mut self.place, Place::Over) else {
            return Ok(());
        };
        let (sender, receiver) = sync_channel(CHUNKS_WAITING);
        let thread = std::thread::Builder::new()
            .name("karat-write".to_owned())
            .spawn(move || consume(consumer, &receiver))
            .map_err(LakeError::io("start a thread for writing", "a table"))?;
        self.place = Place::Thread { sender, thread };
        Ok(())
    }

    fn join(&mut self) -> Result<(), LakeError> {
        if let Place::Thread { sender, thread } = std::mem::replace(&mut self.place, Place::Over) {
            drop(sender);
            joined(thread)?;
        }
        Ok(())
    }
}

impl<C: Consumer> Drop for Worker<C> {
    fn drop(&mut self) {
        // What the consumer holds must be gone when we are; that it failed no longer matters.
        let _ = self.join();
    }
}

fn consume<C: Consumer>(
    mut consumer: C,
    receiver: &Receiver<Message>,
) -> Result<Option<C::Outcome>, LakeError> {
    loop {
        match receiver.recv() {
            Ok(Message::Chunk(chunk)) => consumer.take(&chunk)?,
            Ok(Message::End) => return consumer.finish().map(Some),
            Err(_) => return Ok(None),
        }
    }
}

fn joined<T>(thread: JoinHandle<Result<T, LakeError>>) -> Result<T, LakeError> {
    match thread.join() {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn over() -> LakeError {
    LakeError::Encode {
        table: "a table".to_owned(),
        why: "writing it failed before".to_owned(),
        source: None,
    }
}
