//! One server at work: its machine between link, store, keys, files and whoever asks.

use crate::clock;
use crate::control::Asked;
use crate::failure::Failure;
use crate::lines::{Inboxes, Lines};
use bytes::Bytes;
use files_local::{Done, LocalFiles};
use filexfer::{
    Error, Failure as JobFailure, FileMetadata, Message, Place, SliceProof, StoreFault, TransferId,
    Work,
};
use link::{Frame, Incoming};
use port::{Input, Machine, Peer, Store, Time};
use seal::SoftKeys;
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

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

    /// A peer came or went.
    fn on_peer(&mut self, _peer: &Peer, _present: bool) -> Result<(), Error> {
        Ok(())
    }

    /// Somebody asks.
    fn answer<S: Store>(
        &mut self,
        now: Time,
        store: &S,
        keys: &SoftKeys,
        asked: &crate::control::Question,
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

/// A server with everything around it.
pub(crate) struct Station<R, S> {
    pub(crate) name: String,
    pub(crate) role: R,
    pub(crate) store: S,
    pub(crate) keys: SoftKeys,
    pub(crate) link: Arc<Lines>,
    pub(crate) inbox: Inboxes,
    pub(crate) files: Option<Arc<LocalFiles>>,
    pub(crate) questions: mpsc::Receiver<Asked>,
}

/// What a thread has done.
enum Finished {
    Told(TransferId, Told),
    Served(TransferId, u64),
    /// It is not known any more what is on disk.
    Lost,
}

impl<R: Role, S: Store> Station<R, S> {
    /// Works until it is told to stop.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Failure> {
        let (done, mut finished) = mpsc::unbounded_channel::<(u64, Finished)>();
        let turns = Arc::new(Semaphore::new(THREADS));
        let waits = Arc::new(Semaphore::new(WAITING_THREADS));
        let mut desk = Desk { generation: 0, done, turns, waits };
        loop {
            if !self.attend(&mut desk).await? {
                continue;
            }
            let wait = self.role.machine().next_deadline().map_or(IDLE, |at| {
                Duration::from_millis(at.since_ms(clock::now()).max(LEAST_MS)).min(IDLE)
            });
            let outcome = tokio::select! {
                incoming = self.inbox.recv() => match incoming {
                    Some(incoming) => self.on_incoming(&desk, incoming).await,
                    None => return Ok(()),
                },
                Some((generation, finished)) = finished.recv() => {
                    if generation == desk.generation { self.on_finished(finished) } else { Ok(()) }
                }
                Some(asked) = self.questions.recv() => {
                    let now = clock::now();
                    let answer = self.role.answer(now, &self.store, &self.keys, &asked.question);
                    let answer = answer.await;
                    // Who asked may have gone meanwhile.
                    let _ = asked.reply.send(answer);
                    Ok(())
                }
                () = tokio::time::sleep(wait) => {
                    self.role.machine().handle(clock::now(), Input::Tick)
                }
                () = async { drop(stop.wait_for(|stop| *stop).await) } => return Ok(()),
            };
            self.settle(&mut desk, outcome).await?;
            self.take_more(&mut desk, &mut finished).await?;
        }
    }

    /// What else is there already: what the machine makes of all of it goes to the store together.
    async fn take_more(
        &mut self,
        desk: &mut Desk,
        finished: &mut mpsc::UnboundedReceiver<(u64, Finished)>,
    ) -> Result<(), Failure> {
        for _ in 0..AT_ONCE {
            let outcome = if let Ok((generation, finished)) = finished.try_recv() {
                if generation == desk.generation { self.on_finished(finished) } else { Ok(()) }
            } else if let Some(incoming) = self.inbox.try_recv() {
                self.on_incoming(desk, incoming).await
            } else {
                return Ok(());
            };
            self.settle(desk, outcome).await?;
        }
        Ok(())
    }

    /// Carries out what the machine wants; `false` if it had to be opened anew.
    async fn attend(&mut self, desk: &mut Desk) -> Result<bool, Failure> {
        let now = clock::now();
        let machine = self.role.machine();
        let drained = port::drain(machine, now, &self.store, &*self.link, &self.keys).await;
        let drained = match drained {
            Ok(drained) => drained,
            Err(why) => {
                self.settle(desk, Err(why)).await?;
                return Ok(false);
            }
        };
        if let Some(why) = drained.store_failure {
            tracing::error!(event = "store.failed", server = %self.name, %why);
        }
        if !drained.events.is_empty() {
            self.role.on_events(&self.store, drained.events).await;
        }
        while let Some(work) = self.role.poll_work() {
            desk.begin(&self.name, self.files.as_ref(), &self.link, work);
        }
        Ok(true)
    }

    async fn on_incoming(&mut self, desk: &Desk, incoming: Incoming) -> Result<(), Error> {
        match incoming {
            Incoming::Frame(frame) => self.on_frame(desk, frame).await,
            Incoming::Connected(peer) => {
                tracing::info!(event = "peer.connected", server = %self.name, %peer);
                self.role.on_peer(&peer, true)
            }
            Incoming::Disconnected { peer, why } => {
                tracing::info!(event = "peer.gone", server = %self.name, %peer, %why);
                self.role.on_peer(&peer, false)
            }
            Incoming::Failed { peer, why } => {
                let peer = peer.as_ref().map_or("somebody", Peer::as_str);
                tracing::warn!(event = "peer.refused", server = %self.name, peer, code = why.code(), %why);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn on_frame(&mut self, desk: &Desk, frame: Frame) -> Result<(), Error> {
        // Who has no files passes frames on, or reads them itself.
        let Some(files) = &self.files else { return self.hand_over(&frame) };
        let message = Message::parse_frame(frame.bytes())?;
        if let Message::Slice { transfer, range, bytes } = message {
            let (into, proof) = self.role.slice_proof(frame.from(), &transfer, &range)?;
            let (task, name, files) = (desk.task(), self.name.clone(), Arc::clone(files));
            tokio::spawn(async move {
                let Ok(_turn) = task.turns.acquire().await else { return };
                let write = move || match proof.open(&bytes) {
                    Ok(slice) => files.write(&transfer, &into, &slice.groups).map(|()| true),
                    Err(why) => {
                        tracing::warn!(event = "slice.refused", server = %name, code = why.code(), %why);
                        // It is asked for again.
                        Ok(false)
                    }
                };
                let told = match tokio::task::spawn_blocking(write).await {
                    Ok(Ok(true)) => Some(Told::Written(range)),
                    // It was discarded meanwhile.
                    Ok(Ok(false) | Err(files_local::Error::NoContent)) | Err(_) => None,
                    Ok(Err(why)) => {
                        tracing::error!(event = "write.failed", ?transfer, code = why.code(), %why);
                        Some(Told::Failed(StoreFault::Write))
                    }
                };
                if let Some(told) = told {
                    task.report(Finished::Told(transfer, told));
                }
                // Until here it counts against what its sender may have on the way.
                drop(frame);
            });
            return Ok(());
        }
        self.role.notice(&self.store, &message).await;
        self.hand_over(&frame)
    }

    fn hand_over(&mut self, frame: &Frame) -> Result<(), Error> {
        let input = Input::Frame { from: frame.from(), bytes: frame.bytes() };
        self.role.machine().handle(clock::now(), input)
    }

    fn on_finished(&mut self, finished: Finished) -> Result<(), Error> {
        match finished {
            Finished::Told(transfer, told) => self.role.tell(clock::now(), &transfer, told),
            Finished::Served(transfer, groups) => {
                self.role.served(&transfer, groups);
                Ok(())
            }
            Finished::Lost => Err(Error::Fenced),
        }
    }

    /// A machine that does not know what is stored is dropped; everything else that it refuses is somebody's fault and passes.
    async fn settle(&mut self, desk: &mut Desk, outcome: Result<(), Error>) -> Result<(), Failure> {
        match outcome {
            Ok(()) | Err(Error::Busy) => Ok(()),
            Err(Error::Corrupt(why)) => {
                Err(Failure::run(format!("{}: a stored row is damaged: {why}", self.name)))
            }
            Err(Error::Fenced) => {
                tracing::warn!(event = "machine.reopened", server = %self.name);
                tokio::time::sleep(PAUSE).await;
                // What threads still do was asked for by the machine that is gone.
                desk.generation += 1;
                self.role.reopen()
            }
            Err(why) => {
                tracing::debug!(event = "input.refused", server = %self.name, code = why.code(), %why);
                Ok(())
            }
        }
    }
}

/// Where work is handed out.
struct Desk {
    /// Counts machines.
    generation: u64,
    done: mpsc::UnboundedSender<(u64, Finished)>,
    turns: Arc<Semaphore>,
    waits: Arc<Semaphore>,
}

/// What a task needs of it.
struct Task {
    generation: u64,
    done: mpsc::UnboundedSender<(u64, Finished)>,
    turns: Arc<Semaphore>,
}

impl Desk {
    fn task(&self) -> Task {
        Task {
            generation: self.generation,
            done: self.done.clone(),
            turns: Arc::clone(&self.turns),
        }
    }

    fn begin(&self, name: &str, files: Option<&Arc<LocalFiles>>, link: &Arc<Lines>, work: Work) {
        let Some(files) = files.cloned() else { return };
        let (task, link, name) = (self.task(), Arc::clone(link), name.to_owned());
        // Who waits for the disk keeps no processor: the more wait together, the fewer times it has to turn.
        let turns = match work {
            Work::Sync { .. } | Work::Publish { .. } => Arc::clone(&self.waits),
            _ => Arc::clone(&self.turns),
        };
        tokio::spawn(async move {
            let Ok(turn) = turns.acquire().await else { return };
            let done = tokio::task::spawn_blocking(move || (files.perform(&work), work)).await;
            drop(turn);
            let Ok((done, work)) = done else { return };
            match done {
                Ok((transfer, done)) => task.conclude(&link, transfer, done).await,
                Err(why) => {
                    tracing::error!(event = "work.failed", server = %name, code = why.code(), %why);
                    task.give_up(&work);
                }
            }
        });
    }
}

impl Task {
    fn report(&self, finished: Finished) {
        // A station that is gone needs no news.
        let _ = self.done.send((self.generation, finished));
    }

    async fn conclude(&self, link: &Lines, transfer: TransferId, done: Done) {
        let told = match done {
            Done::Looked(found) => Told::Looked(found),
            Done::Prepared(known) => Told::Prepared(known),
            Done::Copied(range) => Told::Written(range),
            Done::Synced => Told::Synced,
            Done::Published(done) => Told::Published(done),
            Done::Unstable => Told::Unstable,
            Done::Discarded => return,
            Done::Failed(fault, why) => {
                tracing::error!(event = "store.failed", ?transfer, ?fault, code = why.code(), %why);
                Told::Failed(fault)
            }
            Done::Slice { range, to, frame } => {
                let groups = range.end - range.start;
                let frame = Bytes::from(frame);
                // As fast as the peer takes it; if it is gone, the range is asked for again.
                if link.send_when_room(&to, &frame).await.is_ok() {
                    self.report(Finished::Served(transfer, groups));
                }
                return;
            }
        };
        self.report(Finished::Told(transfer, told));
    }

    /// What a machine is told of work that could not be done.
    fn give_up(&self, work: &Work) {
        let (transfer, told) = match work {
            Work::Look { transfer, .. } => (transfer, Told::Looked(None)),
            Work::Prepare { transfer, .. } => (transfer, Told::Failed(StoreFault::Read)),
            Work::Publish { transfer, .. } => {
                (transfer, Told::Published(Err(JobFailure::StoreFailed)))
            }
            Work::Sync { .. } => return self.report(Finished::Lost),
            // They have answers of their own, or nobody waits for one.
            Work::Copy { .. } | Work::Serve { .. } | Work::Discard { .. } => return,
        };
        self.report(Finished::Told(*transfer, told));
    }
}

/// Inputs between two looks at what the machine wants.
const AT_ONCE: usize = 256;
/// Threads that do file work for one server at a time.
const THREADS: usize = 4;
/// The same, of those that wait for a disk.
const WAITING_THREADS: usize = 128;
const IDLE: Duration = Duration::from_secs(60);
/// A deadline that has passed is no reason to spin.
const LEAST_MS: u64 = 5;
const PAUSE: Duration = Duration::from_millis(200);
