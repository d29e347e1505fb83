//! What a connection has of its peer's line.

use crate::Ended;
use crate::line::{Direction, Line, Seat};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::OwnedSemaphorePermit;

/// The line of one peer as one connection sees it: what to write next, and where to put what was read.
#[derive(Debug)]
pub struct Wire {
    line: Arc<Line>,
    seat: Seat,
    is_alive: AtomicBool,
}

impl Wire {
    pub(crate) async fn sit(line: Arc<Line>, direction: Direction) -> Self {
        let seat = line.sit(direction).await;
        Self { line, seat, is_alive: AtomicBool::new(false) }
    }

    /// Notes that the other end has given a sign of life. What ends before that counts as a failed attempt, so that nobody is
    /// dialled again at once who only hangs up.
    pub fn alive(&self) {
        self.is_alive.store(true, Ordering::Relaxed);
    }

    /// The next frame for the peer, once there is one; the flag says whether more wait. With one way for all kinds,
    /// everything is [`Kind::Control`] here. It may be cancelled: nothing is lost by that.
    pub async fn next(&self, kind: Kind) -> (Bytes, bool) {
        self.line.pop(kind).await
    }

    /// Counts a frame that was handed on.
    pub fn sent(&self, frame: &Bytes) {
        self.line.sent(frame);
    }

    /// Room in the inbox for so many bytes, once there is; `None`: never, since nobody wants them. Here a peer waits that
    /// sends faster than its frames are used up.
    pub async fn room_for(&self, kind: Kind, bytes: usize) -> Option<Room> {
        self.line.room_for(kind, bytes).await.map(Room)
    }

    /// A whole frame.
    pub fn received(&self, frame: Bytes, room: Room) {
        self.line.received(frame, room.0);
    }

    pub(crate) fn was_alive(&self) -> bool {
        self.is_alive.load(Ordering::Relaxed)
    }

    pub(crate) async fn replaced(&self) {
        self.seat.replaced.notified().await;
    }

    pub(crate) fn leave(&self, why: Ended) {
        self.line.leave(&self.seat, why);
    }
}

/// What frames are for, where a transport tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What cannot wait: sent by [`port::Link::send`].
    Control,
    /// What may: sent by [`crate::Link::send_when_room`].
    Bulk,
}

/// Room in an inbox, held for a frame.
#[derive(Debug)]
pub struct Room(OwnedSemaphorePermit);
