//! Threads for what blocks: they do a machine's work and say what became of it.

use super::Told;
use crate::files::{Done, Error, Files};
use crate::lines::Lines;
use bytes::Bytes;
use filexfer::{Failure as JobFailure, Place, SliceProof, StoreFault, TransferId, Work};
use link::Frame;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

/// Threads that read, write and hash for a station.
pub(super) struct Workers {
    /// Counts machines.
    pub(super) generation: u64,
    done: mpsc::UnboundedSender<(u64, Finished)>,
    turns: Arc<Semaphore>,
    /// Of those that wait for a disk.
    waits: Arc<Semaphore>,
}

/// A part of a file as it came in.
pub(super) struct Slice {
    pub(super) transfer: TransferId,
    pub(super) range: Range<u64>,
    pub(super) bytes: Bytes,
    pub(super) into: Place,
    pub(super) proof: SliceProof,
    pub(super) frame: Frame,
}

/// What a task needs of it.
struct Task {
    generation: u64,
    done: mpsc::UnboundedSender<(u64, Finished)>,
    turns: Arc<Semaphore>,
}

impl Workers {
    /// And what comes back from them, each with the machine that it was for.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<(u64, Finished)>) {
        let (done, finished) = mpsc::unbounded_channel();
        let turns = Arc::new(Semaphore::new(THREADS));
        let waits = Arc::new(Semaphore::new(WAITING_THREADS));
        (Self { generation: 0, done, turns, waits }, finished)
    }

    fn task(&self) -> Task {
        Task {
            generation: self.generation,
            done: self.done.clone(),
            turns: Arc::clone(&self.turns),
        }
    }

    /// Has a slice compared with its proof, and written.
    pub(super) fn write(&self, name: &str, files: &Arc<Files>, slice: Slice) {
        let (task, name, files) = (self.task(), name.to_owned(), Arc::clone(files));
        let Slice { transfer, range, bytes, into, proof, frame } = slice;
        tokio::spawn(async move {
            let Ok(_turn) = task.turns.acquire().await else { return };
            let told = match files.write(transfer, into, proof, bytes).await {
                Ok(Ok(())) => Some(Told::Written(range)),
                Ok(Err(why)) => {
                    tracing::warn!(event = "slice.refused", server = %name, code = why.code(), %why);
                    // It is asked for again.
                    None
                }
                // It was discarded meanwhile, or the thread ended early.
                Err(why) if why.is_too_late() => None,
                Err(why) => {
                    tracing::error!(event = "write.failed", ?transfer, code = why.code(), %why);
                    Some(Told::Failed(StoreFault::Write))
                }
            };
            if let Some(told) = told {
                task.report(Finished::Told(transfer, told));
            }
            // Until here it counts against what its sender may have on the way.
            drop(frame);
        });
    }

    /// Has a machine's work done.
    pub(super) fn begin(
        &self,
        name: &str,
        files: Option<&Arc<Files>>,
        link: &Arc<Lines>,
        work: Work,
    ) {
        let Some(files) = files.cloned() else { return };
        let (task, link, name) = (self.task(), Arc::clone(link), name.to_owned());
        // Who waits for the disk keeps no processor: the more wait together, the fewer times it has to turn.
        let turns = match work {
            Work::Sync { .. } | Work::Publish { .. } => Arc::clone(&self.waits),
            _ => Arc::clone(&self.turns),
        };
        tokio::spawn(async move {
            let Ok(turn) = turns.acquire().await else { return };
            let done = files.perform(&work).await;
            drop(turn);
            match done {
                Err(Error::Lost) => {}
                Ok((transfer, done)) => task.conclude(&link, transfer, done).await,
                Err(why) => {
                    tracing::error!(event = "work.failed", server = %name, code = why.code(), %why);
                    task.give_up(&work);
                }
            }
        });
    }
}

impl Task {
    fn report(&self, finished: Finished) {
        // A station that is gone needs no news.
        let _ = self.done.send((self.generation, finished));
    }

    async fn conclude(&self, link: &Lines, transfer: TransferId, done: Done) {
        let told = match done {
            Done::Looked(found) => Told::Looked(found),
            Done::Prepared(known) => Told::Prepared(known),
            Done::Copied(range) => Told::Written(range),
            Done::Synced => Told::Synced,
            Done::Published(done) => Told::Published(done),
            Done::Unstable => Told::Unstable,
            Done::Discarded => return,
            Done::Failed(fault, why) => {
                tracing::error!(event = "store.failed", ?transfer, ?fault, code = why.code(), %why);
                Told::Failed(fault)
            }
            Done::Slice { range, to, frame } => {
                let groups = range.end - range.start;
                let frame = Bytes::from(frame);
                // As fast as the peer takes it; if it is gone, the range is asked for again.
                if link.send_when_room(&to, &frame).await.is_ok() {
                    self.report(Finished::Served(transfer, groups));
                }
                return;
            }
        };
        self.report(Finished::Told(transfer, told));
    }

    /// What a machine is told of work that could not be done.
    fn give_up(&self, work: &Work) {
        let (transfer, told) = match work {
            Work::Look { transfer, .. } => (transfer, Told::Looked(None)),
            Work::Prepare { transfer, .. } => (transfer, Told::Failed(StoreFault::Read)),
            Work::Publish { transfer, .. } => {
                (transfer, Told::Published(Err(JobFailure::StoreFailed)))
            }
            Work::Sync { .. } => return self.report(Finished::Lost),
            // They have answers of their own, or nobody waits for one.
            Work::Copy { .. } | Work::Serve { .. } | Work::Discard { .. } => return,
        };
        self.report(Finished::Told(*transfer, told));
    }
}

/// What a thread has done.
pub(super) enum Finished {
    Told(TransferId, Told),
    Served(TransferId, u64),
    /// It is not known any more what is on disk.
    Lost,
}

/// Threads that do file work for one server at a time.
const THREADS: usize = 4;
/// The same, of those that wait for a disk.
const WAITING_THREADS: usize = 128;
