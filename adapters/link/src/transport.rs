//! What a way of moving bytes has to do so that a [`crate::Link`] can be made of it.

use crate::{Certificates, Ended, Limits, OpenError, Wire};
use port::Peer;
use rustls::pki_types::CertificateDer;
use std::io;
use std::net::SocketAddr;

/// How connections come about. [`crate::Link`] does the rest: who is who, when to dial again, and what waits for whom.
///
/// It is for writers of transports. Whoever uses a link sees none of it, nor the types of `rustls` in it.
pub trait Transport: Sized + Send + Sync + 'static {
    /// The protocol's name in the handshake (ALPN, RFC 7301).
    const PROTOCOL: &'static [u8];
    /// Whether frames that cannot wait have a way of their own, so that bulk is not in front of them.
    const HAS_TWO_WAYS: bool;
    /// Somebody who has come, and of whom nothing is known yet.
    type Caller: Send + 'static;
    /// A connection whose handshake is over: both certificates are issued by the roots.
    type Connection: Connection;

    /// Gets ready to dial, and to be called if there is an address to listen at.
    fn open(
        certificates: &Certificates,
        listen: Option<SocketAddr>,
        limits: &Limits,
    ) -> impl Future<Output = Result<Self, OpenError>> + Send;

    /// Shows these certificates from the next handshake on, and believes their roots.
    ///
    /// # Errors
    /// They cannot be used; then the old ones stay.
    fn renew(&self, certificates: &Certificates) -> Result<(), OpenError>;

    /// Where it listens.
    fn local_addr(&self) -> Option<SocketAddr>;

    /// The next who calls. Only asked for when it listens.
    ///
    /// # Errors
    /// The operating system said so; it is asked again a little later.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Caller>> + Send;

    /// The handshake with somebody who has come.
    fn greet(
        &self,
        caller: Self::Caller,
    ) -> impl Future<Output = Result<Self::Connection, Ended>> + Send;

    /// Dials, and shakes hands; the other end's certificate has to carry the peer's name.
    fn dial(
        &self,
        peer: &Peer,
        address: &str,
    ) -> impl Future<Output = Result<Self::Connection, Ended>> + Send;
}

/// A connection between two ends that have verified each other's certificates.
pub trait Connection: Send + 'static {
    /// The other end's certificate.
    fn certificate(&self) -> Option<CertificateDer<'static>>;

    /// Says this end's name.
    fn say(&mut self, name: &Peer) -> impl Future<Output = Result<(), Ended>> + Send;

    /// Reads the name that the other end gives.
    fn hear(&mut self) -> impl Future<Output = Result<Peer, Ended>> + Send;

    /// Tells the other end that it is not accepted, if there is a way to tell.
    fn refuse(self);

    /// Frames in both directions until the connection ends. It is dropped when another takes its place.
    fn carry(self, wire: &Wire, limits: &Limits) -> impl Future<Output = Ended> + Send;
}
