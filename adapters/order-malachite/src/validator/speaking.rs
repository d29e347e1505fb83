//! What this node says: signed, durable, and only then sent.

use super::session::{Spoken, Waits, vote_input};
use super::{Session, Validator, ValidatorEvent};
use crate::Error;
use crate::frame::{Claim, Frame, Proposal, SignedClaim, SignedVote};
use crate::rows::{block_key, block_row, evidence_key, word_key};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use ledger::{Decision, Message, Misuse, NodeId, Vote};
use port::{Batch, Committed, Effect, Expect, KeyAnswer, KeyQuestion, Peer, Ticket, Time, Version};

/// What is under way with the key holder or the store: one thing at a time.
#[derive(Debug)]
pub(super) enum Work {
    Signing(Ticket, Vec<Spoken<Vote, Claim>>),
    Saving {
        ticket: Ticket,
        /// Blocks that are stored after it.
        blocks: BTreeSet<[u8; 32]>,
        spoken: Vec<Spoken<SignedVote, SignedClaim>>,
        proven: Vec<NodeId>,
    },
    Deciding {
        ticket: Ticket,
        decision: Box<Decision>,
        spoken: Vec<Spoken<SignedVote, SignedClaim>>,
    },
}

impl Validator {
    /// Proofs of misconduct in one batch.
    const PROVEN_MAX: usize = 16;

    /// Transactions that are passed on again at one time.
    const PASSED_ON_AGAIN: usize = 32;

    pub(super) const fn waits(&self) -> Waits {
        Waits {
            propose_ms: self.config.propose_ms,
            vote_ms: self.config.vote_ms,
            step_ms: self.config.step_ms,
            max_ms: self.config.wait_max_ms,
        }
    }

