//! One server at work: its machine between link, store, keys, files and whoever asks.

mod role;
mod workers;

use crate::clock;
use crate::control::Asked;
use crate::failure::Failure;
use crate::files::Files;
use crate::lines::{Inboxes, Lines};
use filexfer::{Error, Message};
use link::{Frame, Incoming};
use port::{Input, Machine, Peer, Store};
pub(crate) use role::{Role, Told};
use seal::SoftKeys;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use workers::{Finished, Slice, Workers};

/// A server with everything around it.
pub(crate) struct Station<R, S> {
    pub(crate) name: String,
    pub(crate) role: R,
    pub(crate) store: S,
    pub(crate) keys: SoftKeys,
    pub(crate) link: Arc<Lines>,
    pub(crate) inbox: Inboxes,
    pub(crate) files: Option<Arc<Files>>,
    pub(crate) questions: mpsc::Receiver<Asked>,
}

impl<R: Role, S: Store> Station<R, S> {
    /// Works until it is told to stop.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Failure> {
        let (mut workers, mut finished) = Workers::new();
        let mut ticked = Instant::now();
        loop {
            if !self.attend(&mut workers).await? {
                continue;
            }
            let due = self.role.machine().next_deadline();
            let wait = due.map_or(IDLE, |at| Duration::from_millis(at.since_ms(clock::now())));
            let wait = wait.max(LEAST.saturating_sub(ticked.elapsed())).min(IDLE);
            // Also where something always comes in before a timer could end.
            if wait.is_zero() {
                ticked = Instant::now();
                let outcome = self.role.machine().handle(clock::now(), Input::Tick);
                self.settle(&mut workers, outcome).await?;
                continue;
            }
            let outcome = tokio::select! {
                incoming = self.inbox.recv() => match incoming {
                    Some(incoming) => self.on_incoming(&workers, incoming).await,
                    None => return Ok(()),
                },
                Some((generation, finished)) = finished.recv() => {
                    if generation == workers.generation { self.on_finished(finished) } else { Ok(()) }
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
                    ticked = Instant::now();
                    self.role.machine().handle(clock::now(), Input::Tick)
                }
                () = async { drop(stop.wait_for(|stop| *stop).await) } => return Ok(()),
            };
            self.settle(&mut workers, outcome).await?;
            self.take_more(&mut workers, &mut finished).await?;
        }
    }

    /// What else is there already: what the machine makes of all of it goes to the store together.
    async fn take_more(
        &mut self,
        workers: &mut Workers,
        finished: &mut mpsc::UnboundedReceiver<(u64, Finished)>,
    ) -> Result<(), Failure> {
        for _ in 0..AT_ONCE {
            let outcome = if let Ok((generation, finished)) = finished.try_recv() {
                if generation == workers.generation { self.on_finished(finished) } else { Ok(()) }
            } else if let Some(incoming) = self.inbox.try_recv() {
                self.on_incoming(workers, incoming).await
            } else {
                return Ok(());
            };
            self.settle(workers, outcome).await?;
        }
        Ok(())
    }

    /// Carries out what the machine wants; `false` if it had to be opened anew.
    async fn attend(&mut self, workers: &mut Workers) -> Result<bool, Failure> {
        let now = clock::now();
        let machine = self.role.machine();
        let drained = port::drain(machine, now, &self.store, &*self.link, &self.keys).await;
        let drained = match drained {
            Ok(drained) => drained,
            Err(why) => {
                self.settle(workers, Err(why)).await?;
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
            workers.begin(&self.name, self.files.as_ref(), &self.link, work);
        }
        Ok(true)
    }

    async fn on_incoming(&mut self, workers: &Workers, incoming: Incoming) -> Result<(), Error> {
        match incoming {
            Incoming::Frame(frame) => self.on_frame(workers, frame).await,
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

    async fn on_frame(&mut self, workers: &Workers, frame: Frame) -> Result<(), Error> {
        // Who has no files passes frames on, or reads them itself.
        let Some(files) = &self.files else { return self.hand_over(&frame) };
        let message = Message::parse_frame(frame.bytes())?;
        if let Message::Slice { transfer, range, bytes } = message {
            let (into, proof) = self.role.slice_proof(frame.from(), &transfer, &range)?;
            workers.write(&self.name, files, Slice { transfer, range, bytes, into, proof, frame });
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
    async fn settle(
        &mut self,
        workers: &mut Workers,
        outcome: Result<(), Error>,
    ) -> Result<(), Failure> {
        match outcome {
            Ok(()) | Err(Error::Busy) => Ok(()),
            Err(Error::Corrupt(why)) => {
                Err(Failure::run(format!("{}: a stored row is damaged: {why}", self.name)))
            }
            Err(Error::Fenced) => {
                tracing::warn!(event = "machine.reopened", server = %self.name);
                tokio::time::sleep(PAUSE).await;
                // What threads still do was asked for by the machine that is gone.
                workers.generation += 1;
                self.role.reopen()
            }
            Err(why) => {
                tracing::debug!(event = "input.refused", server = %self.name, code = why.code(), %why);
                Ok(())
            }
        }
    }
}

/// Inputs between two looks at what the machine wants.
const AT_ONCE: usize = 256;
const IDLE: Duration = Duration::from_secs(60);
/// Between two ticks: a deadline that has passed is no reason to spin.
const LEAST: Duration = Duration::from_millis(5);
const PAUSE: Duration = Duration::from_millis(200);
