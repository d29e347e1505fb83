//! One server of the exchange at work: its machine between line, store, keys and files.

use super::wire::{End, Wire};
use crate::clock;
use crate::trouble::Trouble;
use bytes::Bytes;
use files_local::{Done, LocalFiles};
use interbank::filexfer::{
    Error, Failure, FileMetadata, Message, Place, SliceProof, StoreFault, TransferId, Work,
};
use interbank::port::{Input, Machine, Peer, Time, drain};
use interbank::seal::SoftKeys;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use store_redb::RedbStore;

/// A server with everything around it.
pub(super) struct Station<R> {
    pub(super) role: R,
    pub(super) peer: Peer,
    rows: Arc<RedbStore>,
    pub(super) keys: SoftKeys,
    /// `None` for one that only passes frames on.
    files: Option<Arc<LocalFiles>>,
    /// How often files were touched for a transfer, in this process.
    pub(super) touched: BTreeMap<TransferId, u32>,
    /// Parts of files that were not what they had to be.
    pub(super) refused_parts: u32,
}

/// What one turn came to.
pub(super) struct Turn<E> {
    pub(super) events: Vec<E>,
    /// Whether there was anything to do.
    pub(super) was_busy: bool,
}

impl<R: Role> Station<R> {
    pub(super) const fn new(
        role: R,
        peer: Peer,
        rows: Arc<RedbStore>,
        keys: SoftKeys,
        files: Option<Arc<LocalFiles>>,
    ) -> Self {
        Self { role, peer, rows, keys, files, touched: BTreeMap::new(), refused_parts: 0 }
    }

    /// Takes what arrived, does what the machine wants, and says what it told.
    pub(super) async fn turn(
        &mut self,
        wire: &Wire,
    ) -> Result<Turn<<R::Machine as Machine>::Event>, Trouble> {
        let mut was_busy = false;
        while let Some((from, frame)) = wire.take(&self.peer) {
            was_busy = true;
            let outcome = self.on_frame(&from, &frame).await;
            self.settle(outcome)?;
        }
        if self.role.machine().next_deadline().is_some_and(|at| at <= clock::now()) {
            let outcome = self.role.machine().handle(clock::now(), Input::Tick);
            self.settle(outcome)?;
        }
        let end = End { wire, from: &self.peer };
        let drained = drain(self.role.machine(), clock::now(), &*self.rows, &end, &self.keys).await;
        let drained = match drained {
            Ok(drained) => drained,
            Err(why) => {
                self.settle(Err(why))?;
                return Ok(Turn { events: Vec::new(), was_busy: true });
            }
        };
        if let Some(why) = drained.store_failure {
            tracing::error!(event = "exchange.store", server = %self.peer, %why);
        }
        while let Some(work) = self.role.poll_work() {
            was_busy = true;
            self.perform(wire, work).await?;
        }
        was_busy |= !drained.events.is_empty();
        Ok(Turn { events: drained.events, was_busy })
    }

    /// When it has to have its turn, whatever arrives.
    pub(super) fn next_deadline(&mut self) -> Option<Time> {
        self.role.machine().next_deadline()
    }

    async fn on_frame(&mut self, from: &Peer, frame: &Bytes) -> Result<(), Error> {
        let Some(files) = &self.files else { return self.hand_over(from, frame) };
        match Message::parse_frame(frame)? {
            Message::Slice { transfer, range, bytes } => {
                let (into, proof) = self.role.slice_proof(from, &transfer, &range)?;
                let files = Arc::clone(files);
                let written = blocking(move || match proof.open(&bytes) {
                    Ok(slice) => files.write(&transfer, &into, &slice.groups).map(|()| true),
                    Err(_) => Ok(false),
                });
                match written.await {
                    Some(Ok(true)) => self.tell(&transfer, Told::Written(range)),
                    Some(Ok(false)) => {
                        tracing::warn!(event = "exchange.part_refused", server = %self.peer, ?transfer);
                        self.refused_parts += 1;
                        // It is asked for again.
                        Ok(())
                    }
                    Some(Err(files_local::Error::NoContent)) | None => Ok(()),
                    Some(Err(why)) => {
                        tracing::error!(event = "exchange.write", code = why.code(), %why);
                        self.tell(&transfer, Told::Failed(StoreFault::Write))
                    }
                }
            }
            _ => self.hand_over(from, frame),
        }
    }

    fn hand_over(&mut self, from: &Peer, frame: &Bytes) -> Result<(), Error> {
        self.role.machine().handle(clock::now(), Input::Frame { from, bytes: frame })
    }

