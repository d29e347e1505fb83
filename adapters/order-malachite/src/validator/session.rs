//! What goes on at one height: the rules, and what they need to be told.

use crate::context::{
    At, Context, Digest, Driver, Input, Output, Signature, SignedProposal, Validators, Voter,
    proposer,
};
use crate::frame::{Claim, SignedClaim, SignedVote};
use crate::rows::{Polka, Word};
use crate::{Error, context};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use arc_malachitebft_core_types::{
    NilOrVal, PolkaCertificate, PolkaSignature, Round, ThresholdParams, Timeout, TimeoutKind,
    VoteType,
};
use ledger::{
    Certificate, Chain, ChainId, Draft, Height, NodeId, SignedHeader, Vote, VoteKind,
    VoteSignature, votes_needed,
};
use port::Time;

/// The rounds of one height, as one node lives them.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) chain: ChainId,
    pub(super) height: Height,
    pub(super) node: NodeId,
    pub(super) validators: Vec<NodeId>,
    /// Whether this node is one of them, and has its key.
    pub(super) is_voting: bool,
    /// Rounds begin when there is something to decide.
    pub(super) is_started: bool,
    driver: Driver,
    /// Votes that came before.
    pub(super) held: Vec<SignedVote>,
    pub(super) timers: Vec<(Time, Timeout)>,
    /// Blocks that could come next, by their digests.
    pub(super) drafts: BTreeMap<[u8; 32], Draft>,
    /// The first proposal of each round.
    pub(super) claims: BTreeMap<u32, SignedClaim>,
    /// The first vote of each round, kind and node.
    pub(super) seen: BTreeMap<(u32, VoteKind, NodeId), SignedVote>,
    /// The newest round in which each validator has voted.
    newest: BTreeMap<NodeId, u32>,
    /// First votes that others have shown for a block of an earlier round. Liars among them may have told this node something else, so
    /// that it could not have counted them itself.
    shown: BTreeMap<(u32, [u8; 32]), Vec<VoteSignature>>,
    /// What this node has said or is about to say, so that it says nothing else.
    promised: BTreeMap<(u32, VoteKind), Option<[u8; 32]>>,
    claimed: BTreeMap<u32, Claim>,
    /// What is to be signed.
    pub(super) unsigned: VecDeque<Spoken<Vote, Claim>>,
    /// What is signed and not durable.
    pub(super) unsent: Vec<Spoken<SignedVote, SignedClaim>>,
    /// What is durable.
    pub(super) votes: BTreeMap<(u32, VoteKind), SignedVote>,
    pub(super) claim: Option<SignedClaim>,
    /// What binds this node.
    pub(super) locked: Option<Polka>,
    pub(super) valid: Option<Polka>,
    /// The round that waits for a block of this node's.
    wants: Option<u32>,
    pub(super) decided: Option<(SignedHeader, Draft)>,
}

/// A vote or a proposal.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spoken<V, C> {
    Vote(V),
    Claim(C),
}

impl Session {
    /// Rounds that are remembered, back from the one that goes on.
    const ROUNDS_KEPT: u32 = 64;

    /// Blocks that are remembered.
    const DRAFTS_MAX: usize = 16;

    pub(super) fn new(chain: &Chain, node: NodeId, key_number: u16) -> Self {
        let height = chain.next_height();
        let validators = chain.validators(height);
        let has_key = chain.supervision_key(node, key_number, height).is_some();
        let driver = Driver::new(
            Context,
            At(height.0),
            Validators::new(&validators),
            Voter(node),
            ThresholdParams::default(),
        );
        Self {
            chain: chain.id(),
            height,
            node,
            is_voting: has_key && validators.contains(&node),
            is_started: false,
            validators,
            driver,
            held: Vec::new(),
            timers: Vec::new(),
            drafts: BTreeMap::new(),
            claims: BTreeMap::new(),
            seen: BTreeMap::new(),
            newest: BTreeMap::new(),
            shown: BTreeMap::new(),
            promised: BTreeMap::new(),
            claimed: BTreeMap::new(),
            unsigned: VecDeque::new(),
            unsent: Vec::new(),
            votes: BTreeMap::new(),
            claim: None,
            locked: None,
            valid: None,
            wants: None,
            decided: None,
        }
    }

