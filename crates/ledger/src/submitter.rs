//! The member's side: a transaction goes to one supervision node, and to another one if that is silent.

use crate::{Body, Error, FileId, Height, Message, Misuse, Refusal, Rejected, Transaction};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use port::{Clamp, Effect, Input, Machine, Peer, Time, WireError};
use sha2::{Digest as _, Sha256};

/// The machine of a member that submits.
///
/// Each attempt has exactly one addressee (spec L3): of the two supervision nodes that a rendezvous hash of the transaction
/// ranks first, the one with less of this member's work. Who is silent for too long rests, and the same bytes go to the next
/// one in the ranking; since they name one transaction, it is taken once, whoever takes it (spec Ld3).
///
/// What was not answered before a stop is submitted again by whoever embeds this: the same transaction, from where it was stored
/// before it was first submitted.
#[derive(Clone, Debug)]
pub struct Submitter {
    config: SubmitterConfig,
    clamp: Clamp,
    nodes: BTreeMap<Peer, Node>,
    open: BTreeMap<[u8; 32], Open>,
    /// When what is open is due.
    due: BTreeSet<(Time, [u8; 32])>,
    effects: VecDeque<Effect>,
    events: VecDeque<SubmitterEvent>,
}

/// How a [`Submitter`] works. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubmitterConfig {
    /// How long a supervision node may be silent on a transaction.
    pub patience_ms: u64,
    /// How long a silent one rests; it is addressed then only if all rest.
    pub rest_ms: u64,
    /// How often the outcome of an audit is asked for.
    pub audit_ms: u64,
    /// Transactions that wait for an answer at one time.
    pub open_max: usize,
}

impl Default for SubmitterConfig {
    /// Two seconds of patience, half a minute of rest, a minute between questions about an audit, 10,000 transactions.
    fn default() -> Self {
        Self { patience_ms: 2_000, rest_ms: 30_000, audit_ms: 60_000, open_max: 10_000 }
    }
}

/// What a [`Submitter`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitterEvent {
    /// A transaction stands in a block.
    Decided {
        /// [`Transaction::digest`].
        digest: [u8; 32],
        /// In which block.
        height: Height,
        /// At which place there.
        place: u32,
    },
    /// A transaction is refused.
    Refused {
        /// [`Transaction::digest`].
        digest: [u8; 32],
        /// Why.
        why: Refusal,
    },
    /// An audit is over.
    Concluded {
        /// Of which file.
        file: FileId,
        /// At which height.
        height: Height,
        /// Registered, or why not.
        outcome: Result<(), Rejected>,
    },
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// What it was sent last and has not answered.
    outstanding: usize,
    rests_until: Time,
}

#[derive(Clone, Debug)]
struct Open {
    frame: Bytes,
    is_request: bool,
    /// It is in a block, and its audit goes on.
    is_decided: bool,
    /// Who has it now.
    at: Peer,
    /// Who was addressed so far, in this order.
    tried: Vec<Peer>,
    due: Time,
}

