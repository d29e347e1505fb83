//! Where frames go: the only transport trait of the family, in two colours.

use alloc::sync::Arc;
use bytes::Bytes;
use core::fmt;

/// Sends frames to peers; asynchronous colour.
///
/// # Contract
///
/// A frame arrives whole, or not at all; `Ok` promises only that it was handed on. Frames may be lost, doubled and
/// reordered: the machines expect that. Receiving needs no trait: whoever owns the socket calls `handle`. A link that
/// delivers *altered* frames breaks nothing that is signed or MACed, but wastes the peer's time.
pub trait Link: Sync {
    /// What went wrong.
    type Error: core::error::Error + Send + Sync + 'static;

    /// Hands one frame on.
    fn send(
        &self,
        to: &Peer,
        frame: &Bytes,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl<L: Link> Link for &L {
    type Error = L::Error;

    fn send(
        &self,
        to: &Peer,
        frame: &Bytes,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        L::send(self, to, frame)
    }
}

/// The name of somebody frames are sent to; what it means is the embedder's business. At most 64 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(Arc<str>);

impl Peer {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// A peer by name; `None` if the name is empty or too long.
    pub fn new(name: impl Into<Arc<str>>) -> Option<Self> {
        let name = name.into();
        (!name.is_empty() && name.len() <= Self::BYTES_MAX).then_some(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({:?})", self.0)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
