//! What came from peers, and what became of connections.

use crate::Ended;
use bytes::Bytes;
use port::Peer;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The receiving half of a link: for whoever owns the machine.
///
/// It is bounded for each peer ([`crate::Limits::incoming_bytes_max`]): a [`Frame`] counts until it is dropped, and above
/// the bound nothing more is read from that peer's socket. Others are not held up.
#[derive(Debug)]
pub struct Inbox {
    receiver: UnboundedReceiver<Held>,
}

impl Inbox {
    /// The next thing; `None` once the link is dropped and everything was taken.
    ///
    /// It may be cancelled: nothing is lost by that.
    pub async fn recv(&mut self) -> Option<Incoming> {
        self.receiver.recv().await.map(|held| held.incoming)
    }

    /// The next thing, if it is there already.
    pub fn try_recv(&mut self) -> Option<Incoming> {
        self.receiver.try_recv().ok().map(|held| held.incoming)
    }
}

/// What comes out of an [`Inbox`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// A frame.
    Frame(Frame),
    /// A peer is there: frames to it are taken from now on.
    Connected(Peer),
    /// A peer is gone, and what waited for it with it.
    Disconnected {
        /// Who.
        peer: Peer,
        /// Why.
        why: Ended,
    },
    /// A connection did not come about. Only told while there is room: strangers cannot fill an inbox.
    Failed {
        /// Who was dialled, or who the other end says that it is.
        peer: Option<Peer>,
        /// Why.
        why: Ended,
    },
}

/// A frame from a peer whose certificate was verified.
#[derive(Debug)]
pub struct Frame {
    from: Peer,
    bytes: Bytes,
    /// Given back when the frame is dropped.
    _room: OwnedSemaphorePermit,
}

impl Frame {
    /// From whom.
    pub const fn from(&self) -> &Peer {
        &self.from
    }

    /// What.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// The sending half, for connections.
#[derive(Clone, Debug)]
pub(crate) struct Outlet {
    sender: UnboundedSender<Held>,
}

impl Outlet {
    pub(crate) fn new() -> (Self, Inbox) {
        let (sender, receiver) = unbounded_channel();
        (Self { sender }, Inbox { receiver })
    }

    /// An inbox that nobody holds any more takes frames as a network does that loses them.
    pub(crate) fn frame(&self, from: Peer, bytes: Bytes, room: OwnedSemaphorePermit) {
        let frame = Frame { from, bytes, _room: room };
        let _ = self.sender.send(Held { incoming: Incoming::Frame(frame), _room: None });
    }

    pub(crate) fn tell(&self, incoming: Incoming, room: Option<OwnedSemaphorePermit>) {
        let _ = self.sender.send(Held { incoming, _room: room });
    }
}

/// Something in the inbox; what is no frame gives its room back when it is taken.
#[derive(Debug)]
struct Held {
    incoming: Incoming,
    _room: Option<OwnedSemaphorePermit>,
}

/// What the smallest thing in an inbox counts, in bytes.
pub(crate) const COST_LEAST: usize = 256;
