//! The line to one peer: what waits for it, and by which connections it is there.

use crate::inbox::{COST_LEAST, Outlet};
use crate::{Ended, Error, Incoming, Kind, Limits};
use bytes::Bytes;
use port::Peer;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Everything about one peer.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) peer: Peer,
    soft: usize,
    hard: usize,
    frame_bytes_max: usize,
    state: Mutex<State>,
    /// Whether kinds of frames are told apart; the numbers below are by kind, and with one way the second is not used.
    has_two_ways: bool,
    /// There is something to write.
    ready: [Notify; 2],
    /// There is room again, or nobody to have room for.
    room: Notify,
    /// Room in the inbox, in bytes.
    incoming: [Arc<Semaphore>; 2],
    outlet: Outlet,
}

#[derive(Debug, Default)]
struct State {
    waiting: [VecDeque<Bytes>; 2],
    bytes: usize,
    /// By direction: one that this end dialled, one that the peer dialled.
    seats: [Option<Seat>; 2],
    last_seat: u64,
    traffic: Traffic,
}

/// A connection in its place.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    number: u64,
    direction: Direction,
    /// Told when a newer connection takes the place.
    pub(crate) replaced: Arc<Notify>,
}

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Dialled,
    Accepted,
}

/// What went to and came from a peer since the link was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames handed to the socket.
    pub frames_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Frames received.
    pub frames_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// How often a connection was made.
    pub connections: u64,
}

impl Line {
    pub(crate) fn new(peer: Peer, limits: &Limits, has_two_ways: bool, outlet: Outlet) -> Self {
        let soft = limits.outgoing_bytes_max;
        let all = limits.incoming_bytes_max;
        let least = limits.frame_bytes_max.max(COST_LEAST);
        // With two ways bulk may fill what is its own, and there still is room for what cannot wait.
        let incoming = if has_two_ways { [(all / 4).max(least), all] } else { [all, 0] };
        Self {
            peer,
            soft,
            hard: soft + soft / 4,
            frame_bytes_max: limits.frame_bytes_max,
            state: Mutex::default(),
            has_two_ways,
            ready: [Notify::new(), Notify::new()],
            room: Notify::new(),
            incoming: incoming.map(|bytes| Arc::new(Semaphore::new(bytes))),
            outlet,
        }
    }

    /// Takes a frame, or says why not.
    pub(crate) fn push(&self, frame: &Bytes) -> Result<(), Error> {
        self.push_within(frame, Kind::Control, self.hard)
    }

    /// Takes a frame as soon as there is room.
    pub(crate) async fn push_when_room(&self, frame: &Bytes) -> Result<(), Error> {
        loop {
            // Before looking, so that room made in between is not missed.
            let room = self.room.notified();
            match self.push_within(frame, Kind::Bulk, self.soft) {
                Err(Error::Full) => room.await,
                other => return other,
            }
        }
    }

    /// The next frame for the peer; the flag says whether more wait.
    pub(crate) async fn pop(&self, kind: Kind) -> (Bytes, bool) {
        let way = self.way(kind);
        loop {
            let ready = self.ready[way].notified();
            {
                let mut state = self.state();
                if let Some(frame) = state.waiting[way].pop_front() {
                    state.bytes -= cost(&frame);
                    let more = !state.waiting[way].is_empty();
                    drop(state);
                    self.room.notify_waiters();
                    return (frame, more);
                }
            }
            ready.await;
        }
    }

    /// A connection is there. The one that was there in the same direction has to go: the peer has begun anew.
    pub(crate) async fn sit(&self, direction: Direction) -> Seat {
        let room = self.room_for(Kind::Control, COST_LEAST).await;
        let mut state = self.state();
        state.last_seat += 1;
        state.traffic.connections += 1;
        let seat = Seat { number: state.last_seat, direction, replaced: Arc::new(Notify::new()) };
        let old = state.seats[direction as usize].take();
        let is_first = state.seats.iter().all(Option::is_none);
        if let Some(old) = old {
            old.replaced.notify_one();
            if is_first {
                self.gone(&mut state, Ended::Replaced);
            }
        }
        state.seats[direction as usize] = Some(seat.clone());
        // Under the lock: whoever is told finds it so, and in this order.
        if is_first {
            self.outlet.tell(Incoming::Connected(self.peer.clone()), room);
        }
        seat
    }

    /// A connection is over. With the last one goes what waited.
    pub(crate) fn leave(&self, seat: &Seat, why: Ended) {
        let mut state = self.state();
        let place = &mut state.seats[seat.direction as usize];
        if place.as_ref().is_none_or(|sitting| sitting.number != seat.number) {
            return;
        }
        *place = None;
        if state.seats.iter().all(Option::is_none) {
            self.gone(&mut state, why);
        } else {
            // What this one would have written next is the other's now.
            self.ready.iter().for_each(Notify::notify_one);
        }
    }

    fn gone(&self, state: &mut State, why: Ended) {
        state.waiting.iter_mut().for_each(VecDeque::clear);
        state.bytes = 0;
        self.outlet.tell(Incoming::Disconnected { peer: self.peer.clone(), why }, None);
        self.room.notify_waiters();
    }

    /// Room in the inbox for so many bytes, once there is; `None`: never, the inbox is closed.
    pub(crate) async fn room_for(&self, kind: Kind, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let cost = u32::try_from(bytes.max(COST_LEAST)).unwrap_or(u32::MAX);
        Arc::clone(&self.incoming[self.way(kind)]).acquire_many_owned(cost).await.ok()
    }

    pub(crate) fn received(&self, frame: Bytes, room: OwnedSemaphorePermit) {
        {
            let mut state = self.state();
            state.traffic.frames_in += 1;
            state.traffic.bytes_in += len_u64(&frame);
        }
        self.outlet.frame(self.peer.clone(), frame, room);
    }

    pub(crate) fn sent(&self, frame: &Bytes) {
        let mut state = self.state();
        state.traffic.frames_out += 1;
        state.traffic.bytes_out += len_u64(frame);
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.state().seats.iter().any(Option::is_some)
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.state().traffic
    }

    fn push_within(&self, frame: &Bytes, kind: Kind, bound: usize) -> Result<(), Error> {
        if frame.is_empty() {
            return Err(Error::Empty);
        }
        if frame.len() > self.frame_bytes_max {
            return Err(Error::TooLong);
        }
        let mut state = self.state();
        if state.seats.iter().all(Option::is_none) {
            return Err(Error::Absent);
        }
        if state.bytes > 0 && state.bytes + cost(frame) > bound {
            return Err(Error::Full);
        }
        state.bytes += cost(frame);
        let way = self.way(kind);
        state.waiting[way].push_back(frame.clone());
        drop(state);
        self.ready[way].notify_one();
        Ok(())
    }

    const fn way(&self, kind: Kind) -> usize {
        if self.has_two_ways { kind as usize } else { Kind::Control as usize }
    }

    /// No code that holds it can panic half way; a poisoned lock is as good as a whole one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cost(frame: &Bytes) -> usize {
    frame.len().max(COST_LEAST)
}

fn len_u64(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
