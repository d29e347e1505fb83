//! A node that comes up again says what it has said, and nothing else.

use super::Validator;
use super::session::{Session, proposal_input, vote_input};
use crate::frame::{Claim, SignedClaim, SignedVote};
use crate::rows::{Polka, Word, blocks_table, evidence_table, parse_block_row, tail, word_key};
use crate::{Error, Misconduct};
use alloc::vec::Vec;
use arc_malachitebft_core_types::{Round, TimeoutKind};
use ledger::{Corrupt, Height, NodeId, Vote, VoteKind};
use port::{Effect, ReadSet, Rows, Scan, Ticket, Time};

/// What is read besides the chain.
#[derive(Debug)]
pub(super) enum Reading {
    /// The chain comes first.
    Chain,
    Asked(Ticket),
    /// A read failed, and is repeated at the next tick.
    Stuck,
    Done,
}

impl Validator {
    pub(super) fn on_rows(
        &mut self,
        now: Time,
        ticket: Ticket,
        rows: Option<Rows>,
    ) -> Result<(), Error> {
        if matches!(self.reading, Reading::Asked(asked) if asked == ticket) {
            let Some(rows) = rows else {
                self.reading = Reading::Stuck;
                return Ok(());
            };
            // Nothing may be built on what cannot be used.
            return self.on_own_rows(now, &rows).inspect_err(|_| self.fenced = true);
        }
        let was_open = self.registrar.chain().is_some();
        let taken = self.registrar.on_rows(ticket, rows);
        let taken = taken.inspect_err(|_| self.fenced = self.fenced || !was_open)?;
        if !was_open && self.registrar.chain().is_some() {
            self.reading = Reading::Stuck;
            return self.read_again();
        }
        if taken { Ok(()) } else { Err(ledger::Misuse::NotAsked.into()) }
    }

    pub(super) fn read_again(&mut self) -> Result<(), Error> {
        if !matches!(self.reading, Reading::Stuck) {
            return Ok(());
        }
        let ticket = self.registrar.ticket();
        let want = ReadSet {
            points: alloc::vec![word_key(&self.registrar), self.registrar.head_key()],
            scans: alloc::vec![
                Scan::first(blocks_table(&self.registrar), Self::BLOCKS_MAX),
                Scan::first(evidence_table(&self.registrar), Scan::ROWS_MAX),
            ],
        };
        self.registrar.push(Effect::Read { ticket, want });
        self.reading = Reading::Asked(ticket);
        Ok(())
    }

    /// More than can be stored: what is proposed, locked and valid.
    const BLOCKS_MAX: usize = 16;

    fn on_own_rows(&mut self, now: Time, rows: &Rows) -> Result<(), Error> {
        let ([word, head], [blocks, proofs]) = (&rows.points[..], &rows.scans[..]) else {
            return Err(ledger::Misuse::NotAsked.into());
        };
        if head.as_ref().map(|row| row.version) != self.registrar.head_version() {
            // Somebody else writes.
            return Err(ledger::Error::Fenced.into());
        }
        let chain = self.registrar.chain_mut().id();
        for (key, row) in proofs {
            let node = NodeId(Height(u64::from_be_bytes(tail(key)?)));
            Misconduct::parse(chain, &row.value).map_err(Corrupt::from)?;
            self.misconduct.insert(node, None);
        }
        self.begin_height()?;
        self.reading = Reading::Done;
        self.word = word.as_ref().map(|row| row.version);
        for (key, row) in blocks {
            let digest: [u8; 32] = tail(key)?;
            let (header, transactions) = parse_block_row(&row.value)?;
            let draft = self.registrar.chain_mut().check(header, transactions);
            let draft = draft.map_err(|_| Corrupt::Root)?;
            if draft.header.digest() != digest {
                return Err(Corrupt::Root.into());
            }
            self.blocks.insert(digest);
            if let Some(session) = &mut self.session {
                session.keep(digest, draft);
            }
        }
        let Some(row) = word else { return Ok(()) };
        let word = Word::parse(chain, &row.value)?;
        let Some(session) = &self.session else { return Ok(()) };
        if word.height != session.height {
            return Err(Corrupt::Missing.into());
        }
        let is_there = |value: [u8; 32]| session.drafts.contains_key(&value);
        if !word.values().all(is_there) {
            return Err(Corrupt::Missing.into());
        }
        if !word.votes.iter().all(|it| it.vote.node == session.node && self.is_right(it)) {
            return Err(Corrupt::Root.into());
        }
        let mut bonds = Vec::new();
        for polka in [&word.locked, &word.valid].into_iter().flatten() {
            let votes = self.votes_of(polka);
            let are_right = votes.iter().all(|vote| self.is_right(vote));
            if !are_right || votes.len() < session.needed() {
                return Err(Corrupt::Root.into());
            }
            bonds.push((polka.clone(), votes));
        }
        if session.is_voting {
            self.resume(now, &word, &bonds)?;
        }
        Ok(())
    }

