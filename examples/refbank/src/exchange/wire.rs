//! The line between the servers of the exchange: all of them are in this process, and talk by frames alone.

use bytes::Bytes;
use interbank::filexfer::Message;
use interbank::port::{Link, Peer};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Frames on their way.
#[derive(Debug, Default)]
pub(super) struct Wire {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inboxes: BTreeMap<Peer, VecDeque<(Peer, Bytes)>>,
    /// Slices that are still to be damaged on their way.
    to_damage: u32,
    damaged: u32,
}

impl Wire {
    /// Somebody is there, or is not: what is sent to nobody is refused.
    pub(super) fn connect(&self, peer: &Peer, present: bool) {
        let inboxes = &mut self.lock().inboxes;
        if present {
            inboxes.entry(peer.clone()).or_default();
        } else {
            inboxes.remove(peer);
        }
    }

    /// The next frame for somebody, and who sent it.
    pub(super) fn take(&self, peer: &Peer) -> Option<(Peer, Bytes)> {
        self.lock().inboxes.get_mut(peer)?.pop_front()
    }

    /// Whether anybody has something to read.
    pub(super) fn is_busy(&self) -> bool {
        self.lock().inboxes.values().any(|inbox| !inbox.is_empty())
    }

    /// One byte in each of the next parts of files will be another one when it arrives.
    pub(super) fn damage(&self, parts: u32) {
        self.lock().to_damage = parts;
    }

    /// How many were damaged.
    pub(super) fn damaged(&self) -> u32 {
        self.lock().damaged
    }

    fn put(&self, from: &Peer, to: &Peer, frame: &Bytes) -> Result<(), NobodyThere> {
        let mut state = self.lock();
        let mut frame = frame.clone();
        if state.to_damage > 0 && matches!(Message::parse_frame(&frame), Ok(Message::Slice { .. }))
        {
            let mut bytes = frame.to_vec();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            frame = bytes.into();
            state.to_damage -= 1;
            state.damaged += 1;
        }
        let inbox = state.inboxes.get_mut(to).ok_or(NobodyThere)?;
        if inbox.len() >= FRAMES_MAX {
            return Err(NobodyThere);
        }
        inbox.push_back((from.clone(), frame));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // What is in it is whole between any two of its statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One server's end of it.
pub(super) struct End<'a> {
    pub(super) wire: &'a Wire,
    pub(super) from: &'a Peer,
}

impl Link for End<'_> {
    type Error = NobodyThere;

    async fn send(&self, to: &Peer, frame: &Bytes) -> Result<(), NobodyThere> {
        self.wire.put(self.from, to, frame)
    }
}

/// The frame went nowhere. Machines say again what was not answered.
#[derive(Debug)]
pub(super) struct NobodyThere;

impl fmt::Display for NobodyThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody is there, or has no room")
    }
}

impl std::error::Error for NobodyThere {}

/// In an inbox: ranges are wanted with credits, so that this is never reached by files alone.
const FRAMES_MAX: usize = 1_024;
