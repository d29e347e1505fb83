//! What stands behind the server.

use crate::{Error, Whole};
use filexfer::{PartyId, Reason, TransferId};
use std::net::SocketAddr;

/// Who asks for jobs in the name of clients, and is told what they fetched. It judges nothing itself: a verdict is the
/// forwarding server's.
pub trait Desk: Send + Sync + 'static {
    /// A client has pushed a file that is whole and durable. Comes back with the verdict; how long that may take is the
    /// desk's to say, since the client waits for it.
    fn ask(&self, client: &PartyId, whole: &Whole) -> impl Future<Output = Asked> + Send;

    /// All bytes of a file went out to the client, and it closed the file after them. May be told more than once.
    fn fetched(&self, client: &PartyId, transfer: TransferId) -> impl Future<Output = ()> + Send;

    /// Something to be written down.
    fn on_event(&self, event: Event);
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Its file will be fetched from the mailbox.
    Accepted,
    /// It was refused: nothing of the file stays.
    Refused(Reason),
    /// Nobody has said yet. The file stays, and its job with it, until it is known.
    Unanswered,
}

/// What happened at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client is there.
    Came {
        /// Who.
        client: PartyId,
        /// From where.
        from: SocketAddr,
    },
    /// It is gone.
    Went {
        /// Who.
        client: PartyId,
        /// From where.
        from: SocketAddr,
    },
    /// Somebody who said to be this user did not prove it.
    Stranger {
        /// As far as it is the name of a party.
        user: Option<PartyId>,
        /// From where.
        from: SocketAddr,
    },
    /// Nobody more is let in at present.
    Crowded {
        /// From where.
        from: SocketAddr,
    },
    /// A client did not get what it asked for.
    Refused {
        /// Who.
        client: PartyId,
        /// Which operation, by its name in the protocol.
        operation: &'static str,
        /// Why.
        why: Error,
    },
    /// A file was pushed and its job accepted.
    Pushed {
        /// By whom.
        client: PartyId,
        /// Which file.
        whole: Whole,
    },
    /// A file was fetched.
    Fetched {
        /// By whom.
        client: PartyId,
        /// By which transfer it came.
        transfer: TransferId,
    },
}