    /// Brings the rules to where they were, so that they know what binds this node.
    fn resume(
        &mut self,
        now: Time,
        word: &Word,
        bonds: &[(Polka, Vec<SignedVote>)],
    ) -> Result<(), Error> {
        let waits = self.waits();
        let Some(session) = &mut self.session else { return Ok(()) };
        session.is_started = true;
        session.remember(word);
        for (_, votes) in bonds {
            for vote in votes {
                let key = (vote.vote.round, vote.vote.kind, vote.vote.node);
                session.seen.insert(key, *vote);
            }
        }
        let last = bonds.iter().map(|(polka, _)| polka.round).max();
        let round = word.round.max(last.unwrap_or(0));
        let mut at = None;
        for (polka, votes) in bonds {
            let is_locked = word.locked.as_ref() == Some(polka);
            if at == Some(polka.round) {
                // Locked and valid by the same votes.
                continue;
            }
            let mut inputs = Vec::new();
            inputs.extend(at.map(|before| Session::timeout(TimeoutKind::Precommit, before)));
            inputs.push(session.new_round(Round::new(polka.round)));
            if !is_locked {
                // It was valid for a node that had given both its votes already.
                inputs.push(Session::timeout(TimeoutKind::Propose, polka.round));
                inputs.push(Session::timeout(TimeoutKind::Prevote, polka.round));
            }
            inputs.push(proposal_input(&session.any_claim(polka), true));
            inputs.extend(votes.iter().map(vote_input));
            for input in inputs {
                // In the round that goes on, what was not said yet is still to be said.
                if polka.round == round {
                    session.drive(now, &waits, input)?;
                } else {
                    session.replay(input)?;
                }
            }
            at = Some(polka.round);
        }
        if at != Some(round) {
            if let Some(before) = at {
                session.replay(Session::timeout(TimeoutKind::Precommit, before))?;
            }
            session.drive(now, &waits, session.new_round(Round::new(round)))?;
            let has_said = |kind| word.votes.iter().any(|it| it.vote.kind == kind);
            if has_said(VoteKind::Prepare) || has_said(VoteKind::Commit) {
                session.drive(now, &waits, Session::timeout(TimeoutKind::Propose, round))?;
            }
            if has_said(VoteKind::Commit) {
                session.drive(now, &waits, Session::timeout(TimeoutKind::Prevote, round))?;
            }
        }
        for vote in &word.votes {
            session.drive(now, &waits, vote_input(vote))?;
        }
        if let Some(claim) = &word.claim {
            session.drive(now, &waits, proposal_input(claim, true))?;
        }
        let stored = [&word.locked, &word.valid];
        let stored = stored.map(|it| it.as_ref().map(|it| (it.round, it.value)));
        if session.bound() == stored { Ok(()) } else { Err(Corrupt::Root.into()) }
    }

    fn votes_of(&self, polka: &Polka) -> Vec<SignedVote> {
        let Some(session) = &self.session else { return Vec::new() };
        let (chain, height) = (session.chain, session.height);
        let votes = polka.votes.iter().map(|it| {
            let (round, kind, value) = (polka.round, VoteKind::Prepare, Some(polka.value));
            let vote = Vote { chain, height, round, kind, value, node: it.node };
            SignedVote { vote, key_number: it.key_number, signature: it.signature }
        });
        votes.collect()
    }
}

impl Session {
    /// The proposal that a polka was about, as far as the rules need it: they look at no signature.
    fn any_claim(&self, polka: &Polka) -> SignedClaim {
        let claim = Claim {
            chain: self.chain,
            height: self.height,
            round: polka.round,
            pol_round: None,
            value: polka.value,
            node: self.proposer(polka.round),
        };
        SignedClaim { claim, key_number: 0, signature: [0; 64] }
    }
}
