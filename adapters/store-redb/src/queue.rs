//! Commits that wait: one of the waiting makes a whole group durable.
//!
//! There is at most one leader. A blocking caller that finds nobody leading leads itself, so a lone committer never waits for
//! another thread; the asynchronous face, which may not block, leaves that to a writer thread. When a group is done and
//! others wait, the lead goes to one of them before the group is told.

use crate::Error;
use port::{Batch, Commit};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle, Thread};

/// The line in which batches wait.
#[derive(Debug)]
pub(crate) struct Queue {
    line: Mutex<Line>,
    /// Told when the writer thread has something to do, and when nobody leads any more.
    changed: Condvar,
    waiting_max: usize,
}

#[derive(Debug)]
struct Line {
    waiting: VecDeque<Waiting>,
    led: bool,
    writer_leads: bool,
    closed: bool,
}

/// One batch and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) batch: Batch,
    slot: Arc<Slot>,
}

/// Who has to act after a batch was lined up.
#[derive(Debug)]
pub(crate) enum Lead {
    Caller,
    Other,
}

/// Who leads next, after a group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nobody,
    Other,
    Same,
}

impl Queue {
    pub(crate) fn new(waiting_max: usize) -> Self {
        Self {
            line: Mutex::new(Line {
                waiting: VecDeque::new(),
                led: false,
                writer_leads: false,
                closed: false,
            }),
            changed: Condvar::new(),
            waiting_max,
        }
    }

    /// Lines up a batch for a caller that can block; with [`Lead::Caller`] it has to lead now.
    pub(crate) fn push_blocking(&self, batch: Batch) -> Result<(Arc<Slot>, Lead), Error> {
        let slot = Arc::new(Slot::new(Some(thread::current())));
        let mut line = self.lock();
        self.push(&mut line, batch, &slot)?;
        let lead = if line.led { Lead::Other } else { Lead::Caller };
        line.led = true;
        Ok((slot, lead))
    }

    /// Lines up a batch for a future; the writer thread leads if nobody does.
    pub(crate) fn push_async(&self, batch: Batch) -> Result<Pending, Error> {
        let slot = Arc::new(Slot::new(None));
        let mut line = self.lock();
        self.push(&mut line, batch, &slot)?;
        if !line.led {
            line.led = true;
            line.writer_leads = true;
            self.changed.notify_all();
        }
        Ok(Pending(slot))
    }

    /// The next group, for the leader. Never empty: whoever gets the lead does so because something waits.
    pub(crate) fn take(&self) -> Vec<Waiting> {
        let mut line = self.lock();
        let mut group = Vec::with_capacity(line.waiting.len().min(GROUP_MAX));
        let mut bytes = 0;
        while let Some(first) = line.waiting.front() {
            bytes += weight(&first.batch);
            if group.len() == GROUP_MAX || (bytes > GROUP_BYTES_MAX && !group.is_empty()) {
                break;
            }
            group.extend(line.waiting.pop_front());
        }
        group
    }

    /// After a group: settles who leads next. `Next::Same` is only said to the writer thread.
    pub(crate) fn hand_on(&self, writer: bool) -> Next {
        let mut line = self.lock();
        if line.waiting.is_empty() {
            line.led = false;
            self.changed.notify_all();
            return Next::Nobody;
        }
        if writer {
            return Next::Same;
        }
        match line.waiting.iter().find(|waiting| waiting.slot.thread.is_some()) {
            Some(waiting) => waiting.slot.promote(),
            None => {
                line.writer_leads = true;
                self.changed.notify_all();
            }
        }
        Next::Other
    }

