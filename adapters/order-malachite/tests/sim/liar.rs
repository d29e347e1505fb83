//! A validator that lies: what an honest one would say is withheld, held back, or said differently to each.

use crate::place::key;
use interbank_order_malachite::*;
use ledger::*;
use port::Bytes;
use simkit::Rng;

pub(crate) struct Liar {
    node: NodeId,
    seed: u8,
    /// Blocks that it knows of, to vote for any of them.
    known: Vec<[u8; 32]>,
    /// The other block that it proposes to some.
    other: Option<(Height, u32, Bytes)>,
}

impl Liar {
    pub(crate) const fn new(node: NodeId, seed: u8) -> Self {
        Self { node, seed, known: Vec::new(), other: None }
    }

    /// What goes to somebody instead of a frame, and how much later, in milliseconds.
    pub(crate) fn twist(
        &mut self,
        rng: &mut Rng,
        chain: Option<&Chain>,
        to: usize,
        bytes: &Bytes,
    ) -> Vec<(u64, Bytes)> {
        if rng.chance(1, 5) {
            return Vec::new();
        }
        let late = if rng.chance(1, 5) { rng.below(4_000) } else { 0 };
        if !Frame::is_one(bytes) {
            return vec![(late, bytes.clone())];
        }
        let chain_id = crate::place::genesis().chain().unwrap();
        match Frame::parse(chain_id, bytes).unwrap() {
            Frame::Votes(height, votes) => {
                let lies = votes.iter().map(|it| self.vote(rng, *it)).collect();
                let lie = Frame::Votes(height, lies).to_bytes().unwrap();
                // Sometimes both, so that it can be caught.
                let mut frames = vec![(late, lie)];
                if rng.chance(1, 3) {
                    frames.push((0, bytes.clone()));
                }
                frames
            }
            Frame::Propose(proposal) => {
                self.known.push(proposal.claim.claim.value);
                let other = self.other_block(rng, chain, &proposal);
                match other.filter(|_| to.is_multiple_of(2)) {
                    Some(other) => vec![(late, other)],
                    None => vec![(late, bytes.clone())],
                }
            }
            Frame::PassOn(_) | Frame::Cosign(..) => vec![(late, bytes.clone())],
        }
    }

    fn vote(&self, rng: &mut Rng, signed: SignedVote) -> SignedVote {
        if signed.vote.node != self.node || rng.chance(1, 2) {
            return signed;
        }
        let value = if rng.chance(1, 3) { None } else { rng.pick(&self.known).copied() };
        let vote = Vote { value, ..signed.vote };
        SignedVote { vote, signature: key(self.seed).sign(&vote.to_sign()), ..signed }
    }

    /// Another valid block for the same round, of the same transactions and a millisecond later.
    fn other_block(
        &mut self,
        rng: &mut Rng,
        chain: Option<&Chain>,
        proposal: &Proposal,
    ) -> Option<Bytes> {
        let claim = proposal.claim.claim;
        if let Some((height, round, bytes)) = &self.other
            && (*height, *round) == (claim.height, claim.round)
        {
            return Some(bytes.clone());
        }
        let mut chain = chain.filter(|it| it.next_height() == claim.height)?.clone();
        if claim.pol_round.is_some() || rng.chance(1, 3) {
            return None;
        }
        let later = proposal.header.time.plus_ms(1);
        let draft = chain.draft(later, self.node, &proposal.transactions, 80);
        let claim = Claim { value: draft.header.digest(), ..claim };
        self.known.push(claim.value);
        let signature = key(self.seed).sign(&claim.to_sign());
        let claim = SignedClaim { claim, signature, ..proposal.claim };
        let (header, transactions) = (draft.header, draft.transactions);
        let other = Proposal { claim, header, transactions, polka: Vec::new() };
        let bytes = Frame::Propose(Box::new(other)).to_bytes().unwrap();
        self.other = Some((claim.claim.height, claim.claim.round, bytes.clone()));
        Some(bytes)
    }
}
