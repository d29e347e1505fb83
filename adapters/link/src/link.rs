//! The link itself.

use crate::certificates::{Certificates, server_name};
use crate::inbox::Outlet;
use crate::line::Line;
use crate::{
    Error, Identity, Inbox, Incoming, Limits, OpenError, Options, Traffic, Transport, dial, listen,
};
use port::{Bytes, Peer};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// One end of a link: dials who has an address, takes those who dial, and keeps at it until it is dropped.
///
/// As [`port::Link`] it promises what that trait asks for: a frame arrives whole or not at all, in order while one connection
/// holds; if the transport has two ways, in order within each. A peer that is away gets nothing later: machines say again what
/// was not answered.
#[derive(Debug)]
pub struct Link<T> {
    shared: Arc<Shared<T>>,
    /// Ends with the link.
    _tasks: JoinSet<()>,
}

impl<T: Transport> Link<T> {
    /// Checks everything that can be checked, listens, and begins to dial. Needs a tokio runtime with time and network.
    ///
    /// # Errors
    /// [`OpenError`] says in one phrase what cannot work.
    pub async fn open(options: Options) -> Result<(Self, Inbox), OpenError> {
        let Options { name, identity, roots, listen, contacts, limits } = options;
        if !limits.are_sound() {
            return Err(OpenError::Limits);
        }
        let certificates = Certificates::new(&name, &identity, &roots, T::PROTOCOL)?;
        let (outlet, inbox) = Outlet::new();
        let mut lines = BTreeMap::new();
        let mut dialled = Vec::new();
        for contact in contacts {
            server_name(&contact.peer)?;
            let line = Line::new(contact.peer.clone(), &limits, T::HAS_TWO_WAYS, outlet.clone());
            let line = Arc::new(line);
            dialled.extend(contact.address.map(|address| (Arc::clone(&line), address)));
            if contact.peer == name || lines.insert(contact.peer, line).is_some() {
                return Err(OpenError::Contacts);
            }
        }
        let transport = T::open(&certificates, listen, &limits).await?;
        let failures = Arc::new(Semaphore::new(FAILURES_MAX));
        let shared = Arc::new(Shared { name, transport, lines, limits, outlet, failures });
        let mut tasks = JoinSet::new();
        if listen.is_some() {
            tasks.spawn(listen::serve(Arc::clone(&shared)));
        }
        for (line, address) in dialled {
            tasks.spawn(dial::keep(Arc::clone(&shared), line, address));
        }
        Ok((Self { shared, _tasks: tasks }, inbox))
    }

    /// Hands a frame on as soon as there is room: for bulk, which then goes as fast as the peer takes it.
    ///
    /// # Errors
    /// [`Error`], but not [`Error::Full`]. [`Error::Absent`] also when the peer goes away meanwhile.
    pub async fn send_when_room(&self, to: &Peer, frame: &Bytes) -> Result<(), Error> {
        self.line(to)?.push_when_room(frame).await
    }

    /// Shows another certificate, and believes other roots, from the next handshake on. Connections that are there stay: they
    /// were verified as they began.
    ///
    /// # Errors
    /// [`OpenError::Identity`], [`OpenError::IdentityName`], [`OpenError::Roots`]; then nothing has changed.
    pub fn renew(&self, identity: &Identity, roots: &[u8]) -> Result<(), OpenError> {
        let Shared { name, transport, .. } = &*self.shared;
        transport.renew(&Certificates::new(name, identity, roots, T::PROTOCOL)?)
    }

    /// Whether a peer is there.
    pub fn is_connected(&self, peer: &Peer) -> bool {
        self.line(peer).is_ok_and(Line::is_connected)
    }

    /// What went to and came from a peer; `None` for one that is no contact.
    pub fn traffic(&self, peer: &Peer) -> Option<Traffic> {
        self.line(peer).ok().map(Line::traffic)
    }

    /// Where it listens.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.transport.local_addr()
    }

    fn line(&self, peer: &Peer) -> Result<&Line, Error> {
        self.shared.lines.get(peer).map(Arc::as_ref).ok_or(Error::Stranger)
    }
}

impl<T: Transport> port::Link for Link<T> {
    type Error = Error;

    /// At once or not at all, so that no slow peer holds up whoever sends to many.
    async fn send(&self, to: &Peer, frame: &Bytes) -> Result<(), Error> {
        self.line(to)?.push(frame)
    }
}

impl<T: Transport> port::blocking::Link for Link<T> {
    type Error = Error;

    fn send(&self, to: &Peer, frame: &Bytes) -> Result<(), Error> {
        self.line(to)?.push(frame)
    }
}

/// What all tasks of a link share.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    pub(crate) name: Peer,
    pub(crate) transport: T,
    pub(crate) lines: BTreeMap<Peer, Arc<Line>>,
    pub(crate) limits: Limits,
    outlet: Outlet,
    failures: Arc<Semaphore>,
}

impl<T> Shared<T> {
    /// Told only while few such tidings wait: whoever is refused must not be able to fill memory.
    pub(crate) fn failed(&self, incoming: Incoming) {
        if let Ok(room) = Arc::clone(&self.failures).try_acquire_owned() {
            self.outlet.tell(incoming, Some(room));
        }
    }
}

const FAILURES_MAX: usize = 256;
