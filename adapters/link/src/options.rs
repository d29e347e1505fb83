//! Who this end is, whom it knows, and its bounds.

use core::fmt;
use port::Peer;
use std::net::SocketAddr;
use zeroize::Zeroizing;

/// One end of a link.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its own name, which its certificate has to carry as a DNS name.
    pub name: Peer,
    /// Its certificate and key.
    pub identity: Identity,
    /// The certificates (PEM) of the authorities that are believed; the machine's own are not.
    pub roots: Vec<u8>,
    /// Where to listen; `None` if this end only dials.
    pub listen: Option<SocketAddr>,
    /// Whom it talks to. Nobody else gets past the handshake.
    pub contacts: Vec<Contact>,
    /// Bounds of queues and waiting.
    pub limits: Limits,
}

/// A certificate chain and its private key, both as PEM.
#[derive(Clone)]
pub struct Identity {
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Zeroizing<Vec<u8>>,
}

impl Identity {
    /// From PEM text: the certificate first, then the ones above it; and a key as PKCS #8, SEC 1 or PKCS #1.
    pub fn new(chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self { chain: chain.into(), key: Zeroizing::new(key.into()) }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// Somebody to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its name, which its certificate has to carry as a DNS name.
    pub peer: Peer,
    /// `host:port` to dial; `None` if the peer dials. Where both ends dial there are two connections, and either serves.
    pub address: Option<String>,
}

/// Bounds. All of them are for each peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame, in both directions, in bytes.
    pub frame_bytes_max: usize,
    /// Bytes that wait for the peer: above it [`crate::Link::send_when_room`] waits. Beyond a quarter more,
    /// [`port::Link::send`] refuses.
    pub outgoing_bytes_max: usize,
    /// Bytes received and not dropped by whoever took them; above it nothing more is read from the peer.
    pub incoming_bytes_max: usize,
    /// How long to get from a socket to a peer that is known, in milliseconds.
    pub handshake_ms: u64,
    /// How often an idle connection shows that it is alive, in milliseconds. Three times that without a byte ends it.
    pub keepalive_ms: u64,
    /// How long to wait after the first failed attempt to dial, in milliseconds. It doubles, with jitter.
    pub backoff_first_ms: u64,
    /// The longest wait between attempts, in milliseconds.
    pub backoff_most_ms: u64,
    /// Connections that may be between socket and known peer at one time, for all peers together.
    pub handshakes_max: usize,
}

impl Limits {
    /// Whether they can work together.
    pub(crate) fn are_sound(&self) -> bool {
        let least = self.frame_bytes_max.max(crate::inbox::COST_LEAST);
        let most = usize::try_from(u32::MAX / 2).unwrap_or(usize::MAX);
        self.frame_bytes_max >= 256
            && self.outgoing_bytes_max >= least
            && self.incoming_bytes_max >= least
            && self.incoming_bytes_max <= most
            && self.outgoing_bytes_max <= most
            && self.handshake_ms > 0
            && self.keepalive_ms > 0
            && self.backoff_first_ms > 0
            && self.backoff_most_ms >= self.backoff_first_ms
            && self.handshakes_max > 0
    }
}

impl Default for Limits {
    /// Frames of 2 MiB; 8 MiB in each direction; ten seconds for a handshake; a sign of life every five seconds; attempts
    /// from a tenth of a second to 30 seconds apart; 64 handshakes at a time.
    fn default() -> Self {
        Self {
            frame_bytes_max: 2 << 20,
            outgoing_bytes_max: 8 << 20,
            incoming_bytes_max: 8 << 20,
            handshake_ms: 10_000,
            keepalive_ms: 5_000,
            backoff_first_ms: 100,
            backoff_most_ms: 30_000,
            handshakes_max: 64,
        }
    }
}