    /// Gives the rules an input, and does what they say.
    pub(super) fn drive(&mut self, now: Time, waits: &Waits, input: Input) -> Result<(), Error> {
        if self.decided.is_some() {
            return Ok(());
        }
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for output in self.driver.process(input).map_err(|_| Error::Rules)? {
                match output {
                    Output::NewRound(_, round) => {
                        self.enter(round);
                        inputs.push_back(self.new_round(round));
                    }
                    Output::Propose(proposal) => self.promise_claim(&proposal),
                    Output::Vote(vote) => self.promise_vote(&vote),
                    Output::Decide(_, proposal) => self.decide(&proposal),
                    Output::ScheduleTimeout(timeout) => {
                        self.timers.push((now.plus_ms(waits.of(timeout)), timeout));
                    }
                    Output::GetValue(_, round, _) => self.wants = round.as_u32(),
                }
            }
        }
        self.note_polkas();
        Ok(())
    }

    /// Gives the rules an input of the past: what they answer was said already.
    pub(super) fn replay(&mut self, input: Input) -> Result<(), Error> {
        self.driver.process(input).map(|_| ()).map_err(|_| Error::Rules)
    }

    /// What this node said before it was stopped.
    pub(super) fn remember(&mut self, word: &Word) {
        for vote in &word.votes {
            let key = (vote.vote.round, vote.vote.kind);
            self.promised.insert(key, vote.vote.value);
            self.votes.insert(key, *vote);
            self.seen.insert((key.0, key.1, self.node), *vote);
        }
        if let Some(claim) = word.claim {
            self.claimed.insert(claim.claim.round, claim.claim);
            self.claims.insert(claim.claim.round, claim);
            self.claim = Some(claim);
        }
        self.locked = word.locked.clone();
        self.valid = word.valid.clone();
    }

    /// A vote in this node's name that it does not know: its store was put back, or another runs with its key. It is held to it.
    pub(super) fn own_up(&mut self, vote: &SignedVote) {
        self.promised.entry((vote.vote.round, vote.vote.kind)).or_insert(vote.vote.value);
    }

    /// A vote that is right shows how far its voter is.
    pub(super) fn place(&mut self, vote: &Vote) {
        let newest = self.newest.entry(vote.node).or_insert(vote.round);
        *newest = vote.round.max(*newest);
    }

    /// A block that could come next. If there are too many, those go that nobody is bound to.
    pub(super) fn keep(&mut self, digest: [u8; 32], draft: Draft) {
        if self.drafts.len() >= Self::DRAFTS_MAX {
            let now = self.round().unwrap_or(0);
            let recent = self.claims.range(now..).map(|(_, it)| it.claim.value);
            // Its own claims are among those once they are signed.
            let own = self.claimed.range(now..).map(|(_, it)| it.value);
            let needed: BTreeSet<_> = recent.chain(own).chain(self.word().values()).collect();
            self.drafts.retain(|digest, _| needed.contains(digest));
        }
        self.drafts.insert(digest, draft);
    }

    pub(super) fn round(&self) -> Option<u32> {
        self.driver.round().as_u32()
    }

    /// The round from which on this node listens ahead: its own, or the one that so many others have come to that not all of them lie.
    pub(super) fn horizon(&self) -> u32 {
        let mut rounds: Vec<_> = self.newest.values().copied().collect();
        rounds.sort_unstable_by(|one, other| other.cmp(one));
        let others = rounds.get(self.honest().saturating_sub(1)).copied().unwrap_or(0);
        others.max(self.round().unwrap_or(0))
    }

    /// Whether a validator is not known to have come to a round.
    pub(super) fn is_further(&self, vote: &Vote) -> bool {
        self.newest.get(&vote.node).is_none_or(|newest| *newest < vote.round)
    }

    pub(super) fn proposer(&self, round: u32) -> NodeId {
        let place = proposer(self.validators.len(), self.height, round);
        self.validators.get(place).copied().unwrap_or(self.node)
    }

    pub(super) fn needed(&self) -> usize {
        votes_needed(self.validators.len())
    }

    /// So many cannot all lie.
    pub(super) fn honest(&self) -> usize {
        self.validators.len() + 1 - self.needed()
    }

    /// Whether anything comes of what others say here.
    pub(super) fn listens(&self) -> bool {
        self.is_voting && self.decided.is_none()
    }

    /// The round that waits for a block of this node's, if it still goes on.
    pub(super) fn wanted(&self) -> Option<u32> {
        let is_now = self.wants == self.round() && self.driver.step_is_propose();
        self.wants.filter(|_| is_now && self.decided.is_none())
    }

    /// The block that was proposed in a round before this node was stopped.
    pub(super) fn claimed(&self, round: u32) -> Option<[u8; 32]> {
        self.claimed.get(&round).map(|claim| claim.value)
    }

    /// How many have voted, before rounds began here.
    pub(super) fn voters_held(&self) -> usize {
        let voters: BTreeSet<_> = self.held.iter().map(|it| it.vote.node).collect();
        voters.len()
    }

    /// Votes that show why this node is in its round.
    pub(super) fn reasons(&self) -> Vec<SignedVote> {
        let Some(entered) = self.driver.round_certificate() else { return Vec::new() };
        let certificate = &entered.certificate;
        let Some(round) = certificate.round.as_u32() else { return Vec::new() };
        let votes = certificate.round_signatures.iter().filter_map(|it| {
            let kind = match it.vote_type {
                VoteType::Prevote => VoteKind::Prepare,
                VoteType::Precommit => VoteKind::Commit,
            };
            self.seen.get(&(round, kind, it.address.0)).copied()
        });
        votes.collect()
    }

    /// What has to be durable before anything of it is heard.
    pub(super) fn word(&self) -> Word {
        let mut claim = self.claim;
        let mut votes: Vec<_> = self.votes.values().copied().collect();
        for spoken in &self.unsent {
            match spoken {
                Spoken::Vote(vote) => votes.push(*vote),
                Spoken::Claim(it) => claim = Some(*it),
            }
        }
        let rounds = votes.iter().map(|it| it.vote.round);
        let round = rounds.chain(claim.map(|it| it.claim.round)).max().unwrap_or(0);
        votes.retain(|it| it.vote.round == round);
        Word {
            height: self.height,
            round,
            claim: claim.filter(|it| it.claim.round == round),
            votes,
            locked: self.locked.clone(),
            valid: self.valid.clone(),
        }
    }

    /// What the rules are locked on, and what they would propose.
    pub(super) fn bound(&self) -> [Option<(u32, [u8; 32])>; 2] {
        let state = self.driver.round_state();
        [&state.locked, &state.valid].map(|it| {
            let it = it.as_ref()?;
            Some((it.round.as_u32()?, it.value.0))
        })
    }

    /// The input that begins a round.
    pub(super) fn new_round(&self, round: Round) -> Input {
        let proposer = self.proposer(round.as_u32().unwrap_or(0));
        Input::NewRound(At(self.height.0), round, Voter(proposer))
    }

    pub(super) const fn timeout(kind: TimeoutKind, round: u32) -> Input {
        Input::TimeoutElapsed(Timeout::new(Round::new(round), kind))
    }

    pub(super) const fn value(round: u32, value: [u8; 32]) -> Input {
        Input::ProposeValue(Round::new(round), Digest(value))
    }

    fn enter(&mut self, round: Round) {
        self.timers.clear();
        self.wants = None;
        let first = round.as_u32().unwrap_or(0).saturating_sub(Self::ROUNDS_KEPT);
        if first > 0 {
            self.driver.prune_votes_and_certificates(Round::new(first));
            self.seen.retain(|(round, ..), _| *round >= first);
            self.claims.retain(|round, _| *round >= first);
            self.shown.retain(|(round, _), _| *round >= first);
            self.promised.retain(|(round, _), _| *round >= first);
            self.claimed.retain(|round, _| *round >= first);
            // The last ones stay in this node's word until it has spoken again.
            let last = self.votes.keys().next_back().map_or(first, |(round, _)| *round);
            self.votes.retain(|(round, _), _| *round >= first.min(last));
        }
    }

    /// One's own proposal, if nothing else was promised for its round.
    fn promise_claim(&mut self, proposal: &context::Proposal) {
        let Some(round) = proposal.round.as_u32() else { return };
        let claim = Claim {
            chain: self.chain,
            height: self.height,
            round,
            pol_round: proposal.pol_round.as_u32(),
            value: proposal.value.0,
            node: self.node,
        };
        if self.claimed.contains_key(&round) {
            return;
        }
        self.claimed.insert(round, claim);
        self.unsigned.push_back(Spoken::Claim(claim));
    }

    /// One's own vote, if nothing else was promised for its round.
    fn promise_vote(&mut self, vote: &context::Vote) {
        let Some(round) = vote.round.as_u32() else { return };
        let value = match &vote.value {
            NilOrVal::Val(digest) => Some(digest.0),
            NilOrVal::Nil => None,
        };
        let kind = vote.kind;
        if self.promised.contains_key(&(round, kind)) {
            return;
        }
        self.promised.insert((round, kind), value);
        let (chain, height, node) = (self.chain, self.height, self.node);
        self.unsigned.push_back(Spoken::Vote(Vote { chain, height, round, kind, value, node }));
    }

    fn decide(&mut self, proposal: &context::Proposal) {
        let (Some(round), digest) = (proposal.round.as_u32(), proposal.value.0) else { return };
        let votes = self.votes_for(round, VoteKind::Commit, digest);
        if votes.len() < self.needed() {
            return;
        }
        // Without the block, it comes from whoever has it.
        if let Some(draft) = self.drafts.remove(&digest) {
            let certificate = Certificate::Votes { round, votes };
            self.decided = Some((SignedHeader { header: draft.header, certificate }, draft));
        }
    }

    /// What the rules are bound to now, with the votes that bind them.
    fn note_polkas(&mut self) {
        let [locked, valid] = self.bound();
        let (before, other) = (self.locked.take(), self.valid.take());
        self.locked = self.noted(before, locked);
        self.valid = self.noted(other, valid);
    }

    fn noted(&self, polka: Option<Polka>, bound: Option<(u32, [u8; 32])>) -> Option<Polka> {
        let (round, value) = bound?;
        polka
            .filter(|it| (it.round, it.value) == (round, value))
            .or_else(|| Some(Polka { round, value, votes: self.prepared(round, value) }))
    }

    /// The first votes that a proposal of an older block rests on.
    pub(super) fn support(&self, round: u32, value: [u8; 32]) -> Vec<VoteSignature> {
        let valid = self.valid.as_ref().filter(|it| (it.round, it.value) == (round, value));
        let votes = valid.map(|it| it.votes.clone());
        votes.unwrap_or_else(|| self.prepared(round, value))
    }

    /// Takes the first votes that a proposal of an older block shows, and says what the rules are to be told.
    pub(super) fn show(&mut self, round: u32, value: [u8; 32], votes: &[SignedVote]) -> Input {
        let signatures = votes.iter().map(|it| VoteSignature {
            node: it.vote.node,
            key_number: it.key_number,
            signature: it.signature,
        });
        let signatures: Vec<_> = signatures.collect();
        let polka = signatures.iter().map(|it| {
            let signature = Signature { key_number: it.key_number, bytes: it.signature };
            PolkaSignature::new(Voter(it.node), signature)
        });
        let certificate = PolkaCertificate {
            height: At(self.height.0),
            round: Round::new(round),
            value_id: Digest(value),
            polka_signatures: polka.collect(),
        };
        self.shown.insert((round, value), signatures);
        Input::PolkaCertificate(certificate)
    }

    /// The first votes for a block, as this node has counted them, or as they were shown to it.
    fn prepared(&self, round: u32, value: [u8; 32]) -> Vec<VoteSignature> {
        let counted = self.votes_for(round, VoteKind::Prepare, value);
        let shown = self.shown.get(&(round, value)).filter(|_| counted.len() < self.needed());
        shown.cloned().unwrap_or(counted)
    }

    /// Votes of one kind, in one round, for one block, in the order of the voters.
    fn votes_for(&self, round: u32, kind: VoteKind, value: [u8; 32]) -> Vec<VoteSignature> {
        let votes = self.seen.range((round, kind, FIRST)..=(round, kind, LAST));
        let votes = votes.filter(|(_, it)| it.vote.value == Some(value));
        let signature = |it: &SignedVote| {
            let SignedVote { vote, key_number, signature } = *it;
            VoteSignature { node: vote.node, key_number, signature }
        };
        votes.map(|(_, it)| signature(it)).collect()
    }
}

