//! Between the payment server and the switchboard: the outbox machine, the link, and what follows from answers.

use crate::bank::Bank;
use crate::clock;
use crate::switchboard;
use crate::trouble::Trouble;
use bytes::Bytes;
use interbank::port::outbox::{Config, Event, Outbox};
use interbank::port::{Drained, Input, Link, Machine as _, Peer, StoreError, drain};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Starts the switchboard and delivers to it until told to stop. What is owed then stays owed: it is a row.
pub(crate) async fn run(bank: Arc<Bank>, closing: watch::Receiver<bool>) {
    let (frames, inbound) = mpsc::channel(QUEUE);
    let (answers, answered) = mpsc::channel(QUEUE);
    let switchboard = tokio::spawn(switchboard::run(bank.clone(), inbound, answers));
    deliver(&bank, &Wire { frames }, answered, closing).await;
    // The link is dropped by now, so that the switchboard ends.
    if let Err(why) = switchboard.await {
        tracing::error!(event = "clearing.failed", %why);
    }
}

/// The payment server's side.
async fn deliver(
    bank: &Bank,
    link: &Wire,
    mut answered: mpsc::Receiver<Bytes>,
    mut closing: watch::Receiver<bool>,
) {
    let mut outbox = Outbox::new(bank.server().outbox(), Config::default());
    let book = bank.server().config().accounting.clone();
    while !*closing.borrow() {
        if let Err(why) = outbox.handle(clock::now(), Input::Tick) {
            tracing::error!(event = "outbox.failed", %why);
        }
        settle_all(bank, link, &mut outbox).await;
        let wait = outbox.next_deadline().map_or(1_000, |at| at.since_ms(clock::now()));
        let wake = async {
            tokio::select! {
                () = bank.owed() => Wake::Owed,
                Some(frame) = answered.recv() => Wake::Answer(frame),
                _ = closing.changed() => Wake::Closing,
            }
        };
        match timeout(Duration::from_millis(wait.min(60_000)), wake).await {
            Ok(Wake::Owed) => outbox.nudge(clock::now()),
            Ok(Wake::Answer(frame)) => {
                let input = Input::Frame { from: &book, bytes: &frame };
                if let Err(why) = outbox.handle(clock::now(), input) {
                    tracing::warn!(event = "outbox.refused", %why);
                }
            }
            Ok(Wake::Closing) | Err(_) => {}
        }
    }
}

/// Carries out effects, and settles what was answered, until nothing is left to do now.
async fn settle_all(bank: &Bank, link: &Wire, outbox: &mut Outbox) {
    loop {
        let now = clock::now();
        let drained = match drain(outbox, now, bank.vault(), link, bank.keys()).await {
            Ok(drained) => drained,
            Err(why) => {
                tracing::error!(event = "outbox.failed", %why);
                return;
            }
        };
        note_failures(&drained);
        let mut settled = false;
        for event in drained.events {
            settled |= on_event(bank, outbox, event).await;
        }
        if !settled {
            return;
        }
        // What was settled may owe more, a reversal.
        outbox.nudge(now);
    }
}

async fn on_event(bank: &Bank, outbox: &mut Outbox, event: Event) -> bool {
    match event {
        Event::Answered { key, version, entry, content } => {
            match bank.settle(key, version, &entry, &content).await {
                Ok(true) => {
                    outbox.settled(&entry.idempotency);
                    return true;
                }
                // Sent again ever more rarely, and told by the log each time.
                Ok(false) => {}
                // The entry stays, and is answered again.
                Err(why) => tracing::error!(event = "settle.failed", %why),
            }
        }
        Event::Damaged { .. } => tracing::error!(event = "outbox.damaged"),
        Event::Stuck { attempts, .. } => tracing::warn!(event = "outbox.stuck", attempts),
        _ => {}
    }
    false
}

fn note_failures<E, S: StoreError>(drained: &Drained<E, S>) {
    if let Some(why) = &drained.store_failure {
        tracing::error!(event = "store.failed", %why);
    }
    if drained.sends_failed > 0 {
        tracing::warn!(event = "link.full", frames = drained.sends_failed);
    }
}

enum Wake {
    Owed,
    Answer(Bytes),
    Closing,
}

/// The link to the switchboard; here a queue, elsewhere a socket.
struct Wire {
    frames: mpsc::Sender<Bytes>,
}

impl Link for Wire {
    type Error = LinkFull;

    async fn send(&self, _: &Peer, frame: &Bytes) -> Result<(), LinkFull> {
        self.frames.try_send(frame.clone()).map_err(|_| LinkFull)
    }
}

/// The switchboard takes no more frames now.
#[derive(Debug)]
struct LinkFull;

impl fmt::Display for LinkFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the switchboard takes no more frames now")
    }
}

impl std::error::Error for LinkFull {}

/// A payment waits too long for the accounting system, or rows are over: looked after once in a while.
pub(crate) async fn look_after(bank: Arc<Bank>, mut closing: watch::Receiver<bool>) {
    let mut round: u32 = 0;
    while !*closing.borrow() {
        let looked = async {
            bank.lapse_overdue(clock::now()).await?;
            // Once an hour, and at the start.
            if round.is_multiple_of(360) {
                bank.renew_parameters(clock::now()).await?;
                bank.purge(clock::now()).await?;
            }
            Ok(())
        };
        let done: Result<(), Trouble> = looked.await;
        if let Err(why) = done {
            tracing::error!(event = "upkeep.failed", %why);
        }
        round = round.wrapping_add(1);
        // A change wakes it: the only one is to close.
        let _ = timeout(Duration::from_secs(10), closing.changed()).await;
    }
}

const QUEUE: usize = 64;