impl Submitter {
    /// A member that knows these supervision nodes.
    ///
    /// # Errors
    /// [`Misuse::Bounds`] without supervision nodes, for more than 256, or for times of zero.
    pub fn new(
        config: SubmitterConfig,
        supervision: impl IntoIterator<Item = Peer>,
    ) -> Result<Self, Misuse> {
        let nodes: BTreeMap<_, _> =
            supervision.into_iter().map(|peer| (peer, Node::default())).collect();
        let times = [config.patience_ms, config.rest_ms, config.audit_ms];
        if !(1..=256).contains(&nodes.len()) || times.contains(&0) {
            return Err(Misuse::Bounds);
        }
        Ok(Self {
            config,
            clamp: Clamp::new(),
            nodes,
            open: BTreeMap::new(),
            due: BTreeSet::new(),
            effects: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// Submits a transaction; one that is open already is left as it is. Returns its digest.
    ///
    /// # Errors
    /// [`Error::Busy`] if too much is open, [`Misuse::TooLong`].
    pub fn submit(&mut self, now: Time, transaction: &Transaction) -> Result<[u8; 32], Error> {
        let now = self.clamp.see(now);
        let digest = transaction.digest().map_err(Misuse::too_long)?;
        if self.open.contains_key(&digest) {
            return Ok(digest);
        }
        if self.open.len() >= self.config.open_max {
            return Err(Error::Busy);
        }
        let message = Message::Submit(alloc::boxed::Box::new(transaction.clone()));
        let frame = message.to_frame().map_err(Misuse::too_long)?;
        let at = self.choose(now, &digest, &[]);
        let open = Open {
            frame,
            is_request: matches!(transaction.body, Body::Register(_)),
            is_decided: false,
            tried: alloc::vec![at.clone()],
            at,
            due: now.plus_ms(self.config.patience_ms),
        };
        self.send(&open);
        self.put(digest, open);
        Ok(digest)
    }

    /// How many transactions wait for an answer.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// How much of this member's work a supervision node has.
    pub fn outstanding(&self, node: &Peer) -> usize {
        self.nodes.get(node).map_or(0, |node| node.outstanding)
    }

    /// Whom to address: of the two that rank first among those that do not rest and were not tried last, the one with less
    /// work.
    fn choose(&self, now: Time, digest: &[u8; 32], tried: &[Peer]) -> Peer {
        let mut ranking: Vec<_> = self.nodes.iter().collect();
        ranking.sort_by_cached_key(|(peer, node)| {
            // Nobody twice before everybody once; the longest ago first.
            let last = tried.iter().rposition(|it| it == *peer).map_or(0, |at| at + 1);
            (node.rests_until > now, last, rank(digest, peer))
        });
        let first = ranking.first().map(|it| (it.1.rests_until > now, tried.contains(it.0)));
        let equal = ranking
            .iter()
            .take(2)
            .filter(|(peer, node)| first == Some((node.rests_until > now, tried.contains(peer))));
        let least = equal.min_by_key(|(_, node)| node.outstanding);
        // There is at least one, and it is equal to itself.
        let chosen = least.or(ranking.first()).map(|(peer, _)| (*peer).clone());
        chosen.unwrap_or_else(|| tried[0].clone())
    }

    fn send(&mut self, open: &Open) {
        if let Some(node) = self.nodes.get_mut(&open.at) {
            node.outstanding += 1;
        }
        self.effects.push_back(Effect::Send { to: open.at.clone(), frame: open.frame.clone() });
    }

    /// The work of a node is done, or no longer its work.
    fn settle(&mut self, at: &Peer) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.outstanding = node.outstanding.saturating_sub(1);
        }
    }

    fn on_frame(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        let node = self.nodes.get_mut(from).ok_or(Error::Peer(WireError::Invalid))?;
        let message = Message::parse(bytes).map_err(Error::Peer)?;
        node.rests_until = Time::EPOCH;
        match message {
            Message::Decided { digest, height, place } => {
                let Some(mut open) = self.take(&digest, |_| true) else { return Ok(()) };
                if !open.is_decided {
                    self.settle(&open.at);
                    self.events.push_back(SubmitterEvent::Decided { digest, height, place });
                }
                // The audit goes on.
                if open.is_request {
                    open.is_decided = true;
                    open.due = now.plus_ms(self.config.audit_ms);
                    self.put(digest, open);
                }
                Ok(())
            }
            Message::Refused { digest, why } => {
                if let Some(open) = self.take(&digest, |open| !open.is_decided) {
                    self.settle(&open.at);
                    self.events.push_back(SubmitterEvent::Refused { digest, why });
                }
                Ok(())
            }
            Message::Concluded { file, height, outcome } => {
                if let Some(open) = self.take(&file.0, |open| open.is_request) {
                    if !open.is_decided {
                        self.settle(&open.at);
                    }
                    self.events.push_back(SubmitterEvent::Concluded { file, height, outcome });
                }
                Ok(())
            }
            Message::Submit(_) | Message::Want(_) | Message::Block(_) | Message::Next(_) => {
                Err(Error::Peer(WireError::Invalid))
            }
        }
    }

    fn put(&mut self, digest: [u8; 32], open: Open) {
        self.due.insert((open.due, digest));
        self.open.insert(digest, open);
    }

    fn take(&mut self, digest: &[u8; 32], may: fn(&Open) -> bool) -> Option<Open> {
        if !self.open.get(digest).is_some_and(may) {
            return None;
        }
        let open = self.open.remove(digest)?;
        self.due.remove(&(open.due, *digest));
        Some(open)
    }

    /// Who was silent for too long loses its work to the next one.
    fn on_tick(&mut self, now: Time) {
        while let Some((due, digest)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            let Some(mut open) = self.take(&digest, |_| true) else {
                // Never: the two are kept alike.
                self.due.remove(&(due, digest));
                continue;
            };
            if !open.is_decided {
                self.settle(&open.at);
                if let Some(node) = self.nodes.get_mut(&open.at) {
                    node.rests_until = now.plus_ms(self.config.rest_ms);
                }
            }
            open.at = self.choose(now, &digest, &open.tried);
            open.tried.retain(|peer| *peer != open.at);
            open.tried.push(open.at.clone());
            // A question about an audit is no work that has to be waited for.
            let wait_ms =
                if open.is_decided { self.config.audit_ms } else { self.config.patience_ms };
            open.due = now.plus_ms(wait_ms);
            if open.is_decided {
                let (to, frame) = (open.at.clone(), open.frame.clone());
                self.effects.push_back(Effect::Send { to, frame });
            } else {
                self.send(&open);
            }
            self.put(digest, open);
        }
    }
}

impl Machine for Submitter {
    type Event = SubmitterEvent;
    type Error = Error;

    fn handle(&mut self, now: Time, input: Input<'_>) -> Result<(), Error> {
        let now = self.clamp.see(now);
        let done = match input {
            Input::Frame { from, bytes } => self.on_frame(now, from, bytes),
            Input::Tick => Ok(()),
            _ => Err(Misuse::NotAsked.into()),
        };
        self.on_tick(now);
        done
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn poll_event(&mut self) -> Option<SubmitterEvent> {
        self.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }
}

/// Where a node stands in a transaction's ranking (rendezvous hashing): the same everywhere, and spread evenly.
fn rank(digest: &[u8; 32], peer: &Peer) -> [u8; 32] {
    Sha256::new_with_prefix(digest).chain_update(peer.as_str()).finalize().into()
}