    /// Signs what is to be signed, makes durable what is signed or decided.
    pub(super) fn speak(&mut self, now: Time) -> Result<(), Error> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if self.work.is_some() {
            return Ok(());
        }
        if session.decided.is_some() {
            return self.commit_decision();
        }
        if !session.unsigned.is_empty() && now >= self.sign_at {
            let spoken: Vec<_> = session.unsigned.drain(..).collect();
            let key = self.config.key;
            let questions = spoken.iter().map(|it| match it {
                Spoken::Vote(vote) => vote.question(key),
                Spoken::Claim(claim) => KeyQuestion::Sign { key, message: claim.to_sign().into() },
            });
            let questions = questions.collect();
            let ticket = self.registrar.ticket();
            self.registrar.push(Effect::Ask { ticket, questions });
            self.work = Some(Work::Signing(ticket, spoken));
            return Ok(());
        }
        let is_proven = self.misconduct.values().any(Option::is_some);
        if !session.unsent.is_empty() || is_proven {
            return self.commit_word();
        }
        self.note(now);
        Ok(())
    }

    pub(super) fn on_keys(
        &mut self,
        now: Time,
        ticket: Ticket,
        answers: Option<Vec<KeyAnswer>>,
    ) -> Result<(), Error> {
        if let Some((_, height)) = self.noting.take_if(|(asked, _)| *asked == ticket) {
            return self.noted(now, height, answers);
        }
        let is_due = |work: &mut Work| matches!(work, Work::Signing(asked, _) if *asked == ticket);
        let Some(Work::Signing(_, spoken)) = self.work.take_if(is_due) else {
            return Err(Misuse::NotAsked.into());
        };
        let Some(signed) = self.signed(&spoken, answers) else {
            self.sign_at = now.plus_ms(self.config.resend_ms);
            self.events.push_back(ValidatorEvent::NotSigned);
            if let Some(session) = &mut self.session {
                spoken.into_iter().rev().for_each(|it| session.unsigned.push_front(it));
            }
            return Ok(());
        };
        let waits = self.waits();
        for spoken in signed {
            let Some(session) = &mut self.session else { return Ok(()) };
            session.unsent.push(spoken);
            match spoken {
                Spoken::Vote(it) => {
                    let vote = &it.vote;
                    session.seen.insert((vote.round, vote.kind, vote.node), it);
                    session.drive(now, &waits, vote_input(&it))?;
                }
                Spoken::Claim(claim) => {
                    session.claims.insert(claim.claim.round, claim);
                    self.drive_claim(now, &claim, true)?;
                }
            }
        }
        Ok(())
    }

    /// What was asked for with its signatures, if all of them are there and right.
    fn signed(
        &self,
        spoken: &[Spoken<Vote, Claim>],
        answers: Option<Vec<KeyAnswer>>,
    ) -> Option<Vec<Spoken<SignedVote, SignedClaim>>> {
        let answers = answers.filter(|it| it.len() == spoken.len())?;
        let key_number = self.config.key_number;
        let key = self.key(self.config.node, key_number)?;
        let signed = spoken.iter().zip(answers).map(|(spoken, answer)| {
            let KeyAnswer::Signature(signature) = answer else { return None };
            let message = match spoken {
                Spoken::Vote(vote) => vote.to_sign(),
                Spoken::Claim(claim) => claim.to_sign(),
            };
            key.verify(&message, &signature).then_some(match *spoken {
                Spoken::Vote(vote) => Spoken::Vote(SignedVote { vote, key_number, signature }),
                Spoken::Claim(claim) => Spoken::Claim(SignedClaim { claim, key_number, signature }),
            })
        });
        signed.collect()
    }

    /// This node's word and what binds it, and proofs of misconduct.
    fn commit_word(&mut self) -> Result<(), Error> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let mut batch = Batch::with_capacity(16);
        batch.require(self.registrar.head_key(), expect(self.registrar.head_version()));
        let mut blocks = self.blocks.clone();
        if !session.unsent.is_empty() {
            let word = session.word();
            let bytes = word.to_bytes().map_err(|_| Misuse::TooLong)?;
            batch.put(word_key(&self.registrar), expect(self.word), bytes);
            blocks = word.values().collect();
            for value in blocks.difference(&self.blocks) {
                // Nothing is proposed or bound that was not checked and kept.
                let draft = session.drafts.get(value).ok_or(Error::Rules)?;
                let row = block_row(&draft.header, &draft.transactions);
                let row = row.map_err(|_| Misuse::TooLong)?;
                batch.put(block_key(&self.registrar, value)?, Expect::Any, row);
            }
            for value in self.blocks.difference(&blocks) {
                batch.delete(block_key(&self.registrar, value)?, Expect::Any);
            }
        }
        let new = self.misconduct.iter().filter_map(|(node, it)| Some((*node, it.as_ref()?)));
        let mut proven = Vec::new();
        for (node, misconduct) in new.take(Self::PROVEN_MAX) {
            let key = evidence_key(&self.registrar, node)?;
            batch.put(key, Expect::Any, misconduct.to_bytes());
            proven.push(node);
        }
        let ticket = self.registrar.ticket();
        let spoken = core::mem::take(&mut session.unsent);
        self.registrar.push(Effect::Commit { ticket, batch });
        self.work = Some(Work::Saving { ticket, blocks, spoken, proven });
        Ok(())
    }

    /// A decided block, the state it leads to, and the end of this node's word about it.
    fn commit_decision(&mut self) -> Result<(), Error> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let Some((header, draft)) = session.decided.clone() else { return Ok(()) };
        let (mut batch, decision) = self.registrar.decide(draft, header, None)?;
        match self.word {
            Some(version) => batch.delete(word_key(&self.registrar), Expect::At(version)),
            None => batch.require(word_key(&self.registrar), Expect::Absent),
        };
        for value in &self.blocks {
            batch.delete(block_key(&self.registrar, value)?, Expect::Any);
        }
        let ticket = self.registrar.ticket();
        // Others may lack these words to decide as well.
        let spoken = core::mem::take(&mut session.unsent);
        self.registrar.push(Effect::Commit { ticket, batch });
        self.work = Some(Work::Deciding { ticket, decision: Box::new(decision), spoken });
        Ok(())
    }

    pub(super) fn on_committed(
        &mut self,
        now: Time,
        ticket: Ticket,
        fate: Committed,
    ) -> Result<(), Error> {
        let is_due = |work: &mut Work| match work {
            Work::Saving { ticket: asked, .. } | Work::Deciding { ticket: asked, .. } => {
                *asked == ticket
            }
            Work::Signing(..) => false,
        };
        let Some(work) = self.work.take_if(is_due) else {
            return Err(Misuse::NotAsked.into());
        };
        let Committed::Applied(version) = fate else {
            // Another instance wrote, or nobody knows: what is stored says what is true.
            return Err(ledger::Error::Fenced.into());
        };
        match work {
            Work::Saving { blocks, spoken, proven, .. } => {
                if !spoken.is_empty() {
                    self.word = Some(version);
                }
                self.blocks = blocks;
                for node in proven {
                    let misconduct = self.misconduct.get_mut(&node).and_then(Option::take);
                    let event = misconduct.map(|it| ValidatorEvent::Misconduct(Box::new(it)));
                    self.events.extend(event);
                }
                self.tell(&spoken)?;
                if let Some(session) = &mut self.session {
                    session.settle(spoken);
                }
                Ok(())
            }
            Work::Deciding { decision, spoken, .. } => {
                self.tell(&spoken)?;
                self.on_decided(now, *decision, version)
            }
            Work::Signing(..) => Ok(()),
        }
    }

    fn on_decided(&mut self, now: Time, decision: Decision, version: Version) -> Result<(), Error> {
        self.registrar.decided(decision, version)?;
        self.word = None;
        self.blocks.clear();
        self.cosigned.clear();
        self.begin_height()?;
        self.resend_at = now.plus_ms(self.config.resend_ms);
        self.ask_on()?;
        self.hear_early(now);
        Ok(())
    }

    /// The next height, before anything is said about it.
    pub(super) fn begin_height(&mut self) -> Result<(), Error> {
        let Some(chain) = self.registrar.chain() else { return Err(Error::Rules) };
        let (node, next) = (self.config.node, chain.next_height());
        self.session = Some(Session::new(chain, node, self.config.key_number));
        let own = chain.state().node(node).map(|it| it.name.clone());
        let own = own.and_then(|name| Peer::new(name.as_str()));
        let active = chain.state().nodes().filter(|(id, it)| {
            it.role == ledger::Role::Supervision && it.is_active(next) && *id != node
        });
        let named = active.filter_map(|(_, it)| Peer::new(it.name.as_str()));
        let peers: BTreeSet<_> = named.chain(self.config.seeds.iter().cloned()).collect();
        self.peers = peers.into_iter().filter(|peer| Some(peer) != own.as_ref()).collect();
        Ok(())
    }

    /// What is durable goes to everybody.
    fn tell(&mut self, spoken: &[Spoken<SignedVote, SignedClaim>]) -> Result<(), Error> {
        let Some(session) = &self.session else { return Ok(()) };
        let mut frames = Vec::new();
        let mut votes = Vec::new();
        for spoken in spoken {
            match spoken {
                Spoken::Vote(vote) => votes.push(*vote),
                Spoken::Claim(claim) => frames.extend(session.proposal(claim)),
            }
        }
        if !votes.is_empty() {
            frames.push(Frame::Votes(session.height, votes));
        }
        frames.iter().try_for_each(|frame| self.send_all(frame))
    }

    /// Says again what others may not have heard, now and then.
    pub(super) fn say_again(&mut self, now: Time) -> Result<(), Error> {
        let Some(session) = &self.session else { return Ok(()) };
        // Only what is durable is said, and what waits for that may be in it.
        if now < self.resend_at || self.work.is_some() || !session.unsent.is_empty() {
            return Ok(());
        }
        self.resend_at = now.plus_ms(self.config.resend_ms);
        self.sync_again(now);
        self.cosign_told.clear();
        let Some(session) = &self.session else { return Ok(()) };
        let mut frames = Vec::new();
        if session.is_started {
            let round = session.round().unwrap_or(0);
            let own = session.votes.values().filter(|it| it.vote.round.saturating_add(1) >= round);
            let mut votes = session.reasons();
            votes.extend(own.copied());
            votes.truncate(Frame::VOTES_MAX);
            frames.push(Frame::Votes(session.height, votes));
            let claim = session.claim.as_ref().filter(|it| it.claim.round == round);
            frames.extend(claim.and_then(|claim| session.proposal(claim)));
        }
        frames.extend(self.own_cosign());
        let waiting = self.registrar.asked().take(Self::PASSED_ON_AGAIN);
        frames.extend(waiting.map(|it| Frame::PassOn(Box::new(it.clone()))));
        let next = session.height;
        frames.iter().try_for_each(|frame| self.send_all(frame))?;
        for peer in self.peers.clone() {
            self.registrar.send(peer, &Message::Next(next))?;
        }
        Ok(())
    }

    pub(super) fn send_all(&mut self, frame: &Frame) -> Result<(), Error> {
        let frame = frame.to_bytes().map_err(|_| Misuse::TooLong)?;
        for to in self.peers.clone() {
            self.registrar.push(Effect::Send { to, frame: frame.clone() });
        }
        Ok(())
    }
}

