//! What came from peers, and what became of connections.

use crate::Ended;
use bytes::Bytes;
use port::Peer;
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::coop::consume_budget;

/// The receiving half of a link: for whoever owns the machine.
///
/// It is bounded for each peer ([`crate::Limits::incoming_bytes_max`]): a [`Frame`] counts until it is dropped, and above
/// the bound nothing more is read from that peer's socket. Others are not held up, neither by one that is not read nor by one
/// that has much to say: peers take turns, and frames of one, and that it came and went, come in the order in which they came in.
#[derive(Debug)]
pub struct Inbox {
    receiver: UnboundedReceiver<Held>,
    /// What is from each, as far as it was not taken; what is from nobody that was verified is under `None`.
    waiting: BTreeMap<Option<Peer>, VecDeque<Held>>,
    /// Those of whom something waits, each once; the first is next.
    turns: VecDeque<Option<Peer>>,
}

impl Inbox {
    /// The next thing; `None` once the link is dropped and everything was taken.
    ///
    /// It may be cancelled: nothing is lost by that.
    pub async fn recv(&mut self) -> Option<Incoming> {
        // What waits here is taken without the channel, which otherwise sees to it that other tasks have their turn.
        consume_budget().await;
        if let Some(incoming) = self.try_recv() {
            return Some(incoming);
        }
        self.receiver.recv().await.map(|held| held.incoming)
    }

    /// The next thing, if it is there already.
    pub fn try_recv(&mut self) -> Option<Incoming> {
        while let Ok(held) = self.receiver.try_recv() {
            let whose = held.incoming.from().cloned();
            let queue = self.waiting.entry(whose.clone()).or_default();
            if queue.is_empty() {
                self.turns.push_back(whose);
            }
            queue.push_back(held);
        }
        let whose = self.turns.pop_front()?;
        let queue = self.waiting.get_mut(&whose)?;
        let held = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&whose);
        } else {
            self.turns.push_back(whose);
        }
        held.map(|held| held.incoming)
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

impl Incoming {
    /// Whose turn it is taken in. What failed has one of its own: who the other end says that it is, was not verified.
    const fn from(&self) -> Option<&Peer> {
        match self {
            Self::Frame(frame) => Some(&frame.from),
            Self::Connected(peer) | Self::Disconnected { peer, .. } => Some(peer),
            Self::Failed { .. } => None,
        }
    }
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
        (Self { sender }, Inbox { receiver, waiting: BTreeMap::new(), turns: VecDeque::new() })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ended;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    /// Puts frames with these bytes into an inbox.
    fn say(outlet: &Outlet, name: &str, words: impl IntoIterator<Item = u8>) {
        let room = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        for word in words {
            let room = Arc::clone(&room).try_acquire_owned().unwrap();
            outlet.frame(Peer::new(name).unwrap(), Bytes::copy_from_slice(&[word]), room);
        }
    }

    fn heard(incoming: Option<Incoming>) -> (String, u8) {
        match incoming {
            Some(Incoming::Frame(frame)) => (frame.from.to_string(), frame.bytes[0]),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_peer_that_has_much_to_say_holds_up_nobody() {
        let (outlet, mut inbox) = Outlet::new();
        say(&outlet, "loud", 0..100);
        say(&outlet, "quiet", 0..2);
        outlet.tell(Incoming::Failed { peer: Peer::new("loud"), why: Ended::Stranger }, None);
        assert_eq!(heard(inbox.recv().await), ("loud".into(), 0));
        assert_eq!(heard(inbox.try_recv()), ("quiet".into(), 0));
        // A stranger's failure has a turn of its own, whoever it says that it is.
        assert!(matches!(inbox.recv().await, Some(Incoming::Failed { .. })));
        assert_eq!(heard(inbox.recv().await), ("loud".into(), 1));
        // Who comes later waits for no more than a turn either.
        say(&outlet, "late", [7]);
        assert_eq!(heard(inbox.recv().await), ("quiet".into(), 1));
        assert_eq!(heard(inbox.recv().await), ("loud".into(), 2));
        assert_eq!(heard(inbox.recv().await), ("late".into(), 7));
        for word in 3..100 {
            assert_eq!(heard(inbox.recv().await), ("loud".into(), word));
        }
        assert!(inbox.try_recv().is_none());
        drop(outlet);
        assert!(inbox.recv().await.is_none());
    }

    #[tokio::test]
    async fn what_became_of_a_connection_stays_between_its_frames() {
        let (outlet, mut inbox) = Outlet::new();
        let peer = Peer::new("a").unwrap();
        say(&outlet, "a", [1]);
        outlet.tell(Incoming::Disconnected { peer: peer.clone(), why: Ended::Closed }, None);
        outlet.tell(Incoming::Connected(peer), None);
        say(&outlet, "a", [2]);
        say(&outlet, "b", [3]);
        assert_eq!(heard(inbox.recv().await), ("a".into(), 1));
        assert_eq!(heard(inbox.recv().await), ("b".into(), 3));
        assert!(matches!(inbox.recv().await, Some(Incoming::Disconnected { .. })));
        assert!(matches!(inbox.recv().await, Some(Incoming::Connected(_))));
        assert_eq!(heard(inbox.recv().await), ("a".into(), 2));
    }
}
