//! What others say: proposals, votes, transactions passed on.

use super::session::{proposal_input, vote_input};
use super::{Session, Validator};
use crate::frame::{Frame, Proposal, SignedClaim, SignedVote};
use crate::{Error, Misconduct};
use alloc::boxed::Box;
use alloc::vec::Vec;
use arc_malachitebft_core_types::{Round, TimeoutKind};
use bytes::Bytes;
use ledger::{
    By, Chain, Height, NodeId, Registrar, Taken, Transaction, Vote, VoteKind, VoteSignature,
};
use port::{Peer, Time, WireError};

impl Validator {
    /// A transaction for the chain; a new one is passed on, since any validator may be the next to propose.
    pub(super) fn take(
        &mut self,
        now: Time,
        by: By<'_>,
        transaction: Transaction,
    ) -> Result<(), Error> {
        let is_first = !matches!(by, By::Supervision);
        let frame = is_first.then(|| Frame::PassOn(Box::new(transaction.clone())));
        let is_new = self.registrar.take(now, by, transaction)? == Taken::New;
        frame.filter(|_| is_new).map_or(Ok(()), |frame| self.send_all(&frame))
    }

    pub(super) fn hear(&mut self, now: Time, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        match Frame::parse(self.registrar.chain_mut().id(), bytes)? {
            Frame::Propose(proposal) => {
                if self.is_now(from, proposal.claim.claim.height, bytes)? {
                    self.on_proposal(now, *proposal)?;
                }
                Ok(())
            }
            Frame::Votes(height, votes) => {
                if self.is_now(from, height, bytes)? {
                    votes.iter().try_for_each(|vote| self.on_vote(now, vote))?;
                }
                Ok(())
            }
            Frame::Cosign(height, signed) => {
                let is_ahead = self.session.as_ref().is_some_and(|it| it.height == height);
                if is_ahead {
                    // It was decided there, and will be here.
                    self.keep_early(from, bytes);
                    return Ok(());
                }
                self.on_cosign(from, height, signed)
            }
            Frame::PassOn(transaction) => {
                let known = self.peers.contains(from);
                if !known {
                    return Err(WireError::Invalid.into());
                }
                if self.is_early(&transaction) {
                    return self.keep_transaction(from, bytes);
                }
                self.take(now, By::Supervision, *transaction)
            }
        }
    }

    /// Whether a frame is about the height that goes on. Who is behind is told so; what is about the next one but one waits.
    fn is_now(&mut self, from: &Peer, height: Height, bytes: &[u8]) -> Result<bool, Error> {
        let Some(session) = &self.session else { return Ok(false) };
        let next = session.height;
        if height == next {
            return Ok(session.listens());
        }
        if height < next {
            self.hint(from, next)?;
        } else if height == next.next() {
            self.keep_early(from, bytes);
        }
        Ok(false)
    }

    /// Whether a transaction rests on a block that was decided elsewhere, and will be here in a moment.
    pub(super) fn is_early(&self, transaction: &Transaction) -> bool {
        let from = transaction.window.from;
        self.session.as_ref().is_some_and(|session| {
            session.height < from && from <= session.height.after(Self::BEHIND_MAX)
        })
    }

    /// It waits for that block. Nobody can crowd supervision nodes out; who finds no room says it again.
    pub(super) fn keep_transaction(&mut self, from: &Peer, bytes: &[u8]) -> Result<(), Error> {
        let group = |peer: &Peer| self.peers.iter().find(|it| *it == peer);
        let own = group(from);
        let waiting = self.early_transactions.iter().filter(|(peer, _)| group(peer) == own);
        if waiting.count() >= Self::EARLY_TRANSACTIONS_MAX {
            return Err(ledger::Error::Busy.into());
        }
        self.early_transactions.push_back((from.clone(), Bytes::copy_from_slice(bytes)));
        Ok(())
    }

    /// Nobody can crowd the others out; what finds no room is said again.
    fn keep_early(&mut self, from: &Peer, bytes: &[u8]) {
        let waiting = self.early.iter().filter(|(peer, _)| peer == from).count();
        if self.peers.contains(from) && waiting < Self::EARLY_MAX {
            self.early.push_back((from.clone(), Bytes::copy_from_slice(bytes)));
        }
    }

