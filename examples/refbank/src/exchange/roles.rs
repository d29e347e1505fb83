//! The four kinds of servers that the exchange runs.

use super::station::{Role, Told};
use crate::clock;
use crate::trouble::Trouble;
use interbank::filexfer::{
    AccessServer, BackstageServer, ClientConfig, ClientServer, Error, Forwarder, ForwarderConfig,
    Misuse, PartyId, Place, Registry, SliceProof, TransferId, Work,
};
use interbank::port::{Peer, Tenant, Time};
use std::ops::Range;
use std::sync::Arc;

/// Takes requests, judges, moves files.
pub(super) struct Forwarding {
    config: ForwarderConfig,
    registry: Arc<Registry>,
    pub(super) machine: Forwarder,
}

impl Forwarding {
    pub(super) fn open(config: ForwarderConfig, registry: Arc<Registry>) -> Result<Self, Trouble> {
        let machine = Forwarder::open(config.clone(), registry.clone(), clock::entropy()?);
        Ok(Self { config, registry, machine: machine.map_err(misuse)? })
    }
}

impl Role for Forwarding {
    type Machine = Forwarder;

    fn machine(&mut self) -> &mut Forwarder {
        &mut self.machine
    }

    fn reopen(&mut self) -> Result<(), Trouble> {
        *self = Self::open(self.config.clone(), self.registry.clone())?;
        Ok(())
    }

    fn poll_work(&mut self) -> Option<Work> {
        self.machine.poll_work()
    }

    fn tell(&mut self, now: Time, transfer: &TransferId, told: Told) -> Result<(), Error> {
        match told {
            Told::Looked(found) => self.machine.looked(now, transfer, found.as_ref()),
            Told::Prepared(file) => self.machine.prepared(now, transfer, file),
            Told::Written(range) => self.machine.written(now, transfer, &range),
            Told::Synced => self.machine.synced(now, transfer),
            Told::Published(done) => self.machine.published(now, transfer, done),
            Told::Failed(fault) => self.machine.store_failed(now, transfer, fault),
            Told::Unstable => self.machine.unstable(now, transfer),
        }
    }

    fn slice_proof(
        &mut self,
        from: &Peer,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<(Place, SliceProof), Error> {
        self.machine.slice_proof(from, transfer, range)
    }
}

/// The only way to a client.
pub(super) struct Access {
    forwarder: PartyId,
    client: PartyId,
    pub(super) machine: AccessServer,
}

impl Access {
    pub(super) fn open(forwarder: PartyId, client: PartyId) -> Result<Self, Trouble> {
        let machine = AccessServer::new(&forwarder, &client).map_err(misuse)?;
        Ok(Self { forwarder, client, machine })
    }
}

impl Role for Access {
    type Machine = AccessServer;

    fn machine(&mut self) -> &mut AccessServer {
        &mut self.machine
    }

    fn reopen(&mut self) -> Result<(), Trouble> {
        *self = Self::open(self.forwarder.clone(), self.client.clone())?;
        Ok(())
    }
}

/// Asks for transfers: one of the bank's own systems.
pub(super) struct Desk {
    tenant: Tenant,
    forwarder: PartyId,
    pub(super) machine: BackstageServer,
}

impl Desk {
    pub(super) fn open(tenant: Tenant, forwarder: PartyId) -> Result<Self, Trouble> {
        let machine = BackstageServer::new(tenant, &forwarder, AGAIN_MS).map_err(misuse)?;
        Ok(Self { tenant, forwarder, machine })
    }

    /// Of its rows.
    pub(super) const fn tenant(&self) -> Tenant {
        self.tenant
    }
}

impl Role for Desk {
    type Machine = BackstageServer;

    fn machine(&mut self) -> &mut BackstageServer {
        &mut self.machine
    }

    fn reopen(&mut self) -> Result<(), Trouble> {
        *self = Self::open(self.tenant, self.forwarder.clone())?;
        Ok(())
    }
}

/// Outside: takes files into its folder.
pub(super) struct Client {
    config: ClientConfig,
    pub(super) machine: ClientServer,
}

impl Client {
    pub(super) fn open(config: ClientConfig) -> Result<Self, Trouble> {
        let machine = ClientServer::open(config.clone()).map_err(misuse)?;
        Ok(Self { config, machine })
    }
}

impl Role for Client {
    type Machine = ClientServer;

    fn machine(&mut self) -> &mut ClientServer {
        &mut self.machine
    }

    fn reopen(&mut self) -> Result<(), Trouble> {
        *self = Self::open(self.config.clone())?;
        Ok(())
    }

    fn poll_work(&mut self) -> Option<Work> {
        self.machine.poll_work()
    }

    fn tell(&mut self, now: Time, transfer: &TransferId, told: Told) -> Result<(), Error> {
        match told {
            Told::Prepared(file) => self.machine.prepared(now, transfer, file),
            Told::Written(range) => self.machine.written(now, transfer, &range),
            Told::Synced => self.machine.synced(now, transfer),
            Told::Published(done) => self.machine.published(now, transfer, done),
            Told::Failed(fault) => self.machine.store_failed(now, transfer, fault),
            Told::Unstable => self.machine.unstable(transfer),
            Told::Looked(_) => Ok(()),
        }
    }

    fn slice_proof(
        &mut self,
        from: &Peer,
        transfer: &TransferId,
        range: &Range<u64>,
    ) -> Result<(Place, SliceProof), Error> {
        let proof = self.machine.slice_proof(from, transfer, range)?;
        Ok((Place::Store(self.config.party.clone()), proof))
    }
}

fn misuse(why: Misuse) -> Trouble {
    Trouble::Inside(Box::new(why))
}

/// How often a request without an answer is made again, and how often anything else is said again.
pub(super) const AGAIN_MS: u64 = 500;
