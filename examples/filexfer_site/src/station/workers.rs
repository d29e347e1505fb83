//! Threads for what blocks: they do a machine's work and say what became of it.

use super::Told;
use super::errands::{Errands, Slice, is_forced};
use crate::files::{Done, Error, Files, Written};
use crate::lines::Lines;
use bytes::Bytes;
use filexfer::{Failure as JobFailure, StoreFault, TransferId, Work};
use port::Peer;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

/// Threads that read, write and hash for a station.
pub(super) struct Workers {
    /// Counts machines.
    pub(super) generation: u64,
    done: mpsc::UnboundedSender<(u64, Vec<Finished>)>,
    errands: Errands,
    turns: Arc<Semaphore>,
    /// Of those that wait for a disk.
    waits: Arc<Semaphore>,
}

/// What a task needs of it.
struct Task {
    name: String,
    generation: u64,
    done: mpsc::UnboundedSender<(u64, Vec<Finished>)>,
    turns: Arc<Semaphore>,
    files: Arc<Files>,
}

impl Workers {
    /// And what comes back from them, each with the machine that it was for.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<(u64, Vec<Finished>)>) {
        let (done, finished) = mpsc::unbounded_channel();
        let turns = Arc::new(Semaphore::new(THREADS));
        let waits = Arc::new(Semaphore::new(WAITING_THREADS));
        (Self { generation: 0, done, errands: Errands::default(), turns, waits }, finished)
    }

    /// The machine that all of this was for is gone.
    pub(super) fn begin_anew(&mut self) {
        self.generation += 1;
        self.errands = Errands::default();
    }

    /// Will have a slice compared with its proof, and written.
    pub(super) fn write(&mut self, slice: Slice) {
        self.errands.add_slice(slice);
    }

    /// Will have a machine's work done.
    pub(super) fn add(&mut self, work: Work) {
        self.errands.add_work(work);
    }

    /// Hands to threads what has come together.
    pub(super) fn set_off(&mut self, name: &str, files: &Arc<Files>, link: &Arc<Lines>) {
        for slices in self.errands.take_slices(files) {
            tokio::spawn(self.task(name, files, &self.turns).write(slices));
        }
        for works in self.errands.take_works(files) {
            // Who waits for the disk keeps no processor: the more wait together, the fewer times it has to turn.
            let turns = if works.iter().any(is_forced) { &self.waits } else { &self.turns };
            tokio::spawn(self.task(name, files, turns).work(Arc::clone(link), works));
        }
    }

    fn task(&self, name: &str, files: &Arc<Files>, turns: &Arc<Semaphore>) -> Task {
        Task {
            name: name.to_owned(),
            generation: self.generation,
            done: self.done.clone(),
            turns: Arc::clone(turns),
            files: Arc::clone(files),
        }
    }
}

impl Task {
    async fn write(self, slices: Vec<Slice>) {
        let Ok(_turn) = self.turns.acquire().await else { return };
        let (mut parts, mut rest) = (Vec::new(), Vec::new());
        for Slice { range, part, frame } in slices {
            rest.push((part.transfer, range, frame));
            parts.push(part);
        }
        let written = match <[_; 1]>::try_from(parts) {
            Ok([part]) => vec![self.files.write(part).await],
            Err(parts) => self.files.write_all(parts).await,
        };
        let told = rest.iter().zip(written).filter_map(|((transfer, range, _), written)| {
            Some(Finished::Told(*transfer, self.told(*transfer, range, written)?))
        });
        self.report(told.collect());
        // Until here they count against what their senders may have on the way.
        drop(rest);
    }

    fn told(&self, transfer: TransferId, range: &Range<u64>, written: Written) -> Option<Told> {
        match written {
            Ok(Ok(())) => Some(Told::Written(range.clone())),
            Ok(Err(why)) => {
                tracing::warn!(event = "slice.refused", server = %self.name, code = why.code(), %why);
                // It is asked for again.
                None
            }
            // It was discarded meanwhile, or the thread ended early.
            Err(why) if why.is_too_late() => None,
            Err(why) => {
                tracing::error!(event = "write.failed", ?transfer, code = why.code(), %why);
                Some(Told::Failed(StoreFault::Write))
            }
        }
    }

