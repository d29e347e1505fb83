//! The access server: passes frames between the forwarding server and its client.

use crate::control::Question;
use crate::failure::Failure;
use crate::station::{Role, Told};
use filexfer::{AccessServer, Error, PartyId, TransferId};
use port::{Peer, Store, Time};
use seal::SoftKeys;
use serde_json::{Value, json};
use std::convert::Infallible;

pub(crate) struct Access {
    machine: AccessServer,
    forwarder: PartyId,
    client: PartyId,
}

impl Access {
    pub(crate) fn new(forwarder: PartyId, client: PartyId) -> Result<Self, Failure> {
        let machine = AccessServer::new(&forwarder, &client).map_err(Failure::run)?;
        Ok(Self { machine, forwarder, client })
    }
}

impl Role for Access {
    type Machine = AccessServer;

    fn machine(&mut self) -> &mut AccessServer {
        &mut self.machine
    }

    fn reopen(&mut self) -> Result<(), Failure> {
        *self = Self::new(self.forwarder.clone(), self.client.clone())?;
        Ok(())
    }

    fn tell(&mut self, _: Time, _: &TransferId, _: Told) -> Result<(), Error> {
        Ok(())
    }

    async fn on_events<S: Store>(&mut self, _: &S, _: Vec<Infallible>) {}

    fn on_peer(&mut self, peer: &Peer, present: bool) -> Result<(), Error> {
        if peer.as_str() == self.client.as_str() {
            return self.machine.client_is(present);
        }
        // A forwarding server that comes back does not know.
        if present { self.machine.client_is(self.machine.is_present()) } else { Ok(()) }
    }

    async fn answer<S: Store>(
        &mut self,
        _: Time,
        _: &S,
        _: &SoftKeys,
        asked: &Question,
    ) -> Result<Value, String> {
        match asked {
            Question::Status { .. } => Ok(
                json!({ "client": self.client.as_str(), "is_present": self.machine.is_present() }),
            ),
            _ => Err("an access server only knows whether its client is there".into()),
        }
    }
}