    /// What waited for the height that begins now.
    pub(super) fn hear_early(&mut self, now: Time) {
        let transactions = core::mem::take(&mut self.early_transactions);
        for (from, bytes) in core::mem::take(&mut self.early).into_iter().chain(transactions) {
            // What is wrong with it is of no interest to whoever hands the next input over.
            let _ = self.on_frame(now, &from, &bytes);
        }
    }

    fn on_proposal(&mut self, now: Time, proposal: Proposal) -> Result<(), Error> {
        let Proposal { claim, header, transactions, polka } = proposal;
        let (round, node) = (claim.claim.round, claim.claim.node);
        let Some(session) = &self.session else { return Ok(()) };
        let is_turn = session.proposer(round) == node && self.is_near(round);
        let pol_round = claim.claim.pol_round;
        if !is_turn || pol_round.is_some_and(|before| before >= round) {
            return Err(Error::NotProposed);
        }
        match session.claims.get(&round) {
            Some(before) if before.claim == claim.claim => return Ok(()),
            Some(_) if self.misconduct.contains_key(&node) => return Ok(()),
            _ => {}
        }
        let key = self.key(node, claim.key_number);
        if !key.is_some_and(|key| key.verify(&claim.claim.to_sign(), &claim.signature)) {
            return Err(Error::NotProposed);
        }
        if let Some(before) = session.claims.get(&round) {
            let misconduct = Misconduct::Proposals(*before, claim);
            self.misconduct.insert(node, Some(misconduct));
            return Ok(());
        }
        let polka = pol_round.map_or_else(Vec::new, |before| self.polka(&claim, before, &polka));
        if pol_round.is_some() && polka.len() < session.needed() {
            return Err(Error::NotProposed);
        }
        let is_known = session.drafts.contains_key(&claim.claim.value);
        let limit = now.plus_ms(self.config.ahead_ms);
        let is_new = pol_round.is_none();
        // Votes that bind have looked at whose it is and when, the first time.
        let is_due = !is_new || (header.proposer == node && header.time <= limit);
        let checked = if is_known || !is_due {
            None
        } else {
            let draft = self.registrar.chain_mut().check(header, transactions).ok();
            draft.filter(|it| Registrar::fits(it) && !it.transactions.is_empty())
        };
        let is_valid = is_due && (is_known || checked.is_some());
        let Some(session) = &mut self.session else { return Ok(()) };
        session.claims.insert(round, claim);
        if let Some(draft) = checked {
            session.keep(claim.claim.value, draft);
        }
        if is_valid {
            self.start(now)?;
        }
        polka.iter().try_for_each(|vote| self.on_vote(now, vote))?;
        if let Some(before) = pol_round {
            let waits = self.waits();
            let Some(session) = &mut self.session else { return Ok(()) };
            let shown = session.show(before, claim.claim.value, &polka);
            if session.is_started {
                session.drive(now, &waits, shown)?;
            }
        }
        self.drive_claim(now, &claim, is_valid)
    }

    pub(super) fn drive_claim(
        &mut self,
        now: Time,
        claim: &SignedClaim,
        is_valid: bool,
    ) -> Result<(), Error> {
        let waits = self.waits();
        let Some(session) = self.session.as_mut().filter(|it| it.is_started) else { return Ok(()) };
        session.drive(now, &waits, proposal_input(claim, is_valid))
    }

    /// The first votes that come with a proposal, as far as they are right.
    fn polka(
        &self,
        claim: &SignedClaim,
        round: u32,
        signatures: &[VoteSignature],
    ) -> Vec<SignedVote> {
        let claim = &claim.claim;
        let votes = signatures.iter().map(|it| {
            let (kind, value) = (VoteKind::Prepare, Some(claim.value));
            let (chain, height, node) = (claim.chain, claim.height, it.node);
            let vote = Vote { chain, height, round, kind, value, node };
            SignedVote { vote, key_number: it.key_number, signature: it.signature }
        });
        votes.filter(|vote| self.is_seen(vote) || self.is_right(vote)).collect()
    }

