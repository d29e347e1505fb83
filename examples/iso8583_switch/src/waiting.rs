//! Who waits for an answer, and what the accounting system was asked.

use port::{Peer, Time};
use standin::{RequestKey, TransactionRequest};
use std::collections::{HashMap, VecDeque};
use tokio::sync::mpsc;
use wire_iso8583::{Incoming, Mti};

/// Acquirers' lines, their messages until they are answered, and requests until their answers cannot matter any more.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    lines: HashMap<u64, mpsc::Sender<Vec<u8>>>,
    /// A request may come again before it is answered.
    messages: HashMap<RequestKey, Vec<Message>>,
    last: u64,
    asked: HashMap<RequestKey, Asked>,
    /// By when they were asked.
    order: VecDeque<(Time, RequestKey)>,
}

impl Waiting {
    pub(crate) fn join(&mut self, line: u64, answers: mpsc::Sender<Vec<u8>>) {
        self.lines.insert(line, answers);
    }

    pub(crate) fn leave(&mut self, line: u64) {
        self.lines.remove(&line);
    }

    /// A message waits from now on; under which name, the switch is told.
    pub(crate) fn put(&mut self, key: RequestKey, line: u64, incoming: Incoming) -> Option<Peer> {
        self.last += 1;
        let peer = Peer::new(format!("{line}/{}", self.last))?;
        self.messages.entry(key).or_default().push(Message { peer: peer.clone(), line, incoming });
        Some(peer)
    }

    /// The message that waited under this name.
    pub(crate) fn take(&mut self, key: &RequestKey, peer: &Peer) -> Option<(u64, Incoming)> {
        let waiting = self.messages.get_mut(key)?;
        let at = waiting.iter().position(|one| one.peer == *peer)?;
        let message = waiting.swap_remove(at);
        if waiting.is_empty() {
            self.messages.remove(key);
        }
        Some((message.line, message.incoming))
    }

    /// Nobody gets an answer to this.
    pub(crate) fn forget(&mut self, key: &RequestKey) {
        self.messages.remove(key);
    }

    /// To an acquirer, if it is there and takes it; it repeats otherwise.
    pub(crate) fn send(&self, line: u64, frame: Vec<u8>) {
        if let Some(answers) = self.lines.get(&line) {
            let _ = answers.try_send(frame);
        }
    }

    /// The accounting system is asked this; its answer is of use for some time after `until`.
    pub(crate) fn ask(&mut self, request: &TransactionRequest, until: Time) {
        let until = until.plus_ms(LATE_MS);
        self.asked.insert(request.key, Asked { request: request.clone(), until });
        self.order.push_back((until, request.key));
    }

    /// What it was asked under this key, if a message of this type answers it. The key alone does not tell: what it is told later
    /// of a request goes under the key of that.
    pub(crate) fn asked(&mut self, key: &RequestKey, answer: Mti) -> Option<TransactionRequest> {
        let awaited = self.asked.get(key)?.request.mti.response()?;
        if awaited.digits() != *answer.digits() {
            return None;
        }
        self.asked.remove(key).map(|asked| asked.request)
    }

    /// Forgets what was asked long ago, and who repeated more often than the switch keeps in mind.
    pub(crate) fn purge(&mut self, now: Time) {
        while let Some((until, key)) = self.order.front().copied()
            && until <= now
        {
            self.order.pop_front();
            if self.asked.get(&key).is_some_and(|asked| asked.until == until) {
                self.asked.remove(&key);
            }
        }
        let young = |message: &Message| now.since_ms(message.incoming.at()) < LATE_MS;
        self.messages.retain(|_, waiting| {
            waiting.retain(young);
            !waiting.is_empty()
        });
    }
}

#[derive(Debug)]
struct Message {
    peer: Peer,
    line: u64,
    incoming: Incoming,
}

#[derive(Debug)]
struct Asked {
    request: TransactionRequest,
    until: Time,
}

/// An answer that is later than this finds nobody.
const LATE_MS: u64 = 60_000;