impl Session {
    /// What was said is durable.
    fn settle(&mut self, spoken: Vec<Spoken<SignedVote, SignedClaim>>) {
        for spoken in spoken {
            match spoken {
                Spoken::Vote(vote) => {
                    self.votes.insert((vote.vote.round, vote.vote.kind), vote);
                }
                Spoken::Claim(claim) => self.claim = Some(claim),
            }
        }
    }

    /// A proposal with its block, and the votes that support it.
    fn proposal(&self, claim: &SignedClaim) -> Option<Frame> {
        let draft = self.drafts.get(&claim.claim.value);
        let draft = draft.or_else(|| {
            let decided = self.decided.as_ref().map(|(_, draft)| draft);
            decided.filter(|it| it.header.digest() == claim.claim.value)
        })?;
        let (header, transactions) = (draft.header, draft.transactions.clone());
        let polka = match claim.claim.pol_round {
            // Votes that were forgotten at a stop cannot be shown: then the round passes.
            Some(round) => {
                let votes = self.support(round, claim.claim.value);
                if votes.len() < self.needed() {
                    return None;
                }
                votes
            }
            None => Vec::new(),
        };
        Some(Frame::Propose(Box::new(Proposal { claim: *claim, header, transactions, polka })))
    }
}

fn expect(version: Option<Version>) -> Expect {
    version.map_or(Expect::Absent, Expect::At)
}
