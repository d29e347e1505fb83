//! What servers want done with files, and what they are told of it.

use crate::asking::party;
use crate::disk::Disk;
use crate::world::{Node, Roles, World};
use interbank_filexfer::*;
use port::blocking::Link as _;
use port::{Bytes, Peer, Time};
use simkit::LossyLink;
use std::ops::Range;

/// What became of it.
enum Done {
    Looked(Option<FileMetadata>),
    Prepared(Option<(u64, [u8; 32])>),
    Copied(Range<u64>),
    Synced,
    Published(Result<(), Failure>),
    /// The source is not what it was.
    Unstable,
    /// The disk does not do it.
    Failed(StoreFault),
    /// Nobody waits to be told.
    Over,
}

impl World {
    /// Does one thing with files; `false` if there is none.
    pub(crate) fn work(&mut self, id: &str) -> bool {
        let now = self.now;
        let Node { role, disk, link, .. } = self.nodes.get_mut(id).unwrap();
        let begun = if disk.is_slow { None } else { disk.begun.pop() };
        let work = match role {
            _ if begun.is_some() => begun,
            Roles::Forwarder(machine) => machine.poll_work(),
            Roles::Client(machine) => machine.poll_work(),
            _ => None,
        };
        let Some(work) = work else { return false };
        if disk.is_slow && matches!(work, Work::Prepare { .. }) {
            disk.begun.push(work);
            return true;
        }
        let (transfer, done) = perform(disk, link, work);
        if tell(role, now, &transfer, done) == Err(Error::Fenced) {
            self.crash(id);
        }
        true
    }

    pub(crate) fn slice(
        &mut self,
        id: &str,
        from: &Peer,
        transfer: TransferId,
        range: Range<u64>,
        bytes: &Bytes,
    ) {
        let mut bytes = bytes.to_vec();
        if !bytes.is_empty() && self.rng.chance(self.corruption, 1_000) {
            let at = self.rng.index(bytes.len());
            bytes[at] ^= 1 << self.rng.below(8);
            self.corrupted += 1;
        }
        let now = self.now;
        let node = self.nodes.get_mut(id).unwrap();
        let is_full = node.disk.fault == Some(StoreFault::Write);
        let written = match &mut node.role {
            Roles::Forwarder(machine) => {
                match machine.open_slice(from, &transfer, &range, &bytes) {
                    Ok(_) if is_full => machine.store_failed(now, &transfer, StoreFault::Write),
                    Ok((into, slice)) => {
                        node.disk.write(transfer, &into, &slice);
                        machine.written(now, &transfer, &range)
                    }
                    Err(_) => return,
                }
            }
            Roles::Client(machine) => match machine.open_slice(from, &transfer, &range, &bytes) {
                Ok(_) if is_full => machine.store_failed(now, &transfer, StoreFault::Write),
                Ok(slice) => {
                    node.disk.write(transfer, &Place::Store(party(id)), &slice);
                    machine.written(now, &transfer, &range)
                }
                Err(_) => return,
            },
            _ => return,
        };
        if written == Err(Error::Fenced) {
            self.crash(id);
        }
        self.attend(id);
    }
}

fn perform(disk: &mut Disk, link: &LossyLink, work: Work) -> (TransferId, Done) {
    match (&work, disk.fault) {
        (Work::Copy { transfer, .. }, Some(fault)) => return (*transfer, Done::Failed(fault)),
        (
            Work::Prepare { transfer, .. } | Work::Serve { transfer, .. },
            Some(fault @ StoreFault::Read),
        ) => return (*transfer, Done::Failed(fault)),
        _ => {}
    }
    match work {
        Work::Look { transfer, store, name } => {
            (transfer, Done::Looked(disk.look(&Place::Store(store), name.as_str())))
        }
        Work::Prepare { transfer, from, name, stamp } => {
            (transfer, Done::Prepared(disk.prepare(transfer, &from, name.as_str(), stamp)))
        }
        Work::Copy { transfer, from, into, range } => {
            let is_copied = disk.copy(transfer, &from, &into, &range);
            (transfer, if is_copied { Done::Copied(range) } else { Done::Unstable })
        }
        Work::Serve { transfer, from, range, to } => match disk.slice(transfer, &from, &range) {
            Some(bytes) => {
                let message = Message::Slice { transfer, range, bytes: bytes.into() };
                // A link that is down: the range is asked for again.
                let _ = link.send(&to, &message.to_frame().unwrap());
                (transfer, Done::Over)
            }
            None => (transfer, Done::Unstable),
        },
        Work::Sync { transfer, into } => {
            disk.sync(transfer, &into);
            (transfer, Done::Synced)
        }
        Work::Publish { transfer, into, name, replace } => {
            (transfer, Done::Published(disk.publish(transfer, &into, name.as_str(), replace)))
        }
        Work::Discard { transfer, at } => {
            disk.discard(transfer, &at);
            (transfer, Done::Over)
        }
    }
}

fn tell(role: &mut Roles, now: Time, transfer: &TransferId, done: Done) -> Result<(), Error> {
    match (role, done) {
        (Roles::Forwarder(machine), done) => match done {
            Done::Looked(found) => machine.looked(now, transfer, found.as_ref()),
            Done::Prepared(file) => machine.prepared(now, transfer, file),
            Done::Copied(range) => machine.written(now, transfer, &range),
            Done::Synced => machine.synced(now, transfer),
            Done::Published(done) => machine.published(now, transfer, done),
            Done::Unstable => machine.unstable(now, transfer),
            Done::Failed(fault) => machine.store_failed(now, transfer, fault),
            Done::Over => Ok(()),
        },
        (Roles::Client(machine), done) => match done {
            Done::Prepared(file) => machine.prepared(now, transfer, file),
            Done::Synced => machine.synced(now, transfer),
            Done::Published(done) => machine.published(now, transfer, done),
            Done::Unstable => machine.unstable(transfer),
            Done::Failed(fault) => machine.store_failed(now, transfer, fault),
            Done::Over => Ok(()),
            Done::Looked(_) | Done::Copied(_) => panic!("not a client's work"),
        },
        _ => panic!("not this server's work"),
    }
}
