//! The links of one server: over TCP with TLS, over QUIC, or both, as its contacts want it.

use crate::config::LinkFile;
use bytes::Bytes;
use link::{Contact, Error, Identity, Inbox, Incoming, OpenError, Options};
use link_quic::QuicLink;
use link_tls::TlsLink;
use port::Peer;

/// Sends to each peer over its link.
#[derive(Debug)]
pub(crate) struct Lines {
    tls: Option<TlsLink>,
    quic: Option<QuicLink>,
}

/// What comes over any of them.
#[derive(Debug)]
pub(crate) struct Inboxes {
    tls: Option<Inbox>,
    quic: Option<Inbox>,
    is_quics_turn: bool,
}

impl Lines {
    /// Opens the links that there are contacts for. Both listen at the same address: one port is TCP's, the other UDP's.
    pub(crate) async fn open(
        options: Options,
        contacts: Vec<(LinkFile, Contact)>,
    ) -> Result<(Self, Inboxes), OpenError> {
        let over = |kind| {
            let of_kind = contacts.iter().filter(|(link, _)| *link == kind);
            let contacts: Vec<Contact> = of_kind.map(|(_, contact)| contact.clone()).collect();
            (!contacts.is_empty()).then(|| Options { contacts, ..options.clone() })
        };
        let (mut tls, mut quic) = (None, None);
        if let Some(options) = over(LinkFile::Tls) {
            tls = Some(TlsLink::open(options).await?);
        }
        if let Some(options) = over(LinkFile::Quic) {
            quic = Some(QuicLink::open(options).await?);
        }
        let (tls, from_tls) = tls.unzip();
        let (quic, from_quic) = quic.unzip();
        let inboxes = Inboxes { tls: from_tls, quic: from_quic, is_quics_turn: false };
        Ok((Self { tls, quic }, inboxes))
    }

    /// As soon as there is room.
    pub(crate) async fn send_when_room(&self, to: &Peer, frame: &Bytes) -> Result<(), Error> {
        if let Some(tls) = &self.tls {
            match tls.send_when_room(to, frame).await {
                Err(Error::Stranger) => {}
                done => return done,
            }
        }
        match &self.quic {
            Some(quic) => quic.send_when_room(to, frame).await,
            None => Err(Error::Stranger),
        }
    }

    /// Shows another certificate, and believes other roots, from the next handshake on.
    pub(crate) fn renew(&self, identity: &Identity, roots: &[u8]) -> Result<(), OpenError> {
        if let Some(tls) = &self.tls {
            tls.renew(identity, roots)?;
        }
        if let Some(quic) = &self.quic {
            quic.renew(identity, roots)?;
        }
        Ok(())
    }
}

impl port::Link for Lines {
    type Error = Error;

    async fn send(&self, to: &Peer, frame: &Bytes) -> Result<(), Error> {
        if let Some(tls) = &self.tls {
            match tls.send(to, frame).await {
                Err(Error::Stranger) => {}
                done => return done,
            }
        }
        match &self.quic {
            Some(quic) => quic.send(to, frame).await,
            None => Err(Error::Stranger),
        }
    }
}

impl Inboxes {
    /// The next thing; `None` once all links are gone. It may be cancelled.
    pub(crate) async fn recv(&mut self) -> Option<Incoming> {
        tokio::select! {
            Some(incoming) = recv(&mut self.tls) => Some(incoming),
            Some(incoming) = recv(&mut self.quic) => Some(incoming),
            else => None,
        }
    }

    /// What is there already.
    pub(crate) fn try_recv(&mut self) -> Option<Incoming> {
        let mut both = [&mut self.tls, &mut self.quic];
        if self.is_quics_turn {
            both.reverse();
        }
        self.is_quics_turn = !self.is_quics_turn;
        both.into_iter().flatten().find_map(Inbox::try_recv)
    }
}

async fn recv(inbox: &mut Option<Inbox>) -> Option<Incoming> {
    inbox.as_mut()?.recv().await
}