    async fn perform(&mut self, wire: &Wire, work: Work) -> Result<(), Trouble> {
        let Some(files) = self.files.clone() else { return Ok(()) };
        let transfer = transfer_of(&work);
        *self.touched.entry(transfer).or_default() += 1;
        let asked = work.clone();
        let done = blocking(move || files.perform(&work)).await;
        let told = match done {
            Some(Ok((_, Done::Looked(found)))) => Told::Looked(found),
            Some(Ok((_, Done::Prepared(known)))) => Told::Prepared(known),
            Some(Ok((_, Done::Copied(range)))) => Told::Written(range),
            Some(Ok((_, Done::Synced))) => Told::Synced,
            Some(Ok((_, Done::Published(done)))) => Told::Published(done),
            Some(Ok((_, Done::Unstable))) => Told::Unstable,
            Some(Ok((_, Done::Discarded))) => return Ok(()),
            Some(Ok((_, Done::Slice { to, frame, .. }))) => {
                use interbank::port::Link as _;
                // If nobody is there, the range is asked for again.
                let _ = End { wire, from: &self.peer }.send(&to, &frame.into()).await;
                return Ok(());
            }
            Some(Ok((_, Done::Failed(fault, why)))) => {
                tracing::error!(event = "exchange.file", ?fault, code = why.code(), %why);
                Told::Failed(fault)
            }
            Some(Err(why)) => {
                tracing::error!(event = "exchange.file", code = why.code(), %why);
                match undone(&asked) {
                    Ok(told) => told,
                    Err(outcome) => return self.settle(outcome),
                }
            }
            None => return self.settle(Err(Error::Fenced)),
        };
        let outcome = self.tell(&transfer, told);
        self.settle(outcome)
    }

    fn tell(&mut self, transfer: &TransferId, told: Told) -> Result<(), Error> {
        self.role.tell(clock::now(), transfer, told)
    }

    /// A machine that does not know what is stored is opened anew; everything else that it refuses is somebody's fault, and
    /// passes.
    pub(super) fn settle(&mut self, outcome: Result<(), Error>) -> Result<(), Trouble> {
        match outcome {
            Ok(()) | Err(Error::Busy) => Ok(()),
            Err(Error::Corrupt(_)) => Err(Trouble::Damaged),
            Err(Error::Fenced) => {
                tracing::warn!(event = "exchange.reopened", server = %self.peer);
                self.role.reopen()
            }
            Err(why) => {
                tracing::debug!(event = "exchange.refused", server = %self.peer, code = why.code(), %why);
                Ok(())
            }
        }
    }
}

/// What one kind of server has that others have not.
pub(super) trait Role: Send {
    type Machine: Machine<Error = Error, Event: Send> + Send;

    fn machine(&mut self) -> &mut Self::Machine;

    /// Drops the machine and opens another, which goes on from what is stored.
    fn reopen(&mut self) -> Result<(), Trouble>;

    fn poll_work(&mut self) -> Option<Work> {
        None
    }

    /// What became of work.
    fn tell(&mut self, _now: Time, _transfer: &TransferId, _told: Told) -> Result<(), Error> {
        Ok(())
    }

    /// Where a part is to be written, and what it has to be compared with before.
    fn slice_proof(
        &mut self,
        _from: &Peer,
        _transfer: &TransferId,
        _range: &Range<u64>,
    ) -> Result<(Place, SliceProof), Error> {
        Err(Error::Stranger)
    }
}

/// What a machine is told of its work.
#[derive(Debug)]
pub(super) enum Told {
    Looked(Option<FileMetadata>),
    Prepared(Option<(u64, [u8; 32])>),
    Written(Range<u64>),
    Synced,
    Published(Result<(), Failure>),
    Unstable,
    Failed(StoreFault),
}

/// Work that could not be done: what the machine is told of it, if it is told.
fn undone(work: &Work) -> Result<Told, Result<(), Error>> {
    match work {
        Work::Look { .. } => Ok(Told::Looked(None)),
        Work::Prepare { .. } => Ok(Told::Failed(StoreFault::Read)),
        Work::Publish { .. } => Ok(Told::Published(Err(Failure::StoreFailed))),
        // It is not known any more what is on disk.
        Work::Sync { .. } => Err(Err(Error::Fenced)),
        // They have answers of their own, or nobody waits for one.
        Work::Copy { .. } | Work::Serve { .. } | Work::Discard { .. } => Err(Ok(())),
    }
}

const fn transfer_of(work: &Work) -> TransferId {
    match work {
        Work::Look { transfer, .. }
        | Work::Prepare { transfer, .. }
        | Work::Copy { transfer, .. }
        | Work::Serve { transfer, .. }
        | Work::Sync { transfer, .. }
        | Work::Publish { transfer, .. }
        | Work::Discard { transfer, .. } => *transfer,
    }
}

/// On a thread that may wait; `None` if it ended early.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