    pub(super) fn on_vote(&mut self, now: Time, signed: &SignedVote) -> Result<(), Error> {
        let vote = &signed.vote;
        let key = (vote.round, vote.kind, vote.node);
        let Some(session) = &self.session else { return Ok(()) };
        if !session.listens() {
            return Ok(());
        }
        let before = session.seen.get(&key).copied();
        if let Some(before) = before
            && (before.vote == *vote || self.misconduct.contains_key(&vote.node))
        {
            return Ok(());
        }
        // One that is too far ahead may still show that others are; if not, those that come with it still count.
        if !self.is_near(vote.round) && !session.is_further(vote) {
            return Ok(());
        }
        if !self.is_right(signed) {
            return Err(Error::NotVoted);
        }
        if let Some(session) = &mut self.session {
            session.place(vote);
        }
        if !self.is_near(vote.round) {
            return Ok(());
        }
        if let Some(before) = before {
            let misconduct = Misconduct::Votes(before, *signed);
            self.misconduct.insert(vote.node, Some(misconduct));
            return Ok(());
        }
        let waits = self.waits();
        let Some(session) = &mut self.session else { return Ok(()) };
        session.seen.insert(key, *signed);
        if vote.node == session.node {
            session.own_up(signed);
        }
        if session.is_started {
            return session.drive(now, &waits, vote_input(signed));
        }
        session.held.push(*signed);
        if session.voters_held() >= session.honest() { self.start(now) } else { Ok(()) }
    }

    /// Rounds begin at this height: there is something to decide, or others have begun who cannot all lie.
    pub(super) fn start(&mut self, now: Time) -> Result<(), Error> {
        let waits = self.waits();
        let Some(session) = &mut self.session else { return Ok(()) };
        if session.is_started || !session.listens() {
            return Ok(());
        }
        session.is_started = true;
        session.drive(now, &waits, session.new_round(Round::ZERO))?;
        for vote in core::mem::take(&mut session.held) {
            session.drive(now, &waits, vote_input(&vote))?;
        }
        Ok(())
    }

    /// Gives the rules a block, if it is this node's turn and there is something to decide.
    pub(super) fn want_value(&mut self, now: Time) -> Result<(), Error> {
        let waits = self.waits();
        let Some(session) = &mut self.session else { return Ok(()) };
        let Some(round) = session.wanted() else { return Ok(()) };
        let value = match session.claimed(round) {
            Some(value) => value,
            None => {
                let Some(draft) = self.registrar.draft(now)? else { return Ok(()) };
                let value = draft.header.digest();
                session.keep(value, draft);
                value
            }
        };
        session.drive(now, &waits, Session::value(round, value))
    }

    pub(super) fn on_timers(&mut self, now: Time) -> Result<(), Error> {
        let waits = self.waits();
        let Some(session) = &mut self.session else { return Ok(()) };
        while let Some(due) = session.timers.iter().position(|(at, _)| *at <= now) {
            let (_, timeout) = session.timers.swap_remove(due);
            let round = timeout.round.as_u32().unwrap_or(0);
            // Nobody waits for the end of the world.
            if round == u32::MAX && matches!(timeout.kind, TimeoutKind::Precommit) {
                continue;
            }
            session.drive(now, &waits, Session::timeout(timeout.kind, round))?;
        }
        Ok(())
    }

    fn is_near(&self, round: u32) -> bool {
        let from = self.session.as_ref().map_or(0, Session::horizon);
        round <= from.saturating_add(Self::ROUNDS_AHEAD)
    }

    fn is_seen(&self, signed: &SignedVote) -> bool {
        let vote = &signed.vote;
        let key = (vote.round, vote.kind, vote.node);
        let seen = self.session.as_ref().and_then(|session| session.seen.get(&key));
        seen.is_some_and(|seen| seen == signed)
    }

    /// Whether a vote is of a validator, and signed by it.
    pub(super) fn is_right(&self, signed: &SignedVote) -> bool {
        let vote = &signed.vote;
        let is_validator = self.validators().contains(&vote.node);
        let key = self.key(vote.node, signed.key_number).filter(|_| is_validator);
        key.is_some_and(|key| key.verify(&vote.to_sign(), &signed.signature))
    }

    pub(super) fn key(&self, node: NodeId, key_number: u16) -> Option<&seal::VerifyingKey> {
        let chain: &Chain = self.registrar.chain()?;
        chain.supervision_key(node, key_number, chain.next_height())
    }
}