/// How long is waited, by kind and round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    pub(super) propose_ms: u64,
    pub(super) vote_ms: u64,
    pub(super) step_ms: u64,
    pub(super) max_ms: u64,
}

impl Waits {
    fn of(&self, timeout: Timeout) -> u64 {
        let first_ms = match timeout.kind {
            TimeoutKind::Propose => self.propose_ms,
            TimeoutKind::Prevote
            | TimeoutKind::Precommit
            | TimeoutKind::Rebroadcast
            | TimeoutKind::FinalizeHeight(_) => self.vote_ms,
        };
        let round = u64::from(timeout.round.as_u32().unwrap_or(0));
        first_ms.saturating_add(round.saturating_mul(self.step_ms)).min(self.max_ms.max(first_ms))
    }
}

/// A proposal as the rules take it.
pub(super) fn proposal_input(claim: &SignedClaim, is_valid: bool) -> Input {
    use arc_malachitebft_core_types::Validity::{Invalid, Valid};
    let signature = Signature { key_number: claim.key_number, bytes: claim.signature };
    let claim = &claim.claim;
    let proposal = context::Proposal {
        height: At(claim.height.0),
        round: Round::new(claim.round),
        value: Digest(claim.value),
        pol_round: Round::from(claim.pol_round),
        voter: Voter(claim.node),
    };
    let signed = SignedProposal::new(proposal, signature);
    Input::Proposal(signed, if is_valid { Valid } else { Invalid })
}

/// A vote as the rules take it.
pub(super) fn vote_input(signed: &SignedVote) -> Input {
    let vote = &signed.vote;
    let message = context::Vote {
        height: At(vote.height.0),
        round: Round::new(vote.round),
        kind: vote.kind,
        value: vote.value.map_or(NilOrVal::Nil, |digest| NilOrVal::Val(Digest(digest))),
        voter: Voter(vote.node),
    };
    let signature = Signature { key_number: signed.key_number, bytes: signed.signature };
    Input::Vote(context::SignedVote::new(message, signature))
}

const FIRST: NodeId = NodeId(Height(0));
const LAST: NodeId = NodeId(Height(u64::MAX));
