//! One server at work: its machine between link, store, keys, files and whoever asks.

mod errands;
mod role;
mod workers;

use crate::audit;
use crate::clock;
use crate::control::{Asked, Question};
use crate::failure::Failure;
use crate::files::{Files, Part};
use crate::lines::{Inboxes, Lines};
use errands::Slice;
use filexfer::{Error, Message};
use link::{Frame, Incoming};
use port::{Input, Machine, Peer, Store};
pub(crate) use role::{Role, Told};
use seal::SoftKeys;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use workers::{Finished, Workers};

/// A server with everything around it.
pub(crate) struct Station<R, S> {
    pub(crate) name: String,
    pub(crate) role: R,
    pub(crate) store: Arc<S>,
    pub(crate) keys: SoftKeys,
    pub(crate) link: Arc<Lines>,
    pub(crate) inbox: Inboxes,
    pub(crate) files: Option<Arc<Files>>,
    pub(crate) questions: mpsc::Receiver<Asked>,
}

impl<R: Role, S: Store + Send + 'static> Station<R, S> {
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
                    Some(incoming) => self.on_incoming(&mut workers, incoming).await,
                    None => return Ok(()),
                },
                Some((generation, finished)) = finished.recv() => {
                    self.on_finished(&mut workers, generation, finished).await?;
                    Ok(())
                }
                done = self.role.own_work() => done,
                Some(asked) = self.questions.recv() => {
                    self.on_question(asked).await;
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

    async fn on_question(&mut self, asked: Asked) {
        let trail = self.role.trail().filter(|_| matches!(asked.question, Question::Audit));
        if let Some(tenant) = trail {
            let store = Arc::clone(&self.store);
            // It takes as long as the trail is long: the machine does not wait for it.
            tokio::spawn(async move {
                let _ = asked.reply.send(audit::verify(&*store, tenant).await);
            });
            return;
        }
        let now = clock::now();
        let answer = self.role.answer(now, &*self.store, &self.keys, &asked.question).await;
        // Who asked may have gone meanwhile.
        let _ = asked.reply.send(answer);
    }

    /// What else is there already: what the machine makes of all of it goes to the store together, and to threads.
    async fn take_more(
        &mut self,
        workers: &mut Workers,
        finished: &mut mpsc::UnboundedReceiver<(u64, Vec<Finished>)>,
    ) -> Result<(), Failure> {
        for _ in 0..AT_ONCE {
            if let Ok((generation, finished)) = finished.try_recv() {
                self.on_finished(workers, generation, finished).await?;
            } else if let Some(incoming) = self.inbox.try_recv() {
                let outcome = self.on_incoming(workers, incoming).await;
                self.settle(workers, outcome).await?;
            } else {
                break;
            }
        }
        self.set_off(workers);
        Ok(())
    }

    fn set_off(&self, workers: &mut Workers) {
        if let Some(files) = &self.files {
            workers.set_off(&self.name, files, &self.link);
        }
    }

    /// Carries out what the machine wants; `false` if it had to be opened anew.
    async fn attend(&mut self, workers: &mut Workers) -> Result<bool, Failure> {
        let now = clock::now();
        let machine = self.role.machine();
        let drained = port::drain(machine, now, &*self.store, &*self.link, &self.keys).await;
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
            self.role.on_events(&*self.store, drained.events).await;
        }
        while let Some(work) = self.role.poll_work() {
            workers.add(work);
        }
        self.set_off(workers);
        Ok(true)
    }

    async fn on_incoming(
        &mut self,
        workers: &mut Workers,
        incoming: Incoming,
    ) -> Result<(), Error> {
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

    async fn on_frame(&mut self, workers: &mut Workers, frame: Frame) -> Result<(), Error> {
        // Who has no files passes frames on, or reads them itself.
        if self.files.is_none() {
            return self.hand_over(&frame);
        }
        let message = Message::parse_frame(frame.bytes())?;
        if let Message::Slice { transfer, range, bytes } = message {
            let (into, proof) = self.role.slice_proof(frame.from(), &transfer, &range)?;
            let part = Part { transfer, into, proof, bytes };
            workers.write(Slice { range, part, frame });
            return Ok(());
        }
        self.role.notice(&*self.store, &message).await;
        self.hand_over(&frame)
    }

    fn hand_over(&mut self, frame: &Frame) -> Result<(), Error> {
        let input = Input::Frame { from: frame.from(), bytes: frame.bytes() };
        self.role.machine().handle(clock::now(), input)
    }

    /// What threads have done for the machine that still is.
    async fn on_finished(
        &mut self,
        workers: &mut Workers,
        generation: u64,
        finished: Vec<Finished>,
    ) -> Result<(), Failure> {
        for finished in finished {
            if generation != workers.generation {
                break;
            }
            let outcome = match finished {
                Finished::Told(transfer, told) => self.role.tell(clock::now(), &transfer, told),
                Finished::Served(transfer, groups) => {
                    self.role.served(&transfer, groups);
                    Ok(())
                }
                Finished::Lost => Err(Error::Fenced),
            };
            self.settle(workers, outcome).await?;
        }
        Ok(())
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
                workers.begin_anew();
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
