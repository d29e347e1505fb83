//! What one kind of server has that others have not, and what it is told of its work.

use crate::control::Question;
use crate::failure::Failure;
use filexfer::{
    Error, Failure as JobFailure, FileMetadata, Message, Place, SliceProof, StoreFault, TransferId,
    Work,
};
use port::{Machine, Peer, Store, Tenant, Time};
use seal::SoftKeys;
use serde_json::Value;
use std::ops::Range;

/// What is special to one kind of server.
pub(crate) trait Role: Send {
    /// Its machine.
    type Machine: Machine<Error = Error, Event: Send> + Send;

    fn machine(&mut self) -> &mut Self::Machine;

    /// Drops the machine and opens another, which goes on from what is stored.
    fn reopen(&mut self) -> Result<(), Failure>;

    fn poll_work(&mut self) -> Option<Work> {
        None
    }

    /// What became of work.
    fn tell(&mut self, now: Time, transfer: &TransferId, told: Told) -> Result<(), Error>;

    /// Where a slice is to be written, and what it has to be compared with before.
    fn slice_proof(
        &mut self,
        _from: &Peer,
        _transfer: &TransferId,
        _range: &Range<u64>,
    ) -> Result<(Place, SliceProof), Error> {
        Err(Error::Stranger)
    }

    /// A range went out.
    fn served(&mut self, _transfer: &TransferId, _groups: u64) {}

    /// Looks at a message before the machine gets it.
    fn notice<S: Store>(
        &mut self,
        _store: &S,
        _message: &Message,
    ) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// What the machine tells.
    fn on_events<S: Store>(
        &mut self,
        store: &S,
        events: Vec<<Self::Machine as Machine>::Event>,
    ) -> impl Future<Output = ()> + Send;

    /// Waits for what the role has had done by itself, and tells its machine.
    fn own_work(&mut self) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::pending()
    }

    /// A peer came or went.
    fn on_peer(&mut self, _peer: &Peer, _present: bool) -> Result<(), Error> {
        Ok(())
    }

    /// Whose trail can be verified here.
    fn trail(&self) -> Option<Tenant> {
        None
    }

    /// Somebody asks.
    fn answer<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        keys: &SoftKeys,
        asked: &Question,
    ) -> impl Future<Output = Result<Value, String>> + Send;
}

/// What a machine is told of its work.
#[derive(Debug)]
pub(crate) enum Told {
    Looked(Option<FileMetadata>),
    Prepared(Option<(u64, [u8; 32])>),
    Written(Range<u64>),
    Synced,
    Published(Result<(), JobFailure>),
    Unstable,
    Failed(StoreFault),
}