    async fn work(self, link: Arc<Lines>, works: Vec<Work>) {
        let Ok(turn) = self.turns.acquire().await else { return };
        let done = match &works[..] {
            [work] => vec![self.files.perform(work).await],
            works => self.files.perform_all(works).await,
        };
        drop(turn);
        let (mut finished, mut frames) = (Vec::new(), Vec::new());
        for (work, done) in works.iter().zip(done) {
            match done {
                // What is answered by nobody would be waited for without end.
                Err(Error::Lost) => finished.extend(is_answered(work).then_some(Finished::Lost)),
                Ok((transfer, Done::Slice { range, to, frame })) => {
                    frames.push((transfer, range, to, Bytes::from(frame)));
                }
                Ok((transfer, done)) => {
                    let told = told(transfer, done);
                    finished.extend(told.map(|told| Finished::Told(transfer, told)));
                }
                Err(why) => {
                    tracing::error!(event = "work.failed", server = %self.name, code = why.code(), %why);
                    finished.extend(given_up(work));
                }
            }
        }
        self.report(finished);
        self.send(&link, frames).await;
    }

    /// As fast as the peer takes it; if it is gone, the ranges are asked for again.
    async fn send(&self, link: &Lines, frames: Vec<(TransferId, Range<u64>, Peer, Bytes)>) {
        let mut served = Vec::new();
        for (transfer, range, to, frame) in frames {
            if link.send_when_room(&to, &frame).await.is_ok() {
                served.push(Finished::Served(transfer, range.end - range.start));
            }
        }
        self.report(served);
    }

    fn report(&self, finished: Vec<Finished>) {
        if !finished.is_empty() {
            // A station that is gone needs no news.
            let _ = self.done.send((self.generation, finished));
        }
    }
}

/// What a machine is told of work that was done.
fn told(transfer: TransferId, done: Done) -> Option<Told> {
    Some(match done {
        Done::Looked(found) => Told::Looked(found),
        Done::Prepared(known) => Told::Prepared(known),
        Done::Copied(range) => Told::Written(range),
        Done::Synced => Told::Synced,
        Done::Published(done) => Told::Published(done),
        Done::Unstable => Told::Unstable,
        Done::Failed(fault, why) => {
            tracing::error!(event = "store.failed", ?transfer, ?fault, code = why.code(), %why);
            Told::Failed(fault)
        }
        // Who gets it answers.
        Done::Discarded | Done::Slice { .. } => return None,
    })
}

/// Whether a machine waits until it is told what became of it.
const fn is_answered(work: &Work) -> bool {
    match work {
        Work::Look { .. } | Work::Prepare { .. } | Work::Sync { .. } | Work::Publish { .. } => true,
        Work::Copy { .. } | Work::Serve { .. } | Work::Discard { .. } => false,
    }
}

/// What a machine is told of work that could not be done.
fn given_up(work: &Work) -> Option<Finished> {
    let (transfer, told) = match work {
        Work::Look { transfer, .. } => (transfer, Told::Looked(None)),
        Work::Prepare { transfer, .. } => (transfer, Told::Failed(StoreFault::Read)),
        Work::Publish { transfer, .. } => (transfer, Told::Published(Err(JobFailure::StoreFailed))),
        Work::Sync { .. } => return Some(Finished::Lost),
        // They have answers of their own, or nobody waits for one.
        Work::Copy { .. } | Work::Serve { .. } | Work::Discard { .. } => return None,
    };
    Some(Finished::Told(*transfer, told))
}

/// What a thread has done.
pub(super) enum Finished {
    Told(TransferId, Told),
    Served(TransferId, u64),
    /// It is not known any more what is on disk, or what became of something.
    Lost,
}

/// Threads that do file work for one server at a time.
const THREADS: usize = 4;
/// The same, of those that wait for a disk.
const WAITING_THREADS: usize = 128;