    /// For the writer thread: waits until it has to lead; `false` when the store closes.
    pub(crate) fn wait_for_lead(&self) -> bool {
        let mut line = self.lock();
        loop {
            if line.writer_leads {
                line.writer_leads = false;
                return true;
            }
            if line.closed && !line.led {
                return false;
            }
            line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Refuses new batches, and waits until those in line are answered.
    pub(crate) fn close(&self) {
        let mut line = self.lock();
        line.closed = true;
        while line.led {
            line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        self.changed.notify_all();
    }

    fn push(&self, line: &mut Line, batch: Batch, slot: &Arc<Slot>) -> Result<(), Error> {
        if line.closed {
            return Err(Error::Closed);
        }
        if line.waiting.len() >= self.waiting_max {
            return Err(Error::Busy);
        }
        line.waiting.push_back(Waiting { batch, slot: Arc::clone(slot) });
        Ok(())
    }

    /// Whether somebody leads, and how many wait.
    #[cfg(test)]
    pub(crate) fn line(&self) -> (bool, usize) {
        let line = self.lock();
        (line.led, line.waiting.len())
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells everybody in a group.
///
/// Who wakes a thread may lose the core to it. So the first of a few wakes the others of them: no long row of threads waits for
/// one that does not run.
pub(crate) fn tell(group: &[Waiting], answers: Vec<Result<Commit, Error>>) {
    let told: Vec<_> = group.iter().map(|waiting| &*waiting.slot).zip(answers).collect();
    for few in told.chunks(WAKES_MAX) {
        let Some(((first, answer), others)) = few.split_first() else { continue };
        // Once the first has its answer it may be gone: the others have theirs by then.
        for (slot, answer) in others {
            slot.settle(*answer, Vec::new());
        }
        let others = others.iter().filter_map(|(slot, _)| slot.thread.clone()).collect();
        first.settle(*answer, others);
        first.wake();
    }
}

/// Where the answer to one batch is put.
#[derive(Debug)]
pub(crate) struct Slot {
    note: Mutex<Note>,
    /// The blocking caller that waits, if it is one.
    thread: Option<Thread>,
}

#[derive(Debug, Default)]
struct Note {
    answer: Option<Result<Commit, Error>>,
    promoted: bool,
    waker: Option<Waker>,
    /// Whom this one wakes when it has its answer.
    others: Vec<Thread>,
}

/// What a waiting caller learns.
#[derive(Debug)]
pub(crate) enum News {
    Answer(Result<Commit, Error>),
    Lead,
}

impl Slot {
    fn new(thread: Option<Thread>) -> Self {
        Self { note: Mutex::new(Note::default()), thread }
    }

    /// Waits for the answer, or for the lead.
    pub(crate) fn wait(&self) -> News {
        loop {
            {
                let mut note = self.lock();
                if let Some(answer) = note.answer {
                    let others = std::mem::take(&mut note.others);
                    drop(note);
                    others.iter().for_each(Thread::unpark);
                    return News::Answer(answer);
                }
                if note.promoted {
                    note.promoted = false;
                    return News::Lead;
                }
            }
            thread::park();
        }
    }

    /// Leaves the answer, and whom to wake then; a future is woken at once.
    fn settle(&self, answer: Result<Commit, Error>, others: Vec<Thread>) {
        let mut note = self.lock();
        note.answer = Some(answer);
        note.others = others;
        let waker = note.waker.take();
        drop(note);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake(&self) {
        match &self.thread {
            Some(thread) => thread.unpark(),
            // A future wakes nobody.
            None => std::mem::take(&mut self.lock().others).iter().for_each(Thread::unpark),
        }
    }

    fn promote(&self) {
        self.lock().promoted = true;
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Note> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to a batch, for asynchronous code under any executor.
#[derive(Debug)]
pub(crate) struct Pending(Arc<Slot>);

impl Future for Pending {
    type Output = Result<Commit, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut note = self.0.lock();
        match note.answer {
            Some(answer) => Poll::Ready(answer),
            None => {
                note.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A thread of the store's own, started when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Worker(Mutex<Option<JoinHandle<()>>>);

impl Worker {
    pub(crate) fn ensure(
        &self,
        name: &str,
        body: impl FnOnce() -> Box<dyn FnOnce() + Send>,
    ) -> Result<(), Error> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            let spawned = thread::Builder::new().name(name.into()).spawn(body());
            *running = Some(spawned.map_err(|why| Error::NotApplied(why.kind()))?);
        }
        Ok(())
    }

    /// Waits for the thread to end; only after it was told to.
    pub(crate) fn join(&self) -> Result<(), Error> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        running.map_or(Ok(()), |thread| thread.join().map_err(|_| Error::Unknown(ErrorKind::Other)))
    }
}

fn weight(batch: &Batch) -> usize {
    batch
        .ops()
        .iter()
        .map(|op| match &op.change {
            port::Change::Put(value) => value.len(),
            _ => 0,
        })
        .sum()
}

/// So many threads are woken by one of them.
const WAKES_MAX: usize = 8;

/// A group has at most this many batches, and about this many bytes: what is held in memory at once.
const GROUP_MAX: usize = 512;
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;
