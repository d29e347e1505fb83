//! Commits that wait, and the groups that they become.
//!
//! A *flight* is a group on its way to the server. A committer who finds room for another flight takes off alone and at once,
//! in its own future; everybody else waits in line, and whoever lands takes what waits along in the next flight.

use crate::group::{matters, shares};
use crate::{Error, Options};
use port::{Batch, Change, Commit};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// The line in which batches wait.
#[derive(Debug)]
pub(crate) struct Line {
    state: Mutex<State>,
    /// Told when the last flight has landed.
    landed: Notify,
    waiting_max: usize,
    group_max: usize,
    flights_max: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    flights: usize,
    /// Batches of a group that was split, each on its own way; they do not serve the line.
    strays: usize,
    closed: bool,
}

/// One batch and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) batch: Batch,
    pub(crate) answer: oneshot::Sender<Result<Commit, Error>>,
}

/// What a committer has to do.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Take off alone, then [`Line::land`].
    Fly,
    /// Wait for the answer.
    Wait(oneshot::Receiver<Result<Commit, Error>>),
}

impl Line {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            state: Mutex::default(),
            landed: Notify::new(),
            waiting_max: options.waiting_max,
            group_max: options.group_max,
            flights_max: options.flights_max,
        }
    }

    /// Lines up, or takes off at once if nobody waits and there is room.
    pub(crate) fn enter(&self, batch: &Batch) -> Result<Turn, Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        if state.waiting.is_empty() && state.flights < self.flights_max {
            state.flights += 1;
            return Ok(Turn::Fly);
        }
        if state.waiting.len() >= self.waiting_max {
            return Err(Error::Busy);
        }
        let (answer, receiver) = oneshot::channel();
        state.waiting.push_back(Waiting { batch: batch.clone(), answer });
        Ok(Turn::Wait(receiver))
    }

    /// The next group for a flight that has landed; empty when the flight is over.
    pub(crate) fn land(&self) -> Vec<Waiting> {
        let mut state = self.lock();
        let group = take(&mut state.waiting, self.group_max);
        if group.is_empty() {
            state.flights -= 1;
            self.tell_if_quiet(&state);
        }
        group
    }

    /// A batch of a group that was split goes on by itself, over the bound.
    pub(crate) fn stray(&self) {
        self.lock().strays += 1;
    }

    /// Such a batch has its answer.
    pub(crate) fn stray_ends(&self) {
        let mut state = self.lock();
        state.strays -= 1;
        self.tell_if_quiet(&state);
    }

    /// Refuses new batches, and waits until those in line are answered.
    pub(crate) async fn close(&self) {
        loop {
            let landed = self.landed.notified();
            {
                let mut state = self.lock();
                state.closed = true;
                if state.flights + state.strays == 0 {
                    return;
                }
            }
            landed.await;
        }
    }

    /// A flight ended without landing: nobody is left to serve the line, since the runtime goes down.
    pub(crate) fn abandon(&self) {
        let waiting = {
            let mut state = self.lock();
            state.closed = true;
            state.flights -= 1;
            core::mem::take(&mut state.waiting)
        };
        for one in waiting {
            // The caller may have gone
            let _ = one.answer.send(Err(Error::Closed));
        }
        self.landed.notify_waiters();
    }

    fn tell_if_quiet(&self, state: &State) {
        if state.flights + state.strays == 0 {
            self.landed.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes batches from the front that do not touch each other, so that each can be judged by itself. One that has to stay keeps
/// its place, and leads the next group.
fn take(waiting: &mut VecDeque<Waiting>, group_max: usize) -> Vec<Waiting> {
    let mut group: Vec<Waiting> = Vec::with_capacity(waiting.len().min(group_max));
    let mut stay = VecDeque::new();
    // Which keys the group names, and whether others may name them too
    let mut named: HashMap<port::Key, bool> = HashMap::new();
    let mut bytes = 0;
    while group.len() < group_max && stay.len() < group_max {
        let Some(next) = waiting.pop_front() else { break };
        let weight = weight(&next.batch);
        let full = !group.is_empty() && bytes + weight > GROUP_BYTES_MAX;
        let apart = |op: &port::Op| named.get(&op.key).is_none_or(|shared| *shared && shares(op));
        if full || !next.batch.ops().iter().filter(|op| matters(op)).all(apart) {
            stay.push_back(next);
            continue;
        }
        bytes += weight;
        for op in next.batch.ops().iter().filter(|op| matters(op)) {
            named.insert(op.key.clone(), shares(op));
        }
        group.push(next);
    }
    while let Some(next) = stay.pop_back() {
        waiting.push_front(next);
    }
    group
}

fn weight(batch: &Batch) -> usize {
    let one = |op: &port::Op| match &op.change {
        Change::Put(value) => value.len() + op.key.as_bytes().len() + 32,
        Change::Keep | Change::Delete => op.key.as_bytes().len() + 32,
    };
    batch.ops().iter().map(one).sum()
}

/// About what a group may hold; one batch may exceed it.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use port::{CrateTag, Expect, Key, Tenant, Version};

    fn key(n: u64) -> Key {
        Key::new(CrateTag::PORT, Tenant::new(1), 1).number(n).unwrap()
    }

    fn waiting(batches: Vec<Batch>) -> VecDeque<Waiting> {
        batches.into_iter().map(|batch| Waiting { batch, answer: oneshot::channel().0 }).collect()
    }

    fn put(n: u64) -> Batch {
        let mut batch = Batch::new();
        batch.put(key(n), Expect::Any, &b"x"[..]);
        batch
    }

    fn rely(n: u64, on: u64, expect: Expect) -> Batch {
        let mut batch = put(n);
        batch.require(key(on), expect);
        batch
    }

    #[test]
    fn batches_that_touch_each_other_fly_one_after_the_other() {
        let mut line = waiting(vec![put(1), put(1), put(2), put(1)]);
        assert_eq!(take(&mut line, 10).len(), 2);
        assert_eq!(take(&mut line, 10).len(), 1);
        assert_eq!(take(&mut line, 10).len(), 1);
        assert!(take(&mut line, 10).is_empty());
    }

    #[test]
    fn rows_that_only_stay_are_shared_and_absence_is_not() {
        let at = Expect::At(Version::new(4));
        let mut line = waiting(vec![rely(1, 9, at), rely(2, 9, at), put(9), rely(3, 9, at)]);
        assert_eq!(take(&mut line, 10).len(), 3, "the one that writes the row stays");
        assert_eq!(take(&mut line, 10).len(), 1);
        let absent = Expect::Absent;
        let mut line = waiting(vec![rely(1, 9, absent), rely(2, 9, absent)]);
        assert_eq!(take(&mut line, 10).len(), 1);
        let mut line = waiting(vec![rely(1, 9, Expect::Any), put(9)]);
        assert_eq!(take(&mut line, 10).len(), 2, "anything may be there: nothing is named");
    }

    #[test]
    fn groups_are_bounded_and_a_large_batch_flies_all_the_same() {
        let mut line = waiting((0..7).map(put).collect());
        assert_eq!(take(&mut line, 3).len(), 3);
        let large = |n| {
            let mut batch = Batch::new();
            batch.put(key(n), Expect::Any, vec![0; 3 * 1024 * 1024]);
            batch
        };
        let mut line = waiting(vec![large(1), large(2)]);
        assert_eq!(take(&mut line, 10).len(), 1);
        assert_eq!(take(&mut line, 10).len(), 1);
    }
}
